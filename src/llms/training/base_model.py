"""The network that a run begins with: the checkpoint in transformers' class, in four bits if asked for; the adapter put on it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import LoraConfig
from transformers import PreTrainedModel

from ..errors import UsageError
from ..models.local.build import Build
from ..models.local.checkpoint import Checkpoint, find
from ..models.local.construct import by_transformers
from ..models.local.embedded import checkpoint as embedded_checkpoint
from ..models.name import parse
from .recipe import TrainingRecipe


def checkpoint_of(recipe: TrainingRecipe) -> Checkpoint:
    """The folder of the recipe's model. Raises UsageError if its weights are not ones to train, ModelError."""
    name = parse(recipe.model)
    if name.provider not in ("smollm2", "hf"):
        raise UsageError(
            f"{recipe.model} cannot be trained: it has no weights in safetensors here; name smollm2, or hf:FOLDER or a hub name"
        )
    if name.provider == "smollm2":
        return find(str(embedded_checkpoint()), None, name.allow)
    return find(name.model, name.revision, name.allow)


def load_base(recipe: TrainingRecipe) -> PreTrainedModel:
    """The recipe's model as its checkpoint has it, in the recipe's dtype on its device. Raises ModelError."""
    checkpoint = checkpoint_of(recipe)
    build = Build(
        folder=str(checkpoint.folder),
        dtype=recipe.dtype,
        device=recipe.device,
        remote_code="remote-code" in checkpoint.allow,
        pickle="pickle" in checkpoint.allow,
        quantize="nf4" if recipe.method == "qlora" else "",
    )
    network = by_transformers(build)
    network.config.use_cache = False
    return network


def adapter_config(recipe: TrainingRecipe) -> LoraConfig:
    """An adapter of low rank on all linear layers but the last, whose weights may be the embedding's (Hu et al. 2022)."""
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def tokenizer_files(folder: Path) -> Iterator[Path]:
    """The files of a checkpoint that are its tokenizer's."""
    names = ("tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template*")
    for pattern in names:
        yield from sorted(folder.glob(pattern))


@contextlib.contextmanager
def evaluated(network: torch.nn.Module) -> Iterator[None]:
    """Without dropout, and back."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
