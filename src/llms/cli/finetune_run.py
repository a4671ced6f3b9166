"""Carries out `llms finetune`: the plan as a table, the run as it goes, the evidence."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict, cast

import click
from rich.text import Text

from ..errors import UsageError
from ..evaluation.config import EvalConfig
from ..training.curve import loss_text
from ..training.progress import Aborted, Ended, Noticed, Progress, Saved, Started, Stepped, Validated, as_json
from ..training.recipe_file import as_toml
from ..values import Json, JsonObject
from ..workbench.evaluate import Progress as EvalProgress
from ..workbench.finetune import (
    EvidenceProgress,
    FinetuneEvent,
    FinetunePlan,
    FinetuneResult,
    Finish,
    check_merge,
    plan_finetune,
    run_finetune,
)
from ..workbench.training_plan import TrainingRequest
from .batch_view import show_batch
from .evaluate import show_progress
from .evidence_view import show_evidence
from .models_merge import show_merge
from .output import console, print_json, size, table
from .training_view import duration, watch

TRAINING = (Started, Stepped, Validated, Saved, Noticed, Aborted, Ended)


class Flags(TypedDict):
    """The options that are no fields of a recipe."""

    out: Path | None
    recipe_file: Path | None
    resume: Path | None
    measure_only: Path | None
    processes: int
    yes: bool
    no_evidence: bool
    benchmarks: tuple[str, ...]
    limit: int | None
    benchmark_data: str
    merge: Path | None
    show_batch: bool
    dry_run: bool
    export_recipe: Path | None
    as_json: bool


def run(model: str, data: str, options: Mapping[str, object], command: str) -> None:
    """As the options say. Raises LlmsError."""
    flags = cast("Flags", {name: options[name] for name in Flags.__annotations__})
    settings = {name: value for name, value in options.items() if name not in flags and value is not None}
    resume = flags["resume"] or flags["measure_only"]
    if resume and flags["out"]:
        raise UsageError("--out is of a new run; --resume and --evidence name the folder of one")
    request = TrainingRequest(model, data, flags["out"], flags["recipe_file"], resume, settings, flags["processes"])
    if flags["export_recipe"]:
        flags["export_recipe"].write_text(as_toml(plan_finetune(request).recipe), encoding="utf-8")
        return click.echo(f"wrote {flags['export_recipe']}; train it: llms finetune --recipe {flags['export_recipe']}")
    plan = plan_finetune(request, command, keep=not (flags["show_batch"] or flags["dry_run"]))
    if flags["measure_only"] and not plan.state.ended:
        raise UsageError(f"the run in {resume} has not ended; go on with llms finetune --resume {resume}")
    check_merge(plan.recipe, flags["merge"])
    if flags["show_batch"]:
        return show_batch(plan.encoded)
    _show(plan, flags["as_json"])
    if flags["dry_run"]:
        return None
    if not (flags["yes"] or flags["as_json"] or plan.state.ended) and sys.stdin.isatty() and sys.stdout.isatty():
        click.confirm("start?", default=True, abort=True)
    names = tuple(name for text in flags["benchmarks"] for name in text.replace(",", " ").split())
    config = EvalConfig(limit=flags["limit"], data=flags["benchmark_data"] or None)
    finish = Finish(not flags["no_evidence"], names, config, flags["merge"])
    _finished(_watched(run_finetune(plan, finish), flags["as_json"]), flags["as_json"])
    return None


METHODS = {"lora": "LoRA", "qlora": "QLoRA, base in nf4", "full": "all weights", "dpo": "DPO"}


def plan_object(plan: FinetunePlan) -> dict[str, Json]:
    """The plan as --json prints it first."""
    counts = plan.encoded.counts
    return {
        "folder": str(plan.folder),
        "recipe": {name: value for name, value in asdict(plan.recipe).items() if name != "shape"},
        "rows": counts.rows,
        "train_rows": counts.train_rows,
        "validation_rows": counts.validation_rows,
        "tokens": counts.tokens,
        "trained_tokens": counts.trained_tokens,
        "longest": counts.longest,
        "left_out": dict(counts.left_out),
        "steps": plan.steps,
        "memory_bytes": plan.estimate.memory_bytes if plan.estimate else None,
        "most_rows_at_once": plan.estimate.most_rows_at_once if plan.estimate else None,
        "disk_bytes": plan.estimate.disk_bytes if plan.estimate else None,
        "estimated_seconds": plan.estimate.seconds if plan.estimate else None,
        "first_step": plan.state.first_step,
        "ended": plan.state.ended,
        "notes": [*plan.notes, *plan.encoded.notices, *plan.facts.marks],
    }


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _estimated(plan: FinetunePlan) -> Iterator[tuple[str, str]]:
    expected = plan.estimate
    if expected is None:
        yield "memory", "unknown: the shape of this network is not known"
        return
    fits = "" if expected.fits else ", which does not fit"
    yield "memory", f"{size(expected.memory_bytes)} at most, {size(expected.free_bytes)} are free{fits}"
    most, used = expected.most_rows_at_once, plan.recipe.rows_at_once
    fitting = (
        f"{_rows(most)} at once would fit; {used} of the {plan.recipe.rows_per_step} of a step are computed at once"
    )
    yield "biggest batch", fitting if most else "not even one row at once fits"
    yield "disk", f"{size(expected.disk_bytes)}, of which a checkpoint {size(expected.checkpoint_bytes)}"
    yield "time", f"about {duration(expected.seconds)}" if expected.seconds else "shown after the first steps"


def _show(plan: FinetunePlan, as_lines: bool) -> None:
    """Show model, rows and what it takes: a table, or with --json an object."""
    facts, recipe, counts = plan.facts, plan.recipe, plan.encoded.counts
    if as_lines:
        return print_json([{"event": "planned", **plan_object(plan)}])
    rows = table("", "")
    rows.show_header = False
    share = 100 * counts.trained_tokens / max(1, counts.tokens)
    rows.add_row("model", Text(recipe.model))
    rows.add_row(
        "method", METHODS[recipe.method] + (f", rank {recipe.rank}, alpha {recipe.alpha}" if recipe.adapts else "")
    )
    rows.add_row("rows", f"{counts.train_rows:,} to train, {counts.validation_rows:,} to validate, of {counts.rows:,}")
    rows.add_row("tokens", f"{counts.tokens:,} an epoch, {share:.0f} % of them trained; longest row {counts.longest:,}")
    at_once = f"{recipe.rows_at_once} at once"
    rows.add_row(
        "steps", f"{plan.steps:,} of {_rows(recipe.rows_per_step)}, {at_once}; learning rate {recipe.learning_rate:g}"
    )
    if recipe.patience:
        rows.add_row(
            "stops early",
            f"after {recipe.patience} validations without improvement, one in {recipe.validate_every:,} steps; the best weights "
            "are kept (--patience 0: neither)",
        )
    for label, text in _estimated(plan):
        rows.add_row(label, text)
    rows.add_row("folder", Text(str(plan.folder)))
    out = console(stderr=True)
    out.print(rows)
    for note in (*plan.notes, *plan.encoded.notices, *facts.marks):
        out.print(Text(note, style="yellow"), soft_wrap=True)
    if plan.state.ended:
        out.print("this run has ended; what follows it is done")
    elif plan.state.first_step:
        out.print(f"going on from the checkpoint of step {plan.state.first_step:,}")
    return None


def _watched(events: Iterator[FinetuneEvent], as_lines: bool) -> FinetuneResult:
    """Show training, then the measurement; the result."""
    result: list[FinetuneResult] = []
    rest: list[EvidenceProgress] = []

    def training() -> Iterator[Progress]:
        for event in events:
            if isinstance(event, TRAINING):
                yield event
            elif isinstance(event, EvidenceProgress):
                rest.append(event)
                return
            else:
                result.append(event)

    for event in watch(training()):
        if as_lines:
            print_json([as_json(event)])
    show_progress(_measured(rest, events, result))
    return result[0]


def _measured(
    first: Iterable[EvidenceProgress], events: Iterator[FinetuneEvent], result: list[FinetuneResult]
) -> Iterator[EvalProgress]:
    for measuring in first:
        yield measuring.event
    for event in events:
        if isinstance(event, EvidenceProgress):
            yield event.event
        elif isinstance(event, FinetuneResult):
            result.append(event)


def _finished(result: FinetuneResult, as_lines: bool) -> None:
    if as_lines:
        return print_json([result_object(result)])
    if result.evidence:
        show_evidence(result.evidence)
    what = "adapter" if result.adapter else "model"
    loss = "" if result.loss is None else f", last loss {loss_text(result.loss)}"
    click.echo(f"{what} and card in {result.folder}: {result.steps:,} steps in {duration(result.seconds)}{loss}")
    if result.merged:
        show_merge(result.merged[1], result.merged[0])
    click.echo(f"use it:  llms chat -m '{result.name}'")


def result_object(result: FinetuneResult) -> JsonObject:
    """The last line of --json: the trained model, and what held-out rows say of it before and after."""
    held_out = result.evidence.held_out if result.evidence else None
    return {
        "event": "finished",
        "folder": str(result.folder),
        "adapter": str(result.folder) if result.adapter else None,
        "model": result.name,
        "steps": result.steps,
        "seconds": result.seconds,
        "loss": result.loss,
        "metric": held_out.metric if held_out else None,
        "before": held_out.before if held_out else None,
        "after": held_out.after if held_out else None,
        "difference": held_out.difference if held_out else None,
        "evidence": result.evidence.to_json() if result.evidence else None,
        "merged": {"folder": str(result.merged[0]), **result.merged[1].to_json()} if result.merged else None,
    }
