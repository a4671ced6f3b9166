"""From a name to a model."""

from ..errors import UsageError
from .api.model import open_api
from .name import OF_SYSTEMS, Name, parse
from .system import Model


def load(text: str, workers: int = 1, chat: bool = False) -> Model:
    """The model that `text` names, weights not yet loaded, no connection made.

    For `chat` a checkpoint is computed in bfloat16 where the processor does that by itself, for scores in float32,
    unless the name says in what. Raises UnknownName, UsageError, MissingExtra or ModelError.
    """
    name = parse(text)
    if name.provider == "team" or set(OF_SYSTEMS) & set(name.options):
        raise UsageError(f"{text!r} is a system made of models; a model is wanted here")
    if not name.local:
        return open_api(name)
    if name.provider == "gguf":
        from .gguf.model import open_gguf  # numpy, a tenth of a second

        return open_gguf(name, workers, chat)
    return _checkpoint(name, workers, chat)


def load_tokenizer(text: str) -> Model:
    """As `load`, for one who needs the tokenizer only: the weights of a hub model are not fetched."""
    name = parse(text)
    return _checkpoint(name, weights=False) if name.provider == "hf" else load(text)


def _checkpoint(name: Name, workers: int = 1, chat: bool = False, weights: bool = True) -> Model:
    from .local.open import open_checkpoint  # subprocess and its like: a tenth of a second for who names no checkpoint

    return open_checkpoint(name, workers, chat, weights)
