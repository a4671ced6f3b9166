"""Conversations: a tree of messages, what of it fits a model's window, texts larger than that, and the turn loop.

Messages are pydantic-ai's. Nothing here stores, prints or knows where a model runs.
"""
