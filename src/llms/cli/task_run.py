"""Carries out `llms task`: from inputs to answers on the terminal, as JSON Lines, or in a file."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import UsageError
from ..models.task_model import TaskModel, TaskOptions
from ..tasks.catalogue import TASKS, HubTask, find_task
from ..tasks.options import check_options, read_labels
from ..values import Failure, several
from ..workbench.task import code_of, open_task
from ..workbench.task_default import Agree
from ..workbench.task_file import TABLE_ENDINGS, TaskFile, check_apart
from ..workbench.task_inputs import PIPED, LineRows, ListedRows, TaskRow, TaskRows, read_inputs
from ..workbench.task_media import USUAL, MadeFiles
from ..workbench.task_stream import AnsweredRow, as_cells, as_json, in_order, made_by
from .output import console, print_json, size, table
from .task import TaskFlags
from .task_view import show


def show_tasks(as_objects: bool) -> None:
    """All tasks and how they are done, then the special models that are taken where none is named."""
    if as_objects:
        print_json(_described(task) for task in TASKS.values())
        return
    does = table("task", "does", "by")
    own = table("task", "its own model", "size", "licence", "languages", right=("size",))
    own.columns[1].no_wrap = True  # a name that is broken cannot be copied
    for task in TASKS.values():
        does.add_row(task.name, task.title, ", ".join(task.ways))
        if default := task.default:
            own.add_row(
                task.name, default.repo, size(default.megabytes * 1_000_000), default.licence, default.languages
            )
    console().print(does, "", own)


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
    check_options(task, options)  # before an input is read
    if flags["code"]:
        click.echo(code_of(name, flags["model"] or "", flags["way"], options, arguments), nl=False)
        return True
    with _inputs(task, arguments, flags) as rows:
        _check_needs(task, options, rows)
        one = isinstance(rows, ListedRows) and rows.count() == 1
        media = (
            MadeFiles(task, flags["out"], not one, flags["force"], _read(rows, flags)) if task.gives in USUAL else None
        )
        model = open_task(task.name, flags["model"] or "", flags["way"], options, agree=_agree(flags["yes"]))
        try:
            return _answer_all(model, rows, flags, media, one)
        finally:
            model.close()


def _answer_all(model: TaskModel, rows: TaskRows, flags: TaskFlags, media: MadeFiles | None, alone: bool) -> bool:
    failed = 0
    with _table(model, rows, flags) as file:
        first = file.done if file else 0
        if first:
            click.echo(f"llms: {file.path if file else ''} has {several(first, 'row')}; going on", err=True)
        chosen = islice(rows.since(first), flags["limit"] and max(0, flags["limit"] - first))
        for number, (row, result) in enumerate(_with_progress(model, chosen, rows, first, flags["limit"]), first + 1):
            failed += isinstance(result, Failure)
            path = ""
            if media and not isinstance(result, Failure) and result.media:
                path = media.write(result.media, number)
            if file is not None:
                file.write(row.row if row.row is not None else {"input": row.shown}, as_cells(model, result, path))
            elif flags["as_json"]:
                print_json([as_json(model, row, result, path)])
            else:
                show(console(), find_task(model.task), row, result, alone, path)
        if file is not None:
            file.finish()
            click.echo(f"llms: {several(file.done, 'row')} in {file.path}", err=True)
    if failed:
        click.echo(f"llms: {several(failed, 'input')} failed", err=True)
    return not failed


@contextmanager
def _table(model: TaskModel, rows: TaskRows, flags: TaskFlags) -> Iterator[TaskFile | None]:
    """The table that `--out` names, if it names one."""
    out = flags["out"]
    if out is None or (find_task(model.task).gives in USUAL and not out.name.lower().endswith(TABLE_ENDINGS)):
        yield None
        return
    check_apart(out, _read(rows, flags))
    with TaskFile(out, rows.header or ("input",), made_by(model, rows), model.task, flags["force"]) as file:
        yield file


def _read(rows: TaskRows, flags: TaskFlags) -> list[Path]:
    """The files that are read: inputs, and a voice that may be the name of one."""
    return [*rows.files, *([Path(flags["voice"])] if flags["voice"] else [])]


@contextmanager
def _inputs(task: HubTask, arguments: Sequence[str], flags: TaskFlags) -> Iterator[TaskRows]:
    """The inputs; lines of standard input lie in a file as long as they are read."""
    wanted = not arguments or "-" in arguments
    piped = sys.stdin is not None and not sys.stdin.isatty() and wanted
    if not (piped and flags["by_lines"]):
        content = (sys.stdin.buffer.read() or None) if piped else None
        yield read_inputs(task, arguments, content, flags["columns"], flags["as_text"], flags["by_lines"])
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / PIPED
        with path.open("wb") as file:
            copyfileobj(sys.stdin.buffer, file)
        yield LineRows(path)


def _agree(yes: bool) -> Agree:
    def agree(described: str) -> bool:
        if yes:
            click.echo(f"llms: fetching {described}", err=True)
        return yes or (sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(f"fetch {described}?", err=True))

    return agree


def options_of(flags: TaskFlags) -> TaskOptions:
    labels = () if flags["labels"] is None else read_labels(flags["labels"])
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


def _with_progress(
    model: TaskModel, chosen: Iterator[TaskRow], rows: TaskRows, first: int, limit: int | None
) -> Iterator[AnsweredRow]:
    """The answers to `chosen`, of which `first` were there before; a bar on standard error, where that is a terminal."""
    err = console(stderr=True)
    total = min(rows.count(), limit or sys.maxsize) if err.is_terminal else 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=total - first < 2)
    with bar, closing(in_order(model, chosen)) as answers:
        shown = bar.add_task(model.task, total=total, completed=first, rate="")
        for done, answered in enumerate(answers, first + 1):
            speed = bar.tasks[0].speed
            bar.update(shown, completed=done, rate=f"{speed:,.1f}/s" if speed else "")
            yield answered
