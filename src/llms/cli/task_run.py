"""Carries out `llms task`: from inputs to answers on the terminal, as JSON Lines, or in a file."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import UsageError
from ..models.task_model import TaskModel, TaskOptions
from ..tasks.catalogue import TASKS, HubTask, find_task
from ..values import Failure, several
from ..workbench.task import open_task
from ..workbench.task_inputs import TaskRows, read_inputs
from ..workbench.task_stream import AnsweredRow, as_json, in_order
from .output import console, print_json, size, table
from .task import TaskFlags
from .task_view import show


def show_tasks(as_objects: bool) -> None:
    """All tasks with the special model of each."""
    if as_objects:
        print_json(_described(task) for task in TASKS.values())
        return
    rows = table("task", "does", "ways", "model", "size", "licence", "languages", right=("size",))
    for task in TASKS.values():
        default = task.default
        rows.add_row(
            task.name,
            task.title,
            ", ".join(task.ways),
            default.repo if default else "name one with -m",
            size(default.megabytes * 1_000_000) if default else "",
            default.licence if default else "",
            default.languages if default else "",
        )
    console().print(rows)


def _described(task: HubTask) -> dict[str, object]:
    default = task.default
    model = default and {
        "repo": default.repo, "revision": default.revision, "megabytes": default.megabytes, "licence": default.licence,
        "languages": default.languages,
    }  # fmt: skip
    return {
        "task": task.name, "hub": task.hub, "title": task.title, "takes": task.takes, "gives": task.gives,
        "ways": list(task.ways), "needs": list(task.needs), "aliases": list(task.aliases), "model": model,
    }  # fmt: skip


def run(name: str, arguments: Sequence[str], flags: TaskFlags) -> bool:
    """Whether every input was answered."""
    task = find_task(name)
    options = options_of(flags)
    rows = read_inputs(task, arguments, _piped(arguments), flags["columns"], flags["as_text"])
    _check_needs(task, options, rows)
    count = min(len(rows), flags["limit"] or len(rows))
    model = open_task(task.name, flags["model"] or "", flags["way"], options)
    failed = 0
    try:
        for row, result in _with_progress(model, rows, count, quiet=count < 2):
            failed += isinstance(result, Failure)
            if flags["as_json"]:
                print_json([as_json(model, row, result)])
            else:
                show(console(), task, row, result, alone=count == 1)
    finally:
        model.close()
    if failed:
        click.echo(f"llms: {failed:,} of {several(count, 'input')} failed", err=True)
    return not failed


def options_of(flags: TaskFlags) -> TaskOptions:
    labels = tuple(label.strip() for label in (flags["labels"] or "").split(",") if label.strip())
    if len(set(labels)) < len(labels):
        raise UsageError(f"--labels names a label twice: {', '.join(labels)}")
    return TaskOptions(
        labels=labels, several=flags["several"], question=flags["question"], source=flags["source"],
        target=flags["target"], top=flags["top"], threshold=flags["threshold"], max_tokens=flags["max_tokens"],
        temperature=flags["temperature"], top_p=flags["top_p"], seed=flags["seed"], voice=flags["voice"],
        steps=flags["steps"], width=flags["width"], height=flags["height"],
    )  # fmt: skip


def _check_needs(task: HubTask, options: TaskOptions, rows: TaskRows) -> None:
    for need in task.needs:
        if need == "question" and rows.has_question:
            continue
        if not getattr(options, need):
            flag = {"target": "--to de", "labels": "--labels praise,complaint", "question": '--question "…"'}[need]
            raise UsageError(f"{task.name} needs its {need}: add {flag}")


def _piped(arguments: Sequence[str]) -> bytes | None:
    """The bytes of standard input, where they are wanted."""
    if sys.stdin is None or sys.stdin.isatty() or (arguments and "-" not in arguments):
        return None
    return sys.stdin.buffer.read() or None


def _with_progress(model: TaskModel, rows: TaskRows, count: int, quiet: bool) -> Iterator[AnsweredRow]:
    """The answers to the first `count` rows; a bar on standard error while they come, where that is a terminal."""
    chosen = (rows.at(index) for index in range(count))
    err = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=quiet or not err.is_terminal)
    with bar, closing(in_order(model, chosen)) as answers:
        shown = bar.add_task(model.task, total=count, rate="")
        for done, answered in enumerate(answers, 1):
            speed = bar.tasks[0].speed
            bar.update(shown, completed=done, rate=f"{speed:,.1f}/s" if speed else "")
            yield answered
