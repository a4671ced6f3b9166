"""The teams that come with llms. Each is a declaration; write your own the same way."""

from collections.abc import Mapping
from types import MappingProxyType

from ..errors import UnknownName
from .budget import TeamLimits
from .role import Role
from .team import Team

_SHORT = "Be exact and brief. Say what you do not know."
TEAMS: Mapping[str, Team] = MappingProxyType(
    {
        team.name: team
        for team in (
            Team(
                "single",
                "one agent with a calculator: the baseline that a team must beat",
                "single",
                (Role("agent", f"You answer the user's request. {_SHORT}", ("calculator",)),),
            ),
            Team(
                "research",
                "answers a question from the files you give: a planner, readers, and a writer who cites them",
                "plan-and-parallel",
                (
                    Role("planner", "You split a question into parts that readers can look up in files."),
                    Role(
                        "reader",
                        "You look things up in the user's files. Search before you read; quote the words you rely on and "
                        f"name the file. {_SHORT}",
                        ("files",),
                    ),
                    Role("reckoner", f"You compute. Use the calculator for every number. {_SHORT}", ("calculator",)),
                    Role("writer", f"You write the answer from what the team found, and name the files it rests on. {_SHORT}"),
                ),
                limits=TeamLimits(calls=40, tool_calls=80),
            ),
            Team(
                "data",
                "analyses a CSV file: an analyst asks it questions in SQL and Python, a writer explains the result",
                "pipeline",
                (
                    Role(
                        "analyst",
                        "You analyse the table `data`, loaded from the user's CSV file. Look at its columns first, then ask "
                        f"it with SQL; use Python where SQL is not enough. Report numbers, not impressions. {_SHORT}",
                        ("sql", "calculator", "python"),
                    ),
                    Role("writer", f"You explain the analyst's findings to someone who must decide. Keep every number. {_SHORT}"),
                ),
            ),
            Team(
                "code",
                "writes a Python program, runs it or its tests in the sandbox, and repairs it until it passes",
                "write-and-check",
                (
                    Role("coder", "You write complete Python programs in one fenced block, and nothing else."),
                    Role("tester", "You judge whether a program does what was asked."),
                ),
            ),
            Team(
                "port",
                "turns a Python program into C++ or Rust, proves that it prints the same, and measures how much faster it is",
                "write-and-check",
                (
                    Role(
                        "porter",
                        "You translate Python programs into fast code of another language that prints exactly the same. "
                        "Answer with one fenced block, and nothing else.",
                    ),
                    Role("judge", "You judge whether a translation is faithful."),
                ),
            ),
            Team(
                "panel",
                "several views of one question on a shared board, until nobody has anything new to add",
                "blackboard",
                (
                    Role("proposer", f"You propose answers, with reasons. {_SHORT}", ("calculator",), interests=("question", "critique")),
                    Role("doubter", f"You look for what is wrong in claims and results. {_SHORT}", interests=("claim", "result", "decision")),
                    Role("writer", f"You weigh the board and write the answer. {_SHORT}"),
                ),
            ),
        )
    }
)  # fmt: skip


def find(name: str) -> Team:
    """The shipped team of that name. Raises UnknownName."""
    if name not in TEAMS:
        raise UnknownName("team", name, TEAMS)
    return TEAMS[name]
