"""From outcomes to a Report: every number with its n and interval, failures counted apart and never in a mean."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypedDict

from ..statistics import choose, macro, open_scale
from ..statistics.corpus import corpus_score
from ..values import Failed, Json, JsonObject, Outcome, Score, Scored, Spent
from .plan import Plan, RunKey
from .stored_scores import StoredScores, StoredSpent, scores_from, spent_from

NORMALIZED = "normalized"
Price = Callable[[Scored], float | None]  # US dollars of the answers to an item, None where unknown
MOST_REASONS = 3  # of failures that a report tells
STATUSES = ("ok", "unparsed", "truncated", "refused", "infra", "timeout")


class StoredReport(TypedDict, total=False):
    """A Report as it is stored; what came later than the first version may be missing."""

    key: JsonObject
    headline: str
    average: str
    chance: float
    n: int
    failed: int
    available: int
    partial: bool
    counts: Mapping[str, int]
    scores: StoredScores
    subsets: Mapping[str, StoredScores]
    usage: StoredSpent
    cut: int
    cut_tokens: int
    thought: int
    thinking_tokens: int
    groups: Mapping[str, Mapping[str, StoredScores]]
    graded_from: str
    failures: Mapping[str, int]
    per_task: StoredScores


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a run. `n` items are in the scores, `failed` are not; `counts` has the items of each status.

    `scores` are means over items, or over `subsets` if the view averages so (`average`); `subsets` is empty for a
    benchmark of one. `partial`: `n` is less than the benchmark holds. `cut` prompts lost `cut_tokens` tokens on
    the left. `thought` items were answered with thinking, of `thinking_tokens` tokens in all. `groups` are the scores by
    column and value of the user's own data; `graded_from` is the run whose answers were graded here, none being asked.
    `failures` are the most frequent reasons of failed items, with counts. `per_task` are the means of `seconds`, `tokens` and
    `dollars` over scored items, as far as they are known; older reports have none.
    """

    key: RunKey
    headline: str
    average: str
    chance: float
    n: int
    failed: int
    available: int
    partial: bool
    counts: Mapping[str, int]
    scores: Mapping[str, Score]
    subsets: Mapping[str, Mapping[str, Score]]
    usage: Spent
    cut: int = 0
    cut_tokens: int = 0
    thought: int = 0
    thinking_tokens: int = 0
    groups: Mapping[str, Mapping[str, Mapping[str, Score]]] = field(default_factory=dict)
    graded_from: str = ""
    failures: Mapping[str, int] = field(default_factory=dict)
    per_task: Mapping[str, Score] = field(default_factory=dict)

    @property
    def score(self) -> Score | None:
        """The score that the leaderboard shows; None if no item was scored."""
        return self.scores.get(self.shown)

    @property
    def shown(self) -> str:
        """The metric that leads: the headline, or in views that correct for guessing, what is left of it."""
        return NORMALIZED if NORMALIZED in self.scores else self.headline

    @property
    def unreadable(self) -> int:
        """Answers that count as wrong because nothing could be read in them, or not before they were cut off."""
        return self.counts["unparsed"] + self.counts["truncated"]

    def to_json(self) -> dict[str, Json]:
        """The documented object that `--json` prints, one per system and benchmark; README and tests hold its shape."""
        key, usage = self.key, self.usage
        return {
            "run": key.run,
            "system": key.system.name,
            "benchmark": key.benchmark,
            "version": key.version,
            "view": key.view,
            "shots": key.shots,
            "draw": key.draw,
            "chat_template": key.chat_template,
            "samples": key.samples,
            "thinking": key.thinking,
            "system_prompt": key.system_prompt,
            "sandbox": key.sandbox,
            **dict(key.further),
            "data": key.data,
            "revision": key.revision,
            "n": self.n,
            "available": self.available,
            "partial": self.partial,
            **{status: self.counts.get(status, 0) for status in ("unparsed", "truncated", "refused")},
            "failed": self.failed,
            "failures": [{"reason": reason, "count": count} for reason, count in self.failures.items()],
            "cut": self.cut,
            "thought": self.thought,
            "thinking_tokens": self.thinking_tokens,
            "headline": self.headline,
            "average": self.average,
            "chance": self.chance,
            "scores": _plain(self.scores),
            "subsets": {subset: _plain(scores) for subset, scores in self.subsets.items()},
            "groups": {
                column: {value: _plain(scores) for value, scores in values.items()}
                for column, values in self.groups.items()
            },
            "graded_from": self.graded_from,
            "per_task": _plain(self.per_task),
            "seconds": usage.seconds,
            "tokens": usage.tokens,
            "tokens_per_second": usage.tokens_per_second,
            "peak_memory_bytes": usage.peak_memory_bytes,
            "cost": usage.cost,
            "billed": asdict(usage.billed) if usage.billed else None,
        }

    def to_dict(self) -> dict[str, Json]:
        """Everything, as JSON values, for the store."""
        return {**asdict(self), "key": self.key.to_dict()}

    @classmethod
    def from_dict(cls, fields: StoredReport) -> "Report":
        """The report that `to_dict` gave, of this version or one before."""
        return cls(
            key=RunKey.from_dict(fields["key"]),
            headline=fields["headline"],
            average=fields["average"],
            chance=fields["chance"],
            n=fields["n"],
            failed=fields["failed"],
            available=fields["available"],
            partial=fields["partial"],
            counts=fields["counts"],
            scores=scores_from(fields["scores"]),
            subsets={subset: scores_from(scores) for subset, scores in fields["subsets"].items()},
            usage=spent_from(fields["usage"]),
            cut=fields.get("cut", 0),
            cut_tokens=fields.get("cut_tokens", 0),
            thought=fields.get("thought", 0),
            thinking_tokens=fields.get("thinking_tokens", 0),
            groups={
                column: {value: scores_from(scores) for value, scores in values.items()}
                for column, values in fields.get("groups", {}).items()
            },
            graded_from=fields.get("graded_from", ""),
            failures=fields.get("failures", {}),
            per_task=scores_from(fields.get("per_task", {})),
        )


def _plain(scores: Mapping[str, Score]) -> dict[str, dict[str, Json]]:
    return {metric: asdict(score) for metric, score in scores.items()}


@dataclass(slots=True)
class _Marks:
    """The part of a scored outcome that a report needs; its prompt and answers are not held."""

    item: str
    subset: str
    cluster: str
    scores: Mapping[str, float]
    pooled: Mapping[str, tuple[float, ...]]
    counts: Mapping[str, tuple[float, ...]]
    groups: tuple[str, ...]
    spent: Mapping[str, float]


@dataclass(slots=True)
class _Tally:
    """Counts and scores, gathered while outcomes pass by."""

    marks: list[_Marks] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)  # item and reason
    cut: int = 0
    cut_tokens: int = 0
    thought: int = 0
    thinking_tokens: int = 0

    def add(self, outcome: Outcome, groups: Iterable[Callable[[str], str]], price: Price | None) -> None:
        if isinstance(outcome, Failed):
            self.statuses[outcome.kind] += 1
            self.failures.append((outcome.item, outcome.reason))
            return
        self.statuses[outcome.status] += 1
        self.cut += outcome.cut > 0
        self.cut_tokens += outcome.cut
        self.thought += outcome.thinking_tokens > 0
        self.thinking_tokens += outcome.thinking_tokens
        values = tuple(sys.intern(value(outcome.item)) for value in groups)
        subset = sys.intern(outcome.subset)
        spent = {"seconds": outcome.seconds, "tokens": float(outcome.tokens)}
        dollars = price(outcome) if price else None
        spent |= {} if dollars is None else {"dollars": dollars}
        scores, pooled, counts = outcome.scores, outcome.pooled, outcome.counts
        self.marks.append(_Marks(outcome.item, subset, outcome.cluster, scores, pooled, counts, values, spent))


def report(
    plan: Plan, outcomes: Iterable[Outcome], usage: Spent, graded_from: str = "", price: Price | None = None
) -> Report:
    """The Report of a plan's outcomes, in whatever order they come, one per item. `price` tells what the answers to an item
    cost by their tokens, which shares out what the run has cost."""
    tally = _Tally()
    for outcome in outcomes:
        tally.add(outcome, plan.groups.values(), price)
    scored = sorted(tally.marks, key=lambda marks: marks.item)
    scores, subsets = _scores(plan, scored)
    return Report(
        key=plan.key,
        headline=plan.headline,
        average=plan.average,
        chance=plan.chance,
        n=len(scored),
        failed=len(tally.failures),
        available=plan.available,
        partial=len(scored) < plan.available or not plan.complete,
        counts={status: tally.statuses[status] for status in STATUSES},
        scores=scores,
        subsets=subsets,
        usage=usage,
        cut=tally.cut,
        cut_tokens=tally.cut_tokens,
        thought=tally.thought,
        thinking_tokens=tally.thinking_tokens,
        groups={column: _grouped(scored, number) for number, column in enumerate(plan.groups)},
        graded_from=graded_from,
        failures=_most_frequent(reason for _, reason in sorted(tally.failures)),
        per_task=_per_task(scored, None if graded_from else usage.cost),
    )


def _scores(plan: Plan, scored: Sequence[_Marks]) -> tuple[dict[str, Score], dict[str, dict[str, Score]]]:
    """Scores of all items, averaged as the plan says, and of each subset where there are several."""
    parts: dict[str, list[_Marks]] = {}
    for marks in scored:
        parts.setdefault(marks.subset, []).append(marks)
    subsets = {name: _means(part) for name, part in sorted(parts.items())} if len(parts) > 1 else {}
    if plan.average == "macro" and subsets:
        metrics = next(iter(subsets.values()))
        scores = {metric: macro([means[metric] for means in subsets.values()]) for metric in metrics}
    else:
        scores = _means(scored)
    if plan.normalized and scored:
        each = (subsets or {scored[0].subset: scores}) if plan.chances else {}
        above = [_above_chance(means, plan.normalized, plan.chances[name]) for name, means in each.items()]
        scores[NORMALIZED] = macro(above) if above else _above_chance(scores, plan.normalized, plan.chance)
    return scores, subsets


def _per_task(scored: Sequence[_Marks], cost: float | None) -> dict[str, Score]:
    """Means over items of what each took. Dollars are the `cost` of the run, retries and failed items with it, shared out by
    the price of the answers, so that their mean is what a scored item has cost."""
    if not scored:
        return {}
    clusters = [marks.cluster for marks in scored]
    means = {name: open_scale([marks.spent[name] for marks in scored], clusters) for name in ("seconds", "tokens")}
    listed = [marks.spent["dollars"] for marks in scored if "dollars" in marks.spent]
    if cost == 0:
        means["dollars"] = Score(0.0, 0.0, 0.0, 0.0, len(scored), "free: it ran on your own machine")
    elif cost is not None and len(listed) == len(scored) and (total := sum(listed)) > 0:
        means["dollars"] = open_scale([dollars * cost / total for dollars in listed], clusters)
    elif cost is not None:
        means["dollars"] = Score(cost / len(scored), None, None, None, len(scored), "the run's total over its items")
    return means


def _grouped(scored: Sequence[_Marks], number: int) -> dict[str, dict[str, Score]]:
    """value -> metric -> score, of the column with this number; values in alphabetical order."""
    groups: dict[str, list[_Marks]] = {}
    for marks in scored:
        groups.setdefault(marks.groups[number], []).append(marks)
    return {value: _means(group) for value, group in sorted(groups.items())}


def failure_reasons(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """The most frequent reasons of failed items and their counts; those that differ in numbers only count as the first."""
    return _most_frequent(outcome.reason for outcome in outcomes if isinstance(outcome, Failed))


def _most_frequent(reasons: Iterable[str]) -> dict[str, int]:
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(re.sub(r"\d+", "0", reason), []).append(reason)
    most = sorted(kinds.values(), key=len, reverse=True)[:MOST_REASONS]
    return {alike[0]: len(alike) for alike in most}


def _means(scored: Sequence[_Marks]) -> dict[str, Score]:
    """Each metric over the items that have it: a mean, or what all of them together make of it."""
    means: dict[str, Score] = {}
    for metric in dict.fromkeys(metric for marks in scored for metric in marks.scores):
        having = [marks for marks in scored if metric in marks.scores]
        means[metric] = choose([marks.scores[metric] for marks in having], [marks.cluster for marks in having])
    for metric in dict.fromkeys(metric for marks in scored for metric in marks.pooled):
        values = [(value, marks.cluster) for marks in scored for value in marks.pooled.get(metric, ())]
        means[metric] = choose([value for value, _ in values], [cluster for _, cluster in values])
    for metric in dict.fromkeys(metric for marks in scored for metric in marks.counts):
        having = [marks for marks in scored if metric in marks.counts]
        counts = [marks.counts[metric] for marks in having]
        means[metric] = corpus_score(metric, counts, [marks.cluster for marks in having])
    return means


def _above_chance(means: Mapping[str, Score], metrics: Sequence[str], chance: float) -> Score:
    """The mean of `metrics` as a share of what is above guessing, not below 0 (Open LLM Leaderboard v2).

    Two metrics of the same items go up and down together; the error of their mean is the mean of their errors.
    """
    found = [means[metric] for metric in metrics]

    def scale(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return max(0.0, (sum(known) / len(known) - chance) / (1 - chance)) if len(known) == len(found) else None

    value = scale([score.value for score in found])
    assert value is not None
    low, high = scale([score.low for score in found]), scale([score.high for score in found])
    errors = [score.stderr for score in found if score.stderr is not None]
    error = sum(errors) / len(found) / (1 - chance) if len(errors) == len(found) else None
    return Score(value, low, high, error, found[0].n, f"{found[0].method}, above chance", found[0].clusters)
