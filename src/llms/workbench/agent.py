"""The verb `agent`: a team at work, each event in the store as it happens; watched, replayed, resumed."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypedDict, Unpack

from pydantic import TypeAdapter

from .. import bridge, settings
from ..agents.budget import StepBudget, TeamLimits
from ..agents.events import Finished, TeamEvent, plain
from ..agents.memory import Fact
from ..agents.resume import ResumePoint, resume_point
from ..agents.shipped import TEAMS, find
from ..agents.team import Team
from ..agents.work import Work
from ..errors import UsageError
from ..models.default import EXACT, for_chats
from ..store.memory import StoredTeamRun, TeamRuns
from ..tools.consent import ApprovalRequest, Approve, Decision, deny
from ..values import JsonObject
from .memory import open_memory, recalled, used
from .team_session import TeamSession, TeamSettings

BEAT_SECONDS = 10.0


def choose(files: Sequence[str]) -> str:
    """The name of the team that files suggest, where the user names none."""
    kinds = {Path(file).suffix.lower() for file in files}
    if kinds & {".csv", ".tsv"}:
        return "data"
    return "research" if files else "single"


def limits_of(team: Team, how: TeamSettings) -> TeamLimits:
    """The team's limits, but for those that the user set."""
    limits = team.limits
    return replace(
        limits,
        calls=how.calls or limits.calls,
        seconds=how.seconds or limits.seconds,
        cost=Decimal(how.cost) if how.cost else limits.cost,
    )


def with_model(team: Team, how: TeamSettings) -> TeamSettings:
    """`how` with the model of new chats where neither it nor the team names one; the store then says which it was."""
    return replace(how, model=for_chats()) if how.model is None and team.model == EXACT else how


async def run(
    goal: str, how: TeamSettings, approve: Approve = deny, resume: str | None = None
) -> AsyncIterator[tuple[str, TeamEvent]]:
    """(run id, event) of a team at work; each event is in the store before what follows from it is begun.

    `resume` names a run that was cut off: its team, files, plan, board, finished steps, memory and what it used are taken
    up again; of `how` only the autonomy counts.
    """
    stored = None if resume is None else _unfinished(resume)
    if stored is not None:
        how = replace(_settings_of(stored), autonomy=how.autonomy)
    team = find(how.team)
    if stored is None:
        how = with_model(team, how)
    async with _open(team, how, approve) as (session, store):
        if how.cost is not None:
            for role in team.roles:
                session.worker(role)  # whose model has a price that is known, or no cap could hold
        if stored is None:
            id, point, stored_events = f"t{secrets.token_hex(4)}", ResumePoint(), 0
            store.begin(id, team.name, goal, asdict(how), os.getpid())
        else:
            id, goal = stored.id, stored.goal
            store.resume(id, os.getpid())  # before its events are read: from here on nobody else adds to them
            events = [event for _, event in store.events(id)]
            point, stored_events = resume_point(events), len(events)
        beating = asyncio.create_task(_beat(store, id))
        numbers = count(stored_events + 1)
        ended = False

        def journal(event: TeamEvent) -> None:
            nonlocal ended
            store.append(id, next(numbers), plain(event))
            if isinstance(event, Finished):
                store.end(id, "finished", event.answer)
                ended = True

        try:
            memory = list(point.memory) if stored else _recalled(team, goal, id) if how.memory else []
            work = Work(
                team, session.goal(goal), session.worker, budget=StepBudget(limits_of(team, how)), resume=point,
                memory=memory, check=session.check, journal=journal,
            )  # fmt: skip
            async for event in work.run():
                yield id, event
        finally:
            beating.cancel()
            if not ended:
                store.end(id, "interrupted", "")


async def _beat(store: TeamRuns, id: str) -> None:
    """Say now and then that the run is being worked on, also while a model is silent."""
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        store.beat(id)


@asynccontextmanager
async def _open(team: Team, how: TeamSettings, approve: Approve) -> AsyncIterator[tuple[TeamSession, TeamRuns]]:
    """A session and the store. The session is closed in a thread: models at an address close on the event loop, which
    must not wait for itself."""
    session = TeamSession(team, how, approve)
    try:
        with TeamRuns(settings.database()) as store:
            yield session, store
    finally:
        await bridge.in_daemon(session.close)


def _unfinished(id: str) -> StoredTeamRun:
    """The stored run, to go on with. Raises UsageError if it has its answer already."""
    with TeamRuns(settings.database()) as store:
        stored = store.run(id)
    if stored.state == "finished":
        raise UsageError(f"run {stored.id} has its answer already; see it again with --replay {stored.id}")
    return stored


def _settings_of(stored: StoredTeamRun) -> TeamSettings:
    return TypeAdapter(TeamSettings).validate_python(stored.settings)


def _recalled(team: Team, goal: str, run: str) -> list[Fact]:
    """The remembered facts that matter for a goal; that they were used is recorded."""
    with open_memory() as memory:
        hits = recalled(memory, goal, [f"role:{role.name}" for role in team.roles])
        used(memory, hits, run)
    return [hit.fact for hit in hits]


def follow(
    goal: str, how: TeamSettings, approve: Callable[[ApprovalRequest], Decision], resume: str | None = None
) -> Iterator[tuple[str, TeamEvent]]:
    """`run` for synchronous callers; `approve` is called in a thread and may wait for a person."""

    async def ask(request: ApprovalRequest) -> Decision:
        return await bridge.in_daemon(partial(approve, request))

    return bridge.iterate(run(goal, how, ask, resume))


class TeamOptions(TypedDict, total=False):
    """The fields of TeamSettings that `llms.Team` takes by name."""

    model: str | None
    tests: str | None
    language: str
    autonomy: str
    calls: int | None
    cost: str | None
    seconds: float | None
    memory: bool
    price: str | None
    tools: tuple[str, ...]


class TeamHandle:
    """A shipped team, ready to run: `llms.Team.load(name)`."""

    def __init__(self, name: str, **options: Unpack[TeamOptions]):
        self.team = find(name)
        self._options = options

    def run(self, goal: str, files: Sequence[str] = (), **options: Unpack[TeamOptions]) -> Finished:
        """The Finished of a run: answer, why it ended, what it used. Tools that act are denied unless autonomy says else."""
        merged: TeamOptions = {**self._options, **options}
        how = TeamSettings(self.team.name, files=tuple(files), **merged)
        events = [event for _, event in follow(goal, how, lambda request: Decision(False))]
        assert isinstance(events[-1], Finished)
        return events[-1]


class Teams:
    """`llms.Team`: `Team.load("research").run("goal")`; `Team.names()` lists those that come with llms."""

    @staticmethod
    def load(name: str, **options: Unpack[TeamOptions]) -> TeamHandle:
        return TeamHandle(name, **options)

    @staticmethod
    def names() -> list[str]:
        return sorted(TEAMS)


def runs() -> list[StoredTeamRun]:
    """The stored runs of teams, the newest first."""
    with TeamRuns(settings.database()) as store:
        return store.all()


def replay(id: str) -> tuple[str, list[JsonObject]]:
    """(run id, all its events)."""
    with TeamRuns(settings.database()) as store:
        run = store.run(id)
        return run.id, [event for _, event in store.events(run.id)]


def events_after(id: str, number: int) -> tuple[str, list[tuple[int, JsonObject]]]:
    """(state of the run, its events after `number`); a run whose process is gone is interrupted."""
    with TeamRuns(settings.database()) as store:
        run = store.run(id)
        state = run.state
        if state == "running" and not run.taken:
            state = "interrupted"
            store.end(run.id, state, "")
        return state, list(store.events(run.id, number))
