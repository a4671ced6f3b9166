"""The arena: battles are begun, answered, voted on and judged; what is stored becomes votes to rate."""
