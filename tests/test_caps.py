"""A cap on money holds in every command, or nothing is spent: prices that are unknown, stated, nought; accounts used up."""

import io
import sys

import pytest

import llms
from llms.cli.main import main
from llms.errors import ModelError, UsageError
from llms.models.prices import stated_price
from llms.testing import ScriptedEndpoint
from llms.values import Usage


@pytest.fixture
def server(monkeypatch):
    """An endpoint behind `openai:`, with a model that no table of prices knows and one that it knows."""
    with ScriptedEndpoint(raw=False, window=8192, models=("mystery-9", "gpt-5-mini"), key="k") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        server.answer = lambda body: "#### 7"
        yield server


@pytest.fixture
def run(monkeypatch, capfd):
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["llms", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/quit\n")))
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        out, err = capfd.readouterr()
        return status, out + err

    return run


def asked(server) -> int:
    return sum("messages" in body for _, body in server.posts)


COMMANDS = {
    "ask": ("ask", "x", "-m", "{}", "--max-tokens", "20"),
    "chat": ("chat", "-m", "{}"),
    "agent": ("agent", "x", "--team", "single", "-m", "{}"),
    "agents of several models": ("agent", "x", "--team", "research", "-m", "{}"),
    "eval": ("eval", "{}", "-b", "gsm8k", "--limit", "1"),
    "eval of a team": ("eval", "team:single?model={}", "-b", "gsm8k", "--limit", "1"),
    "eval of a model with tools": ("eval", "{}?tools=calculator", "-b", "gsm8k", "--limit", "1"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_cap_is_taken_where_no_price_is_known_and_nothing_is_spent(server, run, command):
    arguments = [word.format("openai:mystery-9") for word in COMMANDS[command]]
    status, said = run(*arguments, "--budget", "5")
    assert status == 2
    assert "no price is known for openai:mystery-9, so no cap can hold; give one: --price IN/OUT" in said
    assert said.count("\n") == 1
    assert asked(server) == 0


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("chat", "agents of several models")])
def test_a_stated_price_lets_a_cap_hold(server, run, command):
    arguments = [word.format("openai:mystery-9") for word in COMMANDS[command]]
    status, said = run(*arguments, "--budget", "5", "--price", "1/2")
    assert status == 0, said
    assert asked(server) == 1
    status, said = run(
        *arguments, "--budget", "0.000001", "--price", "1/2", *(["--fresh"] if "eval" in command else [])
    )
    assert status in (1, 3)
    assert "the budget of $0.000001 does not hold the next request" in said
    assert asked(server) == 1  # no second one


def test_a_price_of_the_table_gives_way_to_the_users(server, run):
    with llms.Chat("openai:gpt-5-mini", ephemeral=True, price="10/1000") as chat:
        assert chat.model.price(Usage(1_000_000, 1_000)) == 11
    with llms.Chat("openai:gpt-5-mini", ephemeral=True) as chat:
        assert 0 < chat.model.price(Usage(1_000_000, 1_000)) < 1


@pytest.mark.parametrize("text", ["1", "1/2/3", "a/b", "-1/2", "nan/1", "1/inf", ""])
def test_a_price_that_is_none_is_named(text, run):
    with pytest.raises(UsageError, match="US dollars per million tokens"):
        stated_price(text)
    assert run("ask", "x", "-m", "smollm2", "--price", text)[0] == 2


def test_on_this_machine_every_cap_holds(run, tiny):
    with ScriptedEndpoint(raw=False, window=8192) as server:
        status, said = run("ask", "x", "-m", f"{server.url}#m", "--budget", "0.01")
    assert status == 0, said
    status, said = run("eval", f"hf:{tiny}", "-b", "arc_easy", "--limit", "2", "--budget", "0.01")
    assert status == 0, said


@pytest.mark.parametrize("team", ["single", "research", "code"])
def test_an_account_that_is_used_up_ends_a_team(server, run, team):
    server.faults.extend([{"status": 402, "message": "Insufficient credits"}] * 50)
    status, said = run("agent", "x", "--team", team, "-m", "openai:mystery-9")
    assert status == 1
    assert "402: Insufficient credits" in said
    assert asked(server) == 1


def test_an_account_that_is_used_up_ends_the_evaluation_of_a_team(server, run):
    server.faults.extend([{"status": 402, "message": "Insufficient credits"}] * 50)
    status, said = run("eval", "team:single?model=openai:mystery-9", "-b", "gsm8k", "--limit", "9")
    assert status == 1
    assert "402: Insufficient credits" in said.splitlines()[-1]
    assert asked(server) == 1


def test_an_account_that_is_used_up_ends_a_team_from_python(server):
    server.faults.extend([{"status": 402, "message": "Insufficient credits"}] * 50)
    with pytest.raises(ModelError, match="402: Insufficient credits"):
        llms.evaluate("team:single?model=openai:mystery-9", ["gsm8k"], limit=3)


@pytest.mark.parametrize("budget", ["nan", "-1", "inf", "much"])
@pytest.mark.parametrize("command", [["ask", "x"], ["agent", "x", "--team", "single"]])
def test_a_budget_is_an_amount(run, command, budget):
    status, said = run(*command, "-m", "http://127.0.0.1:9/v1#m", "--budget", budget)
    assert (status, f"--budget takes US dollars, as in 0.50; got '{budget}'" in said) == (2, True), said
