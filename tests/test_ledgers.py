"""Shares of a team's budget to the unit, and spending by its rules: what is lent, given back, reserved, and billed."""

import asyncio
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError

import llms
from llms.agents.budget import Exhausted, StepBudget, TeamLimits, Used
from llms.bridge import run
from llms.errors import BudgetExceeded
from llms.models.api.meter import Meter, RequestEstimate
from llms.models.spending import SpendingLedger, Tally
from llms.values import Billed, Usage


def budget(clock=lambda: 0.0, **limits) -> StepBudget:
    return StepBudget(TeamLimits(**limits), clock)


@pytest.mark.parametrize(("calls", "reserve"), [(0, 0), (1, 1), (6, 1), (13, 1), (14, 2), (30, 4), (100, 15)])
def test_fifteen_percent_of_the_calls_and_one_at_least_are_for_the_answer(calls, reserve):
    assert budget(calls=calls).reserve == reserve


def test_a_share_is_its_part_of_what_is_left_beyond_the_reserve():
    ledger = budget(calls=30, tool_calls=61, tokens=1001, cost=Decimal(8), seconds=60.0)
    ledger.take_call()
    ledger.take_tool()
    ledger.settle(1, Decimal(2))
    share = ledger.share(0.5)  # of 30 - 1 - 4 calls, 60 tool calls, 1000 tokens, 6 dollars; 9 seconds are the answer's
    assert share.limits == TeamLimits(12, 30, 500, 51.0, Decimal(3))
    assert share.reserve == 0
    assert ledger.used == Used(13, 31, 501, Decimal(5))
    assert ledger.left() == TeamLimits(17, 30, 500, 60.0, Decimal(3))
    second = ledger.share(1.0)
    assert second.limits == TeamLimits(13, 30, 500, 51.0, Decimal(3))
    assert ledger.left() == TeamLimits(4, 0, 0, 60.0, Decimal(0))
    assert ledger.share(1.0).limits == TeamLimits(0, 0, 0, 51.0, Decimal(0))


def test_what_a_share_used_is_its_givers_use_and_the_rest_is_free_again():
    ledger = budget(calls=30, tool_calls=60, tokens=1000, cost=Decimal(8))
    share = ledger.share(0.5)
    share.take_call()
    share.take_tool()
    share.settle(70, Decimal("0.25"))
    below = share.share(0.5)
    below.settle(5, Decimal("0.5"))
    below.give_back()
    for _ in range(2):
        share.give_back()
        assert ledger.used == Used(1, 1, 75, Decimal("0.75"))
        assert ledger.left() == TeamLimits(29, 59, 925, 600.0, Decimal("7.25"))
    assert share.exhausted() == "tokens"


@pytest.mark.parametrize("part", [0, -0.1, 1.01])
def test_a_share_is_more_than_nothing_and_no_more_than_all(part):
    with pytest.raises(ValueError, match="more than 0 and at most 1"):
        budget().share(part)


def test_no_cost_limit_is_shared_as_none():
    ledger = budget(cost=None)
    assert ledger.share(0.5).limits.cost is None
    assert ledger.left().cost is None
    limited = budget(cost=Decimal(1))
    limited.settle(0, None)  # a price that is unknown leaves the limit as it was
    assert limited.left().cost == Decimal(1)
    assert limited.used.cost is None


def test_the_first_limit_in_order_is_named():
    clock = [0.0]
    ledger = budget(lambda: clock[0], calls=2, tokens=10, seconds=5.0, cost=Decimal(1))
    assert ledger.exhausted() is None
    ledger.take_call()
    assert ledger.exhausted() == "calls"
    assert ledger.exhausted("answer") is None
    ledger.settle(10, Decimal(0))
    assert ledger.exhausted("answer") == "tokens"
    ledger.settle(0, Decimal(1))
    assert ledger.exhausted("answer") == "cost"
    clock[0] = 5.0
    assert ledger.exhausted("answer") == "time"
    assert ledger.seconds == 5.0
    assert ledger.left() == TeamLimits(1, 60, 0, 0.0, Decimal(0))
    ledger.take_call("answer")
    with pytest.raises(Exhausted) as error:
        ledger.take_call("answer")
    assert error.value.limit == "calls"


def test_an_overdraft_leaves_nothing_rather_than_less():
    ledger = budget(tokens=10, cost=Decimal(1))
    ledger.settle(25, Decimal(3))
    ledger.settle(-5, Decimal(0))
    assert ledger.used.tokens == 25
    assert (ledger.left().tokens, ledger.left().cost) == (0, Decimal(0))


def test_tools_end_with_their_number_and_with_the_time():
    clock = [0.0]
    ledger = budget(lambda: clock[0], tool_calls=1, seconds=2.0)
    ledger.take_tool()
    with pytest.raises(Exhausted, match="tool calls"):
        ledger.take_tool()
    clock[0] = 2.0
    with pytest.raises(Exhausted, match="time"):
        ledger.take_tool()


def test_an_earlier_attempt_is_charged():
    ledger = budget(calls=10)
    ledger.charge(Used(3, 2, 50, Decimal("0.5")))
    ledger.charge(Used(1, 1, 1))
    assert ledger.used == Used(4, 3, 51, Decimal("0.5"))


def test_limits_are_not_negative():
    for name in ("calls", "tool_calls", "tokens", "seconds"):
        with pytest.raises(ValueError, match=f"{name} is -1"):
            TeamLimits(**{name: -1})
    with pytest.raises(ValueError, match="cost is -1"):
        TeamLimits(cost=Decimal(-1))
    assert TeamLimits(0, 0, 0, 0.0, Decimal(0)).calls == 0


# money


def test_what_was_not_answered_costs_nothing_but_is_a_request():
    ledger = SpendingLedger(Decimal(1))
    reserved = asyncio.run(ledger.reserve(Decimal("0.4")))
    ledger.settle(reserved, None, Decimal("0.4"))
    assert ledger.tally == Tally(Billed(requests=1), Decimal(0), 0)
    assert ledger.tally.total == 0
    assert ledger.reserved == 0


def test_what_was_answered_is_booked_with_its_price_or_as_unpriced():
    ledger = SpendingLedger()
    before = ledger.tally
    ledger.settle(asyncio.run(ledger.reserve(Decimal(5))), Usage(10, 4, 3, 2), Decimal("0.25"))
    assert ledger.reserved == 0
    middle = ledger.tally
    ledger.settle(Decimal(0), Usage(1, 1), None)
    assert middle == Tally(Billed(1, 10, 3, 4, 2), Decimal("0.25"), 0)
    assert ledger.tally == Tally(Billed(2, 11, 3, 5, 2), Decimal("0.25"), 1)
    assert (middle.total, ledger.tally.total) == (Decimal("0.25"), None)
    assert ledger.tally - middle == Tally(Billed(1, 1, 0, 1, 0), Decimal(0), 1)
    assert middle - before == middle


def test_a_reservation_may_fill_the_budget_to_the_cent_and_no_more():
    async def two(second: str):
        ledger = SpendingLedger(Decimal(1))
        await ledger.reserve(Decimal("0.6"))
        assert ledger.reserved == Decimal("0.6")
        return await asyncio.wait_for(ledger.reserve(Decimal(second)), 0.05)

    assert asyncio.run(two("0.4")) == Decimal("0.4")
    with pytest.raises(TimeoutError):  # it waits for what the first may give back
        asyncio.run(two("0.41"))


def test_what_is_spent_counts_against_the_budget():
    ledger = SpendingLedger(Decimal(1))
    ledger.settle(asyncio.run(ledger.reserve(Decimal(1))), Usage(1, 1), Decimal("0.7"))
    assert asyncio.run(ledger.reserve(Decimal("0.3"))) == Decimal("0.3")
    ledger.settle(Decimal("0.3"), Usage(1, 1), Decimal("0.3"))
    with pytest.raises(BudgetExceeded, match=r"\$1\.0000 are spent and it may cost \$0\.0001"):
        asyncio.run(ledger.reserve(Decimal("0.0001")))


def test_an_unanswered_request_of_unknown_price_leaves_the_cost_known():
    ledger = SpendingLedger()
    ledger.settle(Decimal(0), None, None)
    assert ledger.tally.total == 0


class Refusing(BaseHTTPRequestHandler):
    """Refuses every request with a long page of plain HTML, as gateways do."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        page = b"<html>" + b"no luck " * 500 + b"</html>"
        self.send_response(400)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_) -> None:
        pass


def test_a_page_that_refuses_is_not_billed_as_an_answer(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdefghij")
        with llms.load("openai:gpt-4o-mini") as model:
            model.ledger = SpendingLedger(Decimal(1))
            with pytest.raises(ModelAPIError):
                run(Agent(model.chat_model(), model_settings={"max_tokens": 10}).run("hello"))
            assert model.ledger.tally == Tally(Billed(requests=1), Decimal(0), 0)
            assert model.ledger.reserved == 0
        server.shutdown()


def test_a_stream_that_begins_with_an_error_is_free_and_one_that_breaks_off_is_not():
    error, word = (
        b'data: {"error": {"message": "no luck"}}\n\n',
        b'data: {"choices": [{"delta": {"content": "abcd"}}]}\n\n',
    )
    refused, broken = (Meter(RequestEstimate(True, Usage(30, 1000))) for _ in range(2))
    refused.feed(error)
    broken.feed(word + error)
    assert refused.usage == Usage()
    assert broken.usage == Usage(30, 2)  # four bytes
    assert refused.ended
    assert broken.ended
