"""The adapter with which the embedded model calls the calculator: weights, recipe, log, wordings, and what makes chats of them.

wordings.tsv      what is trained: id, shape, template, expression
held_out.tsv      never trained, never looked at to decide anything: what the adapter is measured by
development.tsv   never trained: what decisions were made by
plain.jsonl       questions that need no calculator, with the answers of the model without adapter
"""
