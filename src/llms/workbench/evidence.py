"""Before and after a training run, paired: better by how much on rows that were never trained, and what was forgotten.

Held-out rows and kept benchmarks are ordinary runs: stored as they go, resumed where they stopped, on the leaderboard under the
names of both systems. The system before is measured once, whatever is trained of it.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

from .. import settings
from ..benchmarks.fresh import is_fresh
from ..benchmarks.held_out import HeldOut, declare_held_out, is_held_out
from ..data.own import is_file
from ..errors import DataError, UnknownName
from ..evaluation.config import EvalConfig
from ..evaluation.plan import plan
from ..evaluation.report import Report
from ..evaluation.run import check
from ..models.name import parse
from ..statistics.direction import in_nats, more_is_better, unit_of, worded
from ..statistics.paired import Paired, Verdict
from ..statistics.paired import compare as compare_scores
from ..statistics.power import detectable
from ..store.runs import Runs, StoredRun
from ..store.training_runs import TrainingRuns
from ..training.progress import Validated
from ..training.progress import read as read_progress
from ..training.recipe import TrainingRecipe
from ..values import Json, JsonObject, Outcome, Scored
from .compare import Comparison, compare_all, compare_outcomes
from .evaluate import Progress, choose, evaluate_plan
from .system import load

FILE = "evidence.json"
KEPT = ("arc_easy", "hellaswag")
KEPT_FRESH = ("gsm8k", "bbh")  # of generated rows, which exist of these
NOISE, RELATIVE_NOISE = 1e-4, 1e-6  # nats: as exact as log-probabilities are promised to be
TOGETHER = "together"  # the name of all kept benchmarks as one


class StoredEvidence(TypedDict):
    """`TrainingEvidence.to_json`."""

    before: str
    after: str
    folder: str
    held_out: JsonObject | None
    benchmarks: list[JsonObject]
    together: JsonObject | None
    validation_loss: float | None
    notes: list[str]


@dataclass(frozen=True, slots=True)
class TrainingChange:
    """One benchmark before and after. `difference` is after minus before, in shares of 1, of a loss in nats per token.

    `low` and `high` bound it by 95 %. It is worse by at most `loss_bound`, one-sided, 95 %; a `detectable` one would have been
    seen with 80 % power. None where the rows allow no interval. `verdict` and `p` are of this benchmark alone, at 5 %, so that
    a loss is rather looked into in vain than passed over. Run names are empty of benchmarks `together`.
    """

    benchmark: str
    metric: str
    before: float
    after: float
    difference: float
    low: float | None
    high: float | None
    loss_bound: float | None
    detectable: float | None
    p: float
    n: int
    clusters: int
    method: str
    verdict: Verdict
    run_before: str = ""
    run_after: str = ""

    @property
    def improved_by(self) -> float:
        """The difference in the direction that is better."""
        return self.difference if more_is_better(self.metric) else -self.difference

    def words(self) -> str:
        """The verdict as a sentence: by how much it is better, or what was forgotten."""
        if is_held_out(self.benchmark):
            return self._gained()
        if self.verdict == "worse":
            return f"forgetting: {self._amount()}"
        if self.verdict == "better":
            return f"forgetting: none, better by {self._amount()}"
        if self.detectable is None:
            return f"forgetting: none seen; {self.method}"
        bound = "" if self.loss_bound is None else f"; loss at most {self._number(max(0.0, self.loss_bound))} (95 %)"
        return f"forgetting: none detectable, minimum detectable effect {self._number(self.detectable)} (80 % power){bound}"

    def _gained(self) -> str:
        if self.verdict in ("better", "worse"):
            return f"{self.verdict} by {self._amount()}"
        if self.detectable is None:
            return f"no difference seen; {self.method}"
        least = f"minimum detectable effect {self._number(self.detectable)} (80 % power)"
        return f"no detectable difference ({self._number(self.difference, '+')}), {least}"

    def _amount(self) -> str:
        """The size of the difference with its interval, as 3.1 points (1.2 to 5.0)."""
        sign = 1 if self.difference > 0 else -1
        if self.low is None or self.high is None:
            return f"{self._number(abs(self.difference))}, {self.method}"
        low, high = sorted((sign * self.low, sign * self.high))
        return f"{self._number(abs(self.difference))} ({worded(self.metric, low)} to {worded(self.metric, high)})"

    def _number(self, value: float, sign: str = "") -> str:
        return f"{worded(self.metric, value, sign)} {unit_of(self.metric)}"

    def to_json(self) -> dict[str, Json]:
        """The fields, and the sentence as `text`."""
        return {**asdict(self), "text": self.words()}

    @classmethod
    def from_json(cls, stored: JsonObject) -> "TrainingChange":
        """The change that `to_json` gave."""
        return cls(**{name: value for name, value in stored.items() if name != "text"})  # type: ignore[arg-type]  # of the types that `to_json` stored


@dataclass(frozen=True, slots=True)
class TrainingEvidence:
    """All that was measured of a run in `folder`. `held_out` None: too few rows; then `notes` say so. `together` are all
    `kept_benchmarks` as one, where there are several. `validation_loss` is the last that training itself measured."""

    before: str
    after: str
    folder: str
    held_out: TrainingChange | None
    kept_benchmarks: tuple[TrainingChange, ...]
    together: TrainingChange | None
    validation_loss: float | None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The documented object that `--json` prints, `evidence.json` holds and the store keeps."""
        return {
            "before": self.before,
            "after": self.after,
            "folder": self.folder,
            "held_out": self.held_out.to_json() if self.held_out else None,
            "benchmarks": [change.to_json() for change in self.kept_benchmarks],
            "together": self.together.to_json() if self.together else None,
            "validation_loss": self.validation_loss,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, fields: StoredEvidence) -> "TrainingEvidence":
        """The evidence that `to_json` gave."""
        return cls(
            fields["before"],
            fields["after"],
            fields["folder"],
            TrainingChange.from_json(fields["held_out"]) if fields["held_out"] else None,
            tuple(TrainingChange.from_json(change) for change in fields["benchmarks"]),
            TrainingChange.from_json(fields["together"]) if fields["together"] else None,
            fields["validation_loss"],
            tuple(fields["notes"]),
        )


def evidence(
    before: str,
    after: str,
    folder: Path,
    source: HeldOut | None,
    benchmarks: Sequence[str] = (),
    config: EvalConfig | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainingEvidence:
    """The evidence of the run in `folder`; see `measure_evidence`."""
    result: TrainingEvidence | None = None
    for event in measure_evidence(before, after, folder, source, benchmarks, config or EvalConfig()):
        if isinstance(event, TrainingEvidence):
            result = event
        elif on_progress:
            on_progress(event)
    assert result
    return result


def measure_evidence(
    before: str, after: str, folder: Path, source: HeldOut | None, benchmarks: Sequence[str], config: EvalConfig
) -> Iterator[Progress | TrainingEvidence]:
    """Progress while both systems are measured, then the evidence, which is kept in the folder and in the store.

    `source` are the held-out rows. `benchmarks` are those that must not suffer: by default ARC-Easy and HellaSwag of the data
    that `config` names. What was measured before is not measured again.
    """
    notes: list[str] = []
    gained: Comparison | None = None
    if source is not None:
        for event in _on_held_out(source, before, after, config):
            if isinstance(event, Comparison):
                gained = event
            else:
                yield event
    comparisons: list[Comparison] = []
    for step in compare_all(after, before, _names(benchmarks, config), config, 0.0, False):
        if isinstance(step, list):
            comparisons = step
        else:
            yield step
    for comparison in [*([gained] if gained else []), *comparisons]:
        notes += [f"{comparison.benchmark}: {text}" for text in (comparison.reason, comparison.note) if text]
    changes = [change for comparison in comparisons if (change := _change(comparison))]
    losses = [event.loss for event in read_progress(folder) if isinstance(event, Validated)]
    result = TrainingEvidence(
        before,
        after,
        str(folder),
        _change(gained) if gained else None,
        tuple(changes),
        _together(changes) if len(changes) > 1 else None,
        losses[-1] if losses else None,
        tuple(notes),
    )
    _keep(folder, result)
    yield result


def stored_evidence(folder: Path) -> TrainingEvidence | None:
    """The evidence that lies in a run's folder; None where nothing was measured yet. Raises DataError."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return TrainingEvidence.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"cannot read {path}: {error}; measure it again with llms finetune --evidence {folder}"
        ) from error


def before_and_after(folder: Path, recipe: TrainingRecipe) -> tuple[str, str]:
    """The names of the systems that a finished run stands between, asked with the same options."""
    base = parse(recipe.model)
    if recipe.adapts:
        path = quote(str(folder.resolve()), safe="/:~,() ")
        return base.text, f"{base.text}{'&' if base.options else '?'}adapter={path}"
    _, mark, options = base.text.partition("?")
    return base.text, f"hf:{folder.resolve()}{mark}{options}"


def check_kept(benchmarks: Sequence[str], config: EvalConfig) -> None:
    """Raise, before hours of training rather than after them, what `measure_evidence` would of benchmarks and data."""
    choose(_names(benchmarks, config), config)


def _names(benchmarks: Sequence[str], config: EvalConfig) -> list[str]:
    """The names of the kept benchmarks; none where the data are a file of one's own, which is one by itself."""
    data = config.data or settings.data()
    if data and is_file(data):
        return list(benchmarks)
    return list(benchmarks or (KEPT_FRESH if data and is_fresh(data) else KEPT))


def _on_held_out(source: HeldOut, before: str, after: str, config: EvalConfig) -> Iterator[Progress | Comparison]:
    """Both systems on the held-out rows, one after the other, then their comparison: after against before."""
    benchmark, asked = declare_held_out(source), EvalConfig(fresh=config.fresh, retry_failed=config.retry_failed)
    asked = replace(asked, chat_template=False)  # the rows are rendered as they were for training
    runs: list[StoredRun] = []
    with Runs(settings.database()) as store:
        for name in (after, before):
            with load(name) as model:
                questions = plan(benchmark, source, asked).of(model.identity)
                check(questions, benchmark, model)
                model.workers = config.workers or settings.workers() or model.most_workers()
                for event in evaluate_plan(store, model, benchmark, questions, asked):
                    if not isinstance(event, Report):
                        yield event
                runs.append(store.find(questions.key.run))
        sides = [{outcome.item: outcome for _, outcome in store.outcomes(run.run)} for run in runs]
    after_side = {item: _without_noise(outcome, sides[1].get(item)) for item, outcome in sides[0].items()}
    yield compare_outcomes(runs[0], runs[1], after_side, sides[1], 0.0)


def _without_noise(outcome: Outcome, other: Outcome | None) -> Outcome:
    """The outcome with the scores of the `other`, if their log-probabilities agree as two computations of one model do: sums
    in float32 may differ in their last digits, and a mean of many rows would see that as a difference."""
    if not isinstance(outcome, Scored) or not isinstance(other, Scored):
        return outcome
    pairs = zip(outcome.choices, other.choices, strict=True)
    if all(abs(x.logprob - y.logprob) <= NOISE + RELATIVE_NOISE * abs(y.logprob) for x, y in pairs):
        return replace(outcome, scores=other.scores, counts=other.counts)
    return outcome


def _change(comparison: Comparison) -> TrainingChange | None:
    """A comparison of after (A) with before (B), by its own p."""
    paired = comparison.paired
    if paired is None or comparison.score_a is None or comparison.score_b is None:
        return None
    change = _of_paired(comparison.benchmark, comparison.metric, comparison.score_b, comparison.score_a, paired)
    return replace(change, run_before=comparison.run_b, run_after=comparison.run_a)


def _of_paired(benchmark: str, metric: str, before: float, after: float, paired: Paired) -> TrainingChange:
    more = more_is_better(metric)
    worst = None if paired.inner is None else -paired.inner[0] if more else paired.inner[1]
    seen = None
    if paired.stderr is not None:  # that no row differs does not mean that none could: at least what three would show
        least = 0.0 if in_nats(metric) else 3 / paired.n
        seen = detectable(paired.n, max(paired.stderr**2 * paired.n, least))
    return TrainingChange(
        benchmark, metric, before, after, paired.difference, paired.low, paired.high, worst, seen, paired.p, paired.n,
        paired.clusters, paired.method, paired.verdict(0.0, more_is_better=more),
    )  # fmt: skip


def _together(changes: Sequence[TrainingChange]) -> TrainingChange | None:
    """All items of the kept benchmarks as those of one; None where their metrics are no means over items of one scale."""
    before: list[float] = []
    after: list[float] = []
    clusters: list[tuple[str, str]] = []
    with Runs(settings.database()) as store:
        for change in changes:
            sides = [
                {o.item: o for _, o in store.outcomes(run) if isinstance(o, Scored)}
                for run in (change.run_before, change.run_after)
            ]
            for item in [item for item in sides[0] if item in sides[1]]:
                scores = [side[item].scores.get(change.metric) for side in sides]
                if scores[0] is None or scores[1] is None or not more_is_better(change.metric):
                    return None
                before.append(scores[0])
                after.append(scores[1])
                clusters.append((change.benchmark, sides[0][item].cluster))
    paired = compare_scores(after, before, clusters)
    metric = changes[0].metric if len({change.metric for change in changes}) == 1 else "mean of items"
    return _of_paired(TOGETHER, metric, sum(before) / len(before), sum(after) / len(after), paired)


def _keep(folder: Path, result: TrainingEvidence) -> None:
    """Keep the evidence in the folder, whole or not at all, and in the list of training runs if the run stands there."""
    fields = result.to_json()
    temporary = folder / f"{FILE}.tmp"
    temporary.write_text(json.dumps(fields, indent=1, allow_nan=False), encoding="utf-8")
    os.replace(temporary, folder / FILE)
    with TrainingRuns(settings.database()) as store:
        try:
            store.keep_evidence(folder, fields)
        except UnknownName:  # its folder came from elsewhere
            return
