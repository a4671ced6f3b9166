"""A team, or one agent with tools, as a system that answers like any model."""

from collections.abc import Sequence
from dataclasses import replace

from ..agents.role import Role
from ..agents.shipped import find
from ..agents.system import TeamSystem
from ..agents.team import Team
from ..models.name import Name
from ..models.system import Model
from .team_session import TeamSession, TeamSettings


def shipped(name: Name) -> Model:
    """The team that `name` names, all of it on the model of its option `model`, if there is one. Raises UnknownName."""
    return _system(name, find(name.model), name.options.get("model"))


def agent(name: Name, model: str, instructions: str, tools: Sequence[str]) -> Model:
    """One agent of the model with the name `model`."""
    role = Role("agent", instructions, tuple(tools))
    return _system(name, Team("agent", "a model with tools", "single", (role,), model=model), model)


def _system(name: Name, team: Team, model: str | None) -> Model:
    team = replace(team, model=model) if model else team
    session = TeamSession(team, TeamSettings(team.name, model, autonomy="approved"))
    inner = [session.model(name) for name in team.models]
    return TeamSystem(name, team, session.worker, inner, session.close)
