"""`llms pretrain`."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from .. import training
from ..errors import UsageError
from ..training.curve import loss_text
from ..training.progress import Ended, Noticed, Progress, Started, Stepped, Validated, as_json
from ..training.sizes import Wishes, count_of
from ..workbench.pretrain import PretrainConfig, PretrainPlan, check_resumed, is_done, prepare, preview, train
from ..workbench.pretrain_report import PretrainReport, report
from .finite import FiniteRange
from .option_groups import DATA, MODEL, OUTPUT, RUN, GroupedCommand, option
from .output import console, percent, print_json, size, table, visible

FOLDER = click.Path(file_okay=False, path_type=Path)
POSITIVE, MORE = click.IntRange(1), FiniteRange(0, min_open=True)
LINES = 20  # of a run that is not watched in a terminal
Options = dict[str, object]


class CountType(click.ParamType[int]):
    """A number such as 300K, 1M or 2.5B."""

    name = "count"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else count_of(str(value))


COUNT = CountType()


@click.command(cls=GroupedCommand)
@click.argument("texts", nargs=-1, type=click.Path(path_type=Path))
@option(MODEL, "--parameters", type=COUNT, help="About so many, as 300K, 1M, 30M.  [default: 1M]")
@option(MODEL, "--layers", type=POSITIVE, help="With --width, instead of --parameters.")
@option(MODEL, "--width", type=POSITIVE, help="Of the embedding and of every layer.")
@option(MODEL, "--heads", type=POSITIVE, help="Of attention.  [default: of 32 or 64 numbers each]")
@option(MODEL, "--vocabulary", type=POSITIVE, help="Tokens of the tokenizer.  [default: by text and size]")
@option(
    MODEL,
    "--window",
    type=click.IntRange(8),
    help="Tokens it sees at once.  [default: 256 to 1024, by size]",
)
@option(DATA, "--tokens", type=COUNT, help="Train on so many.  [default: 20 a parameter, 16 epochs at most]")
@option(DATA, "--epochs", type=MORE, help="Instead of --tokens: times that the text is read.")
@option(
    DATA,
    "--held-out",
    type=FiniteRange(0, 0.5, min_open=True),
    default=0.05,
    show_default=True,
    help="Share of the text that is never trained on.",
)
@option(RUN, "--out", type=FOLDER, help="An empty or new folder, for the run and its result.")
@option(
    RUN, "--batch", "step_tokens", type=COUNT, help="Tokens of an optimizer step.  [default: 512 to 512K, by length]"
)
@option(RUN, "--learning-rate", type=MORE, help="The highest one.  [default: by width]")
@option(
    RUN,
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of matrix products; weights are float32.",
)
@option(RUN, "--device", default="cpu", show_default=True, metavar="NAME", help="cpu or cuda.")
@option(RUN, "--processes", type=POSITIVE, default=1, show_default=True, help="That share the windows of a step.")
@option(RUN, "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and order.")
@option(RUN, "--resume", type=FOLDER, help="Go on with the run in this folder; a finished one is measured again.")
@option(OUTPUT, "--dry-run", is_flag=True, help="Say parameters, tokens, steps, memory and time, and train nothing.")
@option(OUTPUT, "--json", "as_json_lines", is_flag=True, help="One object a line: plan, events, report.")
def pretrain(
    texts: tuple[Path, ...], resume: Path | None, dry_run: bool, as_json_lines: bool, **options: object
) -> None:
    """Train a small language model and its tokenizer from nothing on TEXTS: .txt, .md, .jsonl with `text`, folders of them.

    \b
    llms pretrain README.md docs --parameters 300K --out ./tiny
    llms chat -m hf:./tiny

    The result is a Llama checkpoint that every command takes. At the end it is measured on text that it never saw, beside
    predictions by the byte before and by xz. A run that was interrupted goes on with --resume.
    """
    processes = int(str(options.pop("processes")))
    if resume is not None:
        if texts or dry_run:
            raise UsageError("--resume goes on with the run as it was begun; it takes neither texts nor --dry-run")
        folder = resume
        check_resumed(folder)
    else:
        config = _config(texts, options)
        plan = preview(config) if dry_run else prepare(config)
        seconds = training.measure_step(plan.recipe) * plan.recipe.max_steps if dry_run else None
        _show_plan(plan, seconds, as_json_lines)
        if dry_run:
            return
        folder = config.out
    if not is_done(folder):
        _watch(train(folder, processes), as_json_lines)
    _show_report(report(folder), as_json_lines)


def _config(texts: tuple[Path, ...], options: Options) -> PretrainConfig:
    if not texts:
        raise UsageError("name files of text, or folders of them: llms pretrain README.md docs --out ./tiny")
    out = options.pop("out")
    if not isinstance(out, Path):
        raise UsageError("name the folder of the result: --out ./tiny")
    options = {name: value for name, value in options.items() if value is not None}
    held = {
        name: options.pop(name)
        for name in ("parameters", "layers", "width", "heads", "vocabulary", "held_out")
        if name in options
    }
    wishes = Wishes(**options)  # type: ignore[arg-type]  # as click read them
    return PretrainConfig(texts, out, wishes=wishes, **held)  # type: ignore[arg-type]  # as click read them


def _show_plan(plan: PretrainPlan, seconds: float | None, json_lines: bool) -> None:
    shape, recipe, counts = plan.shape, plan.recipe, plan.counts
    if json_lines:
        stated = {"event": "plan", "parameters": shape.parameters, **asdict(plan), "estimated_seconds": seconds}
        print_json([stated])
        return
    rows = table("", "")
    rows.show_header = False
    head = shape.width // shape.heads
    rows.add_row("model", f"{shape.parameters:,} parameters: {shape.layers} layers, width {shape.width}, {shape.heads} heads of {head}, MLP {shape.inner}")  # fmt: skip
    rows.add_row("tokenizer", f"{counts.vocabulary:,} tokens; {counts.bytes / counts.tokens:.2f} bytes a token")
    rows.add_row(
        "text", f"{counts.documents:,} documents, {counts.tokens:,} tokens; {counts.held_out_tokens:,} held out"
    )
    rows.add_row("training", f"{plan.tokens:,} tokens: the text {plan.epochs:.3g} times, {plan.tokens / shape.parameters:.3g} a parameter")  # fmt: skip
    rows.add_row("steps", f"{recipe.max_steps:,} of {recipe.rows_per_step} windows of {recipe.window} tokens ({recipe.rows_at_once} at once), {recipe.dtype}")  # fmt: skip
    rows.add_row(
        "learning rate", f"{recipe.learning_rate:.2g}, warmed up over {percent(recipe.warmup)} %, by cosine to a tenth"
    )
    rows.add_row("memory, disk", f"about {size(plan.memory)}, {size(plan.disk)}")
    if seconds is not None:
        rows.add_row("time", f"about {_duration(seconds)} here, by trying")
    console().print(rows)
    for note in plan.notes:
        click.echo(f"note: {note}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _watch(events: Iterator[Progress], json_lines: bool) -> None:
    """Show a run as it goes: one line that changes in a terminal, else twenty."""
    out = console(stderr=True)
    live = out.status("starting …") if out.is_terminal and not json_lines else None
    steps, validated, per_line = 0, None, 1
    if live:
        live.start()
    try:
        for event in events:
            if json_lines:
                print_json([as_json(event)])
                sys.stdout.flush()
            elif isinstance(event, Started):
                steps, per_line = event.steps, max(1, event.steps // LINES)
                if event.first_step:
                    click.echo(f"going on from step {event.first_step:,}")
            elif isinstance(event, Validated):
                validated = event.loss
            elif isinstance(event, Stepped):
                line = _line(event, steps, validated)
                if live:
                    live.update(line)
                if event.step % per_line == 0 or event.step == steps:
                    click.echo(line)
            elif isinstance(event, Noticed):
                click.echo(f"note: {event.text}")
            elif isinstance(event, Ended):
                click.echo(f"trained in {_duration(event.seconds)}")
    finally:
        if live:
            live.stop()


def _line(event: Stepped, steps: int, validated: float | None) -> str:
    held = "" if validated is None else f", held out {loss_text(validated, 3)}"
    use = "" if event.flops_utilization is None else f", {percent(event.flops_utilization)} % of peak FLOP/s"
    left = _duration((steps - event.step) * event.seconds)
    return (
        f"step {event.step:,}/{steps:,}: loss {loss_text(event.loss, 3)}{held}, lr {event.learning_rate:.2g}, "
        f"{event.tokens / event.seconds:,.0f} tokens/s{use}, {left} left"
    )


def _show_report(result: PretrainReport, json_lines: bool) -> None:
    if json_lines:
        print_json([result.to_json()])
        return
    seen = result.references
    rows = table("bits per byte of held-out text", "", right=[""])
    rows.add_row(f"this model ({result.parameters:,} parameters)", f"{result.bits_per_byte:.3f}")
    rows.add_row(f"xz, having seen {size(seen.xz_seen_bytes)} of the training text", f"{seen.xz:.3f}")
    rows.add_row("each byte by the one before it", f"{seen.bigram:.3f}")
    rows.add_row("each byte by how often it comes", f"{seen.unigram:.3f}")
    out = console()
    out.print(rows)
    use = "" if result.flops_utilization is None else f", {percent(result.flops_utilization)} % of peak FLOP/s"
    click.echo(
        f"{result.bytes:,} bytes held out; {result.tokens_per_second:,.0f} tokens/s{use}, {size(result.memory_bytes)}"
    )
    if not result.holds:
        click.echo("note: the byte before predicts better than this model: it needs more text, or more of --tokens")
    click.echo(f"sample: {visible(result.prompt)}|{visible(result.sample)}")
    click.echo(f"{result.name} is ready: llms perplexity, next, eval, chat, finetune and serve take this name")
