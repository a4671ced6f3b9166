"""A task over a stream of inputs: answers in the order of the inputs, in memory that does not grow with their number."""

import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path

from ..models.task_model import TaskInput, TaskModel, TaskOutput
from ..tasks.catalogue import find_task
from ..tasks.output import answer_of, details_of
from ..values import Failure, Json
from .task_inputs import TaskRow, TaskRows

NUMBER = re.compile(r"^input \d+\b")
WINDOW = 2048  # inputs among which answers may wait for an earlier one

AnsweredRow = tuple[TaskRow, TaskOutput | Failure]


def in_order(model: TaskModel, rows: Iterable[TaskRow]) -> Generator[AnsweredRow]:
    """Each row with its answer, in the order of `rows`, as soon as it and all before it are answered.

    At most WINDOW rows, and what the model reads ahead, are held. A failed one is named by its place, or by its number
    among all rows.
    """
    source, count = iter(rows), 0
    for first in source:
        for row, result in _window(model, chain((first,), islice(source, WINDOW - 1))):
            if isinstance(result, Failure) and result is not row.input:
                result = _named(result, row.location, count)
            yield row, result
            count += 1


def _named(failure: Failure, location: str, count: int) -> Failure:
    """A model knows an input by its number among those that it was given; a person by where it stands."""
    reason, numbered = NUMBER.subn(lambda _: location or f"input {count}", failure.reason, count=1)
    reason = reason if numbered or not location else f"{location}: {reason}"
    doubled = f"{location}: {Path(location).name} "  # a model may know a file by its name, too
    return replace(failure, reason=f"{location} {reason[len(doubled) :]}" if reason.startswith(doubled) else reason)


def _window(model: TaskModel, rows: Iterable[TaskRow]) -> Iterator[AnsweredRow]:
    waiting: deque[TaskRow] = deque()  # read, and not yet given out
    numbers: list[int] = []  # of the model's inputs, among the rows
    results: dict[int, TaskOutput | Failure] = {}
    read = done = 0

    def inputs() -> Iterator[TaskInput]:
        nonlocal read
        for row in rows:
            waiting.append(row)
            read += 1
            if isinstance(row.input, Failure):
                results[read - 1] = row.input
            else:
                numbers.append(read - 1)
                yield row.input

    answers = model.answer(inputs())
    try:
        for number, result in answers:
            results[numbers[number]] = result
            while done in results:
                yield waiting.popleft(), results.pop(done)
                done += 1
    finally:
        if isinstance(answers, Generator):
            answers.close()
    while waiting:
        yield waiting.popleft(), results.pop(done, Failure("infra", "the model gave no answer to this input"))
        done += 1


def as_json(model: TaskModel, row: TaskRow, result: TaskOutput | Failure, path: str = "") -> dict[str, Json]:
    """One answer as an object; a failed one has `error` and no `output`. `path` is the file of a sound or picture."""
    asked: dict[str, Json] = {"input": row.shown}
    if isinstance(row.input, TaskInput) and row.input.other:
        asked["other"] = row.input.other
    if isinstance(result, Failure):
        return {**asked, "error": result.reason, "model": model.identity.name}
    task = find_task(model.task)
    return {
        **asked,
        "output": path or answer_of(task, result),
        "truncated": result.truncated,
        "model": model.identity.name,
        "seconds": round(result.seconds, 6),
        **details_of(task, result),
    }


def as_cells(model: TaskModel, result: TaskOutput | Failure, path: str = "") -> dict[str, Json]:
    """One answer as the cells of a row: output, score of the likeliest, truncated; a failed one has `error` alone."""
    if isinstance(result, Failure):
        return {"error": result.reason}
    score = result.scores[0].score if result.scores else None
    return {"output": path or answer_of(find_task(model.task), result), "score": score, "truncated": result.truncated}


def made_by(model: TaskModel, rows: TaskRows) -> dict[str, Json]:
    """All that decides the answers: equal ones continue each other's file."""
    identity = asdict(model.identity)
    options = identity.pop("extra")
    return {
        "task": model.task,
        "model": identity,
        "options": options,
        "input": rows.digest,
        "columns": dict(rows.columns),
    }
