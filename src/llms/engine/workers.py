"""One engine over several processes, one thread each: the first loads the model, the others are forked from it.

Forked workers share the weights' memory. Work goes out in shards of neighbouring requests, so that a worker
keeps a header's keys from one shard to the next; an idle worker takes shards from the far end of another's
queue. Workers die with their parent: the kernel kills them, and their pipe ends.

Run as a module, this file is the first worker: python -m llms.engine.workers FD FD …
"""

import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any

from ..errors import LlmsError, WorkerDied
from .engine import AHEAD, Engine, Generated
from .request import DecodeRequest
from .resident import peak_bytes, resident_bytes
from .scorer import ScoreRequest, TokenScore

SHARD_TOKENS = 8192  # of requests to score, counted without sharing
SENT_TOGETHER = 16  # requests to generate that a worker gets whenever it asks for more
AHEAD_OF_WORKER = 64  # requests to generate that wait in a worker, beside those dealt out first
Build = Callable[[], Engine]
Request = ScoreRequest | DecodeRequest
_Numbered = tuple[int, Request]


@dataclass
class _Worker:
    """`busy` holds what it has been sent and has not answered, by its number among the `sent`; None while it is idle."""

    connection: Connection
    shards: deque[list[_Numbered]] = field(default_factory=deque)
    busy: dict[int, _Numbered] | None = None
    sent: int = 0
    peak_bytes: int = 0


class Workers:
    """`count` processes behind the same `score` and `complete` as an Engine; `build` makes the engine in the first."""

    def __init__(self, build: Build, count: int):
        pairs = [socket.socketpair() for _ in range(count)]
        theirs = [theirs.fileno() for _, theirs in pairs]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, theirs)],
            pass_fds=theirs,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        for _, end in pairs:
            end.close()
        self._workers = [_Worker(Connection(ours.detach())) for ours, _ in pairs]
        self._workers[0].connection.send_bytes(pickle.dumps(build))
        try:
            _, self.verdict = self._receive(self._workers[0])
        except (EOFError, ConnectionError) as error:
            self.close()
            raise WorkerDied(
                "the process that computes ended while it loaded the model, probably killed for want of memory. "
                "Free some memory, or use a smaller model or dtype, and run the same command again"
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def peak_bytes(self) -> int:
        """The first worker's peak and what each other one held beyond what it shares."""
        return sum(worker.peak_bytes for worker in self._workers)

    @property
    def closed(self) -> bool:
        return not self._workers

    def score(self, requests: Sequence[ScoreRequest]) -> Generator[tuple[int, TokenScore], None, None]:
        """(index, score) in order of completion, as Engine.score. A dead worker's requests go to the others."""
        order = sorted(range(len(requests)), key=lambda index: requests[index].tokens)
        shards = _shards(order, [len(requests[index].tokens) for index in order])
        share = -(-len(shards) // len(self._workers)) or 1
        for number, worker in enumerate(self._workers):
            worker.shards = deque(
                [(index, requests[index]) for index in shard] for shard in shards[number * share : (number + 1) * share]
            )
        yield from self._run("score", iter(()))

    def complete(self, requests: Iterable[DecodeRequest]) -> Generator[tuple[int, Generated], None, None]:
        """(index, what was generated) in order of completion. The first requests are dealt out, the longest first; then
        each worker asks for more while it decodes, so that its rows never run dry."""
        source = enumerate(requests)
        first = sorted(islice(source, AHEAD), key=lambda entry: -len(entry[1].tokens))
        for number, worker in enumerate(self._workers):
            share: list[_Numbered] = [*first[number :: len(self._workers)]]
            worker.shards = deque([share] if share else [])
        yield from self._run("complete", source)

    def _run(self, verb: str, source: Iterator[_Numbered]) -> Generator[tuple[int, Any], None, None]:
        """The results of the workers' shards, and of what is left in `source`. If the reader leaves early, the processes
        end: nothing else stops what they compute."""
        done = False
        try:
            while True:
                for worker in list(self._workers):
                    try:
                        self._dispatch(worker, verb, source)
                    except OSError:  # it died while idle
                        self._bury(worker)
                busy = [worker for worker in self._workers if worker.busy is not None]
                if not busy and not any(worker.shards for worker in self._workers):
                    break
                ready = wait([worker.connection for worker in busy])
                for worker in [worker for worker in busy if worker.connection in ready]:
                    try:
                        kind, results = self._receive(worker)
                        if kind == "more":
                            self._send(worker, verb, self._next_shard(worker, source))
                    except (EOFError, OSError):  # OSError: it died in the middle of a message
                        self._bury(worker)
                        continue
                    if kind == "end":
                        worker.busy = None
                    elif kind == "results":
                        for position, result in results:
                            assert worker.busy is not None
                            index, _ = worker.busy.pop(position)
                            yield index, result
            done = True
        finally:
            if not done:
                self.close()

    def _dispatch(self, worker: _Worker, verb: str, source: Iterator[_Numbered]) -> None:
        """Give an idle worker a shard, if there is one."""
        if worker.busy is None and (shard := self._next_shard(worker, source)):
            worker.busy, worker.sent = {}, 0
            self._send(worker, verb, shard)

    def _next_shard(self, worker: _Worker, source: Iterator[_Numbered]) -> list[_Numbered]:
        """Its own, or some of what is left in `source`, or the last one of whoever has most."""
        if worker.shards:
            return worker.shards.popleft()
        if shard := list(islice(source, SENT_TOGETHER)):
            return shard
        richest = max(self._workers, key=lambda other: len(other.shards))
        return richest.shards.pop() if richest.shards else []

    def _send(self, worker: _Worker, verb: str, shard: list[_Numbered]) -> None:
        """Requests for a worker that waits for them; none says that no more will come. They count as its own from here
        on, even if it turns out to be dead."""
        assert worker.busy is not None
        worker.busy.update(enumerate(shard, worker.sent))
        worker.sent += len(shard)
        worker.connection.send((verb, [request for _, request in shard]))

    def _bury(self, worker: _Worker) -> None:
        """Give what a dead worker had left to the others; without others, the work cannot go on."""
        self._workers.remove(worker)
        if not self._workers:
            self.close()
            raise WorkerDied(
                "the process that computes ended on its own, probably killed for want of memory; "
                "what was scored is kept. Free some memory, or use a smaller model or dtype, and run the same command again"
            )
        rest = list((worker.busy or {}).values())
        self._workers[0].shards.extend([*worker.shards, *([rest] if rest else [])])

    def _receive(self, worker: _Worker) -> tuple[str, Any]:
        """The next message of `worker`: ("verdict", it), ("results", a list), ("more", None) when it waits for requests, or
        ("end", None) when it has answered all. Raises its errors."""
        kind, value, worker.peak_bytes = worker.connection.recv()
        if kind == "error":
            self.close()
            raise value
        return kind, value

    def close(self) -> None:
        """End the processes; idle ones at once, busy ones by the signal."""
        for worker in self._workers:
            worker.connection.close()
        self._workers = []
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _shards(order: list[int], lengths: list[int]) -> list[list[int]]:
    shards: list[list[int]] = [[]]
    tokens = 0
    for index, length in zip(order, lengths, strict=True):
        if tokens >= SHARD_TOKENS:
            shards.append([])
            tokens = 0
        shards[-1].append(index)
        tokens += length
    return [shard for shard in shards if shard]


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (Linux; elsewhere the closed pipe ends it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _serve(connection: Connection, engine: Engine, inherited: int) -> None:
    def send(kind: str, value: object) -> None:
        connection.send((kind, value, max(0, peak_bytes() - inherited)))

    def arriving(requests: list[DecodeRequest]) -> Iterator[DecodeRequest]:
        while requests:
            yield from requests
            send("more", None)
            _, requests = connection.recv()

    while True:
        try:
            verb, requests = connection.recv()
            scores = verb == "score"
            results = engine.score(requests) if scores else engine.complete(arriving(requests), AHEAD_OF_WORKER)
            batch: list[tuple[int, object]] = []
            for pair in results:
                batch.append(pair)
                if len(batch) >= 16 or not scores:
                    send("results", batch)
                    batch = []
            if batch:
                send("results", batch)
            send("end", None)
        except (EOFError, ConnectionError):
            os._exit(0)
        except (LlmsError, RuntimeError, ValueError, MemoryError) as error:
            send("error", error if isinstance(error, LlmsError) else LlmsError(f"{type(error).__name__}: {error}"))


def main(descriptors: list[int]) -> None:
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    connections = [Connection(descriptor) for descriptor in descriptors]
    first = connections[0]
    try:
        engine = pickle.loads(first.recv_bytes())()
    except LlmsError as error:
        first.send(("error", error, 0))
        return
    for position, connection in enumerate(connections[1:], 1):
        if os.fork() == 0:
            _die_with_parent()
            for other in connections[:position] + connections[position + 1 :]:
                other.close()
            _serve(connection, engine, resident_bytes())
    for other in connections[1:]:
        other.close()
    first.send(("verdict", engine.verdict, 0))
    _serve(first, engine, 0)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
