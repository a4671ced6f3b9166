"""`llms agent` as a process over an endpoint on loopback: watched, replayed, killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta

import pytest

from llms.benchmarks.languages import missing
from llms.cli.main import main
from llms.errors import UnknownName, UsageError
from llms.models.system import Generate
from llms.store.process import alive_since
from llms.testing import ScriptedEndpoint
from llms.values import Message
from llms.web.service.reach import Reach
from llms.workbench.system import load

PLAN = {
    "tasks": [
        {"title": "first", "goal": "look up the FIRST deadline", "owner": "reader", "accept": "a date"},
        {"title": "second", "goal": "look up the SECOND deadline", "owner": "reader", "accept": "a date", "needs": [1]},
    ]
}


def llms(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "llms", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.fixture
def here(monkeypatch, capfd):
    """The same entry in this process, which has the libraries loaded: standard output, or the line of an error where
    another exit status is expected."""

    def run(*arguments: str, check: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["llms", *arguments])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        out, err = capfd.readouterr()
        assert status == check, out + err
        return out if status == 0 else err

    return run


def says(body: dict) -> str:
    """What a request tells the model, its instructions included."""
    return "\n".join(str(message["content"]) for message in body["messages"])


def form(body: dict, value: dict) -> dict:
    """`value` as structured output."""
    name = next(t["function"]["name"] for t in body["tools"] if t["function"]["name"].startswith("final_result"))
    return call(name, value)


def call(name: str, arguments: dict) -> dict:
    made = {"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return {"message": {"role": "assistant", "content": None, "tool_calls": [made]}, "finish_reason": "tool_calls"}


def events(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


class Research:
    """Answers as the roles of the team research; the second look-up waits until `go` is set."""

    def __init__(self):
        self.go, self.waiting, self.asked = threading.Event(), threading.Event(), []

    def __call__(self, body):
        text = json.dumps(body["messages"])
        task = text.rpartition("Your task")[2]
        form = next(
            (t["function"]["name"] for t in body.get("tools", []) if "final_result" in t["function"]["name"]), ""
        )
        if "You split a question" in text:
            self.asked.append("planner")
            if not form:
                return json.dumps(PLAN)
            call = {"id": "c1", "type": "function", "function": {"name": form, "arguments": json.dumps(PLAN)}}
            return {
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
                "finish_reason": "tool_calls",
            }
        if "You write the answer" in text:
            self.asked.append("writer")
            return "first in May, second in June"
        name = "second" if "SECOND" in task else "first"
        self.asked.append(name)
        if name == "second":
            self.waiting.set()
            self.go.wait(60)
        return f"the {name} one is known"


@pytest.mark.slow
def test_a_killed_run_is_resumed_and_nothing_that_was_done_is_asked_again(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("The first deadline is in May. The second deadline is in June.")
    research = Research()
    with ScriptedEndpoint(research, raw=False, window=16384) as server:
        goal = ("agent", "When are the deadlines?", str(notes), "--team", "research", "-m", f"{server.url}#m", "--json")
        process = subprocess.Popen([sys.executable, "-m", "llms", *goal], stdout=subprocess.DEVNULL)
        assert research.waiting.wait(90), research.asked
        copies = [*(tmp_path / "home" / "teams").iterdir()]
        (run,) = events(llms("agent", "--runs", "--json").stdout)
        taken = llms("agent", "--resume", run["id"])
        assert taken.returncode == 2
        assert f"run {run['id']} is being worked on by process {process.pid}" in taken.stderr
        assert research.asked == ["planner", "first", "second"]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        research.go.set()
        assert [folder.name for folder in copies] == [
            f"{process.pid}-{folder.name.partition('-')[2]}" for folder in copies
        ]
        assert research.asked == ["planner", "first", "second"]
        done = llms("agent", "--resume", run["id"][:5], "--json")
        assert done.returncode == 0, done.stderr
        *_, last = events(done.stdout)
        assert (last["type"], last["answer"]) == ("Finished", "first in May, second in June")
        assert research.asked == ["planner", "first", "second", "second", "writer"]
        assert last["used"]["calls"] >= 4
        again = llms("agent", "--replay", "last")
        assert "the first one is known" in again.stdout
        assert "first in May, second in June" in again.stdout
        assert copies
        assert [*(tmp_path / "home" / "teams").iterdir()] == []
        refused = llms("agent", "--resume", "last")
        assert refused.returncode == 2
        assert "has its answer already" in refused.stderr


def test_a_run_ends_with_its_time_although_its_model_hangs(here):
    hanging = [{"stall_first": 60.0}] * 9
    with ScriptedEndpoint(raw=False, window=16384, faults=deque({"stall": 60.0, **one} for one in hanging)) as server:
        begun = time.monotonic()
        here("agent", "Plan.", "--team", "single", "-m", f"{server.url}#m", "--seconds", "2", "--json", check=1)
        assert time.monotonic() - begun < 2 + 2
        assert server.posts
    *_, last = events(here("agent", "--replay", "last", "--json"))
    assert (last["type"], last["reason"], last["complete"]) == ("Finished", "time", False)


def test_a_process_that_began_after_the_last_sign_of_life_is_another():
    now, earlier = datetime.now(UTC), datetime.now(UTC) - timedelta(days=400)
    assert alive_since(os.getpid(), now.isoformat())
    assert not alive_since(os.getpid(), earlier.isoformat())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not alive_since(gone.pid, now.isoformat())


def test_tools_that_ask_are_denied_to_systems_unless_their_name_says_otherwise():
    code = call("python", {"code": "print(6 * 7)"})
    asked = [Generate((Message("user", "How much?"),), max_tokens=50)]

    def answer(body):
        last = body["messages"][-1]
        return last["content"] if last["role"] == "tool" else code

    with ScriptedEndpoint(answer, raw=False, window=16384) as server:
        for name, words in (("", "denied by the user"), ("&approve=all", "42")):
            with load(f"{server.url}#m?tools=python{name}") as system:
                ((_, completion),) = system.complete(asked)
            assert words in completion.text, name
    with pytest.raises(UnknownName, match="unknown value of approve 'yes'"):
        load("smollm2?tools=python&approve=yes")
    with pytest.raises(UsageError, match="approve= is for tools that ask"):
        load("smollm2?approve=all")
    with pytest.raises(UsageError, match="approve= is not taken over HTTP"):
        Reach().check_model("smollm2?tools=python&approve=all")


@pytest.mark.slow
def test_a_table_is_analysed_with_sql_and_explained(tmp_path):
    table = tmp_path / "sales.csv"
    table.write_text("region,sold\nnorth,3\nsouth,5\nnorth,4\n")
    seen = []

    def answer(body):
        text = json.dumps(body["messages"])
        if "You explain the analyst" in text:
            return "The north sold most: 7."
        results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        if results:
            seen.extend(results)
            return "north 7, south 5"
        arguments = {"query": "SELECT region, SUM(sold) FROM data GROUP BY region ORDER BY 2 DESC"}
        call = {"id": "c1", "type": "function", "function": {"name": "sql_query", "arguments": json.dumps(arguments)}}
        return {"message": {"role": "assistant", "content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}

    with ScriptedEndpoint(answer, raw=False, window=16384) as server:
        done = llms("agent", "Which region sold most?", str(table), "-m", f"{server.url}#m")
    assert done.returncode == 0, done.stderr
    assert "The north sold most: 7." in done.stdout
    assert "7" in seen[0]
    assert "replay: llms agent --replay" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("agent",), 2, "say what the team should do"),
        (("agent", "x", "--team", "reserch"), 2, "did you mean research?"),
        (("agent", "x", "none.csv"), 1, "none.csv does not exist"),
        (("agent", "x", "-m", "openai:gpt-5-mini"), 1, "OPENAI_API_KEY"),
        (("agent", "--replay", "t0"), 2, "unknown team run 't0'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, status, message, monkeypatch, here):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    said = here(*arguments, check=status)
    assert message in said
    assert said.count("\n") == 1


def test_teams_are_listed(here):
    found = {team["team"]: team for team in events(here("agent", "--teams", "--json"))}
    assert found["data"]["pattern"] == "pipeline"
    assert "sql" in found["data"]["tools"]


def single(body):
    results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    return f"It is {json.loads(results[0])['value']}." if results else call("calculator", {"expression": "37 * 48"})


def code(body):
    right = "the tests fail" in says(body)
    return f"```python\ndef double(n):\n    return {'2 * n' if right else 'n'}\n```"


def port(body):
    right = "it prints something else" in says(body)
    loop = f"for (long i = 0; i < {300000 if right else 3}; i++) sum += i * i % 7;"
    return f'```cpp\n#include <cstdio>\nint main() {{ long sum = 0; {loop} printf("%ld\\n", sum); }}\n```'


def panel(body):
    if "You weigh the board" in says(body):
        return "Leave at nine."
    if "You look for what is wrong" in says(body):
        return form(body, {"kind": "critique", "text": "nine is when the shop opens"})
    done = "the shop opens" in says(body)
    return form(
        body,
        {"kind": "decision" if done else "claim", "text": "leave at nine" if done else "leave at eight", "done": done},
    )


PYTHON = "print(sum(i * i % 7 for i in range(300000)))\n"


@pytest.mark.parametrize(
    ("model", "arguments", "answer", "board"),
    [
        (single, (), "It is 1776.", "fact by tool:calculator"),
        (code, ("--team", "code", "--tests", "tests.py"), "return 2 * n", "critique by tester: the tests fail"),
        (port, ("program.py", "--team", "port"), "i < 300000", "times as fast"),
        (panel, ("--team", "panel"), "Leave at nine.", "critique by doubter: nine is when the shop opens"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_shipped_teams_come_to_a_useful_end(model, arguments, answer, board, here, tmp_path, monkeypatch):
    if model is port and (reason := missing("cpp")):
        pytest.skip(reason)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests.py").write_text("assert double(4) == 8\n")
    (tmp_path / "program.py").write_text(PYTHON)
    with ScriptedEndpoint(model, raw=False, window=16384) as server:
        shown = here("agent", "the goal", *arguments, "-m", f"{server.url}#m")
    assert answer in shown
    assert board in shown
    assert "done; " in shown
    assert board in here("agent", "--replay", "last")


def test_a_team_is_told_what_is_remembered_only_where_it_is_asked_for(here):
    with ScriptedEndpoint(lambda body: "two metres", raw=False, window=16384) as server:
        goal = ("agent", "Which unit for the length of a table?", "-m", f"{server.url}#m")
        for text, scope in (
            ("Write length in metres", "global"),
            ("Write length in ells", "project:x"),
            ("Length first", "role:agent"),
        ):
            here("memory", "add", text, "--scope", scope)
        here(*goal)
        assert "metres" not in says(server.posts[-1][1])
        told = here(*goal, "--memory")
        assert told.index("told from memory") < told.index("agent …")
        said = says(server.posts[-1][1])
        assert "Write length in metres" in said
        assert "Length first" in said
        assert "not instructions" in said
        assert "ells" not in said + told
        assert [fact["uses"] for fact in events(here("memory", "--json"))] == [1, 0, 1]
