"""A conversation: a tree of pydantic-ai's messages, read and written. Values only.

messages    role, texts, tool calls and parts of a message; its JSON and its digest
tree        Node and Conversation: branches, editing, switching, forking
markdown    a path as text for people
"""
