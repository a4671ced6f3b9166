"""Events mean the same in Python and in the pages: each kind is handled, and only fields that exist are read."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import get_args, get_type_hints

import pytest

import llms
import llms.agents.events as of_teams
import llms.chat.turn.events as of_chats
import llms.values as values_of
from llms.agents.board import Entry
from llms.agents.budget import Used
from llms.agents.memory import Fact
from llms.agents.plan import Task
from llms.tools.results import KeptFile

PACKAGE = Path(llms.__file__).parent
STATIC = PACKAGE / "web" / "static"
FILE: KeptFile = {"name": "a.png", "media_type": "image/png", "bytes": 1, "kept": "b"}
_METHOD = re.compile(r"^  (\w+)\((?:\{([^}]*)\})?\) \{", re.MULTILINE)


def handled(script: str) -> dict[str, set[str]]:
    """(kind → fields it reads) of a page's table of events."""
    text = (STATIC / script).read_text(encoding="utf-8")
    table = text.split("const HEARD = {\n")[1].split("\n};\n")[0]
    read = {
        kind: {one.split(":")[0].strip() for one in names.split(",") if one.strip()}
        for kind, names in _METHOD.findall(table)
    }
    assert "arguments[" not in table
    assert not re.search(r"\bevent\.(?!type\b)\w+\)?", text.split("const HEARD")[1].split("const heard = ")[0])
    return read


CHAT = {of_chats.kind_of(kind): kind for kind in get_args(of_chats.Event)}
TEAM = {kind.__name__: kind for kind in get_args(of_teams.TeamEvent)}


@pytest.mark.parametrize(("script", "kinds"), [("run.js", CHAT), ("agents.js", TEAM)])
def test_a_page_handles_every_kind_of_event_and_reads_only_fields_that_it_has(script, kinds):
    read = handled(script)
    assert set(read) == set(kinds)
    for kind, names in read.items():
        assert names <= {field.name for field in fields(kinds[kind])}, kind


@pytest.mark.parametrize(("name", "kind"), [("one", Task), ("e", Entry), ("used", Used), ("fact", Fact)])
def test_what_events_of_teams_hold_is_read_by_names_that_it_has(name, kind):
    text = (STATIC / "agents.js").read_text(encoding="utf-8")
    read = set(re.findall(rf"\b{name}\.(\w+)", text))
    assert read
    assert read <= {field.name for field in fields(kind)}


def test_the_union_of_a_chats_events_is_closed():
    every = {kind for kind in vars(of_chats).values() if is_dataclass(kind) and issubclass(kind, of_chats.TurnEvent)}
    assert isinstance(of_chats.Event, UnionType)
    assert every - {of_chats.TurnEvent} == set(get_args(of_chats.Event))


def test_an_event_that_was_written_is_read_again():
    made = {}
    for kind in get_args(of_chats.Event):
        hints = get_type_hints(kind, localns=vars(values_of))
        values = {f.name: _some(hints[f.name]) for f in fields(kind)}
        made[kind] = kind(**values)
    assert all(of_chats.from_json(of_chats.to_json(event)) == event for event in made.values())


def _some(hint):
    if args := [one for one in get_args(hint) if isinstance(one, str)]:
        return args[0]
    return {int: 1, float: 1.5, tuple[str, ...]: ("page",), tuple[KeptFile, ...]: (FILE,)}.get(
        hint, {"a": "b"} if "Mapping" in str(hint) else "x"
    )
