"""Teams as systems: a shipped one by name, and a model with tools or a system prompt as a team of one."""

from dataclasses import replace

from ..agents.role import Role
from ..agents.shipped import find
from ..agents.system import TeamSystem
from ..agents.team import Team
from ..models.name import Name
from ..models.system import Model
from .team_session import TeamSession, TeamSettings


def shipped_system(name: Name) -> Model:
    """The team `name.model`, with the model that `name` gives it, if it does. Raises UnknownName."""
    return _system(name, find(name.model), name.options.get("model"))


def agent_system(name: Name, model: str, prompt: str, tools: tuple[str, ...]) -> Model:
    """One agent of the model with that name."""
    role = Role("agent", prompt, tools)
    return _system(name, Team("agent", "a model with tools", "single", (role,), model=model), model)


def _system(name: Name, team: Team, model: str | None) -> Model:
    team = replace(team, model=model) if model else team
    session = TeamSession(
        team, TeamSettings(team.name, model, autonomy="approved" if name.options.get("approve") == "all" else "ask")
    )
    return TeamSystem(name, team, session.worker, [session.model(each) for each in team.models], session.close)
