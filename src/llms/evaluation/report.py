"""From outcomes to a Report: every number with its n and interval, failures counted apart and never in a mean."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from ..statistics import choose, macro
from ..values import Billed, Failed, Outcome, Score, Scored, Spent
from .plan import Plan, RunKey

NORMALIZED = "normalized"
MOST_REASONS = 3  # of failures that a report tells
STATUSES = ("ok", "unparsed", "truncated", "refused", "infra", "timeout")


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found. `n` items are in the scores, `failed` are not; `counts` has the items of each status.

    `scores` are means over items, or over `subsets` if the view averages so (`average`); `subsets` is empty for a
    benchmark of one. `partial`: `n` is less than the benchmark holds. `cut` prompts lost `cut_tokens` tokens on
    the left. `thought` items were answered with thinking, of `thinking_tokens` tokens in all. `groups` are the scores by
    column and value of the user's own data; `graded_from` is the run whose answers were graded here, none being asked.
    `failures` are the most frequent reasons of failed items, with counts.
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

    @property
    def score(self) -> Score | None:
        """What the leaderboard shows; None if no item was scored."""
        return self.scores.get(self.shown)

    @property
    def shown(self) -> str:
        """The metric that leads: the headline, or in views that correct for guessing, what is left of it."""
        return NORMALIZED if NORMALIZED in self.scores else self.headline

    @property
    def unreadable(self) -> int:
        """Answers that count as wrong because nothing could be read in them, or not before they were cut off."""
        return self.counts["unparsed"] + self.counts["truncated"]

    def to_json(self) -> dict[str, Any]:
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
            "seconds": usage.seconds,
            "tokens": usage.tokens,
            "tokens_per_second": usage.tokens_per_second,
            "peak_memory_bytes": usage.peak_memory_bytes,
            "cost": usage.cost,
            "billed": asdict(usage.billed) if usage.billed else None,
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values, for the store."""
        return {**asdict(self), "key": self.key.to_dict()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Report":
        billed = fields["usage"].get("billed")
        made = {
            "key": RunKey.from_dict(fields["key"]),
            "scores": _scores_from(fields["scores"]),
            "subsets": {subset: _scores_from(scores) for subset, scores in fields["subsets"].items()},
            "groups": {
                column: {value: _scores_from(scores) for value, scores in values.items()}
                for column, values in fields.get("groups", {}).items()
            },
            "usage": Spent(**{**fields["usage"], "billed": Billed(**billed) if billed else None}),
        }
        return cls(**{**fields, **made})


def _plain(scores: Mapping[str, Score]) -> dict[str, dict[str, Any]]:
    return {metric: asdict(score) for metric, score in scores.items()}


def report(plan: Plan, outcomes: Iterable[Outcome], usage: Spent, graded_from: str = "") -> Report:
    """The Report of a plan's outcomes, in whatever order they come, one per item."""
    every = sorted(outcomes, key=lambda outcome: outcome.item)
    scored = [outcome for outcome in every if isinstance(outcome, Scored)]
    parts: dict[str, list[Scored]] = {}
    for outcome in scored:
        parts.setdefault(outcome.subset, []).append(outcome)
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
    found: Counter[str] = Counter(outcome.kind if isinstance(outcome, Failed) else outcome.status for outcome in every)
    return Report(
        key=plan.key,
        headline=plan.headline,
        average=plan.average,
        chance=plan.chance,
        n=len(scored),
        failed=len(every) - len(scored),
        available=plan.available,
        partial=len(scored) < plan.available or not plan.complete,
        counts={status: found[status] for status in STATUSES},
        scores=scores,
        subsets=subsets,
        usage=usage,
        cut=sum(outcome.cut > 0 for outcome in scored),
        cut_tokens=sum(outcome.cut for outcome in scored),
        thought=sum(outcome.thinking_tokens > 0 for outcome in scored),
        thinking_tokens=sum(outcome.thinking_tokens for outcome in scored),
        groups={column: _grouped(scored, values) for column, values in plan.groups.items()},
        graded_from=graded_from,
        failures=failure_reasons(every),
    )


def _grouped(outcomes: Sequence[Scored], values: Mapping[str, str]) -> dict[str, dict[str, Score]]:
    """value -> metric -> score; values in alphabetical order."""
    groups: dict[str, list[Scored]] = {}
    for outcome in outcomes:
        groups.setdefault(values[outcome.item], []).append(outcome)
    return {value: _means(group) for value, group in sorted(groups.items())}


def failure_reasons(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """The most frequent reasons of failed items and their counts; those that differ in numbers only count as the first."""
    kinds: dict[str, list[str]] = {}
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            kinds.setdefault(re.sub(r"\d+", "0", outcome.reason), []).append(outcome.reason)
    most = sorted(kinds.values(), key=len, reverse=True)[:MOST_REASONS]
    return {alike[0]: len(alike) for alike in most}


def _means(outcomes: Sequence[Scored]) -> dict[str, Score]:
    """Each metric over the items that have it."""
    metrics = dict.fromkeys(metric for outcome in outcomes for metric in outcome.scores)
    means = {}
    for metric in metrics:
        having = [outcome for outcome in outcomes if metric in outcome.scores]
        means[metric] = choose([outcome.scores[metric] for outcome in having], [outcome.cluster for outcome in having])
    for metric in dict.fromkeys(metric for outcome in outcomes for metric in outcome.pooled):
        values = [(value, outcome.cluster) for outcome in outcomes for value in outcome.pooled.get(metric, ())]
        means[metric] = choose([value for value, _ in values], [cluster for _, cluster in values])
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


def _scores_from(fields: Mapping[str, Any]) -> dict[str, Score]:
    """Scores as they were stored. Older versions kept infinite bounds where nothing was known, and values that are not
    numbers: those are no scores."""
    scores = {}
    for metric, values in fields.items():
        known: dict[str, Any] = {
            name: None if isinstance(v, float) and not isfinite(v) else v for name, v in values.items()
        }
        if known["value"] is None:
            continue
        if None in (known["low"], known["high"], known["stderr"]):
            known |= {"low": None, "high": None, "stderr": None}
        scores[metric] = Score(**known)
    return scores
