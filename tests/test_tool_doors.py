"""Every tool can be reached by its name from a command and from the page: a model calls it, and its result comes back."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from llms.sandbox import probe
from llms.testing import ScriptedEndpoint, call
from llms.tools.catalogue import FORMS, MODULES, tools_of
from media_endpoint import PNG, WAV, media_endpoint
from serving import pages
from test_browser import TOKEN, ask, browser, page  # noqa: F401 fixtures

MCP_SERVER = str(Path(__file__).with_name("mcp_server.py"))
# of each tool: arguments, and what its result says. A tool that is added must be added here.
CALLS = {
    "calculator": ({"expression": "6*7"}, '"42"'),
    "convert": ({"amount": 5, "from_unit": "feet", "to_unit": "inches"}, '"60"'),
    "clock": ({"time_zone": "Asia/Tokyo"}, "+09:00"),
    "date_add": ({"start": "2024-01-31", "months": 1}, "2024-02-29"),
    "date_between": ({"start": "2024-01-01", "end": "2024-01-03"}, '"days":2'),
    "python": ({"code": "print(6 * 7)"}, "42"),
    "web_page": ({"url": "http://127.0.0.1/"}, "only public pages are fetched"),
    "list_files": ({}, "fox.md"),
    "read_file": ({"name": "fox.md"}, "The fox is red."),
    "search_files": ({"text": "red"}, "fox.md:1"),
    "sql_tables": ({}, "animals"),
    "sql_query": ({"query": "SELECT legs FROM animals"}, "4"),
    "generate_image": ({"prompt": "a fox"}, "picture.png"),
    "speak": ({"text": "hello"}, "speech.wav"),
    "notes_add": ({"first": 2, "second": 3}, "5"),
    "notes_environment": ({}, "GIVEN"),
    "notes_failing": ({"reason": "it broke"}, "it broke"),
}
EXCUSED = ("notes_environment", "notes_failing")  # one tool of the server is enough: a turn makes at most 16 calls
ASKING = {"python", "web_page", "generate_image", "speak", "notes_add"}
isolated = pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")


def calls_all(body):
    """A model that calls every tool it is offered in one answer, then says that it is done."""
    if body["messages"][-1]["role"] == "tool":
        return "All done."
    offered = [tool["function"]["name"] for tool in body.get("tools", ())]
    return [
        {
            "delta": {
                "tool_calls": [
                    {"index": index, "id": f"c-{name}",
                     "function": {"name": name, "arguments": json.dumps(CALLS[name][0])}}
                    for index, name in enumerate(name for name in offered if name in CALLS and name not in EXCUSED)
                ]
            }
        },
        {"delta": {}, "finish_reason": "tool_calls"},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def endpoint():
    with ScriptedEndpoint(calls_all, raw=False, window=32768) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def media():
    with media_endpoint() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    (folder / "fox.md").write_text("The fox is red.\n", encoding="utf-8")
    with sqlite3.connect(folder / "animals.sqlite3") as database:
        database.execute("CREATE TABLE animals (name TEXT, legs INTEGER)")
        database.execute("INSERT INTO animals VALUES ('fox', 4)")
    database.close()
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory, media, folder):
    """Variables of a home that has an accepted MCP server."""
    home = tmp_path_factory.mktemp("doors")
    server = {"command": sys.executable, "args": [MCP_SERVER, str(folder)], "env": {"GIVEN": "something"}}
    (home / "mcp.json").write_text(json.dumps({"mcpServers": {"notes": server}}), encoding="utf-8")
    environment = {**os.environ, "LLMS_HOME": str(home), "PYTHONUNBUFFERED": "1", "LLMS_WEB_TOKEN": TOKEN,
                   "LLMS_IMAGE_MODEL": f"{media.url}#painter", "LLMS_SPEAK_MODEL": f"{media.url}#voice"}  # fmt: skip
    accepting = [sys.executable, "-m", "llms", "mcp", "accept", "notes", "--yes"]
    done = subprocess.run(accepting, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return environment


@pytest.fixture
def names(environment, folder, media, monkeypatch):
    """Every name under which tools are reached."""
    monkeypatch.setenv("LLMS_HOME", environment["LLMS_HOME"])
    return [*MODULES, f"files:{folder}", f"sql:{folder}/animals.sqlite3", f"image:{media.url}#painter",
            f"speak:{media.url}#voice,format=wav", "mcp:notes"]  # fmt: skip


def test_no_tool_is_missing_from_this_walk(names):
    families = {form.partition(":")[0] for form in FORMS}
    assert {name.partition(":")[0] for name in names} == families | set(MODULES)
    reached = {tool for name in names for tool in tools_of(name)}
    assert {tool for tool in reached if len(tool) < 60} == set(CALLS)


@isolated
def test_a_command_reaches_every_tool_by_its_name(environment, endpoint, names, tmp_path):
    saving = tmp_path / "saved"
    command = [sys.executable, "-m", "llms", "ask", "Do everything.", "-m", f"{endpoint.url}#m", "--approve", "all",
               "--json", "--save-files", str(saving)]  # fmt: skip
    for name in names:
        command += ["--tool", name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    results = {event["name"]: event["text"] for event in events if event["type"] == "tool_finished"}
    assert set(results) == set(CALLS) - set(EXCUSED)
    for name, text in results.items():
        assert CALLS[name][1] in text, name
    assert (saving / "picture.png").read_bytes() == PNG
    assert (saving / "speech.wav").read_bytes() == WAV
    assert f"llms: saved {saving / 'picture.png'}" in done.stderr.splitlines()


@pytest.fixture(scope="module")
def server(environment, endpoint, folder):
    home = Path(environment["LLMS_HOME"])
    with pages("-m", f"{endpoint.url}#m", "--folder", str(folder), home=home, **environment) as address:
        yield address


@isolated
def test_the_page_reaches_every_tool_shows_pictures_and_plays_sounds(page, server, endpoint):  # noqa: F811
    page.click("#panel-open")
    page.wait_for_selector("[data-field=tools] input")
    for box in page.query_selector_all("[data-field=tools] input"):
        box.check()
    page.keyboard.press("Escape")
    ask(page, "Do everything.")
    page.wait_for_selector("[data-approval]")
    cards = {card.get_attribute("data-approval"): card for card in page.query_selector_all("[data-approval]")}
    assert set(cards) == {f"c-{name}" for name in ASKING}
    edited = {"first": 20, "second": 30}
    cards["c-notes_add"].query_selector("textarea").fill(json.dumps(edited))
    for card in cards.values():
        card.query_selector("button.primary").click()
    page.get_by_text("All done.").wait_for()
    for name, (_, words) in CALLS.items():
        if name not in EXCUSED:
            text = page.text_content(f'[data-call="c-{name}"]')
            assert ("50" if name == "notes_add" else words) in text, name
    assert page.evaluate("document.querySelector('[data-call=c-generate_image] img').naturalWidth") == 8
    assert page.evaluate("document.querySelector('[data-call=c-speak] audio').src").startswith(server)
    sent = json.loads(next(m["content"] for m in endpoint.posts[-1][1]["messages"] if m.get("tool_call_id") == "c-notes_add").splitlines()[2])  # fmt: skip
    assert sent == 50


def draws(body):
    """A model that has a fox drawn, then says that it is done."""
    return "Done." if body["messages"][-1]["role"] == "tool" else [call("generate_image", prompt="a fox")]


@pytest.mark.parametrize("team", ["single", "code"])
def test_a_team_is_given_a_tool_by_its_name(environment, media, team):
    with ScriptedEndpoint(draws, raw=False, window=32768) as model:
        command = [sys.executable, "-m", "llms", "agent", "Draw a fox", "--team", team, "-m", f"{model.url}#m"]
        command += ["--tool", f"image:{media.url}#m", "--autonomy", "approved"]
        ran = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if team == "code":
        assert ran.returncode == 2
        assert "no role of the team code uses tools; single, research, data, panel have some" in ran.stderr
        return
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (path,) = re.findall(r"saved (.*)", ran.stdout)
    assert Path(path).read_bytes() == PNG
    assert Path(path).is_relative_to(environment["LLMS_HOME"])
