"""Names of systems as others may read them: without the folders and addresses of whoever measured them."""

from pathlib import Path
from urllib.parse import urlencode

from ...errors import LlmsError
from ...models.name import Name, parse

_FILES = ("adapter", "system")  # options whose value is a file or folder


def public_name(text: str) -> str:
    """The name with local folders and files cut to their last part, and without an endpoint's address."""
    name = _parsed(text)
    if name is None:
        return Path(text).name
    options = {key: Path(value).name if key in _FILES else value for key, value in name.options.items()}
    query = f"?{urlencode(options, safe=',:/')}" if options else ""
    revision = f"@{name.revision}" if name.revision else ""
    if name.provider == "smollm2":
        return f"smollm2{query}"
    provider = "endpoint" if name.provider == "url" else name.provider
    return f"{provider}:{_model(name)}{revision}{query}"


def model_id(text: str) -> str:
    """The model as the hub names it (owner/name), else provider/name; for a folder of one's own its last part."""
    name = _parsed(text)
    if name is None:
        return Path(text).name
    if name.provider in ("smollm2", "hf", "gguf", "url"):
        return _model(name) or "smollm2"
    return f"{name.provider}/{name.model}"


def _model(name: Name) -> str:
    """The model's own name: of a file or folder here the last part."""
    here = name.provider in ("hf", "gguf") and (
        name.model.startswith((".", "/", "~")) or name.model.count("/") != 1 or Path(name.model).exists()
    )
    return Path(name.model).name if here else name.model


def _parsed(text: str) -> Name | None:
    try:
        return parse(text)
    except LlmsError:  # a name of an earlier version, or of a system made in Python
        return None
