"""A tool of every kind that acts is asked about in the browser and obeys what a person says, in real turns."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llms import bridge
from llms.sandbox import probe
from llms.testing import ScriptedEndpoint
from llms.tools import mcp, mcp_toolset
from llms.tools.tool import ASKING, tool
from llms.workbench.chat.chat import Chat
from serving import pages
from test_browser import TOKEN, ask, browser, let_use, page, pytestmark  # noqa: F401 fixtures and marks

CARD = "[data-approval]"
LASTING = ("Allow in this conversation", "Always with these arguments")


@dataclass(frozen=True)
class Case:
    """A tool of `kind`; `does` is what the card must say of it. `first` and `second` are arguments, each with what the
    result then says."""

    tool: str
    kind: str
    does: str
    first: tuple[dict[str, Any], str]
    second: tuple[dict[str, Any], str]


def own(tool: str, kind: str, does: str, done: str) -> Case:
    return Case(tool, kind, does, ({"what": "this"}, f"{done} this"), ({"what": "that"}, f"{done} that"))


CASES = [
    Case("web_page", "network", "reaches the network", ({"url": "http://127.0.0.1/this"}, "127.0.0.1"),
         ({"url": "http://10.0.0.1/that"}, "10.0.0.1")),
    Case("python", "code", "runs code", ({"code": "print('sev' + 'en')"}, "seven"),
         ({"code": "print('ni' + 'ne')"}, "nine")),
    own("note", "write", "writes files", "noted"),
    own("order", "external", "acts outside this program", "ordered"),
]  # fmt: skip
needs_sandbox = pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")


def calls_once(body) -> Any:
    """A model that calls its only tool with the arguments in the question, then says what came of it."""
    if body["messages"][-1]["role"] == "tool":
        return f"It came to {body['messages'][-1]['content']}"
    name = body["tools"][0]["function"]["name"]
    call = {"index": 0, "id": f"c{len(body['messages'])}",
            "function": {"name": name, "arguments": body["messages"][-1]["content"]}}  # fmt: skip
    return [{"delta": {"tool_calls": [call]}}, {"delta": {}, "finish_reason": "tool_calls"}]


def asked(endpoint) -> int:
    return sum("tools" in body for _, body in endpoint.posts)


@pytest.fixture(scope="module")
def endpoint():
    with ScriptedEndpoint(calls_once, raw=False, window=16384) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("approving")


@pytest.fixture(scope="module")
def server(endpoint, home):
    program = [Path(__file__).with_name("with_tools.py")]
    with pages("-m", f"{endpoint.url}#m", home=home, program=program) as address:
        yield address


class Talk:
    """A conversation in the browser whose model calls the tool of `case`."""

    def __init__(self, page, endpoint, case: Case):  # noqa: F811
        self.page, self.endpoint, self.case, self.questions = page, endpoint, case, 0
        let_use(page, case.tool)

    def ask(self, arguments: dict[str, Any]) -> None:
        self.questions += 1
        self.before = asked(self.endpoint)
        ask(self.page, json.dumps(arguments))

    def card(self, arguments: dict[str, Any]) -> str:
        """The text of the card that asks for a call with `arguments`; nothing goes on before it is decided."""
        self.page.wait_for_selector(CARD)
        assert json.loads(self.page.input_value(f"{CARD} textarea")) == arguments
        assert asked(self.endpoint) == self.before + 1
        return self.page.inner_text(CARD)

    def press(self, label: str) -> None:
        self.page.click(f"{CARD} button:has-text('{label}')")

    def said(self) -> str:
        """What the model says once it has the result."""
        self.page.wait_for_function(
            "n => document.querySelectorAll('article.assistant').length === 2 * n"
            " && document.getElementById('log').getAttribute('aria-busy') !== 'true'",
            arg=self.questions,
        )
        assert self.page.query_selector(CARD) is None
        assert asked(self.endpoint) == self.before + 2
        return self.page.inner_text("article.assistant:last-of-type .body")


def test_every_kind_that_asks_is_tried():
    assert {case.kind for case in CASES} == ASKING


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=needs_sandbox if case.kind == "code" else (), id=case.tool) for case in CASES]
)
def test_a_call_waits_for_a_person_and_is_made_as_they_say(page, endpoint, case):  # noqa: F811
    (first, came_first), (second, came_second) = case.first, case.second
    talk = Talk(page, endpoint, case)

    talk.ask(first)
    card = talk.card(first)
    assert f"May the model run {case.tool}? {case.does}" in " ".join(card.split())
    assert all(label in card for label in ("Run once", "Deny", *LASTING))
    talk.press("Always with these arguments")
    assert came_first in talk.said()
    talk.ask(first)
    assert came_first in talk.said()  # it was not asked about

    talk.ask(second)
    card = talk.card(second)
    assert f"Untrusted text was read: {case.tool}" in card
    assert not [label for label in LASTING if label in card]  # it would hold for nothing
    talk.press("Deny")
    said = talk.said()
    assert "denied by the user" in said
    assert came_second not in said

    talk.ask(second)
    talk.card(second)
    page.reload()  # it waits for whoever comes
    talk.card(second)
    page.fill(f"{CARD} textarea", json.dumps(first))
    talk.press("Run once")
    said = talk.said()
    assert came_first in said
    assert came_second not in said


@tool(kind="external")
def add(first: int, second: int) -> int:
    """Add, elsewhere."""
    return first + second


def mcp_server(folder: Path):
    notes = mcp.McpServer("notes", sys.executable, (str(Path(__file__).with_name("mcp_server.py")), str(folder)))
    mcp.accept(notes, bridge.run(mcp.look(notes)))
    return mcp_toolset.toolset(notes)


@pytest.mark.parametrize(
    ("name", "tools"),
    [("add", lambda _: [add]), pytest.param("notes_add", mcp_server, marks=pytest.mark.slow)],
    ids=["own", "mcp"],
)
def test_a_call_of_a_tool_that_the_page_has_not_can_only_be_denied_there(
    page,  # noqa: F811
    server,
    home,
    endpoint,
    tmp_path,
    monkeypatch,
    name,
    tools,
):
    monkeypatch.setenv("LLMS_HOME", str(home))
    with Chat(f"{endpoint.url}#m", tools=tools(tmp_path)) as talk:
        list(talk.send(json.dumps({"first": 2, "second": 3})))
        page.goto(f"{server}/c/{talk.id}")
        page.wait_for_selector(CARD)
        assert f"May the model run {name}? acts outside this program" in " ".join(page.inner_text(CARD).split())
        page.click(f"{CARD} button:has-text('Run once')")
        page.wait_for_selector(f"text={name} is not among the tools of these pages; deny it here")
        page.click(f"{CARD} button:has-text('Deny')")
        page.wait_for_selector("article.assistant .body:has-text('It came to denied by the user')")
        assert page.query_selector(CARD) is None
        assert "denied by the user" in talk.answer
