"""What of a conversation a model's window holds, and how texts larger than a window are read."""
