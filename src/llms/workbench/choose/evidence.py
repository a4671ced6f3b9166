"""Runs in the store that answer a job: for each of its benchmarks those that were asked alike, one a system."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from ...arena.choose.job import ChoiceJob
from ...arena.choose.table import BenchmarkScores, ItemScores
from ...benchmarks.catalogue import find
from ...benchmarks.twin import SUFFIX
from ...data.own import is_file
from ...errors import UsageError
from ...evaluation.config import changed, identifying, settings_of
from ...evaluation.plan import RunKey, revision_of
from ...evaluation.report import Report
from ...store.runs import Runs
from ...store.score_vectors import ScoreVector, score_vectors
from ..evaluate import choose as benchmarks_of


@dataclass(frozen=True, slots=True)
class MeasuredBenchmark:
    """One benchmark of a job with its weight, and the newest report of each system on it, all asked alike."""

    name: str
    weight: float
    reports: Mapping[str, Report]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The benchmarks of a job, the vectors of their runs by the run's name, notes on runs that do not count, and of systems
    whose speed was measured the seconds to the first token."""

    benchmarks: tuple[MeasuredBenchmark, ...]
    vectors: Mapping[str, ScoreVector]
    notes: tuple[str, ...] = ()
    first_tokens: Mapping[str, float] = field(default_factory=dict)

    @property
    def measured(self) -> list[str]:
        """The systems that have a score on every benchmark, the newest first."""
        first = self.benchmarks[0].reports
        return [name for name in first if all(self._has(name, each) for each in self.benchmarks)]

    def _has(self, system: str, benchmark: MeasuredBenchmark) -> bool:
        report = benchmark.reports.get(system)
        vector = self.vectors.get(report.key.run) if report else None
        return vector is not None and len(vector.items) > 0

    def columns(self, systems: Sequence[str]) -> list[BenchmarkScores]:
        """The scores of these systems, which are all measured."""
        columns = []
        for each in self.benchmarks:
            vectors = {name: self.vectors[each.reports[name].key.run] for name in systems}
            scores = {name: ItemScores(v.items, v.clusters, v.scores) for name, v in vectors.items()}
            by_subset = bool(systems) and each.reports[systems[0]].average == "macro"
            columns.append(BenchmarkScores(each.name, each.weight, by_subset, scores))
        return columns


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A benchmark that a job asks for; `revision` and `version` are those of one's own file."""

    name: str
    weight: float
    revision: str = ""
    version: str = ""


def evidence(job: ChoiceJob, store: Runs) -> Evidence:
    """The runs that answer the job. Raises UsageError for a job that says nothing, or holds weights that cannot be."""
    wanted = _wanted(job)
    reports = [report for report in store.reports() if report.score is not None]
    notes: list[str] = []
    benchmarks = []
    for each in wanted:
        names = (
            (each.name, f"{each.name}{SUFFIX}") if each.revision else (each.name,)
        )  # own choices may be asked by letter
        of_it = [report for report in reports if report.key.benchmark in names and _source_fits(report.key, job)]
        same = [report for report in of_it if each.revision in ("", report.key.revision)]
        if len(same) < len(of_it):
            other = len({report.key.run for report in of_it}) - len(same)
            notes.append(
                f"{other} runs on {each.name} were made of other rows than {job.data} holds now; they do not count"
            )
        same = [report for report in same if _asked_so(report.key, job, each)]
        benchmarks.append(MeasuredBenchmark(each.name, each.weight, _alike(same, job.systems, notes)))
    runs = [report.key.run for each in benchmarks for report in each.reports.values()]
    return Evidence(tuple(benchmarks), score_vectors(store, runs), tuple(dict.fromkeys(notes)), first_tokens(store))


def first_tokens(store: Runs) -> dict[str, float]:
    """The seconds to the first token of each system, as last measured by `llms speed`."""
    rows = store.read("SELECT system, json_extract(facts, '$.first_token_seconds.value') FROM speeds ORDER BY measured")
    return {system: float(seconds) for system, seconds in rows if seconds is not None}


def names_own_file(job: ChoiceJob) -> bool:
    return bool(job.data) and is_file(job.data)


def _wanted(job: ChoiceJob) -> list[_Wanted]:
    shares = job.shares()
    if names_own_file(job):
        if shares:
            raise UsageError(f"--data {job.data} is a benchmark of its own; leave out -b, or name benchmarks alone")
        with ExitStack() as opened:
            source, (benchmark,) = benchmarks_of([], replace(job.config, data=job.data), None, opened)
        part = benchmark.parts[0]
        revision = revision_of([source.table(benchmark.dataset, part.config, part.split).revision])
        return [_Wanted(benchmark.name, 1.0, revision, benchmark.version)]
    if not shares:
        raise UsageError("say what the job is: rows of your own (--data FILE), or benchmarks (-b gsm8k=2 -b mmlu=1)")
    for name in job.weights:
        find(name)
    return [_Wanted(name, weight) for name, weight in shares.items()]


def _source_fits(key: RunKey, job: ChoiceJob) -> bool:
    if names_own_file(job):
        return key.data == "file"
    return key.data != "file" and job.data in ("", key.data)


def _asked_so(key: RunKey, job: ChoiceJob, wanted: _Wanted) -> bool:
    """Whether a run was asked as the job's configuration says, as far as it says anything."""
    known = settings_of(job.config)
    if wanted.version and key.version != wanted.version and any(known[name].own_data for name in changed(job.config)):
        return False
    return all(getattr(key.config, name) == value for name, value in identifying(job.config).items())


def _alike(reports: Sequence[Report], systems: Sequence[str], notes: list[str]) -> dict[str, Report]:
    """The newest report of each system, of those runs that were asked alike and cover the most of the systems."""
    groups: dict[object, dict[str, Report]] = {}
    changed_systems: set[str] = set()
    for report in reports:
        name = report.key.system.name
        if systems and name not in systems:
            continue
        group = groups.setdefault(report.key.asked, {})
        if name in group and group[name].key.system != report.key.system:
            changed_systems.add(name)
        group.setdefault(name, report)
    if not groups:
        return {}
    asked = max(groups, key=lambda each: len(groups[each]))  # of equal ones the newest, which comes first
    best = groups[asked]
    for other in groups:
        missing = [name for name in groups[other] if name not in best]
        if other != asked and missing:
            one, two = next(iter(best.values())).key, groups[other][missing[0]].key
            unlike = "; ".join(f"{name}: {a!r} and {b!r}" for name, (a, b) in one.differences(two).items())
            notes.append(f"{', '.join(missing)} on {one.benchmark} cannot be compared, asked otherwise ({unlike:.300})")
    for name in sorted(changed_systems):
        notes.append(f"{name} names two systems in the store (its weights or settings changed); the newest run counts")
    return best
