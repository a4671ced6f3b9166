"""A policy of comparisons and its decision, GO or NO-GO: words and numbers in, verdicts out; knows no store and no model.

The requirement of each rule is tested once. A critical rule must be shown to hold, a supporting one must not be shown to
fail, an advisory one decides nothing. Claims of a difference are adjusted for their number within a level (Holm 1979); the
tests of "not worse" and "equivalent" are not, as all of them must succeed (an intersection-union test).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from ..statistics.paired import ALPHA, holm
from ..values import Json

Level = Literal["critical", "supporting", "advisory"]
Requirement = Literal["not worse", "better", "equivalent", "at least", "at most"]
Measure = Literal["score", "time", "money", "memory", "speed"]
GateVerdict = Literal["better", "worse", "equivalent", "not worse", "undecided", "not comparable", "missing"]
Undecided = Literal["go", "no-go"]
LEVELS: tuple[Level, ...] = ("critical", "supporting", "advisory")
REQUIREMENTS: tuple[Requirement, ...] = ("not worse", "better", "equivalent", "at least", "at most")
MEASURES: tuple[Measure, ...] = ("score", "time", "money", "memory", "speed")
UNITS: Mapping[Measure, str] = {
    "score": "share", "time": "seconds a task", "money": "dollars a task", "memory": "bytes", "speed": "tokens/s",
}  # fmt: skip
HIGHER_IS_BETTER = frozenset[Measure](["score", "speed"])
OF_ONE_SYSTEM = frozenset[Requirement](["at least", "at most"])


@dataclass(frozen=True, slots=True)
class GateRule:
    """One comparison, on stored runs of `benchmark`, or of the rows in the file `data`; a part of them by `subset` or `group`
    (column=value). `margin` and `by` are shares of 1 for scores, and shares of the baseline's value for all else; `value` is
    in the unit of the measure. None where the policy says nothing."""

    name: str
    level: Level = "critical"
    benchmark: str = ""
    data: str = ""
    view: str = ""
    shots: int | None = None
    limit: int | None = None
    metric: str = ""
    subset: str = ""
    group: str = ""
    measure: Measure = "score"
    require: Requirement = "not worse"
    margin: float = 0.01
    by: float = 0.0
    value: float = 0.0
    undecided: Undecided = "no-go"

    @property
    def words(self) -> str:
        """The requirement as a reader has it: not worse by more than 1 point."""
        if self.require in OF_ONE_SYSTEM:
            return f"{self.measure} {self.require} {self.amount(self.value, absolute=True)}"
        size = {"not worse": self.margin, "equivalent": self.margin, "better": self.by}[self.require]
        more = {"not worse": " by more than ", "equivalent": " within ", "better": " by more than "}[self.require]
        return f"{self.measure} {self.require}" + (f"{more}{self.amount(size)}" if size else "")

    def amount(self, value: float, absolute: bool = False) -> str:
        """A size of this rule's measure, in points, percent of the baseline or, if `absolute`, its unit."""
        if self.measure == "score":
            points = f"{100 * value:.3g}"
            return points if absolute else f"{points} point{'s' * (points != '1')}"
        if self.measure == "memory" and absolute:
            return f"{value / 1e9:.4g} GB"
        return f"{value:.4g} {UNITS[self.measure]}" if absolute else f"{100 * value:.3g} %"


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The rules, and the two sides: names of systems, or of runs."""

    rules: tuple[GateRule, ...]
    candidate: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """The evidence for one rule. `low` and `high` bound 95 % of the difference, candidate minus baseline, or for "at least"
    and "at most" of the candidate's own value; `inner` bounds 90 % of the difference. `p` is two-sided. Where a measure is one
    number a run, the bounds are that number and p is None. `problem` says that there is nothing to test, `reason` why."""

    candidate: float | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    inner: tuple[float, float] | None = None
    p: float | None = None
    n: int = 0
    method: str = ""
    metric: str = ""
    candidate_run: str = ""
    baseline_run: str = ""
    problem: Literal["", "missing", "not comparable"] = ""
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Candidate minus baseline; None where one of them is not known."""
        return None if self.candidate is None or self.baseline is None else self.candidate - self.baseline


@dataclass(frozen=True, slots=True)
class RuleResult:
    """A rule with its verdict. `passes` is None where the evidence leaves it open; `stops` says that it makes a NO-GO."""

    rule: GateRule
    evidence: RuleEvidence
    verdict: GateVerdict
    passes: bool | None
    stops: bool
    p: float | None = None

    def to_json(self) -> dict[str, Json]:
        """The documented object that `--json` prints; p is adjusted for the rules of its level."""
        evidence = asdict(self.evidence)
        inner, problem = evidence.pop("inner"), evidence.pop("problem")
        assert not problem or self.verdict == problem
        return {
            "rule": self.rule.name,
            "verdict": self.verdict,
            "level": self.rule.level,
            "passes": self.passes,
            "stops": self.stops,
            "requirement": self.rule.words,
            "benchmark": self.rule.benchmark,
            "measure": self.rule.measure,
            "unit": UNITS[self.rule.measure],
            "difference": self.evidence.difference,
            **evidence,
            "inner": list(inner) if inner else None,
            "p": self.p,
            "p_unadjusted": self.evidence.p,
        }


@dataclass(frozen=True, slots=True)
class GateDecision:
    """GO or NO-GO, the verdict of each rule in the order of the policy, and a sentence that says why."""

    go: bool
    results: tuple[RuleResult, ...]
    sentence: str


def decide(rules: Sequence[GateRule], evidence: Sequence[RuleEvidence]) -> GateDecision:
    """The decision over rules with their evidence, one each."""
    adjusted: dict[int, float] = {}
    for level in LEVELS:
        tested = [
            i for i, (r, e) in enumerate(zip(rules, evidence, strict=True)) if r.level == level and e.p is not None
        ]
        tested = [i for i in tested if not evidence[i].problem]
        adjusted |= dict(zip(tested, holm([evidence[i].p or 0.0 for i in tested]), strict=True))
    results = []
    for i, (rule, known) in enumerate(zip(rules, evidence, strict=True)):
        verdict, passes = _verdict(rule, known, adjusted.get(i))
        result = RuleResult(rule, known, verdict, passes, False, adjusted.get(i))
        results.append(replace(result, stops=_stops(result)))
    stopping = [result for result in results if result.stops]
    return GateDecision(not stopping, tuple(results), _sentence(results, stopping))


def _stops(result: RuleResult) -> bool:
    """Whether a rule makes a NO-GO: a failed or missing one, and an open one whose `undecided` is no-go."""
    if result.rule.level == "advisory" or result.passes:
        return False
    return result.passes is False or result.verdict == "missing" or result.rule.undecided == "no-go"


def _sentence(results: Sequence[RuleResult], stopping: Sequence[RuleResult]) -> str:
    if stopping:
        named = ", ".join(f"{result.rule.name} ({result.verdict})" for result in stopping)
        return f"NO-GO: {len(stopping)} of {len(results)} rules {'stands' if len(stopping) == 1 else 'stand'} against it: {named}"
    open_ones = [result for result in results if result.passes is not True and result.rule.level != "advisory"]
    beside = f"; left open: {', '.join(result.rule.name for result in open_ones)}" if open_ones else ""
    deciding = sum(result.rule.level != "advisory" for result in results)
    if not deciding:
        return "GO: all rules are advisory, so nothing could stand against it"
    return f"GO: of {deciding} deciding rules none stands against it{beside}"


def _verdict(rule: GateRule, known: RuleEvidence, p: float | None) -> tuple[GateVerdict, bool | None]:
    if known.problem:
        return known.problem, None
    if rule.require in OF_ONE_SYSTEM:
        return _against_value(rule, known)
    assert known.difference is not None
    sign = 1 if rule.measure in HIGHER_IS_BETTER else -1
    scale = 1.0 if rule.measure == "score" else abs(known.baseline or 0.0)
    by = rule.by * scale
    margin = max(rule.margin * scale, by)
    difference = sign * known.difference
    inner = _turned(known.inner, sign)
    bounds = _turned((known.low, known.high) if known.low is not None and known.high is not None else None, sign)
    differs = p < ALPHA if p is not None else abs(difference) > (by if rule.require == "better" else margin)
    word: GateVerdict = "better" if difference > 0 else "worse"
    within = inner is not None and ((-margin < inner[0] and inner[1] < margin) or inner == (0, 0))
    if rule.require == "better":
        if not differs:
            return ("equivalent", False) if within else ("undecided", None)
        shown = difference > 0 and (not by or (bounds is not None and bounds[0] > by))
        short = difference < 0 or (bounds is not None and bounds[1] < by)
        return (word, True) if shown else (word, False) if short else ("undecided", None)
    if rule.require == "equivalent":
        return ("equivalent", True) if within else (word, False) if differs else ("undecided", None)
    if differs and difference > 0:
        return "better", True
    if inner is not None and (inner[0] > -margin or inner == (0, 0)):
        return "equivalent" if within else "not worse", True
    return ("worse", False) if differs else ("undecided", None)


def _against_value(rule: GateRule, known: RuleEvidence) -> tuple[GateVerdict, bool | None]:
    """Better: all of the interval is on the required side of the value; worse: none of it; else undecided."""
    if known.low is None or known.high is None:
        return "undecided", None
    low, high = (known.low, known.high) if rule.require == "at least" else (-known.high, -known.low)
    value = rule.value if rule.require == "at least" else -rule.value
    return ("better", True) if low >= value else ("worse", False) if high < value else ("undecided", None)


def _turned(bounds: tuple[float, float] | None, sign: int) -> tuple[float, float] | None:
    """Bounds of a difference such that more is better."""
    if bounds is None or sign > 0:
        return bounds
    return -bounds[1], -bounds[0]
