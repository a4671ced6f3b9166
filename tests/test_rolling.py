"""Items are asked in a window that moves with each answer: nobody waits for a block, and little is held."""

import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

import llms
from llms.benchmarks.gsm8k import GSM8K
from llms.data import open_source
from llms.engine import DecodeRequest
from llms.engine.engine import AHEAD
from llms.engine.workers import Workers
from llms.evaluation.config import EvalConfig
from llms.evaluation.items import Item
from llms.evaluation.plan import plan
from llms.evaluation.run import run
from llms.models.api.batch import IN_FLIGHT
from llms.models.local.build import Build
from llms.models.local.construct import construct
from llms.models.system import Generate
from llms.testing import ScriptedEndpoint, ScriptedModel
from llms.testing.endpoint import last_message
from llms.values import Example, Scored

ROWS = 700  # more than any window holds


class Watched:
    """Numbers in order; tells how many were read."""

    def __init__(self, make, total: int = ROWS):
        self.read = 0
        self._make, self._total = make, total

    def __iter__(self) -> Iterator:
        for number in range(self._total):
            self.read = number + 1
            yield self._make(number)


def ask(number: int) -> Generate:
    return Generate((llms.Message("user", f"question {number}"),), 8)


def test_an_endpoint_is_asked_on_while_its_first_answer_is_awaited():
    late = threading.Event()

    def answer(body):
        text = last_message(body)
        if text == "question 0":
            assert late.wait(20)
        if text == "question 650":  # when it is asked, all but IN_FLIGHT of those before it are done
            late.set()
        return text

    requests = Watched(ask)
    with ScriptedEndpoint(answer) as server, llms.load(f"{server.url}#m") as model:
        done = []
        for index, result in model.complete(requests):
            assert result.text == f"question {index}"
            done.append(index)
            assert requests.read - len(done) <= IN_FLIGHT
    assert late.is_set()
    assert sorted(done) == list(range(ROWS))
    assert done.index(0) > 500


def test_scores_of_an_endpoint_roll_as_well():
    pairs = Watched(lambda number: ("one two", f" {'x' * (number % 5 + 1)}"), 300)
    with ScriptedEndpoint() as server, llms.load(f"{server.url}#m") as model:
        for done, (index, result) in enumerate(model.score(pairs), 1):
            assert result.logprob == -0.5 * (index % 5 + 1)
            assert pairs.read - done <= IN_FLIGHT
    assert pairs.read == 300


def test_leaving_early_stops_what_is_on_its_way():
    server = ScriptedEndpoint(lambda body: "x", seconds=0.02)
    requests = Watched(ask)
    with server, llms.load(f"{server.url}#m") as model:
        results = model.complete(requests)
        next(results)
        results.close()
        time.sleep(0.3)  # what had been sent when it was left has come by then
        sent = len(server.posts)
        assert requests.read <= IN_FLIGHT + 1
        next(model.complete(iter([ask(0)])))  # the endpoint is as usable as before
        assert len(server.posts) == sent + 1


def test_rows_of_the_decoder_are_refilled_by_whatever_comes_next(tiny):
    """The first request asks for many tokens, all others for two: it ends among those far behind it, not before."""
    engine = build(tiny)()
    engine.end = frozenset()
    prompts = [DecodeRequest(0, (1, 2, 3 + n % 90, 4), 200 if n == 0 else 2) for n in range(ROWS + 600)]
    requests = Watched(prompts.__getitem__, len(prompts))
    done = {}
    rows = engine.decoder().most_rows
    for index, generated in engine.complete(requests):
        done[index] = generated.tokens
        assert requests.read - len(done) <= AHEAD + rows
    assert list(done).index(0) > AHEAD
    assert len(done) == len(prompts)
    for index in (5, AHEAD + 1, len(prompts) - 1):
        ((_, alone),) = engine.complete([prompts[index]])
        assert alone.tokens == done[index]


def test_a_request_for_no_tokens_gets_none(tiny):
    engine = build(tiny)()
    found = dict(engine.complete(DecodeRequest(0, (1, 2), most) for most in (0, 2, 0)))
    assert [len(found[i].tokens) for i in range(3)] == [0, 2, 0]


def test_workers_get_more_while_they_decode(tiny):
    engine = build(tiny)()
    prompts = [DecodeRequest(0, (1, 2, 3 + n % 90, 4), 2 + n % 3) for n in range(ROWS + 300)]
    requests = Watched(prompts.__getitem__, len(prompts))
    workers = Workers(build(tiny), 2)
    try:
        found = {}
        for index, generated in workers.complete(requests):
            found[index] = generated.tokens
            assert requests.read - len(found) <= AHEAD + 300
    finally:
        workers.close()
    assert found == {index: generated.tokens for index, generated in engine.complete(prompts)}


def build(folder: str) -> partial:
    return partial(construct, Build(folder, "float32", "cpu", False, False))


def test_workers_whose_reader_leaves_end_and_are_made_anew(tiny):
    with llms.load(f"hf:{tiny}?device=cpu") as model:
        model.workers = 2
        requests = [Generate(f"{number}", 40) for number in range(80)]
        results = model.complete(requests)
        next(results)
        first = model._engine
        results.close()
        assert first._process.poll() is not None
        assert sorted(index for index, _ in model.complete(requests)) == list(range(80))
        assert model._engine is not first


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("question,answer\n" + "".join(f"q{n}?,a{n}\n" for n in range(ROWS)))
    return path


def test_an_evaluation_stores_what_follows_an_item_that_is_slow(questions):
    """Item 0 is answered only when item 600 has been asked."""
    late, order = threading.Event(), []

    def answer(body):
        asked = re.search(r"q(\d+)\?", last_message(body))
        if asked is None:  # of the handshake
            return "x"
        number = asked[1]
        order.append(int(number))
        if number == "600":
            late.set()
        if number == "0":
            assert late.wait(20)
        return f"a{number}"

    with ScriptedEndpoint(answer) as server, llms.load(f"{server.url}#m") as model:
        evaluation = llms.evaluate(model, [], data=str(questions))
    assert late.is_set()
    assert sorted(order) == list(range(ROWS))
    report = evaluation.reports["own"]
    assert (report.n, report.failed, report.score.value) == (ROWS, 0, 1.0)


def test_an_evaluation_makes_items_as_they_are_asked():
    """Of an endless plan as much is read as is answered, and one more."""
    benchmark, name = GSM8K, "gsm8k"
    read = []

    def items():
        for number in count():
            read.append(number)
            row = {"question": f"q{number}", "answer": f"It is so. #### {number}"}
            example = Example(name, number, row)
            yield Item(example, benchmark.prompt(example, (), benchmark.views["default"]), "c")

    made = plan(benchmark, open_source(None), EvalConfig(limit=1))
    model = ScriptedModel(lambda text: "#### " + text.split("q")[-1].split("\n")[0])
    outcomes = run(made, benchmark, model, items())
    for number, (item, _, outcome) in zip(range(2000), outcomes, strict=False):
        assert item.example.index == number
        assert isinstance(outcome, Scored)
        assert len(read) == number + 1
    outcomes.close()
    assert len(read) == 2000
