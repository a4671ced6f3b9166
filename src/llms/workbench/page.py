"""Reports as one HTML page that needs nothing else: scores with their intervals drawn, and what stands behind them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..evaluation.report import Report
from ..values import ChoicePrompt, Outcome, Prompt, Scored

MOST_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Shown:
    """One item on the page. `kind` is right, wrong, unparsed or failed; `choices` are (marked text, log-probability)."""

    item: str
    kind: str
    header: str
    prompt: str
    choices: tuple[tuple[str, float], ...]
    texts: tuple[str, ...]
    extracted: str
    target: str
    scores: str


def run_page(report: Report, outcomes: Iterable[tuple[Prompt, Outcome]]) -> str:
    """The page of one run: scores, the whole prompt of its first item, and its items with filters."""
    items = [_shown(report, prompt, outcome) for prompt, outcome in islice(outcomes, MOST_ITEMS)]
    return page([report], items)


def _shown(report: Report, prompt: Prompt, outcome: Outcome) -> Shown:
    header = prompt.description + prompt.header
    if isinstance(prompt, ChoicePrompt):
        same = len(set(prompt.contexts)) == 1
        text = prompt.contexts[0] if same else ""
        continuations = [k if same else c + k for c, k in zip(prompt.contexts, prompt.continuations, strict=True)]
    else:
        text, continuations = prompt.text, []
    if not isinstance(outcome, Scored):
        return Shown(outcome.item, "failed", header, text, (), (), outcome.reason, "", "")
    right = outcome.scores.get(report.headline, 0.0) >= 1
    kind = "unparsed" if outcome.status in ("unparsed", "truncated") else "right" if right else "wrong"
    scores = ", ".join(f"{name} {value:.3g}" for name, value in outcome.scores.items())
    logprobs = [answer.logprob for answer in outcome.choices]
    choices = tuple(zip(continuations, logprobs, strict=True)) if logprobs else ()
    texts = tuple(completion.text for completion in outcome.completions)
    return Shown(outcome.item, kind, header, text, choices, texts, outcome.extracted or "", outcome.target, scores)


def page(reports: Sequence[Report], items: Sequence[Shown] = ()) -> str:
    """The page of `reports`, in their order; no script, no outside resource. `items` belong to the only report."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    template = environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    systems = list(dict.fromkeys(report.key.system.name for report in reports))
    counts = Counter(item.kind for item in items)
    return template.render(reports=reports, systems=systems, items=items, counts=counts, most=MOST_ITEMS)
