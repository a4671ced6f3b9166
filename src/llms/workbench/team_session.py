"""One team with its models loaded and its tools built over the files of the user."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic_ai.toolsets import AbstractToolset

from .. import settings
from ..agents.role import Role
from ..agents.shipped import TEAMS
from ..agents.step import Worker
from ..agents.team import Team
from ..errors import DataError, UsageError
from ..models.load import load
from ..models.prices import stated_price
from ..models.spending import SpendingLedger
from ..models.system import Model
from ..sandbox import Sandbox
from ..store.process import alive_since
from ..store.table import identifier, read_table
from ..tools.catalogue import toolset
from ..tools.consent import ApprovalRequest, Approve, Consent, Decision, deny
from ..tools.tool import Deps, File
from . import tool_files
from .checks import PassesTests, RunsAlone, SaysTheSame
from .probe import recall

AUTONOMY = ("propose", "ask-always", "ask", "approved")  # levels 0 to 3


@dataclass(frozen=True, slots=True)
class TeamSettings:
    """The user's choices for a run. `autonomy`: propose (tools that act are never run), ask-always, ask (tools of kinds that
    act, the default), approved (they run within the budget until text from outside has been read). With `memory` the team
    is told the remembered facts that matter for its goal. Roles that use tools may call `tools` as well."""

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
    price: str | None = None
    tools: tuple[str, ...] = ()


class TeamSession:
    """One team with its models loaded and its tools made; closes what it opened."""

    def __init__(self, team: Team, how: TeamSettings, approve: Approve = deny):
        if how.autonomy not in AUTONOMY:
            raise UsageError(f"autonomy is one of {', '.join(AUTONOMY)}; got {how.autonomy!r}")
        for file in how.files:
            if not Path(file).exists():
                raise DataError(f"the file {file} does not exist")
        self.team, self.how = team, how
        self._approve = approve
        cost = Decimal(how.cost) if how.cost else team.limits.cost
        self._ledger = SpendingLedger(cost, stated_price(how.price))
        self._models: dict[str, Model] = {}
        self._stack = ExitStack()
        if how.tools and not team.tools:
            with_tools = ", ".join(name for name, other in TEAMS.items() if other.tools)
            raise UsageError(f"no role of the team {team.name} uses tools; {with_tools} have some")
        self.check = self._make_check()
        self._tools = {role.name: self._toolset(role) for role in team.roles}

    def __enter__(self) -> "TeamSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def model(self, name: str) -> Model:
        """The model of that name, loaded once for all roles."""
        if name not in self._models:
            model = self._stack.enter_context(recall(load(name)))
            model.pay_from(self._ledger)
            self._models[name] = model
        return self._models[name]

    def worker(self, role: Role) -> Worker:
        """The role's model and tools."""
        model = self.model(role.model or self.how.model or self.team.model)
        return Worker(
            model.chat_model(), self._tools[role.name], model.name.local, None, self._consent, price=model.price
        )

    async def _consent(self, request: ApprovalRequest) -> Decision:
        if self.how.autonomy == "propose":
            return Decision(False)
        consent = Consent("all" if self.how.autonomy == "approved" else "ask", sources=list(request.sources))
        if consent(request.name, request.kind, request.args):
            return Decision(True)
        return await self._approve(request)

    def _toolset(self, role: Role) -> AbstractToolset[Deps] | None:
        names = [name for tool in role.tools for name in self._resolved(tool)]
        names += [name for name in self.how.tools if role.tools and name not in names]
        return toolset(names, keep=_keep) if names else None

    def _resolved(self, tool: str) -> list[str]:
        """`tool` as the catalogue names it: those over something (files, sql) with what the user gave, or left out."""
        if tool == "files":
            return [f"files:{self._folder()}"] if self.how.files else []
        if tool == "sql":
            return [f"sql:{self._table()}"] if self.how.files else []
        return [tool]

    def _folder(self) -> str:
        """The one folder that the user named, or a folder of links to the files."""
        paths = [Path(file).resolve() for file in self.how.files]
        if len(paths) == 1 and paths[0].is_dir():
            return str(paths[0])
        folder = self._temporary()
        for path in paths:
            settings.refuse_database(path)
            Path(folder, path.name).write_bytes(path.read_bytes())
        return folder

    def _table(self) -> str:
        """A database in which each CSV file is a table; the first is `data`."""
        folder = self._temporary()
        target = Path(folder, "data.sqlite3")
        tables = [Path(file) for file in self.how.files if Path(file).suffix.lower() in (".csv", ".tsv")]
        for number, path in enumerate(tables):
            read_table(path, target, "data" if number == 0 else identifier(path.stem))
        return str(target)

    def _temporary(self) -> str:
        """An empty folder for copies of the user's data, which goes with the session, or, if this process is killed, when
        the next session begins."""
        parent = settings.private_directory(settings.home() / "teams")
        for left in parent.iterdir():
            pid = left.name.partition("-")[0]
            if pid.isdigit() and not alive_since(int(pid), _changed(left)):
                shutil.rmtree(left, ignore_errors=True)
        return self._stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=parent))

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


def _changed(folder: Path) -> str:
    """When a folder was last changed; ISO 8601, UTC."""
    try:
        seconds = folder.stat().st_mtime
    except OSError:  # another process was faster
        seconds = 0.0
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _keep(file: File) -> str:
    """The path to which a file of a tool was written."""
    return str(tool_files.write(tool_files.folder(), file.name, file.data))
