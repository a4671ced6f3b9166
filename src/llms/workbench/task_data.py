"""Labelled rows of the user's own as the benchmark of a task, and what was understood of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ..benchmarks.benchmark import Benchmark
from ..benchmarks.task import declare_task, shown
from ..data.labelled import LabelledTable, read_labelled
from ..errors import UsageError
from ..evaluation.config import EvalConfig, changed, settings_of
from ..models.task_model import TaskOptions, Way
from ..tasks.catalogue import find_task
from ..tasks.options import check_options
from ..values import several

WITH_TASKS = frozenset(
    [
        "task",
        "way",
        "labels",
        "source",
        "target",
        "data",
        "limit",
        "by",
        "max_tokens",
        "temperature",
        "top_p",
        "seed",
        "fresh",
        "retry_failed",
        "workers",
        "budget",
        "price",
        "chat_template",
        "shots",
        "draw",
    ]
)  # the last three are set by a plan
OF_TASKS = ("way", "labels", "source", "target")
SHOWN = 400  # characters of a text that is shown
LABELS = 12  # that are named


def choose_task(names: Sequence[str | Benchmark], config: EvalConfig) -> tuple[LabelledTable, Benchmark]:
    """The labelled rows and the benchmark that they are for the configuration's task. Raises UsageError, DataError."""
    task = find_task(config.task)
    check_options(task, TaskOptions(labels=tuple(config.labels), source=config.source, target=config.target))
    if not config.data:
        raise UsageError(f"--task {task.name} is measured on labelled rows: --data FILE with {_columns(task.columns)}")
    known = settings_of(config)
    if idle := [known[name].option for name in changed(config) if name not in WITH_TASKS]:
        raise UsageError(f"{idle[0]} means nothing with --task; leave it out")
    if config.shots or config.chat_template:
        raise UsageError("--shots and --chat-template mean nothing with --task; leave them out")
    if not task.metrics:
        raise UsageError(f"{task.name} has no metric of labelled rows; use llms task {task.name}")
    if unknown := [way for way in config.way if way not in get_args(Way)]:
        raise UsageError(f"--way {unknown[0]} is not known; {task.name} is done by {', '.join(task.ways)}")
    table = read_labelled(Path(config.data), task.columns, task.name)
    benchmark = declare_task(task, table, config.max_tokens, config.target)
    if config.labels and table.labels:
        _check_labels(config, table)
        if benchmark.chance:
            benchmark = replace(benchmark, chance=1 / len(config.labels))
    if [name for name in names if name not in ("all", benchmark.name)]:
        raise UsageError(f"--task {task.name} is a benchmark of its own; leave out -b")
    for column in config.by:
        if column not in table.metadata:
            metadata = f"its metadata: {', '.join(table.metadata)}" if table.metadata else "it has no further columns"
            raise UsageError(f"{config.data} has no column {column!r} to group by; {metadata}")
    return table, benchmark


def _check_labels(config: EvalConfig, table: LabelledTable) -> None:
    """Raise UsageError where --labels lack one of the file, whose rows nobody could get right."""
    names = [label.strip().casefold() for label in config.labels]
    if lacking := [label for label in table.labels if label.casefold() not in names]:
        shown = f"{', '.join(lacking[:LABELS])}{f' and {len(lacking) - LABELS} more' if len(lacking) > LABELS else ''}"
        raise UsageError(
            f"--labels lacks {shown}, of rows in {config.data}, which no answer could get right; add what lacks, "
            "take those rows out, or leave out --labels"
        )


def refuse_task_options(config: EvalConfig) -> None:
    """Raise UsageError where a setting for tasks is given without one."""
    known = settings_of(config)
    if mistaken := [known[name].option for name in changed(config) if name in OF_TASKS]:
        raise UsageError(f"{mistaken[0]} goes with --task; llms task lists the tasks")


def understood_task(table: LabelledTable, benchmark: Benchmark) -> list[str]:
    """Rows, columns, labels and row 1 as they were read, for the user to see before anything is asked."""
    rows = table.content.rows
    named = f"; metadata: {', '.join(table.metadata)}" if table.metadata else ""
    lines = [
        f"{table.content.origin}: {several(len(rows), 'row')}, {table.content.form}; {_columns(table.columns)}{named}"
    ]
    if table.labels:
        more = f" and {len(table.labels) - LABELS} more" if len(table.labels) > LABELS else ""
        lines.append(f"{several(len(table.labels), 'label')}: {', '.join(table.labels[:LABELS])}{more}")
    if table.passages:
        lines.append(f"{several(len(table.passages), 'passage')} to search in")
    text = shown(rows[0])
    lines.append(f"row 1: {text if len(text) <= SHOWN else f'{text[:SHOWN]}… ({len(text)} characters)'}")
    lines.append(f"scored by {', '.join(benchmark.metrics)}")
    return ["\n".join(lines)]


def _columns(columns: Sequence[str]) -> str:
    return f"columns {', '.join(columns)}"
