"""From a name to a model."""

from ..errors import UsageError
from .name import parse
from .system import Model


def load(text: str, workers: int = 1, chat: bool = False) -> Model:
    """The model that `text` names, weights not yet loaded, no connection made.

    For `chat` a checkpoint is computed in bfloat16 where the processor does that by itself, for scores in float32,
    unless the name says in what. Raises UnknownName, UsageError, MissingExtra or ModelError.
    """
    name = parse(text)
    if name.provider == "team" or {"tools", "system"} & set(name.options):
        raise UsageError(f"{text!r} is a system made of models; a model is wanted here")
    if not name.local:
        from .api.model import open_api

        return open_api(name)
    if name.provider == "gguf":
        from .gguf.model import open_gguf

        return open_gguf(name, workers, chat)
    from .local.checkpoint import find
    from .local.embedded import checkpoint
    from .local.model import LocalModel

    if name.provider == "smollm2":
        return LocalModel(name, find(str(checkpoint()), None, name.allow), workers, chat)
    return LocalModel(name, find(name.model, name.revision, name.allow), workers, chat)


def load_tokenizer(text: str) -> Model:
    """As `load`, for one who needs the tokenizer only: the weights of a hub model are not fetched."""
    name = parse(text)
    if name.provider != "hf":
        return load(text)
    from .local.checkpoint import find_tokenizer
    from .local.model import LocalModel

    return LocalModel(name, find_tokenizer(name.model, name.revision, name.allow))
