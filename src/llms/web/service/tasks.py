"""Tasks for a page: inputs answered by one model at a time, as long as the page reads; the model is kept for a while.

Work ends with its reader: who closes the page, or stops, ends it after the answer that is being computed.
"""

import csv
import io
import json
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic

from ... import bridge, settings
from ...chat.conversation.tree import new_id
from ...errors import LlmsError, UnknownName, UsageError
from ...models.hub import hub
from ...models.name import Name, parse
from ...models.system import Model
from ...models.task_model import TaskInput, TaskModel, TaskOptions, TaskOutput, Way
from ...tasks.catalogue import HubTask
from ...values import Failure, Json, Media
from ...workbench.task import code_of, open_task
from ...workbench.task_inputs import TaskRow
from ...workbench.task_stream import as_json
from .model_pool import ModelPool
from .task_events import (
    TaskEnded,
    TaskEvent,
    TaskFetching,
    TaskOpening,
    TaskRefused,
    TaskWaiting,
    event_of,
)
from .task_files import TaskFileResponse, TaskFiles

IDLE_SECONDS = 300.0  # after which a model is let go
HELD_RUNS = 4  # whose answers can be downloaded
LOOK_SECONDS = 0.3
Key = tuple[str, str, Way | None, TaskOptions]


@dataclass(frozen=True, slots=True)
class TaskModelResponse:
    """Where a model is: `state` is here, absent (it can be fetched), offline (it could be) or asked (at its endpoint).

    `megabytes`, `licence` and `languages` are of a task's own model; 0 and empty where they are not known before the hub
    is asked. `command` fetches it; `cached` are those that are here.
    """

    name: str
    state: str
    megabytes: int
    licence: str
    languages: str
    command: str
    cached: list[str]


@dataclass(frozen=True, slots=True)
class TaskCodeResponse:
    """A script that does the same."""

    code: str


@dataclass(frozen=True, slots=True)
class TaskWork:
    """Of whom what is asked: the inputs are `texts`, then those of the files."""

    task: HubTask
    model: str
    way: Way | None
    options: TaskOptions
    texts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    other: str = ""


@dataclass(eq=False, slots=True)
class TaskRun:
    """Work, or a model to `fetch`, and what has come of it. Its events are read once."""

    work: TaskWork | None = None
    fetch: Name | None = None
    megabytes: int = 0
    begun: bool = False
    lines: dict[int, dict[str, Json]] = field(default_factory=dict)
    media: dict[int, Media] = field(default_factory=dict)

    def keep(self, index: int, line: dict[str, Json], result: TaskOutput | Failure) -> None:
        self.lines[index] = line
        if isinstance(result, TaskOutput) and result.media:
            self.media[index] = result.media


class TaskService:
    """One task is done at a time, by one model that is kept until another is asked for, or nobody asks for a while."""

    def __init__(self, models: ModelPool):
        self.files = TaskFiles()
        self._models = models
        self._runs: dict[str, TaskRun] = {}
        self._alone = threading.Lock()
        self._kept: tuple[Key, TaskModel] | None = None
        self._shared = False
        self._idle: threading.Timer | None = None

    async def keep(self, name: str, data: bytes) -> TaskFileResponse:
        """Hold a file of inputs. Raises UsageError."""
        return await self._models.wait_for(self.files.add, name, data)

    async def about(self, task: HubTask, model: str) -> TaskModelResponse:
        """Where a model is, and its size and licence. Connects to nothing. Raises UsageError."""
        return await self._models.wait_for(self._about, task, model)

    def _about(self, task: HubTask, model: str) -> TaskModelResponse:
        default = task.default
        if not model and default is None:
            raise UsageError(f"{task.name} has no model of its own; name one")
        name = parse(self._models.reach.check_model(model or (default.name if default else "")))
        facts = default if default is not None and name.text == default.name else None
        state, cached = _state(name), []
        if state == "offline":
            cached = [f"hf:{one.model}" for one in hub.cached() if one.weights]
        return TaskModelResponse(
            name.text,
            state,
            facts.megabytes if facts else 0,
            facts.licence if facts else "",
            facts.languages if facts else "",
            f"llms models pull {name.text}",
            cached,
        )

    async def begin(self, work: TaskWork) -> str:
        """The id of a run, which begins when its events are read. Raises UsageError for what may not be named, and where
        a model would have to be fetched."""
        about = await self.about(work.task, work.model)
        if about.state in ("absent", "offline"):
            raise UsageError(f"{about.name} is not on this machine; fetch it first")
        if "/" in work.options.voice or "\\" in work.options.voice:
            self._models.reach.check_file(work.options.voice)
        if not work.texts and not work.files:
            raise UsageError("there is no input; write a text, or choose a file")
        return self._hold(TaskRun(work))

    async def begin_fetch(self, task: HubTask, model: str) -> str:
        """The id of a run that fetches a model. Raises UsageError unless it can be fetched."""
        about = await self.about(task, model)
        if about.state != "absent":
            words = {"offline": "the hub does not answer", "here": "it is here already"}
            raise UsageError(f"{about.name} cannot be fetched: {words.get(about.state, 'it is asked at its endpoint')}")
        return self._hold(TaskRun(fetch=parse(about.name), megabytes=about.megabytes))

    async def code(self, work: TaskWork) -> TaskCodeResponse:
        """The work as a script with transformers alone. Raises UsageError."""
        if work.model:
            self._models.reach.check_model(work.model)
        texts = [*work.texts, *self.files.names(work.files)]
        script = await self._models.wait_for(code_of, work.task.name, work.model, work.way, work.options, texts)
        return TaskCodeResponse(script)

    def _hold(self, run: TaskRun) -> str:
        id = new_id()
        self._runs[id] = run
        while len(self._runs) > HELD_RUNS:
            del self._runs[next(iter(self._runs))]
        return id

    async def events(self, id: str) -> AsyncGenerator[TaskEvent, None]:
        """Do the work of a run, once: leaving ends it. The first event tells whether it can be done at all."""
        run = self._run(id)
        run.begun = True
        steps = self._fetch if run.fetch else self._work
        async with aclosing(bridge.in_thread(partial(steps, run))) as produced:
            async for event in produced:
                yield event

    def check_new(self, id: str) -> None:
        """Raises UnknownName unless the events of this run are still to be read."""
        if self._run(id).begun:
            raise UnknownName("run", id, [])

    def _work(self, run: TaskRun, cancel: threading.Event) -> Iterator[TaskEvent]:
        assert run.work is not None
        started, failed = monotonic(), 0
        waited = not self._alone.acquire(blocking=False)
        if waited:
            yield TaskWaiting()
            while not self._alone.acquire(timeout=LOOK_SECONDS):
                if cancel.is_set():
                    return
        try:
            self._stay()
            work = run.work
            rows = list(self._rows(work))
            yield TaskOpening(work.model or (work.task.default.name if work.task.default else ""), len(rows))
            model = self._open((work.task.name, work.model, work.way, work.options))
            with closing(_answers(model, rows)) as answers:
                for index, result in answers:
                    if cancel.is_set():
                        return
                    failed += isinstance(result, Failure)
                    run.keep(index, as_json(model, rows[index], result), result)
                    yield event_of(index, rows[index], result)
            yield TaskEnded(len(run.lines) - failed, failed, monotonic() - started)
        except LlmsError as error:
            yield TaskRefused(str(error))
        except Exception:
            yield TaskRefused("the task failed; the server's log says why")
            raise
        finally:
            self._alone.release()
            self._leave()

    def _rows(self, work: TaskWork) -> Iterator[TaskRow]:
        texts = (TaskRow(TaskInput(text, other=work.other), text) for text in work.texts)
        return chain(texts, self.files.rows(work.task, work.files, work.columns, work.other))

    def _open(self, key: Key) -> TaskModel:
        if self._kept and self._kept[0] == key:
            return self._kept[1]
        self._let_go()
        task, model, way, options = key
        shared: list[Model] = []

        def loader(name: str) -> Model:
            shared.append(self._models.get(name))
            return shared[0]

        opened = open_task(task, model, way, options, loader)
        self._kept, self._shared = (key, opened), bool(shared)
        return opened

    def _let_go(self) -> None:
        """A language model stays: it is the pool's, which chats share."""
        if self._kept and not self._shared:
            self._kept[1].close()
        self._kept = None

    def _stay(self) -> None:
        if self._idle:
            self._idle.cancel()

    def _leave(self) -> None:
        """Let the model go in a while, unless it is asked again."""
        self._idle = threading.Timer(IDLE_SECONDS, self.close)
        self._idle.daemon = True
        self._idle.start()

    def _fetch(self, run: TaskRun, cancel: threading.Event) -> Iterator[TaskEvent]:
        """In a process of its own, which can be ended at once; a download that is ended goes on where it was."""
        assert run.fetch is not None
        started, name = monotonic(), run.fetch
        total, blobs = (
            run.megabytes * 1_000_000,
            hub.cache_folder() / f"models--{name.model.replace('/', '--')}" / "blobs",
        )
        command = [sys.executable, "-m", "llms", "models", "pull", name.text, "--yes"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                while process.poll() is None:
                    yield TaskFetching(_bytes(blobs), total)
                    if cancel.wait(LOOK_SECONDS):
                        return
                words = process.stderr.read().strip() if process.stderr else ""
            finally:
                process.terminate()
        if process.returncode:
            yield TaskRefused(words.removeprefix("Error: ") or f"{name.text} could not be fetched")
            return
        yield TaskFetching(_bytes(blobs), total)
        yield TaskEnded(0, 0, monotonic() - started)

    def media(self, id: str, index: int) -> Media:
        """The sound or picture that answers input `index`. Raises UnknownName."""
        media = self._run(id).media
        if index not in media:
            raise UnknownName("answer", str(index), [])
        return media[index]

    def table(self, id: str, form: str) -> tuple[str, str]:
        """(media type, text) of the answers so far, in order of their inputs, as `csv` or `jsonl`. Raises UnknownName."""
        run = self._run(id)
        if run.work is None or form not in ("csv", "jsonl"):
            raise UnknownName("file of answers", form, ["csv", "jsonl"])
        lines = [run.lines[index] for index in sorted(run.lines)]
        if form == "jsonl":
            return "application/x-ndjson", "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        text = io.StringIO()
        columns = list(dict.fromkeys(chain.from_iterable(lines)))
        writer = csv.writer(text)
        writer.writerow(columns)
        for line in lines:
            cells = (line.get(column, "") for column in columns)
            writer.writerow([c if isinstance(c, str) else json.dumps(c, ensure_ascii=False) for c in cells])
        return "text/csv", text.getvalue()

    def _run(self, id: str) -> TaskRun:
        if id not in self._runs:
            raise UnknownName("run", id, [])
        return self._runs[id]

    def close(self) -> None:
        """Let go of the model, unless it is at work."""
        self._stay()
        if self._alone.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._alone.release()


def _answers(model: TaskModel, rows: Sequence[TaskRow]) -> Generator[tuple[int, TaskOutput | Failure]]:
    """(row, result) as they come, first those that are no input."""
    numbers, inputs = [], []
    for number, row in enumerate(rows):
        if isinstance(row.input, Failure):
            yield number, row.input
        else:
            numbers.append(number)
            inputs.append(row.input)
    for index, result in model.answer(inputs):
        yield numbers[index], result


def _state(name: Name) -> str:
    if not name.local:
        return "asked"
    if name.provider != "hf" or Path(name.model).expanduser().is_dir():
        return "here"
    if hub.local_snapshot(name.model, name.revision, hub.patterns(name.allow)):
        return "here"
    return "offline" if settings.hub_offline() else "absent"


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
