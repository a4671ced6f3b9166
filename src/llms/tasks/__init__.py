"""Jobs with models of their own kind, from a checkpoint folder or the hub: speech to text, text to speech."""
