"""From a name to any system: a model, a model with tools or a system prompt, a team. `llms.load` is this function."""

from pathlib import Path

from ..errors import UsageError
from ..models.load import load as load_model
from ..models.name import parse
from ..models.system import Model
from ..settings import refuse_database
from ..tools.catalogue import split

PROMPT = "You answer the user's request. Use your tools where they help, one call at a time; then give the answer."


def load(text: str, workers: int = 1) -> Model:
    """The system that `text` names, nothing loaded yet. Raises UnknownName, UsageError, MissingExtra or ModelError.

    `team:NAME` is a team; `…?tools=calculator,python` and `…?system=FILE` make one agent of a model. Nobody is there to
    be asked: tools that ask are denied, unless the name says `approve=all`.
    """
    name = parse(text)
    options = dict(name.options)
    tools, prompt, approve = (options.pop(key, "") for key in ("tools", "system", "approve"))
    if name.provider != "team" and not tools and not prompt:
        if approve:
            raise UsageError(f"{text!r}: approve= is for tools that ask; name some: …?tools=python&approve=all")
        return load_model(text, workers)
    from . import team_system  # pydantic-ai: ten times the time of all else here

    if name.provider == "team":
        return team_system.shipped_system(name)
    bare = text.partition("?")[0] + (
        "?" + "&".join(f"{key}={value}" for key, value in options.items()) if options else ""
    )
    return team_system.agent_system(name, bare, _text(prompt) if prompt else PROMPT, tuple(split(tools)))


def _text(file: str) -> str:
    try:
        refuse_database(Path(file))
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text in UTF-8"
        raise UsageError(f"system={file}: cannot read the system prompt: {reason}") from error
