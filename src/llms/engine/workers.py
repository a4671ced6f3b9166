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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from ..errors import LlmsError, WorkerDied
from .engine import Engine, Generated
from .memory import peak_bytes, resident_bytes
from .request import DecodeRequest
from .scorer import ScoreRequest, TokenScore

SHARD_TOKENS = 8192  # of requests, counted without sharing
Build = Callable[[], Engine]
Request = ScoreRequest | DecodeRequest


@dataclass
class _Worker:
    connection: Connection
    shards: deque[list[int]] = field(default_factory=deque)
    busy: list[int] | None = None
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
            self.verdict = self._receive(self._workers[0])
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

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, TokenScore]]:
        """(index, score) in order of completion, as Engine.score. A dead worker's requests go to the others."""
        order = sorted(range(len(requests)), key=lambda index: requests[index].tokens)
        shards = _shards(order, [len(requests[index].tokens) for index in order])
        yield from self._run("score", requests, shards)

    def complete(self, requests: Sequence[DecodeRequest]) -> Iterator[tuple[int, Generated]]:
        """(index, what was generated) in order of completion; each worker decodes its share in one batch."""
        order = sorted(range(len(requests)), key=lambda index: -len(requests[index].tokens))
        shards = [shard for start in range(len(self._workers)) if (shard := order[start :: len(self._workers)])]
        yield from self._run("complete", requests, shards)

    def _run(self, verb: str, requests: Sequence[Request], shards: list[list[int]]) -> Iterator[tuple[int, Any]]:
        share = -(-len(shards) // len(self._workers)) or 1
        for number, worker in enumerate(self._workers):
            worker.shards = deque(shards[number * share : (number + 1) * share])
        left = sum(map(len, shards))
        while left:
            for worker in list(self._workers):
                try:
                    self._dispatch(worker, verb, requests)
                except OSError:  # it died while idle
                    self._bury(worker)
            ready = wait([worker.connection for worker in self._workers if worker.busy is not None])
            for worker in [w for w in self._workers if w.connection in ready]:
                try:
                    results = self._receive(worker)
                except (EOFError, OSError):  # OSError: it died in the middle of a message
                    self._bury(worker)
                    continue
                if results is None:
                    worker.busy = None
                    continue
                shard = worker.busy or []
                for position, result in results:
                    left -= 1
                    index, shard[position] = shard[position], -1
                    yield index, result

    def _dispatch(self, worker: _Worker, verb: str, requests: Sequence[Request]) -> None:
        if worker.busy is not None:
            return
        if not worker.shards:
            richest = max(self._workers, key=lambda other: len(other.shards))
            if not richest.shards:
                return
            worker.shards.append(richest.shards.pop())
        worker.busy = worker.shards.popleft()
        worker.connection.send((verb, [requests[index] for index in worker.busy]))

    def _bury(self, worker: _Worker) -> None:
        """Give what a dead worker had left to the others; without others, the work cannot go on."""
        self._workers.remove(worker)
        if not self._workers:
            self.close()
            raise WorkerDied(
                "the process that computes ended on its own, probably killed for want of memory; "
                "what was scored is kept. Free some memory, or use a smaller model or dtype, and run the same command again"
            )
        rest = [index for index in worker.busy or [] if index >= 0]
        self._workers[0].shards.extend([*worker.shards, *([rest] if rest else [])])

    def _receive(self, worker: _Worker) -> Any:
        """The next value that `worker` sends: the verdict, results, or None at the end of a shard. Raises its errors."""
        kind, value, worker.peak_bytes = worker.connection.recv()
        if kind == "error":
            self.close()
            raise value
        return value

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

    while True:
        try:
            verb, requests = connection.recv()
            batch: list[tuple[int, object]] = []
            for pair in getattr(engine, verb)(requests):
                batch.append(pair)
                if len(batch) >= 16 or verb == "complete":
                    send("results", batch)
                    batch = []
            if batch:
                send("results", batch)
            send("results", None)
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
