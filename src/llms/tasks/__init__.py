"""Tasks of Hugging Face: special models, from a checkpoint folder or the hub, and language models that are asked.

catalogue        the tasks: what each takes and gives, its special model
special          the base of special models; one module a task beside it
architectures    which tasks a checkpoint was made for
encoder          the base of those that read texts: windows, batches of like length
asked            a language model in place of one: a prompt and a schema, or the log-probability of each label
output           answers as JSON values
transcription    speech to text, by a network of recognizers; voice_activity cuts at silence, doubt marks what was invented
speaking         text to speech
hearing          audio classification
sound, speech    recordings as arrays; speech for the tools and the chat
"""
