"""Jobs with models of their own kind, from a checkpoint folder or the hub.

classification   texts to labels, as a TaskModel
speech, sound    speech to text, text to speech; recordings as arrays
"""
