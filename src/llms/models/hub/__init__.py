"""The Hugging Face hub and its cache."""
