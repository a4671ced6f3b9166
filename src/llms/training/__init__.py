"""Training: fine-tuning by trl and peft, models from scratch by transformers' Trainer, scaling laws. Knows no store and no page.

A run is a folder: `recipe.json`, `log.jsonl` (see `progress`), `checkpoints/`, and at its end an adapter or a checkpoint that
every name of a model takes.
"""
