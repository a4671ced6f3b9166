"""The verb `gate`: the evidence of a policy's rules from stored runs, measured first if asked for, and its page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import settings
from ..arena.gate import (
    HIGHER_IS_BETTER,
    OF_ONE_SYSTEM,
    GateDecision,
    GatePolicy,
    GateRule,
    RuleEvidence,
    RuleResult,
    decide,
)
from ..arena.policy import SOURCES, read_policy
from ..data.own import read
from ..errors import DataError, UnknownName, UsageError
from ..evaluation.config import EvalConfig
from ..evaluation.plan import revision_of
from ..evaluation.report import Report
from ..statistics import choose
from ..statistics.paired import Paired
from ..statistics.paired import compare as compare_scores
from ..store.runs import Runs, StoredRun
from ..values import Outcome, Scored, Spent
from .compare import compare_outcomes
from .evaluate import Progress, evaluate_all
from .own_data import groups_of

ONE_NUMBER = ("money", "memory", "speed")  # measures that a run has one number of, without an interval


@dataclass(frozen=True, slots=True)
class RuleDrawing:
    """Places on a line from 0 to 100: the value, its interval, the limits that decide, and no difference (None: not shown)."""

    value: float
    low: float
    high: float
    limits: tuple[float, ...]
    zero: float | None


def read_policy_file(path: Path, candidate: Sequence[str] = (), baseline: Sequence[str] = ()) -> GatePolicy:
    """The policy of a file, with other sides if they are given. Raises UsageError where a side that is needed is not named."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    policy = read_policy(text, path.name)
    policy = replace(
        policy, candidate=tuple(candidate) or policy.candidate, baseline=tuple(baseline) or policy.baseline
    )
    if not policy.candidate:
        raise UsageError(f'{path.name} names no candidate; add candidate = "…" or give --candidate')
    compared = [rule.name for rule in policy.rules if rule.require not in OF_ONE_SYSTEM]
    if compared and not policy.baseline:
        raise UsageError(
            f'{path.name} names no baseline, which {compared[0]} needs; add baseline = "…" or give --baseline'
        )
    return policy


def judge(policy: GatePolicy) -> GateDecision:
    """The decision by what is stored; nothing is asked."""
    with Runs(settings.database()) as store:
        stored = store.all()
        evidence = [_evidence(store, stored, policy, rule) for rule in policy.rules]
    return decide(policy.rules, evidence)


def measure_missing(policy: GatePolicy, budget: float | None) -> Iterator[Progress | Report]:
    """Measure, for each rule without evidence, the sides that are systems, as the rule says; what is stored is not asked again.

    `budget` caps all of it together, in US dollars.
    """
    with Runs(settings.database()) as store:
        stored = store.all()
        absent = [rule for rule in policy.rules if _evidence(store, stored, policy, rule).problem == "missing"]
        runs = {run.run for run in stored}
    systems = [name for name in (*policy.candidate, *policy.baseline) if name not in runs]
    groups: dict[tuple[str, str, int | None, int | None], list[str]] = {}
    for rule in absent:
        own = _own_file(rule)
        names = groups.setdefault((rule.data, rule.view or "default", rule.shots, rule.limit), [])
        if not own and not rule.benchmark:
            raise UsageError(f"{rule.name}: --run needs the benchmark to measure; name it in the rule")
        names += [] if own else [rule.benchmark]
    for (data, view, shots, limit), names in groups.items():
        config = EvalConfig(data=data or None, view=view, shots=shots, limit=limit, budget=budget)
        before = _spent()
        yield from evaluate_all(systems, list(dict.fromkeys(names)), config)
        if budget is not None:
            budget = max(1e-9, budget - (_spent() - before))


def _spent() -> float:
    with Runs(settings.database()) as store:
        return sum((report.usage.cost or 0.0 for report in store.reports()), 0.0)


def _evidence(store: Runs, stored: Sequence[StoredRun], policy: GatePolicy, rule: GateRule) -> RuleEvidence:
    alone = rule.require in OF_ONE_SYSTEM
    mine, theirs = (_runs_of(stored, names, rule) for names in (policy.candidate, policy.baseline))
    for names, runs in ((policy.candidate, mine), *([] if alone else [(policy.baseline, theirs)])):
        if not runs:
            return RuleEvidence(problem="missing", reason=_why_missing(stored, names, rule))
    if alone:
        return _alone(store, mine[0], rule)
    pairs = [(a, b) for a in mine for b in theirs if a.run != b.run and not a.key.differences(b.key)]
    if not pairs and mine[0].run == theirs[0].run:
        known = RuleEvidence(candidate_run=mine[0].run, baseline_run=mine[0].run)
        return replace(
            known, problem="not comparable", reason=f"both sides are run {mine[0].run}; name another baseline"
        )
    if not pairs:
        unlike = mine[0].key.differences(theirs[0].key)
        shown = "; ".join(f"{name}: {x!r} and {y!r}" for name, (x, y) in unlike.items())
        known = RuleEvidence(candidate_run=mine[0].run, baseline_run=theirs[0].run)
        return replace(known, problem="not comparable", reason=f"the runs differ in {shown:.300}")
    return _compared(store, *pairs[0], rule)


def _runs_of(stored: Sequence[StoredRun], names: Sequence[str], rule: GateRule) -> list[StoredRun]:
    """The runs of a side that a rule is about, the newest first."""
    benchmark = _own_name(rule) or rule.benchmark
    return [
        run
        for run in stored
        if run.report is not None
        and run.report.n
        and any(name == run.key.system.name or (len(name) >= 4 and run.run.startswith(name)) for name in names)
        and (not benchmark or run.key.benchmark == benchmark)
        and (not rule.data or run.key.data == ("file" if _own_file(rule) else rule.data))
        and (not rule.view or run.key.view == rule.view)
        and (rule.shots is None or run.key.shots == rule.shots)
    ]


def _why_missing(stored: Sequence[StoredRun], names: Sequence[str], rule: GateRule) -> str:
    asked = " ".join(filter(None, (_own_name(rule) or rule.benchmark, rule.view, rule.data)))
    shots = "" if rule.shots is None else f" {rule.shots}-shot"
    systems = {run.key.system.name for run in stored}
    unknown = [name for name in names if name not in systems and not any(run.run.startswith(name) for run in stored)]
    if unknown:
        return f"nothing is stored of {', '.join(unknown)}; measure it with llms eval, or give --run"
    return f"{', '.join(names)} has no scored run of {asked}{shots}; measure it with llms eval, or give --run"


def _alone(store: Runs, run: StoredRun, rule: GateRule) -> RuleEvidence:
    """The candidate's own value, for a rule of one system."""
    assert run.report
    known = RuleEvidence(candidate_run=run.run)
    if rule.measure in ONE_NUMBER:
        one = _one_number(run.report, rule)
        if one is None:
            return replace(known, problem="not comparable", reason=f"its {rule.measure} is not known")
        return replace(known, candidate=one, low=one, high=one, n=run.report.n, method="one number a run")
    metric = _metric(run, rule, own=True)
    whole = run.report.subsets.get(rule.subset, {}) if rule.subset else run.report.scores
    score = None if rule.group or rule.measure == "time" else whole.get(metric)
    if score is None:
        outcomes = [o for o in _chosen(store, run, rule).values() if isinstance(o, Scored)]
        if rule.measure == "score":
            outcomes = [outcome for outcome in outcomes if metric in outcome.scores]
        if not outcomes:
            return replace(known, problem="missing", reason=f"run {run.run} has no scored item of it")
        values = [outcome.seconds if rule.measure == "time" else outcome.scores[metric] for outcome in outcomes]
        score = choose(values, [outcome.cluster for outcome in outcomes])
    return replace(
        known, candidate=score.value, low=score.low, high=score.high, n=score.n, method=score.method, metric=metric
    )


def _compared(store: Runs, a: StoredRun, b: StoredRun, rule: GateRule) -> RuleEvidence:
    """The candidate's run `a` against the baseline's `b`, which were asked alike."""
    assert a.report
    assert b.report
    known = RuleEvidence(candidate_run=a.run, baseline_run=b.run, metric=_metric(a, rule))
    if rule.measure in ONE_NUMBER:
        mine, theirs = _one_number(a.report, rule), _one_number(b.report, rule)
        if mine is None or theirs is None:
            return replace(known, problem="not comparable", reason=f"the {rule.measure} of a side is not known")
        d = mine - theirs
        known = replace(known, candidate=mine, baseline=theirs, low=d, high=d, inner=(d, d))
        return replace(known, n=a.report.n, method="one number a run")
    of_a, of_b = _chosen(store, a, rule), _chosen(store, b, rule)
    if only := len(set(of_a) ^ set(of_b)):
        reason = f"{only} items are in one of the runs only; run both with the same --limit"
        return replace(known, problem="not comparable", reason=reason)
    if not of_a:
        return replace(known, problem="missing", reason=f"no item of it is in run {a.run}")
    if rule.measure == "time":
        return _times(known, of_a, of_b)
    comparison = compare_outcomes(a, b, of_a, of_b, rule.margin, known.metric)
    if comparison.paired is None or comparison.verdict == "not comparable":
        return replace(known, problem="not comparable", reason=comparison.reason)
    failed = f"{comparison.left_out} items failed on one side and were left out" if comparison.left_out else ""
    known = replace(known, candidate=comparison.score_a, baseline=comparison.score_b)
    return _with_paired(known, comparison.paired, "; ".join(filter(None, (comparison.note, failed))))


def _times(known: RuleEvidence, of_a: Mapping[str, Outcome], of_b: Mapping[str, Outcome]) -> RuleEvidence:
    """The seconds of each item on both sides, paired."""
    pairs = [(x, y) for item, x in of_a.items() if isinstance(x, Scored) and isinstance(y := of_b[item], Scored)]
    if len(pairs) < 2:
        return replace(known, problem="not comparable", reason=f"{len(pairs)} items were scored on both sides")
    left, right = [x.seconds for x, _ in pairs], [y.seconds for _, y in pairs]
    known = replace(known, candidate=sum(left) / len(left), baseline=sum(right) / len(right))
    return _with_paired(known, compare_scores(left, right, [x.cluster for x, _ in pairs]), "")


def _with_paired(known: RuleEvidence, paired: Paired, reason: str) -> RuleEvidence:
    method = f"{paired.method}; {paired.test}"
    known = replace(known, low=paired.low, high=paired.high, inner=paired.inner, p=paired.p, n=paired.n)
    return replace(known, method=method, reason=reason)


def _metric(run: StoredRun, rule: GateRule, own: bool = False) -> str:
    """The metric of a rule; `own`: as shown on the leaderboard, if none is named. Raises UnknownName."""
    assert run.report
    if rule.measure != "score":
        return rule.measure
    known = run.report.scores
    if rule.metric and rule.metric not in known:
        raise UnknownName(f"metric of {run.key.benchmark} in {rule.name}", rule.metric, known)
    return rule.metric or (run.report.shown if own and not rule.group else run.report.headline)


def _chosen(store: Runs, run: StoredRun, rule: GateRule) -> dict[str, Outcome]:
    """The outcomes of a run that a rule is about, by item."""
    outcomes = {outcome.item: outcome for _, outcome in store.outcomes(run.run)}
    if rule.subset:
        subsets = {outcome.subset for outcome in outcomes.values()}
        if rule.subset not in subsets:
            raise UnknownName(f"subset of {run.key.benchmark} in {rule.name}", rule.subset, subsets)
        outcomes = {item: outcome for item, outcome in outcomes.items() if outcome.subset == rule.subset}
    if rule.group:
        column, _, value = (part.strip() for part in rule.group.partition("="))
        table = read(Path(rule.data))
        if revision_of([table.content.revision]) != run.key.revision:
            raise DataError(f"{rule.name}: {rule.data} has changed since run {run.run}; run it again")
        if column not in table.metadata:
            raise UnknownName(f"column of {rule.data} in {rule.name}", column, table.metadata)
        of = groups_of(table, [column])[column]
        outcomes = {item: outcome for item, outcome in outcomes.items() if of(item) == value}
    return outcomes


def _drawn(result: RuleResult) -> RuleDrawing | None:
    """The interval of a rule on a scale of its own, 0 to 100, with the marks that it is judged by; None where there is none."""
    known, rule = result.evidence, result.rule
    alone = rule.require in OF_ONE_SYSTEM
    value = known.candidate if alone else known.difference
    if value is None or known.low is None or known.high is None:
        return None
    scale = 1.0 if rule.measure == "score" else abs(known.baseline or 0.0)
    size = scale * (rule.by if rule.require == "better" else rule.margin)
    lower = rule.measure not in HIGHER_IS_BETTER
    limits: tuple[float, ...] = {
        "not worse": (size if lower else -size,),
        "better": (-size if lower else size,),
        "equivalent": (-size, size),
    }.get(rule.require, (rule.value,))
    points: tuple[float, ...] = (value, known.low, known.high, *limits, *(() if alone else (0.0,)))
    least, most = min(points), max(points)
    room: float = (most - least) * 0.08 or 1.0

    width = most - least + 2 * room

    def at(point: float) -> float:
        return 100 * (point - least + room) / width

    zero = None if alone else at(0.0)
    return RuleDrawing(at(value), at(known.low), at(known.high), tuple(at(limit) for limit in limits), zero)


def _one_number(report: Report, rule: GateRule) -> float | None:
    """Money per task, memory or speed of a run; None where it is not known."""
    usage: Spent = report.usage
    if rule.measure == "money":
        return None if usage.cost is None or not report.n else usage.cost / report.n
    if rule.measure == "memory":
        return float(usage.peak_memory_bytes) if usage.peak_memory_bytes else None
    return usage.tokens_per_second or None


def _own_file(rule: GateRule) -> bool:
    return bool(rule.data) and rule.data not in SOURCES


def _own_name(rule: GateRule) -> str:
    """The name of the benchmark that a rule's file is; empty where it has none."""
    return Path(rule.data).name.split(".")[0] if _own_file(rule) else ""


def cells_of(result: RuleResult) -> tuple[str, str, str, str, str]:
    """Candidate, baseline, interval, p and n of a rule as text; empty where there is nothing."""
    known, rule = result.evidence, result.rule
    alone = rule.require in OF_ONE_SYSTEM
    share = rule.measure == "score"

    def number(value: float | None, sign: str = "") -> str:
        if value is None:
            return ""
        if rule.measure == "memory":
            return f"{value / 1e9:{sign}.3f} GB"
        return f"{100 * value:{sign}.1f}" if share else f"{value:{sign}.4g}"

    sign = "" if alone else "+"
    bounds = f"{number(known.low, sign)} – {number(known.high, sign)}" if known.low is not None else ""
    p = "" if result.p is None else "< 0.001" if result.p < 0.001 else f"{result.p:.3f}"
    return number(known.candidate), number(known.baseline), bounds, p, str(known.n or "")


def write_gate_page(policy: GatePolicy, decision: GateDecision, path: Path) -> None:
    """The decision as one HTML page that needs nothing else."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((Path(__file__).parent / "gate_page.html").read_text(encoding="utf-8"))
    rows = [(result, cells_of(result), _drawn(result)) for result in decision.results]
    path.write_text(template.render(policy=policy, decision=decision, rows=rows), encoding="utf-8")
