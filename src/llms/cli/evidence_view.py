"""The evidence of a training run on the terminal: before, after, and in a sentence what it brought and what it cost."""

from rich.text import Text

from ..statistics.direction import worded
from ..training.curve import loss_text
from ..workbench.evidence import TrainingChange, TrainingEvidence
from .output import console, table


def show_evidence(evidence: TrainingEvidence) -> None:
    """Both systems, a line of numbers per benchmark, and the sentences."""
    out = console()
    out.print(Text("before  ", style="bold") + Text(evidence.before), soft_wrap=True)
    out.print(Text("after   ", style="bold") + Text(evidence.after), soft_wrap=True)
    numbers = ("before", "after", "after - before", "95 % interval", "n")
    rows = table("benchmark", *numbers, right=numbers)
    changes = [evidence.held_out, *evidence.kept_benchmarks, evidence.together]
    for change in changes:
        if change:
            rows.add_row(Text.assemble(change.benchmark, " ", (change.metric, "dim")), *_cells(change))
    if rows.rows:
        out.print(rows)
    for change in changes:
        if change:
            out.print(Text(f"{change.benchmark}: ", style="bold") + Text(change.words()), soft_wrap=True)
    if evidence.held_out is None:
        out.print(Text("held-out rows: too few to compare by", style="dim"))
    if evidence.validation_loss is not None:
        out.print(Text(f"the loss that training last measured: {loss_text(evidence.validation_loss, 3)}", style="dim"))
    for note in evidence.notes:
        out.print(Text(note, style="dim"), soft_wrap=True)


def _cells(change: TrainingChange) -> list[str]:
    bounds = [worded(change.metric, bound, "+") for bound in (change.low, change.high) if bound is not None]
    scores = [worded(change.metric, score) for score in (change.before, change.after)]
    return [*scores, worded(change.metric, change.difference, "+"), " – ".join(bounds), str(change.n)]
