"""Money: never more than the budget, unknown is not 0, nothing is lost or counted twice; and benchmarks on endpoints."""

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
from decimal import Decimal
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llms
from llms import settings
from llms.errors import BudgetExceeded, UsageError
from llms.models.api.meter import Meter, RequestEstimate, reported
from llms.models.spending import SpendingLedger
from llms.models.system import Generate
from llms.store import database
from llms.store.runs import Runs
from llms.testing import ScriptedEndpoint
from llms.values import Message, Scored, Usage

KEY = "sk-test-0123456789abcdefghij"
CENTS = st.integers(0, 300).map(lambda cents: Decimal(cents) / 100)


@pytest.fixture
def server(monkeypatch):
    """What answers for openai:gpt-4o-mini, at that model's price."""
    with ScriptedEndpoint(models=("gpt-4o-mini", "m"), raw=False, key=KEY) as opened:
        monkeypatch.setenv("OPENAI_BASE_URL", opened.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield opened


def run_llms(*arguments: str, status: int = 0) -> subprocess.CompletedProcess:
    result = subprocess.run([sys.executable, "-m", "llms", *arguments], capture_output=True, text=True)
    assert result.returncode == status, result.stderr
    return result


# ---- the ledger


@given(
    budget=CENTS,
    requests=st.lists(st.tuples(CENTS, st.floats(0, 1), st.booleans()), max_size=20),
    seed=st.integers(0, 99),
)
def test_concurrent_requests_never_overspend_and_none_is_lost(budget, requests, seed):
    ledger, chance = SpendingLedger(budget), random.Random(seed)
    high = []

    async def one(most: Decimal, share: float, billed: bool) -> bool:
        reserved = await ledger.reserve(most)
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
            high.append(ledger.tally.cost + ledger.reserved)
        ledger.settle(reserved, Usage(1, 1) if billed else None, most * round(Decimal(share), 3))
        return True

    async def everyone():
        return await asyncio.gather(*(one(*request) for request in requests), return_exceptions=True)

    ended = asyncio.run(everyone())
    answered = [request for request, end in zip(requests, ended, strict=True) if end is True]
    assert all(end is True or isinstance(end, BudgetExceeded) for end in ended)
    assert max(high, default=Decimal(0)) <= budget
    assert ledger.reserved == 0
    assert ledger.tally.billed.requests == len(answered)
    assert ledger.tally.cost == sum((m * round(Decimal(s), 3) for m, s, b in answered if b), Decimal(0))
    if sum(most for most, _, _ in requests) <= budget:
        assert len(answered) == len(requests)


def test_a_request_waits_for_what_others_give_back():
    ledger = SpendingLedger(Decimal(1))

    async def both():
        first = await ledger.reserve(Decimal("0.9"))
        waiting = asyncio.create_task(ledger.reserve(Decimal("0.9")))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        ledger.settle(first, Usage(1), Decimal("0.05"))
        return await waiting

    assert asyncio.run(both()) == Decimal("0.9")


def test_an_unknown_price_is_not_zero_and_cannot_be_capped():
    ledger = SpendingLedger()
    ledger.settle(Decimal(0), Usage(5, 5), None)
    assert ledger.tally.total is None
    with pytest.raises(UsageError, match="no price is known for this model, so no cap can hold"):
        asyncio.run(SpendingLedger(Decimal(1)).reserve(None))


# ---- the meter


def test_usage_is_read_in_every_providers_words():
    chat = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    assert reported(chat) == Usage(9, 5, 4, 3, True)
    assert reported({"input_tokens": 9, "output_tokens": 5}) == Usage(9, 5, reported=True)
    assert reported({"prompt_tokens": 9, "prompt_cache_hit_tokens": 99}) == Usage(9, 0, 9, reported=True)
    assert reported({"prompt_tokens": "many", "completion_tokens": None}) == Usage(reported=True)


def test_the_upper_bound_covers_all_answers_tools_and_images():
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 300},
                                                      {"type": "image_url", "image_url": {"url": "data:" + "A" * 10**6}}]}],
            "tools": [{"function": {"description": "y" * 300}}], "max_tokens": 10, "n": 3}  # fmt: skip
    most = RequestEstimate.read("/v1/chat/completions", json.dumps(body).encode()).most
    assert most.tokens == 30
    assert 1700 <= most.prompt_tokens <= 1800
    assert RequestEstimate.read("/v1/models", b"").most is None


@given(st.lists(st.integers(1, 7)), st.text(max_size=40))
def test_a_stream_is_metered_alike_however_it_is_cut(sizes, text):
    event = json.dumps({"choices": [{"delta": {"content": text}}]}).encode()
    whole = b": alive\n\ndata: " + event + b"\n\ndata:" + event + b"\n\ndata: [DONE]\n\n"
    estimate = RequestEstimate(True, Usage(3, 1000))
    one, other = Meter(estimate), Meter(estimate)
    one.feed(whole)
    start = 0
    for size in [*sizes, len(whole)]:
        other.feed(whole[start : start + size])
        start += size
    assert one.usage == other.usage == Usage(3, -(-2 * len(text.encode()) // 3))
    assert other.ended


# ---- benchmarks on endpoints


@pytest.fixture
def twin(tiny):
    """An endpoint that serves the tiny model: its texts, and the log-probabilities of its own arithmetic."""
    import torch
    from transformers import AutoModelForCausalLM

    local, lock = llms.load(f"hf:{tiny}"), Lock()
    plain = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()

    def answer(body):
        request = Generate(body["prompt"], body["max_tokens"], tuple(body.get("stop", ())), body["temperature"])
        with lock:
            ((_, done),) = local.complete([request])
        return done.text, done.tokens, done.finish, done.prompt_tokens

    @torch.inference_mode()
    def score(prompt):
        ids = local.tokenizer.encode([prompt])[0]
        with lock:
            given = plain(torch.tensor([ids])).logits[0].log_softmax(-1)
        values = [0.0, *(given[place - 1, token].item() for place, token in enumerate(ids) if place)]
        return [local.tokenizer.decode([token]) for token in ids], values, [0.0, *given[:-1].max(-1).values.tolist()]

    with local, ScriptedEndpoint(answer, models=("tiny",)) as server:
        server.score = score
        yield server


def test_an_endpoint_scores_every_item_as_the_same_model_here(tiny, twin):
    names = ["gsm8k", "arc_easy"]
    here = llms.evaluate(f"hf:{tiny}", names, limit=2, shots=1)
    there = llms.evaluate(f"{twin.url}#tiny", names, limit=2, shots=1)
    for name in names:
        for one, other in zip(here.outcomes[name], there.outcomes[name], strict=True):
            assert isinstance(other, Scored)
            assert (one.item, one.status, one.target, one.extracted) == (
                other.item,
                other.status,
                other.target,
                other.extracted,
            )
            assert other.scores == pytest.approx(one.scores, abs=1e-6)
            assert [c.text for c in one.completions] == [c.text for c in other.completions]
            assert [c.tokens for c in one.completions] == [c.tokens for c in other.completions]
            assert [c.tokens for c in one.choices] == [c.tokens for c in other.choices]
            assert [c.greedy for c in one.choices] == [c.greedy for c in other.choices]
            assert [c.logprob for c in other.choices] == pytest.approx([c.logprob for c in one.choices], abs=1e-4)
        assert there.reports[name].usage.cost == 0
        assert there.reports[name].usage.billed.requests > 0


def test_a_chat_endpoint_is_asked_with_messages_and_gets_the_twins_of_what_it_cannot_score(server):
    server.answer = lambda body: "Answer: A"
    found = llms.evaluate("openai:gpt-4o-mini", ["gsm8k", "arc_easy:letter"], limit=2)
    report = found.reports["arc_easy:letter"]
    assert report.key.chat_template
    assert report.n == 2
    assert {path for path, _ in server.posts} == {"/v1/chat/completions"}
    with pytest.raises(UsageError, match="Use arc_easy:letter"):
        llms.evaluate("openai:gpt-4o-mini", ["arc_easy"], limit=2)
    with pytest.raises(UsageError, match="through chat only; run it with --chat-template on"):
        llms.evaluate("openai:gpt-4o-mini", ["gsm8k"], limit=2, chat_template=False)


def test_refused_and_cut_answers_are_no_wrong_answers_of_the_usual_kind(server):
    server.answer, server.finish = lambda body: "", "content_filter"
    report = llms.evaluate("openai:gpt-4o-mini", ["gsm8k"], limit=3).reports["gsm8k"]
    assert report.counts["refused"] == 3


def test_a_failed_request_is_a_failed_item_and_is_repeated_when_asked_to(server):
    server.faults.append({"status": 400, "message": "no luck"})
    report = llms.evaluate("openai:gpt-4o-mini", ["gsm8k"], limit=3).reports["gsm8k"]
    assert (report.n, report.failed, report.counts["infra"]) == (2, 1, 1)
    assert report.usage.billed.requests == len(server.posts) == 3


def test_what_a_run_costs_is_the_price_of_what_the_server_reports(server):
    report = llms.evaluate("openai:gpt-4o-mini", ["gsm8k"], limit=3).reports["gsm8k"]
    billed, model = report.usage.billed, llms.load("openai:gpt-4o-mini")
    price = model.price(Usage(billed.prompt_tokens, billed.tokens))
    assert price > 0
    assert report.usage.cost == pytest.approx(float(price))
    assert report.to_json()["cost"] == report.usage.cost
    with Runs(settings.database()) as store:
        assert store.reports() == [report]
    again = llms.evaluate("openai:gpt-4o-mini", ["gsm8k"], limit=3).reports["gsm8k"]
    assert again.usage.cost == report.usage.cost


def test_a_budget_is_a_hard_cap_that_keeps_what_was_scored(server):
    server.answer = lambda body: "word " * 300
    budget = 0.0008  # four answers of 256 tokens, and their prompts
    with pytest.raises(
        BudgetExceeded, match=r"the budget of \$0\.0008 does not hold the next request.*larger --budget"
    ):
        llms.evaluate("openai:gpt-4o-mini", ["gsm8k"], limit=20, budget=budget)
    with Runs(settings.database()) as store:
        (report,) = store.reports()
        assert 0 < report.n < 20
        assert report.n == len(server.posts) == report.usage.billed.requests
        assert 0 < report.usage.cost <= budget
        assert len(list(store.outcomes(report.key.run))) == report.n
    whole = llms.evaluate("openai:gpt-4o-mini", ["gsm8k"], limit=20, budget=1).reports["gsm8k"]
    assert whole.n == 20
    assert len(server.posts) == 20
    assert whole.usage.billed.requests == 20


def test_agents_are_held_to_the_same_budget(server):
    from pydantic_ai import Agent

    from llms.bridge import run

    with llms.load("openai:gpt-4o-mini") as model:
        agent = Agent(model.chat_model(), model_settings={"max_tokens": 10})
        model.ledger = SpendingLedger(Decimal("0.0001"))
        run(agent.run("hello"))
        assert 0 < model.ledger.tally.cost < Decimal("0.0001")
        model.ledger = SpendingLedger(Decimal("0.000001"))
        with pytest.raises(BudgetExceeded):
            run(agent.run("hello"))
    assert len(server.posts) == 1


def test_a_budget_needs_a_price(server):
    with pytest.raises(UsageError, match="no price is known for openai:m, so no cap can hold"):
        llms.evaluate("openai:m", ["gsm8k"], limit=2, budget=1)
    assert llms.evaluate("openai:m", ["gsm8k"], limit=2).reports["gsm8k"].usage.cost is None


def test_a_judge_is_paid_from_the_same_budget(server, tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"question": "1+1?", "answer": "2"}\n')
    server.answer = lambda body: "Answer: A"
    report = llms.evaluate(
        "openai:gpt-4o-mini", [], data=str(path), scorer="judge", judge="openai:gpt-4o-mini"
    ).reports["own"]
    assert len(server.posts) == report.usage.billed.requests == 2


def test_the_command_line_says_the_cost_before_caps_it_and_shows_it_after(server):
    arguments = ["eval", "openai:gpt-4o-mini", "-b", "gsm8k", "--limit", "20"]
    (row,) = map(json.loads, run_llms(*arguments, "--dry-run", "--json").stdout.splitlines())
    assert 0 < row["cost"] < 1
    assert server.posts == []
    server.answer = lambda body: "word " * 300
    stopped = run_llms(*arguments, "--budget", "0.0008", status=3)
    assert stopped.stderr.splitlines()[-1].startswith("llms: the budget of $0.0008 does not hold")
    assert f"${row['cost']:.2f} at most" in stopped.stderr
    board = run_llms("leaderboard").stdout
    assert "cost" in board
    assert "$0.000" in board
    assert KEY not in stopped.stderr + board
    assert KEY.encode() not in settings.database().read_bytes()


def test_the_command_line_names_the_missing_key(monkeypatch, tmp_path):
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    result = run_llms("eval", "groq:llama-3.3-70b-versatile", "-b", "gsm8k", "--limit", "1", status=1)
    assert result.stderr == (
        "llms: groq: needs a key: set GROQ_API_KEY in the environment or in ./.env. Get one at https://console.groq.com/keys\n"
    )


def test_runs_of_before_cost_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x.sqlite3"
    monkeypatch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
    Runs(path).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO runs VALUES ('r', '{}', 'now', 'now', NULL)")
        db.execute("INSERT INTO attempts (run, started, seconds, tokens) VALUES ('r', 'now', 2, 3)")
    db.close()
    monkeypatch.undo()
    with Runs(path) as store:
        used = store.usage("r")
    assert (used.seconds, used.tokens, used.cost, used.billed) == (2, 3, 0, None)


def test_messages_are_counted_high(server):
    model = llms.load("openai:gpt-4o-mini")
    assert model.count_tokens("abcdef") == 2
    assert model.count_tokens([Message("user", "abcdef")]) == 6
    assert model.context_window == 128_000
