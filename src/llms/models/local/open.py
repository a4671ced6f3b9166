"""From the name of a checkpoint to its model: one that reads, or one that sees as well."""

from ..name import Name
from .checkpoint import find, find_tokenizer
from .embedded import checkpoint as embedded_checkpoint
from .model import LocalModel
from .seeing import SeeingModel


def open_checkpoint(name: Name, workers: int, chat: bool, weights: bool) -> LocalModel:
    """The model of a checkpoint folder, a hub name, or the embedded one, which is converted on first use."""
    if name.provider == "smollm2":
        checkpoint = find(str(embedded_checkpoint()), None, name.allow)
    else:
        checkpoint = (find if weights else find_tokenizer)(name.model, name.revision, name.allow)
    return (SeeingModel if checkpoint.sees else LocalModel)(name, checkpoint, workers, chat)
