"""The verb `compare`: two systems, or two stored runs, on the same questions."""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Unpack, cast

from .. import settings
from ..benchmarks.benchmark import Benchmark
from ..data import Source
from ..errors import NotComparable, UnknownName, UsageError
from ..evaluation.config import EvalConfig, EvalSettings
from ..evaluation.items import Picked
from ..evaluation.plan import Plan
from ..evaluation.report import Report, failure_reasons
from ..evaluation.run import check
from ..models.system import Model
from ..sandbox import Sandbox
from ..statistics import caution
from ..statistics.direction import more_is_better, unit_of, worded
from ..statistics.paired import Paired, Verdict, holm, status_rate
from ..statistics.power import OMEGA2, SIGMA2, detectable, needed, variance
from ..statistics.sequential import ConfidenceSequence
from ..store.runs import Runs, StoredRun
from ..values import Json, Outcome, Scored
from .evaluate import Progress, choose, evaluate_all, evaluate_plan, make_plan, not_run, suited
from .paired_outcomes import paired_outcomes, refuse_corpus
from .system import load
from .task_system import system_of, task_names

UNREADABLE = 0.02  # above this share of unparsed or cut-off answers a difference may be one of format
STEP, GROWTH = 16, 8  # items that are asked between two looks: at least 16, and an eighth of those before
PILOT = 30  # items asked before from which the spread of differences is taken


@dataclass(frozen=True, slots=True)
class Comparison:
    """One benchmark: run `a` against run `b`. `p` is adjusted for all benchmarks compared together (Holm).

    `left_out` items failed on either side. `reason` says why there is no verdict, or what to keep in mind.
    """

    benchmark: str
    metric: str
    run_a: str
    run_b: str
    system_a: str
    system_b: str
    score_a: float | None
    score_b: float | None
    paired: Paired | None
    p: float | None
    verdict: Verdict
    margin: float
    left_out: int
    available: int
    reason: str = ""
    sequence: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.paired is None:
            return f"{self.benchmark}: {self.verdict} ({self.reason})"
        p = "" if self.p is None else f", p {self.p:.3f}"
        bounds = [worded(self.metric, bound, "+") for bound in self.bounds if bound is not None]
        interval = f" [{', '.join(bounds)}]" if bounds else ""
        difference = f"{worded(self.metric, self.paired.difference, '+')} {unit_of(self.metric)}{interval}{p}"
        return f"{self.benchmark}: {self.system_a} is {self.verdict} ({difference}, n = {self.paired.n})"

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The interval of the difference: of the sequence, if the systems were compared step by step."""
        if self.sequence or self.paired is None:
            return self.sequence or (None, None)
        return self.paired.low, self.paired.high

    @property
    def note(self) -> str:
        """Why p and the interval seem to contradict each other, and how few clusters there are; empty if nothing."""
        if self.paired is None or self.sequence:
            return ""
        clusters = self.paired.clusters if self.paired.clusters < self.paired.n else None
        return "; ".join(filter(None, (self.paired.note(p=self.p), caution(clusters))))

    def to_json(self) -> dict[str, Json]:
        """The documented object that `--json` prints."""
        fields = asdict(self)
        paired = fields.pop("paired") or {}
        names = (
            "n",
            "clusters",
            "difference",
            "stderr",
            "low",
            "high",
            "method",
            "test",
            "correlation",
            "only_a",
            "only_b",
        )
        return {
            **fields,
            **{name: paired.get(name) for name in names},
            "p_unadjusted": paired.get("p"),
            "note": self.note,
        }


def compare(
    model_a: Model | str,
    model_b: Model | str,
    benchmarks: Sequence[str] = (),
    *,
    until_decided: bool = False,
    margin: float = 0.01,
    config: EvalConfig | None = None,
    **changes: Unpack[EvalSettings],
) -> list[Comparison]:
    """Compare two models on the same questions, or two stored runs by their names; one Comparison a benchmark.

    `margin`, as a share of 1, is the largest difference that counts as none. Keywords are the fields of EvalConfig. Raises
    NotComparable for runs that were asked differently.
    """
    config = replace(config or EvalConfig(), **changes)
    names = [model if isinstance(model, str) else model.name.text for model in (model_a, model_b)]
    comparisons: list[Comparison] = []
    for event in compare_all(names[0], names[1], benchmarks, config, margin, until_decided):
        if isinstance(event, list):
            comparisons = event
    return comparisons


def compare_all(
    a: str, b: str, names: Sequence[str], config: EvalConfig, margin: float, until_decided: bool
) -> Iterator[Progress | list[Comparison]]:
    """Progress while systems are asked, then the comparisons. `a` and `b` are models, or both names of stored runs."""
    stored = _stored_pair(a, b)
    if config.task and not stored:
        a, b = (task_names([name], config)[0] for name in (a, b))
    if stored:
        if names or until_decided:
            raise UsageError("two runs are compared as they are; -b and --until-decided are for models")
        yield _adjusted([_compare_runs(*stored, margin)])
    elif until_decided:
        comparisons: list[Comparison] = []
        for step in _sequential(a, b, names, config, margin):
            if isinstance(step, Comparison):
                comparisons.append(step)
            else:
                yield step
        yield comparisons
    else:
        reports: list[Report] = []
        names = _that_both_can(a, b, names, config)
        yield from _expected(a, b, names, config)
        for event in evaluate_all([a, b], names, config):
            if isinstance(event, Report):
                reports.append(event)
            else:
                yield event
        with Runs(settings.database()) as store:
            of = {(r.key.system.name, r.key.benchmark): store.find(r.key.run) for r in reports}
            benchmarks = list(dict.fromkeys(r.key.benchmark for r in reports))
        yield _adjusted([_compare_runs(of[a, name], of[b, name], margin, in_part=True) for name in benchmarks])


def _that_both_can(a: str, b: str, names: Sequence[str], config: EvalConfig) -> list[str]:
    """Names of the benchmarks, those of generative twins where one of the two gives no log-probabilities."""
    source, benchmarks = choose(names, config)
    for name in (a, b):
        with _opened(name, config, source) as model:
            benchmarks = suited(model, benchmarks, names)
    return [benchmark.name for benchmark in benchmarks]


def _opened(name: str, config: EvalConfig, source: Source) -> Model:
    return system_of(name, config, source) if config.task else load(name)


def _stored_pair(a: str, b: str) -> tuple[StoredRun, StoredRun] | None:
    runs = []
    with Runs(settings.database()) as store:
        for name in (a, b):
            try:
                runs.append(store.find(name) if len(name) >= 4 and all(c in "0123456789abcdef" for c in name) else None)
            except (UnknownName, UsageError):
                runs.append(None)
    first, second = runs
    return (first, second) if first and second else None


def _compare_runs(a: StoredRun, b: StoredRun, margin: float, in_part: bool = False) -> Comparison:
    """Compare two stored runs. Raises NotComparable if they were asked different questions, or in a different way. `in_part`: what one was asked
    before and the other not is left aside, as both have just been asked the same."""
    unlike = a.key.differences(b.key)
    if unlike:
        shown = "; ".join(f"{name}: {x!r} and {y!r}" for name, (x, y) in unlike.items())
        raise NotComparable(f"runs {a.run} and {b.run} are not comparable: they differ in {shown:.400}")
    with Runs(settings.database()) as store:
        of_a = {outcome.item: outcome for _, outcome in store.outcomes(a.run)}
        of_b = {outcome.item: outcome for _, outcome in store.outcomes(b.run)}
    if in_part:
        of_a, of_b = ({item: of[item] for item in of if item in of_a and item in of_b} for of in (of_a, of_b))
    if set(of_a) != set(of_b):
        only = len(set(of_a) ^ set(of_b))
        raise NotComparable(
            f"runs {a.run} and {b.run} are not comparable: {only} items are in one of them only. Run both with the same --limit"
        )
    return compare_outcomes(a, b, of_a, of_b, margin)


def compare_outcomes(
    a: StoredRun, b: StoredRun, of_a: dict[str, Outcome], of_b: dict[str, Outcome], margin: float, metric: str = ""
) -> Comparison:
    """Compare what two runs have of the same items, by `metric` (empty: the headline), without adjustment for others."""
    assert a.report
    metric = metric or a.report.headline
    pairs = [
        (x, y)
        for item, x in of_a.items()
        if isinstance(x, Scored)
        and isinstance(y := of_b.get(item), Scored)
        and metric in x.scores
        and metric in y.scores
    ]
    comparison = Comparison(
        a.key.benchmark, metric, a.run, b.run, a.key.system.name, b.key.system.name, None, None, None, None,
        "not comparable", margin, len(of_a) - len(pairs), a.report.available,
    )  # fmt: skip
    if len(pairs) < 2:
        return replace(comparison, reason=_too_few(len(pairs), [(a.key.system.name, of_a), (b.key.system.name, of_b)]))
    score_a, score_b, paired = paired_outcomes(metric, pairs)
    verdict = paired.verdict(margin, more_is_better=more_is_better(metric))
    comparison = replace(comparison, score_a=score_a, score_b=score_b, paired=paired, p=paired.p, verdict=verdict)
    return _readable(comparison, [x for x, _ in pairs], [y for _, y in pairs])


def _too_few(scored: int, sides: Sequence[tuple[str, dict[str, Outcome]]]) -> str:
    """How many items were scored on both sides, too few to compare, and the most common reason of the failures."""
    message = f"{scored} items were scored on both sides; at least two are needed"
    for name, outcomes in sides:
        reasons = failure_reasons(outcomes.values())
        message += "".join(f"; {name}: {count} failed, {reason}" for reason, count in list(reasons.items())[:1])
    return message


def _readable(comparison: Comparison, of_a: list[Scored], of_b: list[Scored]) -> Comparison:
    """The comparison, without its verdict where too many answers could not be read: the difference may be one of format."""
    for name, outcomes in ((comparison.system_a, of_a), (comparison.system_b, of_b)):
        counts = {status: sum(o.status == status for o in outcomes) for status in ("unparsed", "truncated")}
        rate = status_rate(counts, len(outcomes))
        if rate > UNREADABLE and comparison.verdict in ("better", "worse"):
            reason = f"{100 * rate:.0f} % of the answers of {name} could not be read or were cut off (limit 2 %)"
            return replace(comparison, verdict="not comparable", reason=reason)
    return comparison


def _adjusted(comparisons: list[Comparison]) -> list[Comparison]:
    """The comparisons with p-values adjusted for their number, and verdicts by them."""
    tested = [c for c in comparisons if c.p is not None]
    p_values = dict(zip([c.benchmark for c in tested], holm([c.p or 0.0 for c in tested]), strict=True))
    return [
        replace(
            c, p=p_values[c.benchmark],
            verdict=c.paired.verdict(c.margin, p=p_values[c.benchmark], more_is_better=more_is_better(c.metric))
            if c.verdict in ("better", "worse") else c.verdict,
        )
        if c.paired and c.benchmark in p_values else c
        for c in comparisons
    ]  # fmt: skip


def _expected(a: str, b: str, names: Sequence[str], config: EvalConfig) -> Iterator[Progress]:
    """The difference that the coming comparison of each benchmark can detect (80 % power at the 5 % level)."""
    source, benchmarks = choose(names, config)
    first, second = (_opened(name, config, source) for name in (a, b))
    with first, second, Runs(settings.database()) as store:
        models = first, second
        for benchmark in [benchmark for benchmark in benchmarks if not not_run(benchmark)]:
            plans = [make_plan(model, benchmark, source, config) for model in models]
            n, before = len(plans[0].items), _asked_before(store, plans)
            if len(before) >= n:
                continue
            if len(before) >= PILOT:
                seen, basis = detectable(n, variance(before)), f", judging by the {len(before)} items asked before"
            else:
                seen, basis = detectable(n, OMEGA2, SIGMA2, SIGMA2, config.samples), ""
            note = f"{benchmark.name}: with n = {n} you will see differences of {100 * seen:.0f} points or more{basis}"
            yield Progress("", benchmark.name, 0, 0, note=note)


def _asked_before(store: Runs, plans: Sequence[Plan]) -> list[float]:
    """Differences of scores on the items that both systems were asked before."""
    sides = [{o.item: o for _, o in store.outcomes(plan.key.run) if isinstance(o, Scored)} for plan in plans]
    metric = plans[0].headline
    both = [(sides[0][item], sides[1][item]) for item in sides[0] if item in sides[1]]
    return [x.scores[metric] - y.scores[metric] for x, y in both if metric in x.scores and metric in y.scores]


def _sequential(
    a: str, b: str, names: Sequence[str], config: EvalConfig, margin: float
) -> Iterator[Progress | Comparison]:
    """Ask both systems in random order, look after every few items, stop when it is decided."""
    source, benchmarks = choose(_that_both_can(a, b, names, config), config)
    first, second = (_opened(name, config, source) for name in (a, b))
    with first, second, Runs(settings.database()) as store:
        for model in (first, second):  # two models at once: half the workers each
            model.workers = max(1, (config.workers or settings.workers() or model.most_workers()) // 2)
        for benchmark in [benchmark for benchmark in benchmarks if not not_run(benchmark, config)]:
            yield from _decide(store, first, second, benchmark, source, config, margin)


def _decide(
    store: Runs,
    first: Model,
    second: Model,
    benchmark: Benchmark,
    source: Source,
    config: EvalConfig,
    margin: float,
) -> Iterator[Progress | Comparison]:
    plans = [make_plan(model, benchmark, source, config) for model in (first, second)]
    sandbox = Sandbox(config.sandbox) if benchmark.kind == "code" else None
    for model, plan in zip((first, second), plans, strict=True):
        check(plan, benchmark, model)
    refuse_corpus(plans[0].headline)
    clusters = [item.cluster for item in plans[0].items]
    order = list(range(len(clusters)))
    random.Random(f"{plans[0].key.run} {plans[1].key.run}").shuffle(order)
    members: dict[str, list[int]] = {}  # whole clusters, in random order
    for position in order:
        members.setdefault(clusters[position], []).append(position)
    sequence, metric, done, waiting = ConfidenceSequence(), plans[0].headline, 0, deque(members)
    known: list[dict[str, Outcome]] = [{}, {}]
    used: list[str] = []
    notes: set[str] = set()
    while waiting and not sequence.decision(margin):
        batch: list[str] = []
        while waiting and sum(len(members[c]) for c in batch) < max(STEP, done // GROWTH):
            batch.append(waiting.popleft())
        positions = [position for cluster in batch for position in members[cluster]]
        for side, (model, plan) in enumerate(zip((first, second), plans, strict=True)):
            chosen = replace(plan, items=Picked(plan.items, positions), answer_tokens={})
            for event in evaluate_plan(store, model, benchmark, chosen, config, sandbox, alone=False):
                if isinstance(event, Progress) and event.note and event.note not in notes:
                    notes.add(event.note)
                    yield event
            names = {item.name for item in chosen.items}
            known[side] |= {o.item: o for _, o in store.outcomes(plan.key.run) if o.item in names}
        done += len(positions)
        for cluster in batch:
            items = [plans[0].items[position].name for position in members[cluster]]
            used += items
            difference = _difference(known, items, metric)
            if difference is not None:
                sequence.add(difference)
            if sequence.decision(margin):
                break
        yield Progress(f"{first.name.text} and {second.name.text}", benchmark.name, done, len(order))
    seen = [{item: side[item] for item in used if item in side} for side in known]
    yield _decided(store, plans, seen, sequence, margin, len(used), len(order))


def _difference(known: list[dict[str, Outcome]], items: list[str], metric: str) -> float | None:
    """Mean difference over a cluster's items; None if none of them was scored on both sides."""
    pairs = [(known[0].get(item), known[1].get(item)) for item in items]
    each = [x.scores[metric] - y.scores[metric] for x, y in pairs if isinstance(x, Scored) and isinstance(y, Scored)]
    return sum(each) / len(each) if each else None


def _decided(
    store: Runs, plans: list[Plan], known: list[dict[str, Outcome]], sequence: ConfidenceSequence, margin: float, used: int,
    available: int,
) -> Comparison:  # fmt: skip
    a, b = (store.find(plan.key.run) for plan in plans)
    comparison = compare_outcomes(a, b, known[0], known[1], margin)
    verdict = cast(Verdict, sequence.decision(margin) or "no detectable difference")
    if comparison.paired is None:
        return comparison
    comparison = replace(comparison, verdict=verdict, p=None, sequence=(sequence.low, sequence.high), reason="")
    both = [[o for o in side.values() if isinstance(o, Scored)] for side in known]
    comparison = _readable(comparison, *both)
    share = 100 * (available - used) / available
    saved = f"{used} of {available} items used" + (f", {share:.0f} % saved" if used < available else "")
    if used == available and comparison.paired and comparison.verdict == "no detectable difference":
        saved += f"; {_would_need(comparison.paired, margin)}"
    return replace(
        comparison, available=available, reason=f"{comparison.reason}; {saved}" if comparison.reason else saved
    )


def _would_need(paired: Paired, margin: float) -> str:
    """How many items would show what was observed, or the margin if that is more, with 80 % power at the 5 % level."""
    if paired.stderr is None:
        return "how many items are needed cannot be estimated from one cluster"
    difference = max(abs(paired.difference), margin)
    items = ceil(needed(difference, max(paired.stderr**2 * paired.n, 3 / paired.n)))
    return f"to show a difference of {100 * difference:.1f} points with 80 % power, some {items} items are needed"
