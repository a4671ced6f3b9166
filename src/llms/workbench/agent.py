"""The verb `agent`: a team, its models and tools, its ledger and board in the store; watched, replayed, resumed."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from .. import bridge, settings
from ..agents.board import Board, Entry
from ..agents.budget import StepBudget, TeamLimits
from ..agents.checks import PassesTests, RunsAlone, SaysTheSame
from ..agents.events import Event, Finished, StepEnded, plain
from ..agents.memory import Fact
from ..agents.plan import Task, TeamPlan
from ..agents.shipped import TEAMS, find
from ..agents.step import ToolUse, Worker
from ..agents.team import Role, Team
from ..agents.work import Work
from ..errors import DataError, UsageError
from ..models.default import EXACT, for_chats
from ..models.load import load
from ..models.system import Model
from ..sandbox import Sandbox
from ..store.memory import TeamRuns
from ..store.table import identifier, read_table
from ..tools.consent import ApprovalRequest, Approve, Consent, Decision, deny
from .memory import open_memory, recalled, used
from .probe import recall

AUTONOMY = ("propose", "ask-always", "ask", "approved")  # levels 0 to 3


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is begun with. `autonomy`: propose (tools that act are never run), ask-always, ask (tools of kinds that
    act, the default), approved (they run within the budget until text from outside has been read). With `memory` the team
    is told the remembered facts that matter for its goal."""

    team: str
    model: str | None = None
    files: tuple[str, ...] = ()
    tests: str | None = None
    language: str = "cpp"
    autonomy: str = "ask"
    calls: int | None = None
    cost: str | None = None
    seconds: float | None = None
    memory: bool = False


def choose(files: Sequence[str]) -> str:
    """The team that files suggest, where the user names none."""
    kinds = {Path(file).suffix.lower() for file in files}
    if kinds & {".csv", ".tsv"}:
        return "data"
    return "research" if files else "single"


class Session:
    """One team with its models loaded and its tools made; closes what it opened."""

    def __init__(self, team: Team, how: Settings, approve: Approve = deny):
        if how.autonomy not in AUTONOMY:
            raise UsageError(f"autonomy is one of {', '.join(AUTONOMY)}; got {how.autonomy!r}")
        for file in how.files:
            if not Path(file).exists():
                raise DataError(f"the file {file} does not exist")
        self.team, self.how = team, how
        self._approve = approve
        self._models: dict[str, Model] = {}
        self._stack = ExitStack()
        self.check = self._make_check()
        self._tools = {role.name: self._toolset(role) for role in team.roles}

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def model(self, name: str) -> Model:
        """The model of that name, loaded once for all roles."""
        if name not in self._models:
            self._models[name] = self._stack.enter_context(recall(load(name)))
        return self._models[name]

    def worker(self, role: Role) -> Worker:
        model = self.model(role.model or self.how.model or self.team.model)
        return Worker(model.chat_model(), self._tools[role.name], model.name.local, None, self._consent)

    async def _consent(self, request: ApprovalRequest) -> Decision:
        if self.how.autonomy == "propose":
            return Decision(False)
        consent = Consent("all" if self.how.autonomy == "approved" else "ask", sources=list(request.sources))
        if consent(request.name, request.kind, request.args):
            return Decision(True)
        return await self._approve(request)

    def _toolset(self, role: Role) -> Any:
        from ..tools.catalogue import toolset

        names = [name for tool in role.tools for name in self._resolve(tool)]
        return toolset(names) if names else None

    def _resolve(self, tool: str) -> list[str]:
        """Tools over something (files, sql) get what the user gave; without files they are left out."""
        if tool == "files":
            return [f"files:{self._folder()}"] if self.how.files else []
        if tool == "sql":
            return [f"sql:{self._table()}"] if self.how.files else []
        return [tool]

    def _folder(self) -> str:
        """The one folder that was given, or a folder of links to the files."""
        paths = [Path(file).resolve() for file in self.how.files]
        if len(paths) == 1 and paths[0].is_dir():
            return str(paths[0])
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="llms-files-"))
        for path in paths:
            settings.refuse_database(path)
            Path(folder, path.name).write_bytes(path.read_bytes())
        return folder

    def _table(self) -> str:
        """A database in which each CSV file is a table; the first is `data`."""
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="llms-data-"))
        target = Path(folder, "data.sqlite3")
        tables = [Path(file) for file in self.how.files if Path(file).suffix.lower() in (".csv", ".tsv")]
        for number, path in enumerate(tables):
            read_table(path, target, "data" if number == 0 else identifier(path.stem))
        return str(target)

    def _make_check(self) -> Callable[[str], str | None] | None:
        how = self.how
        for file in (*how.files, *filter(None, [how.tests])):
            settings.refuse_database(Path(file))
        if self.team.name == "code":
            tests = Path(how.tests).read_text(encoding="utf-8") if how.tests else ""
            return PassesTests(Sandbox(), tests) if tests else RunsAlone(Sandbox())
        if self.team.name == "port":
            sources = [file for file in how.files if file.endswith(".py")]
            if len(sources) != 1:
                raise UsageError(
                    "the team port takes one Python file, whose output it compares: llms agent --team port program.py"
                )
            return SaysTheSame(Sandbox(), how.language, Path(sources[0]).read_text(encoding="utf-8"))
        return None

    def goal(self, goal: str) -> str:
        """The goal as the team is given it: with the program to port, the tests to pass, the columns of the table."""
        if self.team.name == "port":
            source = Path(next(file for file in self.how.files if file.endswith(".py"))).read_text(encoding="utf-8")
            wanted = {"cpp": "C++17", "rs": "Rust"}.get(self.how.language, self.how.language)
            return f"{goal}\n\nTranslate this Python program into {wanted}; it must print exactly the same:\n```python\n{source}```"
        if self.team.name == "code" and self.how.tests:
            return f"{goal}\n\nThe program is followed by these tests:\n```python\n{Path(self.how.tests).read_text(encoding='utf-8')}```"
        if self.how.files:
            return f"{goal}\n\nFiles given: {', '.join(Path(file).name for file in self.how.files)}"
        return goal


def limits_of(team: Team, how: Settings) -> TeamLimits:
    limits = team.limits
    return replace(
        limits,
        calls=how.calls or limits.calls,
        seconds=how.seconds or limits.seconds,
        cost=Decimal(how.cost) if how.cost else limits.cost,
    )


def with_model(team: Team, how: Settings) -> Settings:
    """`how` with the model of new chats where neither it nor the team names one; what is stored says it."""
    return replace(how, model=for_chats()) if how.model is None and team.model == EXACT else how


@asynccontextmanager
async def _open(team: Team, how: Settings, approve: Approve) -> AsyncIterator[tuple[Session, TeamRuns]]:
    """A session and the store; the session is closed in a thread: models at an address close on the event loop, which must not wait for itself."""
    session = Session(team, how, approve)
    try:
        with TeamRuns(settings.database()) as store:
            yield session, store
    finally:
        await asyncio.to_thread(session.close)


async def run(
    goal: str, how: Settings, approve: Approve = deny, resume: str | None = None
) -> AsyncIterator[tuple[str, Event]]:
    """(run id, event) of a team at work; each event is in the store before what follows from it is begun.

    `resume` names a run that was cut off: its team, files, plan, board, finished steps, memory and what it used are taken
    up again; of `how` only the autonomy counts.
    """
    if resume is not None:
        with TeamRuns(settings.database()) as store:
            stored = store.run(resume)
        if stored.state == "finished":
            raise UsageError(f"run {stored.id} has its answer already; see it again with --replay {stored.id}")
        kept = Settings(**{**stored.settings, "files": tuple(stored.settings["files"])})
        resume, how = stored.id, replace(kept, autonomy=how.autonomy)
    team = find(how.team)
    if resume is None:
        how = with_model(team, how)
    ledger, board, plan, steps = StepBudget(limits_of(team, how)), Board(), TeamPlan(), list[StepEnded]()
    before = 0
    async with _open(team, how, approve) as (session, store):
        if resume is None:
            id = f"t{secrets.token_hex(4)}"
            store.begin(id, team.name, goal, asdict(how), os.getpid())
            memory = _recalled(team, goal, id) if how.memory else []
        else:
            id, goal = resume, stored.goal
            events = [event for _, event in store.events(id)]
            ledger, board, plan, steps = restore(team, how, events)
            memory, before = _told(events), len(events)
            store.resume(id, os.getpid())
        numbers = count(before + 1)
        ended = False

        def journal(event: Event) -> None:
            nonlocal ended
            store.tell(id, next(numbers), plain(event))
            if isinstance(event, Finished):
                store.end(id, "finished", event.answer)
                ended = True

        work = Work(
            team, session.goal(goal), session.worker,
            ledger=ledger, board=board, plan=plan, steps=steps, memory=memory, check=session.check, journal=journal,
        )  # fmt: skip
        try:
            async for event in work.run():
                yield id, event
        finally:
            if not ended:
                store.end(id, "interrupted", "")


def restore(
    team: Team, how: Settings, events: Sequence[dict[str, Any]]
) -> tuple[StepBudget, Board, TeamPlan, list[StepEnded]]:
    """Ledger, board, plan and steps as the stored events leave them; a task that was running is open again."""
    ledger, entries, tasks = StepBudget(limits_of(team, how)), [], {}
    for event in events:
        if event["type"] == "Written":
            entries.append(Entry(**{**event["entry"], "sources": tuple(event["entry"]["sources"])}))
        elif event["type"] == "Planned":
            tasks = {task["id"]: task for task in event["tasks"]}
        elif event["type"] == "TaskChanged":
            tasks[event["task"]["id"]] = event["task"]
    used = next((event["used"] for event in reversed(events) if event["type"] == "Budget"), None)
    if used is not None:
        cost = None if used["cost"] is None else Decimal(str(used["cost"]))
        ledger.resume(used["calls"], used["tool_calls"], used["tokens"], cost)
    rows = [Task(**{**task, "needs": tuple(task["needs"])}) for task in tasks.values()]
    plan = TeamPlan(tuple(replace(t, state="open") if t.state == "running" else t for t in rows))
    return ledger, Board(entries), plan, _steps(events)


def _recalled(team: Team, goal: str, run: str) -> list[Fact]:
    with open_memory() as memory:
        found = recalled(memory, goal, [f"role:{role.name}" for role in team.roles])
        used(memory, found, run)
    return [one.fact for one in found]


def _told(events: Sequence[dict[str, Any]]) -> list[Fact]:
    """The facts that a run was told from memory, as they were then."""
    found = next((event["facts"] for event in events if event["type"] == "Remembered"), ())
    return [Fact(**fact) for fact in found]


def _steps(events: Sequence[dict[str, Any]]) -> list[StepEnded]:
    """Steps of runs that kept no results are left out, and so are asked again."""
    fields = [{k: v for k, v in event.items() if k != "type"} for event in events if event["type"] == "StepEnded"]
    return [StepEnded(**{**f, "used": tuple(ToolUse(**use) for use in f["used"])}) for f in fields if "value" in f]


def follow(
    goal: str, how: Settings, approve: Callable[[ApprovalRequest], Decision], resume: str | None = None
) -> Iterator[tuple[str, Event]]:
    """`run` for synchronous callers; `approve` is asked in the caller's place and may wait for a person."""

    async def ask(request: ApprovalRequest) -> Decision:
        return await asyncio.to_thread(approve, request)

    return bridge.iterate(run(goal, how, ask, resume))


class TeamHandle:
    """What `llms.Team.load(name)` returns."""

    def __init__(self, name: str, **how: Any):
        self.team = find(name)
        self._how = how

    def run(self, goal: str, files: Sequence[str] = (), **how: Any) -> Finished:
        """The Finished of a run: answer, why it ended, what it used. Tools that act are denied unless autonomy says else."""
        given = Settings(self.team.name, files=tuple(files), **{**self._how, **how})
        events = [event for _, event in follow(goal, given, lambda request: Decision(False))]
        assert isinstance(events[-1], Finished)
        return events[-1]


class Teams:
    """`llms.Team`: `Team.load("research").run("goal")`; `Team.names()` lists those that come with llms."""

    @staticmethod
    def load(name: str, **how: Any) -> TeamHandle:
        return TeamHandle(name, **how)

    @staticmethod
    def names() -> list[str]:
        return sorted(TEAMS)


def runs() -> list[dict[str, Any]]:
    """The stored runs of teams, the newest first."""
    with TeamRuns(settings.database()) as store:
        return [asdict(run) for run in store.all()]


def replay(id: str) -> tuple[str, list[dict[str, Any]]]:
    """(run id, everything it told)."""
    with TeamRuns(settings.database()) as store:
        run = store.run(id)
        return run.id, [event for _, event in store.events(run.id)]


def told(id: str, after: int) -> tuple[str, list[tuple[int, dict[str, Any]]]]:
    """(state of the run, what it told behind `after`); a run whose process is gone is interrupted."""
    with TeamRuns(settings.database()) as store:
        run = store.run(id)
        state = run.state
        if state == "running" and not _alive(run.pid):
            state = "interrupted"
            store.end(run.id, state, "")
        return state, list(store.events(run.id, after))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
