"""Reports as one HTML page that needs nothing else: scores with their intervals drawn, and what stands behind them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from .. import settings
from ..benchmarks.held_out import LIKELIEST
from ..errors import UsageError
from ..evaluation.report import Report
from ..scoring.thinking import split_thinking
from ..statistics import caution
from ..statistics.direction import in_nats, worded
from ..store.runs import Runs
from ..values import ChoicePrompt, Completion, Outcome, Prompt, Scored
from .runs import marks

MOST_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One item on the page. `kind` is right, wrong, unparsed or failed; `choices` are (mark, log-probability, text): > what
    was picked, = what is right; `texts` are (thinking, answer); `judge` is what a judge said of each."""

    item: str
    kind: str
    header: str
    prompt: str
    choices: tuple[tuple[str, float, str], ...]
    texts: tuple[tuple[str, str], ...]
    extracted: str
    target: str
    scores: str
    judge: tuple[str, ...] = ()


def run_page(report: Report, outcomes: Iterable[tuple[Prompt, Outcome]]) -> str:
    """The page of one run: scores, the whole prompt of its first item, and its items with filters."""
    items = [report_item(report, prompt, outcome) for prompt, outcome in islice(outcomes, MOST_ITEMS)]
    return page([report], items)


def write_report(name: str, path: Path | None) -> Path:
    """Write the page of a run; where it was written."""
    with Runs(settings.database()) as store:
        run = store.find(name)
        if run.report is None:
            raise UsageError(f"run {run.run} has no result yet; finish it with the llms eval command that began it")
        target = path or Path(f"{run.run}.html")
        target.write_text(run_page(run.report, store.outcomes(run.run)), encoding="utf-8")
    return target


def item_kind(headline: str, outcome: Outcome) -> str:
    """How an item ended by the metric `headline`: right, wrong, unparsed or failed."""
    if not isinstance(outcome, Scored):
        return "failed"
    if outcome.status in ("unparsed", "truncated"):
        return "unparsed"
    metric = LIKELIEST if in_nats(headline) else headline
    return "right" if outcome.scores.get(metric, 0.0) >= 1 else "wrong"


def report_item(report: Report, prompt: Prompt, outcome: Outcome) -> ReportItem:
    """An item with its prompt and what came back."""
    header, kind = prompt.description + prompt.header, item_kind(report.headline, outcome)
    if isinstance(prompt, ChoicePrompt):
        same = len(set(prompt.contexts)) == 1
        text = prompt.contexts[0] if same else ""
        continuations = [k if same else c + k for c, k in zip(prompt.contexts, prompt.continuations, strict=True)]
    else:
        text, continuations = prompt.text, []
    if not isinstance(outcome, Scored):
        texts = tuple(split_thinking(answer.text) for answer in outcome.answers if isinstance(answer, Completion))
        return ReportItem(outcome.item, kind, header, text, (), texts, outcome.reason, outcome.target, "")
    scores = ", ".join(f"{name} {value:.3g}" for name, value in outcome.scores.items())
    choices: tuple[tuple[str, float, str], ...] = ()
    if isinstance(prompt, ChoicePrompt):
        marked = zip(marks(prompt, outcome), outcome.choices, continuations, strict=True)
        choices = tuple((">" * picked + "=" * right, answer.logprob, text) for (picked, right), answer, text in marked)
    texts = tuple(split_thinking(completion.text) for completion in outcome.completions)
    extracted = outcome.extracted or ""
    return ReportItem(
        outcome.item, kind, header, text, choices, texts, extracted, outcome.target, scores, outcome.judge
    )


def page(reports: Sequence[Report], items: Sequence[ReportItem] = ()) -> str:
    """The page of the `reports` of a system, in their order; no outside resource, no script. `items` belong to the only
    report."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    environment.filters["number"] = lambda value, metric: worded(metric, value)
    environment.tests["in_nats"] = in_nats
    template = environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    systems = list(dict.fromkeys(report.key.system.name for report in reports))
    counts = Counter(item.kind for item in items)
    identities = [_identity(report) for report in reports]
    groups = [
        [
            (f"{column} = {value}", scores)
            for column, values in report.groups.items()
            for value, scores in values.items()
        ]
        for report in reports
    ]
    return template.render(
        reports=reports,
        remarks=[" ".join(_remarks(report)) for report in reports],
        systems=systems,
        items=items,
        counts=counts,
        most=MOST_ITEMS,
        identities=identities,
        groups=groups,
    )


def _remarks(report: Report) -> Iterator[str]:
    """Sentences that a reader of the score needs."""
    for reason, count in report.failures.items():
        yield f"{count} items failed: {reason}."
    if report.score and (careful := caution(report.score.clusters)):
        yield f"{careful[0].upper()}{careful[1:]}."
    if report.unreadable:
        yield f"In {report.unreadable} answers nothing could be read, which counts as wrong."
    if report.cut:
        yield f"{report.cut} prompts lost {report.cut_tokens} tokens on the left."
    if report.thought:
        yield f"{report.thought} items were answered with thinking, of {report.thinking_tokens} tokens."


def _identity(report: Report) -> list[tuple[str, str]]:
    """Everything that may change an answer or its score, by name; what is empty is left out."""
    key = dict(report.key.asked)
    system = {f"system, {name}": value for name, value in asdict(report.key.system).items()}
    named = {"run": report.key.run, **system, **key, "average": report.average, "graded from": report.graded_from}
    return [(name.replace("_", " "), str(value)) for name, value in named.items() if value not in ("", {}, None)]
