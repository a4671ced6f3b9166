"""Several processes give what one gives; they survive each other, and end with their parent."""

import os
import signal
import time
from functools import partial

import pytest

from llms.engine import DecodeRequest, ScoreRequest
from llms.engine.workers import Workers
from llms.errors import ModelError, WorkerDied
from llms.models.local.build import Build
from llms.models.local.construct import construct


def build(folder: str) -> partial:
    return partial(construct, Build(folder, "float32", "cpu", False, False))


def requests(count: int = 60) -> list[ScoreRequest]:
    return [ScoreRequest((1, 2, 3, 4, *(5 + i % 7 for i in range(n % 90)), n % 200, 9, 8), 2) for n in range(count)]


def test_workers_give_what_one_engine_gives(tiny):
    engine = build(tiny)()
    workers = Workers(build(tiny), 2)
    try:
        assert workers.verdict.supports_tree_attention
        expected, found = dict(engine.score(requests())), dict(workers.score(requests()))
        assert sorted(found) == sorted(expected)
        for index, score in expected.items():
            assert found[index].logprob == pytest.approx(score.logprob, abs=1e-4)
            assert found[index].greedy == score.greedy
        prompts = [DecodeRequest(i, tuple(range(1, 10 + i)), 6) for i in range(5)]
        one = {i: made.tokens for i, made in engine.complete(prompts)}
        assert {i: made.tokens for i, made in workers.complete(prompts)} == one
        assert workers.peak_bytes > 0
    finally:
        workers.close()


def test_a_worker_that_is_killed_loses_nothing(tiny, monkeypatch):
    monkeypatch.setattr("llms.engine.workers.SHARD_TOKENS", 200)
    expected = dict(build(tiny)().score(requests(300)))
    workers = Workers(build(tiny), 3)
    try:
        found = {}
        killed = None
        for index, score in workers.score(requests(300)):
            found[index] = score
            if killed is None:
                killed = forked(workers._process.pid)[0]
                os.kill(killed, signal.SIGKILL)
        assert sorted(found) == sorted(expected)
        for index, score in expected.items():
            assert found[index].logprob == pytest.approx(score.logprob, abs=1e-4)
    finally:
        workers.close()


class Killed:
    """A build that the system ends, as it does when memory runs out."""

    def __call__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_while_it_loads_says_so():
    with pytest.raises(WorkerDied, match="while it loaded"):
        Workers(Killed(), 2)


@pytest.mark.slow
def test_when_all_are_gone_it_says_so(tiny):
    workers = Workers(build(tiny), 2)
    pids = [workers._process.pid, *forked(workers._process.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="what was scored is kept"):
        dict(workers.score(requests()))


def test_a_worker_that_died_while_idle_is_buried_when_work_is_sent(tiny, monkeypatch):
    monkeypatch.setattr("llms.engine.workers.SHARD_TOKENS", 200)
    workers = Workers(build(tiny), 2)
    try:
        (gone,) = forked(workers._process.pid)
        os.kill(gone, signal.SIGKILL)
        while not zombie(gone):
            time.sleep(0.01)
        assert sorted(dict(workers.score(requests()))) == list(range(60))
        assert len(workers._workers) == 1
        workers._process.kill()
        workers._process.wait()
        with pytest.raises(WorkerDied, match="what was scored is kept"):
            dict(workers.score(requests()))
    finally:
        workers.close()


def test_an_error_in_a_worker_arrives_with_its_words(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot load"):
        Workers(build(str(tmp_path)), 2)


def test_closing_ends_every_process(tiny):
    workers = Workers(build(tiny), 2)
    pids = [workers._process.pid, *forked(workers._process.pid)]
    assert len(pids) == 2
    workers.close()
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") and not zombie(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def forked(pid: int) -> list[int]:
    from test_resume import children

    return children(pid)


def zombie(pid: int) -> bool:
    from test_resume import alive

    return not alive(pid)
