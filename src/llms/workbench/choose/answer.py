"""From evidence to a Choice: who is allowed, who cannot be told apart at the top, how sure, what would tell them apart."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from ...arena.choose.job import Candidate, Choice, ChoiceJob, Separating
from ...arena.choose.limits import LimitMiss, SystemFacts, misses, nobody
from ...arena.choose.pairs import Pairs, pairs
from ...arena.choose.resampling import resample
from ...arena.choose.table import ScoreTable, table
from ...arena.choose.top import Needed, Standing, equivalent, named, needed, standings, stderr
from ...statistics.student import Z
from ...values import Json, Score
from ..fit import Fit
from ..task_system import bare_name
from .evidence import Evidence, names_own_file
from .facts import facts_of, weighted_reports

UNREADABLE = 0.02  # above this share of unparsed or cut-off answers a difference may be one of format
COMPARED = 3  # pairs of which a sentence says what would tell them apart


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one candidate."""

    system: str
    facts: SystemFacts
    fit: Fit | None
    misses: tuple[LimitMiss, ...]
    score: Score | None = None

    @property
    def allowed(self) -> bool | None:
        if any(miss.known for miss in self.misses):
            return False
        return None if self.misses else True


@dataclass(frozen=True, slots=True)
class Ranking:
    """The allowed candidates compared: `top` cannot be told apart, cheapest first; `best` has the highest score of them.
    `shares` are how often each would be chosen, of those that were asked as much as the others."""

    pairs: Pairs
    standings: Mapping[str, Standing]
    shares: Mapping[str, float]
    corrected: float | None
    best: str
    top: tuple[str, ...]


def know(job: ChoiceJob, evidence: Evidence, systems: Sequence[str], scores: ScoreTable | None) -> dict[str, Known]:
    """Known facts of each system; those in `scores` have a score."""
    result = {}
    for system in systems:
        facts, estimate = facts_of(job, system, weighted_reports(evidence, system), evidence.first_tokens.get(system))
        score = scores.score(system) if scores is not None and system in scores.systems else None
        result[system] = Known(system, facts, estimate, misses(job.limits, facts), score)
    return result


def rank(scores: ScoreTable, known: Mapping[str, Known], out: Mapping[str, Standing] | None = None) -> Ranking:
    """Compare the systems of `scores`, all allowed. `out`: who was thrown out before, where they were asked step by step."""
    compared = pairs(scores)
    standing = {each.system: each for each in standings(compared)} if out is None else dict(out)
    left = [system for system in scores.systems if not standing[system].out]
    asked = dict(zip(scores.systems, (scores.scores == scores.scores).sum(axis=1).tolist(), strict=True))
    drawn = [system for system in scores.systems if system in left or asked[system] == max(asked.values())]
    resampled = resample(scores.of(drawn), _seed(scores))
    shares = dict(zip(drawn, resampled.shares, strict=True))
    best = max(left, key=lambda system: _value(known[system]))
    return Ranking(
        compared, standing, shares, resampled.corrected, best, tuple(sorted(left, key=lambda name: thrift(known[name])))
    )


def thrift(known: Known) -> tuple[float, float, float, float]:
    """Less is cheaper: money per task, then memory, then time; what is unknown comes last; then the higher score."""
    amounts = (known.facts.dollars, known.facts.needs_bytes, known.facts.seconds)
    money, memory, time = (float("inf") if amount is None else float(amount) for amount in amounts)
    return money, memory, time, -_value(known)


def _value(known: Known) -> float:
    return known.score.value if known.score else float("-inf")


def _seed(scores: ScoreTable) -> int:
    text = repr((scores.systems, scores.scores.shape, float(scores.scores[scores.scores == scores.scores].sum())))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def answer(
    job: ChoiceJob, evidence: Evidence, systems: Sequence[str], out: Mapping[str, Standing] | None = None
) -> Choice:
    """The Choice among `systems`, of which at least one is measured."""
    measured = [system for system in systems if system in evidence.measured]
    scores = table(evidence.columns(measured)) if measured else None
    known = know(job, evidence, systems, scores)
    allowed = [system for system in measured if known[system].allowed]
    notes = list(evidence.notes)
    if scores is None or not allowed:
        keeping = [name for name in systems if known[name].allowed]
        if keeping:
            verb = "keep" if len(keeping) > 1 else "keeps"
            sentence = f"no candidate that is measured keeps all limits; {named(keeping)} {verb} them and must be measured: add --go"
        else:
            sentence = nobody({name: each.misses for name, each in known.items()})
        candidates = tuple(_candidate(known[name], None, evidence) for name in _ordered(systems, (), known))
        return Choice(job, f"{sentence[0].upper()}{sentence[1:]}.", (), candidates, None, (), "", None, tuple(notes))
    among = scores.of(allowed)
    ranking = rank(among, known, out)
    corrected = ranking.corrected
    highest = max(_value(known[system]) for system in ranking.shares)
    optimism = highest - corrected if len(allowed) > 1 and corrected is not None else None
    notes += _missing(systems, measured) + _unlike_items(ranking)
    candidates = tuple(_candidate(known[name], ranking, evidence) for name in _ordered(systems, ranking.top, known))
    return Choice(
        job,
        _sentence(job, evidence, known, ranking, allowed),
        ranking.top,
        candidates,
        separating(job, known, ranking),
        (),
        _use(job, ranking.top[0]),
        optimism,
        tuple(notes),
    )


def _use(job: ChoiceJob, system: str) -> str:
    """The command that uses a system."""
    if not job.config.task:
        return f"llms chat -m {quote(system)}"
    way = "" if bare_name(system) == system else f" --way {system.removesuffix(')').rpartition('(')[2]}"
    return f"llms task {job.config.task} -m {quote(bare_name(system))}{way}"


def candidates_of(job: ChoiceJob, evidence: Evidence, systems: Sequence[str]) -> tuple[Candidate, ...]:
    """The candidates while none is measured: whether they fit and are allowed."""
    known = know(job, evidence, systems, None)
    return tuple(_candidate(known[system], None, evidence) for system in systems)


def _ordered(systems: Sequence[str], top: Sequence[str], known: Mapping[str, Known]) -> list[str]:
    """The chosen, cheapest first; then the others, the best first, those that are allowed before the others."""
    rest = [system for system in systems if system not in top]
    return [*top, *sorted(rest, key=lambda system: (known[system].allowed is not True, -_value(known[system])))]


def _candidate(known: Known, ranking: Ranking | None, evidence: Evidence) -> Candidate:
    facts, score = known.facts, known.score
    reasons = [f"{miss.limit}: {miss.sentence}" for miss in known.misses]
    details: dict[str, Json] = {"licence": facts.licence, "local": facts.local}
    reports = weighted_reports(evidence, known.system)
    details["runs"] = [report.key.run for _, report in reports]
    details["failed"] = sum(report.failed for _, report in reports)
    answered = sum(report.n for _, report in reports)
    details["unreadable"] = unreadable = sum(report.unreadable for _, report in reports)
    share = None
    if score is None:
        reasons.append("not measured")
    elif ranking and known.system in ranking.pairs.systems:
        row = ranking.pairs.systems.index(known.system)
        share = ranking.shares.get(known.system)
        details |= _against_best(ranking, row)
        standing = ranking.standings[known.system]
        if standing.out:
            reasons.append(_worse(ranking, standing))
    if answered and unreadable / answered > UNREADABLE:
        reasons.append(
            f"{100 * unreadable / answered:.0f} % of its answers could not be read or were cut off, which counts as wrong"
        )
    return Candidate(
        known.system,
        score.value if score else None,
        score.low if score else None,
        score.high if score else None,
        score.n if score else 0,
        facts.fits,
        known.allowed,
        share,
        facts.dollars,
        facts.seconds,
        facts.needs_bytes,
        tuple(reasons),
        details,
    )  # fmt: skip


def _against_best(ranking: Ranking, row: int) -> dict[str, Json]:
    """The paired comparison with the best: difference with its interval, items that only one of the two got right."""
    best, compared = ranking.pairs.systems.index(ranking.best), ranking.pairs
    if row == best:
        return {"best": True}
    difference, error = float(compared.difference[row, best]), stderr(compared, row, best)
    return {
        "best": False,
        "difference": difference,
        "difference_low": max(-1.0, difference - Z * error),
        "difference_high": min(1.0, difference + Z * error),
        "common": int(compared.n[row, best]),
        "only_best": int(compared.only[best, row]),
        "only_this": int(compared.only[row, best]),
        "p": ranking.standings[compared.systems[row]].p,
    }


def _worse(ranking: Ranking, standing: Standing) -> str:
    compared = ranking.pairs
    a, b = compared.systems.index(standing.rival), compared.systems.index(standing.system)
    return (
        f"worse than {standing.rival} by {100 * float(compared.difference[a, b]):.1f} points: of {int(compared.n[a, b])} items "
        f"it was ahead on {int(compared.only[b, a])} and behind on {int(compared.only[a, b])}, p {shown_p(standing.p)}"
    )


def shown_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _missing(systems: Sequence[str], measured: Sequence[str]) -> list[str]:
    absent = [system for system in systems if system not in measured]
    return [f"not measured, and so not chosen from: {', '.join(absent)}"] if absent else []


def _unlike_items(ranking: Ranking) -> list[str]:
    """A note where systems have not all been asked the same items."""
    low, high = ranking.pairs.common
    return [f"each two are compared on the items that both have: {low} to {high}"] if low < high else []


def _sentence(
    job: ChoiceJob, evidence: Evidence, known: Mapping[str, Known], ranking: Ranking, allowed: Sequence[str]
) -> str:
    subject = task(job, evidence)
    top, first = list(ranking.top), ranking.top[0]
    score = known[first].score
    assert score is not None
    if len(allowed) == 1:
        return f"{first} is the only candidate that is measured and allowed: {_points(score)} on {subject} (n = {score.n})."
    if len(top) == 1:
        others = len(allowed) - 1
        each = f"each of the {others} others" if others > 1 else "the other one"
        return f"Use {first}: {_points(score)} on {subject} (n = {score.n}), better than {each} with 95 % confidence."
    if len(top) <= 4:
        which = f"{named(top)} cannot be told apart"
    else:
        which = f"{len(top)} of {len(allowed)} candidates cannot be told apart"
    if equivalent(ranking.pairs.of(top), job.margin):
        which = f"{named(top)} are equal within {100 * job.margin:g} points"
    best = ""
    if ranking.best != first:
        share = ranking.shares[ranking.best]
        best = f", {ranking.best} scores highest (first in {100 * share:.0f} % of resamplings)"
    return f"{which} at the top on {subject} (n = {score.n}): {first} is {_cheapest(known, top)}{best}."


def _cheapest(known: Mapping[str, Known], top: Sequence[str]) -> str:
    """The word for why the first of `top` stands first."""
    first, second = known[top[0]].facts, known[top[1]].facts
    if first.dollars != second.dollars:
        return "the cheapest"
    if first.needs_bytes != second.needs_bytes:
        return "the smallest of those that cost the same" if first.dollars else "the smallest"
    return "the fastest" if first.seconds != second.seconds else "as cheap as any"


def _points(score: Score) -> str:
    return f"{100 * score.value:.1f} %"


def task(job: ChoiceJob, evidence: Evidence) -> str:
    """The job in a few words."""
    if names_own_file(job):
        return job.data
    names = [each.name for each in evidence.benchmarks]
    equal = len({each.weight for each in evidence.benchmarks}) == 1
    shown = [each.name if equal else f"{each.name} (weight {each.weight:.2f})" for each in evidence.benchmarks]
    return named(shown if len(names) <= 4 else [*shown[:3], f"{len(names) - 3} more"])


def separating(job: ChoiceJob, known: Mapping[str, Known], ranking: Ranking) -> Separating | None:
    """How to tell the best from the others that are left; None where only one is left, or all are equal within the margin."""
    others = [system for system in ranking.top if system != ranking.best]
    if not others:
        return None
    each = needed(ranking.pairs, ranking.best, others, job.margin, len(ranking.pairs.systems))
    if not each:
        return None
    last = each[-1]
    dollars = _sum([known[name].facts.dollars for name in ranking.top])
    seconds = _sum([known[name].facts.seconds for name in ranking.top])
    return Separating(
        last.more,
        None if dollars is None else dollars * last.more,
        None if seconds is None else seconds * last.more,
        last.difference,
        _would(each, job.margin),
    )


def _sum(amounts: Sequence[float | None]) -> float | None:
    values = [amount for amount in amounts if amount is not None]
    return sum(values) if len(values) == len(amounts) else None


def _would(each: Sequence[Needed], margin: float) -> str:
    words = []
    for need in each[:COMPARED]:
        at = "if they differ by" if need.difference <= margin else "which differ by"
        words.append(
            f"{need.more:,} more items would tell {need.best} from {need.other}, {at} {100 * need.difference:.1f} points"
        )
    rest = len(each) - COMPARED
    return "; ".join(words) + (f"; {rest} more need still more" if rest > 0 else "") + " (80 % power)"
