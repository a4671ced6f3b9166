"""A conversation: a tree of pydantic-ai's messages, read and written. Values only."""
