"""The verb `chat`: conversations for callers in Python, in the terminal and behind the pages.

chat          Chat: one conversation, its turns and its branches
config        the options of a Chat besides its model
artifact      the rest of a shortened result or of a file that a tool made
fitting       the request that a conversation would make
attachments   files that go with a message
token_budget  the window of a model, and how its tokens are counted
"""
