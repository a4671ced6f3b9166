"""Which model answers where the user names none."""

from pathlib import Path
from urllib.parse import urlencode

from .. import settings
from ..errors import LlmsError, UsageError
from .gguf import library
from .local import embedded
from .local.adapter import shipped_adapters
from .name import OF_SYSTEMS, parse

EXACT = "smollm2"  # what evaluation takes: float32, equal to the reference in every log-likelihood
FAST = f"gguf:{EXACT}"  # the same weights as they come, computed by llama.cpp: the first answer in seconds


def shipped() -> str:
    """The model that comes along: the default until another one is chosen."""
    return FAST if library.missing() is None and embedded.gguf_file() is not None else EXACT


def for_chats() -> str:
    """The model of new conversations and of teams that name none. Raises UsageError if the one that was chosen is none."""
    chosen = settings.default_model()
    if chosen is None:
        return shipped()
    try:
        return _checked(chosen[0])
    except LlmsError as error:
        raise UsageError(f"{error}. It is the default model, set by {chosen[1]}: change it there") from error


def for_serving() -> str:
    """The model that is served where none is named: the chosen one, if its weights are here."""
    name = for_chats() if settings.default_model() else EXACT
    return name if parse(name).local else EXACT


def choose(name: str | None) -> str:
    """Make `name` the default from now on, or, by None, the shipped one; the default that holds. Raises UsageError."""
    settings.keep_default_model(None if name is None else _anywhere(_checked(name)))
    return for_chats()


def _checked(text: str) -> str:
    name = parse(text)
    if name.provider == "team" or OF_SYSTEMS.keys() & name.options.keys():
        raise UsageError(f"{text!r} is a system made of models; the default is one model, as in {EXACT}")
    return text


def _anywhere(text: str) -> str:
    """A name that means the same in every folder."""
    name = parse(text)
    if not name.local:
        return text
    base, query, options = text.partition("?")
    path, adapter = Path(name.model).expanduser(), name.options.get("adapter", "")
    if name.model and path.exists():
        base = f"{name.provider}:{path.resolve()}"
    if adapter and adapter not in shipped_adapters() and Path(adapter).expanduser().exists():
        options = urlencode({**name.options, "adapter": str(Path(adapter).expanduser().resolve())}, safe="/,:~")
    return f"{base}{query}{options}"
