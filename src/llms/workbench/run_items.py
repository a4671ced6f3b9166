"""The items of a stored run for a reader: wrong ones first, a page at a time, and one with its whole prompt."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from .. import settings
from ..errors import UsageError
from ..store.runs import Runs
from ..values import ChoicePrompt, Prompt
from .html_report import ReportItem, item_kind, report_item

KINDS = ("wrong", "unparsed", "failed", "right")  # in the order in which they are listed
START_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class ItemLine:
    """An item as listed: `kind` is one of KINDS, `start` the beginning of its own text."""

    item: str
    kind: str
    start: str


@dataclass(frozen=True, slots=True)
class ItemPage:
    """`items` of the `selected` that there are of the kind that was asked for; `counts` of every kind."""

    items: tuple[ItemLine, ...]
    selected: int
    counts: dict[str, int]


def list_items(name: str, kind: str = "all", start: int = 0, count: int = 20) -> ItemPage:
    """Items of the run `name`, of one kind or all, from number `start` on; raises UnknownName for an unknown run."""
    with Runs(settings.database()) as store:
        run = store.find(name)
    lines = _lines(run.run, run.updated, run.report.headline if run.report else "")
    chosen = [line for line in lines if kind in ("all", line.kind)]
    return ItemPage(tuple(chosen[start : start + count]), len(chosen), dict(Counter(line.kind for line in lines)))


def read_item(name: str, item: str) -> ReportItem:
    """One item of the run `name` with its prompt as it was asked and what came back. Rows that are withheld stay so."""
    with Runs(settings.database()) as store:
        run = store.find(name)
        stored = store.outcome(run.run, item)
    if run.report is None:
        raise UsageError(f"run {run.run} has no result yet; finish it with the llms eval command that began it")
    if stored is None:
        raise UsageError(
            f"run {run.run} has no item {item!r}; items are named subset/number, as llms samples shows them"
        )
    return report_item(run.report, *stored)


@lru_cache(maxsize=4)
def _lines(run: str, updated: str, headline: str) -> tuple[ItemLine, ...]:
    """Every item of a run, sorted by kind; `updated` is when the run was last written, so that a longer one is read again."""
    with Runs(settings.database()) as store:
        lines = [
            ItemLine(outcome.item, item_kind(headline, outcome), _start(prompt))
            for prompt, outcome in store.outcomes(run)
        ]
    return tuple(sorted(lines, key=lambda line: KINDS.index(line.kind)))


def _start(prompt: Prompt) -> str:
    text = prompt.contexts[0] if isinstance(prompt, ChoicePrompt) else prompt.text
    words = " ".join(text[: 2 * START_CHARACTERS].split())
    return words[:START_CHARACTERS] + ("…" if len(words) > START_CHARACTERS else "")
