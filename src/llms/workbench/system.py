"""From a name to any system: a model, a model with tools or a system prompt, a team. `llms.load` is this function."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..models.load import load as load_model
from ..models.name import Name, parse
from ..models.system import Model
from ..settings import refuse_database

if TYPE_CHECKING:
    from ..agents.team import Team

PROMPT = "You answer the user's request. Use your tools where they help, one call at a time; then give the answer."


def load(text: str, workers: int = 1) -> Model:
    """What `text` names, nothing loaded yet. Raises UnknownName, UsageError, MissingExtra or ModelError.

    `team:NAME` is a team; `…?tools=calculator,python` and `…?system=FILE` make one agent of a model.
    """
    name = parse(text)
    if name.provider == "team":
        from ..agents.shipped import find

        return _team(name, find(name.model), name.options.get("model"))
    options = dict(name.options)
    tools, prompt = options.pop("tools", ""), options.pop("system", "")
    if not tools and not prompt:
        return load_model(text, workers)
    from ..agents.role import Role
    from ..agents.team import Team

    bare = text.partition("?")[0] + (
        "?" + "&".join(f"{key}={value}" for key, value in options.items()) if options else ""
    )
    role = Role("agent", _text(prompt) if prompt else PROMPT, tuple(filter(None, tools.split(","))))
    return _team(name, Team("agent", "a model with tools", "single", (role,), model=bare), bare)


def _team(name: Name, team: "Team", model: str | None) -> Model:
    from ..agents.system import TeamSystem
    from .team_session import TeamSession, TeamSettings

    team = replace(team, model=model) if model else team
    session = TeamSession(team, TeamSettings(team.name, model, autonomy="approved"))
    inner = [session.model(name) for name in team.models]
    return TeamSystem(name, team, session.worker, inner, session.close)


def _text(file: str) -> str:
    try:
        refuse_database(Path(file))
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"system={file}: cannot read the system prompt: {error.strerror}") from error
