"""One engine for many callers at once: a thread of its own steps the decoder, requests join and leave at any time.

A request that arrives is part of the next step if there is room, else it waits its turn: first come, first served.
One that is cancelled costs nothing after the step that runs. Work that needs the model but is no generation (scoring,
tracing) is run between two steps.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import count
from typing import NamedTuple, TypeVar

from ..errors import NotNumbers
from .engine import Engine
from .request import NOT_NUMBERS, Constrain, DecodeRequest, Event, Logits

T = TypeVar("T")
Sink = Callable[[Event | BaseException], None]


class _Job(NamedTuple):
    """Work for the engine's thread. `run` raises nothing; `fail` ends it where it cannot be run any more."""

    run: Callable[[], None]
    fail: Callable[[BaseException], None]


class EngineLoop:
    """Drives one decoder of `engine`. All methods may be called from any thread."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._decoder = engine.decoder(remember=True)
        self._ids = count()
        self._sinks: dict[int, Sink] = {}
        self._arrived: deque[DecodeRequest] = deque()
        self._cancelled: set[int] = set()
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="llms-engine", daemon=True)
        self._thread.start()

    @property
    def vocabulary(self) -> int:
        return self._engine.network.vocabulary

    @property
    def ends(self) -> frozenset[int]:
        """The end-of-sequence ids."""
        return self._engine.end

    @property
    def rows(self) -> int:
        """How many requests are worked on at once, at most."""
        return self._decoder.most_rows

    @property
    def busy(self) -> int:
        """Requests that are waiting or being worked on."""
        return len(self._sinks)

    def submit(self, request: DecodeRequest, sink: Sink) -> int:
        """Begin `request`; `sink` is called with each Event, or with the error that ended it, in the engine's thread.

        Returns the number to cancel it by; the request's own id is not looked at.
        """
        return self.submit_all([(request, sink)])[0]

    def submit_all(self, requests: Sequence[tuple[DecodeRequest, Sink]]) -> list[int]:
        """Begin several at once, so that what their prompts share is computed once."""
        numbers = [next(self._ids) for _ in requests]
        with self._changed:
            if self._closed:
                raise RuntimeError("the engine is closed")
            for number, (request, sink) in zip(numbers, requests, strict=True):
                self._sinks[number] = sink
                constrain = request.constrain and self._careful(number, request.constrain)
                self._arrived.append(replace(request, id=number, constrain=constrain))
            self._changed.notify()
        return numbers

    def cancel(self, number: int) -> None:
        """End a request; its sink hears no more. Unknown numbers, and ended ones, are ignored."""
        with self._changed:
            if self._sinks.pop(number, None) is not None:
                self._cancelled.add(number)
                self._changed.notify()

    def events(self, request: DecodeRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
        """The events of `request`; closing this generator, or setting `cancel`, ends it within one token."""
        arrived: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        number = self.submit(request, arrived.put)
        try:
            while True:
                try:
                    event = arrived.get(timeout=0.05 if cancel is not None else None)
                except queue.Empty:
                    if cancel is not None and cancel.is_set():
                        return
                    continue
                if isinstance(event, BaseException):
                    raise event
                if cancel is not None and cancel.is_set():
                    return
                yield event
                if event.finish:
                    return
        finally:
            self.cancel(number)

    def call(self, work: Callable[[], T]) -> T:
        """The result of `work()`, run in the engine's thread between two steps; raises what it raises."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # the caller's to handle
                done.set_exception(error)

        with self._changed:
            if self._closed:
                raise RuntimeError("the engine is closed")
            self._jobs.append(_Job(run, done.set_exception))
            self._changed.notify()
        return done.result()

    def close(self) -> None:
        """End the thread; whoever still waits gets an error."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _careful(self, number: int, constrain: Constrain) -> Constrain:
        """`constrain`, whose errors end the request that it belongs to and no other."""

        def careful(new: Sequence[int], logits: Logits) -> Logits:
            try:
                return constrain(new, logits)
            except Exception as error:
                sink = self._sinks.get(number)
                self.cancel(number)
                if sink is not None:
                    sink(error)
                return logits

        return careful

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._arrived or self._cancelled or self._jobs or not self._decoder.idle):
                    self._changed.wait()
                if self._closed:
                    self._fail(RuntimeError("the engine was closed"))
                    return
                arrived = [self._arrived.popleft() for _ in range(min(self._decoder.vacant, len(self._arrived)))]
                cancelled, self._cancelled = self._cancelled, set()
                job = self._jobs.popleft() if self._jobs else None
            try:
                for number in cancelled:
                    self._decoder.abort(number)
                for request in arrived:
                    if request.id in self._sinks:
                        self._decoder.add(request)
                if job is not None:
                    job.run()
                for event in [] if self._decoder.idle else self._decoder.step():
                    self._tell(event)
            except Exception as error:  # whatever the model raised ends the requests, not the thread
                with self._changed:
                    self._fail(error)
                self._decoder = self._engine.decoder(remember=True)

    def _tell(self, event: Event) -> None:
        sink = self._sinks.get(event.id)
        if event.finish:
            self._sinks.pop(event.id, None)
        if sink is not None:
            sink(NotNumbers(NOT_NUMBERS) if event.finish == "nan" else event)

    def _fail(self, error: BaseException) -> None:
        sinks, self._sinks = self._sinks, {}
        for sink in sinks.values():
            sink(error)
        jobs, self._jobs = (self._jobs, deque()) if self._closed else (deque(), self._jobs)
        for job in jobs:
            job.fail(error)
