"""Adapters that come with llms, one a folder: its weights, and all that they are made of and measured by."""
