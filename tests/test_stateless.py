"""Models remember nothing: the lesson's requests hold what they should, and the growth is quadratic."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llms.cli.stateless import stateless
from llms.testing import ScriptedEndpoint
from llms.workbench.stateless import growth, lesson


@pytest.mark.parametrize("answer", ["I do not know your name.", "Ada!"])
def test_the_name_is_in_what_a_and_c_send_and_not_in_b(answer):
    with ScriptedEndpoint(lambda body: answer, raw=False) as server:
        found = list(lesson(f"{server.url}#m", "Ada"))
        sent = [[m["content"] for m in body["messages"]] for _, body in server.posts if "messages" in body]
    assert [request.knows for request in found] == [True, False, True]
    assert sent == [[message.content for message in request.sent] for request in found]
    assert not any("Ada" in text for text in sent[1])
    assert sent[2][:2] == [sent[0][0], answer]
    assert [request.rendered for request in found] == [None] * 3


def test_a_local_model_shows_the_text_that_it_reads(tiny):
    found = list(lesson(f"hf:{tiny}", "Ada", max_tokens=4))
    assert "Ada" in found[0].rendered
    assert "Ada" not in found[1].rendered
    assert found[2].prompt_tokens > found[0].prompt_tokens
    assert found[0].cost == 0


def test_what_is_sent_again_grows_with_the_square():
    assert [row.tokens for row in growth()] == [2_500, 10_000, 40_000, 160_000]
    assert [row.in_window for row in growth(window=300)] == [1_300, 2_800, 5_800, 11_800]


@given(st.integers(1, 300).map(lambda n: 2 * n), st.integers(1, 100))
def test_growth_is_quadratic_for_any_exchange_and_linear_in_a_window(per_exchange, turns):
    row = growth(per_exchange, per_exchange, (turns,))[0]
    assert row.tokens == per_exchange // 2 * turns**2
    assert row.in_window == per_exchange // 2 + per_exchange * (turns - 1)


REQUEST = {
    "request",
    "what",
    "sent",
    "rendered",
    "answer",
    "prompt_tokens",
    "tokens",
    "seconds",
    "cost",
    "name_was_sent",
}


def test_the_command_prints_three_requests_and_the_growth(tiny):
    ran = CliRunner().invoke(stateless, [f"hf:{tiny}", "--json"], catch_exceptions=False)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [set(row) for row in rows[:3]] == [REQUEST] * 3
    assert [row["name_was_sent"] for row in rows[:3]] == [True, False, True]
    assert rows[-1] == {"turns": 40, "tokens": 160_000, "tokens_in_window": growth()[-1].in_window}
    shown = CliRunner().invoke(stateless, [f"hf:{tiny}", "--name", "[Bob]"], catch_exceptions=False).output
    assert "A: the user says a name" in shown
    assert "[Bob]" in shown
    assert "  40 turns   160,000 ████" in shown


def test_the_command_is_listed():
    ran = subprocess.run([sys.executable, "-m", "llms", "--help"], capture_output=True, text=True)
    assert "stateless" in ran.stdout
