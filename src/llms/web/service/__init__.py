"""What the pages ask for: conversations and their runs, teams, lessons, over one store and models that are loaded once."""
