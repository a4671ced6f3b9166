"""The verb `arena`: battles between systems, votes on them, ratings from the votes."""
