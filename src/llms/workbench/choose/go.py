"""Measuring what a choice lacks: candidates are asked in rounds, and dropped as soon as they are clearly not the best."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from ... import settings
from ...arena.choose.job import Choice, ChoiceJob, ChoiceLimits
from ...arena.choose.limits import misses
from ...arena.choose.pairs import Pairs, pairs
from ...arena.choose.sequential import SequentialRule, asking_order, sequential_rule
from ...arena.choose.table import BenchmarkScores, ItemScores, table
from ...arena.choose.top import Standing
from ...benchmarks.benchmark import Benchmark
from ...data import Source
from ...errors import BudgetExceeded, UsageError
from ...evaluation.config import EvalConfig
from ...evaluation.items import Picked
from ...evaluation.plan import Plan
from ...evaluation.run import check
from ...models.system import Model
from ...sandbox import Sandbox
from ...store.runs import Runs
from ...store.score_vectors import score_vectors
from ..evaluate import Progress, evaluate_plan, ledger_of, make_plan, not_run, suited
from ..evaluate import choose as benchmarks_named
from ..machine import memory
from ..system import load
from ..task_system import system_of
from .answer import Known, answer, know
from .evidence import Evidence, MeasuredBenchmark, evidence, first_tokens
from .facts import facts_of
from .plan import asking, benchmarks_of, systems_of, with_ways

HELD = 3  # models whose weights are here that stay loaded between rounds in any case
SPARE = 0.5  # of the free memory: if all of them take less, all stay; else each is loaded for its turn
STATIC = ("--memory", "--gpu", "--licence", "--local-only")  # limits that are known before anything is asked


@dataclass(frozen=True, slots=True)
class AskedUnit:
    """A cluster of items of one benchmark, asked together: their positions in its plan, and their names."""

    benchmark: int
    positions: tuple[int, ...]
    items: tuple[str, ...]


@dataclass(slots=True)
class _Candidate:
    """A system that is asked: its plan for each benchmark."""

    model: Model
    plans: list[Plan]

    @property
    def name(self) -> str:
        return self.model.name.text


@dataclass(slots=True)
class _Rounds:
    """The state between looks: who is left, who was thrown out, items asked of each, why it ended, notes of systems."""

    left: list[_Candidate]
    asked: dict[str, int]
    out: dict[str, Standing] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ended: str = "all items were asked, and the rest cannot be told apart"


@dataclass(frozen=True, slots=True)
class _Asking:
    """All that stays the same over the rounds."""

    job: ChoiceJob
    store: Runs
    benchmarks: list[Benchmark]
    candidates: list[_Candidate]
    units: list[AskedUnit]
    sandbox: Sandbox | None
    stay: bool


def measure(job: ChoiceJob, budget: float | None = None) -> Iterator[Progress | Choice]:
    """Progress while systems are asked, then the answer. The same call goes on where a stopped one ended; what is stored is
    not asked again. It ends as soon as one system is left, all that are left are equal within the margin, no item is left,
    or the budget (US dollars, a hard cap) is spent."""
    job = with_ways(job)
    with ExitStack() as opened, Runs(settings.database()) as store:
        stored = evidence(job, store)
        systems = systems_of(job, stored, store)
        known = know(job, stored, systems, None)
        possible = _possible(known)
        if not possible:
            yield answer(job, stored, systems)
            return
        config = replace(asking(job), budget=budget if budget is not None else job.config.budget)
        asked = _prepared(job, store, {name: known[name] for name in possible}, config, opened)
        state = _Rounds(list(asked.candidates), dict.fromkeys(possible, 0))
        try:
            yield from _rounds(asked, state)
        except BudgetExceeded as error:
            state.ended = str(error)
        yield _answered(asked, state, systems)


def _possible(known: Mapping[str, Known]) -> list[str]:
    """The systems that may be chosen, as far as that is known before they are asked."""
    return [
        name
        for name, each in known.items()
        if not any(miss.limit.startswith(STATIC) and (miss.known or miss.limit == "--licence") for miss in each.misses)
    ]


def _all_stay(known: Mapping[str, Known], candidates: Sequence[_Candidate]) -> bool:
    """Whether the memory that is free holds all candidates at once."""
    here = [candidate.name for candidate in candidates if candidate.model.name.local]
    free, needs = memory(), [known[name].facts.needs_bytes for name in here]
    if len(here) <= HELD:
        return True
    return free is not None and None not in needs and sum(filter(None, needs)) <= SPARE * free[1]


def _prepared(
    job: ChoiceJob, store: Runs, systems: Mapping[str, Known], config: EvalConfig, opened: ExitStack
) -> _Asking:
    """Everything checked before the first question: names, keys, data, whether each system can be asked so."""
    ledger, names = ledger_of(config), benchmarks_of(job)
    source, benchmarks = benchmarks_named(names, config, ledger, opened)
    models = [opened.enter_context(system_of(name, config, source) if config.task else load(name)) for name in systems]
    for model in models:
        model.check()
        model.pay_from(ledger)
        benchmarks = suited(model, benchmarks, names)
    for benchmark in benchmarks:
        if reason := not_run(benchmark, config):
            raise UsageError(f"{benchmark.name} cannot be run: {reason}")
    if config.chat_template is None:  # all are asked alike, or they could not be compared
        config = replace(config, chat_template=not all(model.capabilities.raw_text for model in models))
    candidates = [_candidate(model, benchmarks, source, config) for model in models]
    sandbox = Sandbox(config.sandbox) if any(benchmark.kind == "code" for benchmark in benchmarks) else None
    shares = list(job.shares().values()) or [1.0]
    units = _in_order(candidates[0].plans, shares)
    return _Asking(
        replace(job, config=config), store, benchmarks, candidates, units, sandbox, _all_stay(systems, candidates)
    )


def _candidate(model: Model, benchmarks: Sequence[Benchmark], source: Source, config: EvalConfig) -> _Candidate:
    plans = [make_plan(model, benchmark, source, config) for benchmark in benchmarks]
    for plan, benchmark in zip(plans, benchmarks, strict=True):
        check(plan, benchmark, model)
    return _Candidate(model, plans)


def _in_order(plans: Sequence[Plan], shares: Sequence[float]) -> list[AskedUnit]:
    """Whole clusters of all benchmarks in the order of asking: the same for the same questions, whoever is asked."""
    parts: list[list[AskedUnit]] = []
    weights: list[float] = []
    for number, (plan, share) in enumerate(zip(plans, shares, strict=True)):
        subsets: dict[str, dict[str, list[tuple[int, str]]]] = {}
        for position, item in enumerate(plan.items):
            subset = item.example.subset if plan.average == "macro" else ""
            subsets.setdefault(subset, {}).setdefault(item.cluster, []).append((position, item.name))
        for clusters in subsets.values():
            parts.append([AskedUnit(number, *map(tuple, zip(*unit, strict=True))) for unit in clusters.values()])
            weights.append(share / len(subsets))
    seed = int.from_bytes(hashlib.sha256(repr([plan.key.asked for plan in plans]).encode()).digest()[:8])
    return [parts[part][unit] for part, unit in asking_order([len(part) for part in parts], weights, seed)]


def _rounds(asked: _Asking, state: _Rounds) -> Iterator[Progress]:
    rule, before = sequential_rule(len(asked.units), len(asked.candidates)), 0
    for look in rule.looks:
        yield from _ask(asked, state, asked.units[before:look], first=before == 0)
        _drop_impossible(asked, state)
        before = look
        if not state.left:
            state.ended = "none is left that keeps the limits"
            return
        compared = _compared(asked, state.left, asked.units[:look])
        dropped = _drop(state, rule, compared)
        if dropped:
            yield Progress(
                "",
                "",
                0,
                0,
                note=f"after {look} items not asked any more, as clearly not the best: {', '.join(dropped)}",
            )
        left = [candidate.name for candidate in state.left]
        if len(left) == 1:
            state.ended = "one is left"
            return
        if rule.equivalent(compared.of(left), asked.job.margin):
            state.ended = f"all that are left are equal within {100 * asked.job.margin:g} points"
            return


def _ask(asked: _Asking, state: _Rounds, units: Sequence[AskedUnit], first: bool) -> Iterator[Progress]:
    """Ask all that are left the items of these units, one system after the other."""
    most = sum(len(unit.items) for unit in asked.units) * len(state.asked)
    title = f"{len(state.left)} of {len(state.asked)} left"
    local = sum(candidate.model.name.local for candidate in state.left)
    for candidate in state.left:
        model = candidate.model
        share = model.most_workers() // max(1, local if asked.stay else 1) if model.name.local else model.most_workers()
        model.workers = asked.job.config.workers or settings.workers() or max(1, share)
        for number, (plan, benchmark) in enumerate(zip(candidate.plans, asked.benchmarks, strict=True)):
            positions = sorted(p for unit in units if unit.benchmark == number for p in unit.positions)
            if not positions:
                continue
            part = replace(plan, items=Picked(plan.items, positions), answer_tokens={})
            done = sum(state.asked.values())
            config, alone = asked.job.config, len(asked.candidates) == 1
            for event in evaluate_plan(asked.store, model, benchmark, part, config, asked.sandbox, alone):
                if isinstance(event, Progress):
                    yield Progress(title, benchmark.name, done + event.done, most, note=event.note if first else None)
            state.asked[candidate.name] += len(positions)
        if model.name.local and not asked.stay:
            model.close()


def _drop_impossible(asked: _Asking, state: _Rounds) -> None:
    """Leave out whoever exceeds a limit on money or time per task, as measured by now, or answered nothing at all."""
    limits = asked.job.limits
    per_task = ChoiceLimits(seconds_per_task=limits.seconds_per_task, dollars_per_task=limits.dollars_per_task)
    left = []
    for candidate in state.left:
        reports = [
            (1.0, report) for plan in candidate.plans if (report := asked.store.find(plan.key.run).report) is not None
        ]
        facts, _ = facts_of(asked.job, candidate.name, reports)
        if not any(report.n for _, report in reports):
            why = next((reason for _, report in reports for reason in report.failures), "no answer")
            state.notes.append(f"{candidate.name} is asked no more, as all its items failed: {why}")
        elif not misses(per_task, facts):
            left.append(candidate)
    state.left = left


def _compared(asked: _Asking, left: Sequence[_Candidate], units: Sequence[AskedUnit]) -> Pairs:
    """The pairs of those left, on the items asked up to now in this order: others in the store were not drawn at random."""
    shares = list(asked.job.shares().values()) or [1.0]
    columns = []
    for number, (benchmark, share) in enumerate(zip(asked.benchmarks, shares, strict=True)):
        names = {item for unit in units if unit.benchmark == number for item in unit.items}
        vectors = score_vectors(asked.store, [candidate.plans[number].key.run for candidate in left])
        scores: dict[str, ItemScores] = {}
        for candidate in left:
            vector = vectors[candidate.plans[number].key.run]
            rows = [row for row, item in enumerate(vector.items) if item in names]
            items, clusters = (tuple(each[row] for row in rows) for each in (vector.items, vector.clusters))
            scores[candidate.name] = ItemScores(items, clusters, vector.scores[rows])
        by_subset = left[0].plans[number].average == "macro"
        columns.append(BenchmarkScores(benchmark.name, share, by_subset, scores))
    return pairs(table(columns))


def _drop(state: _Rounds, rule: SequentialRule, compared: Pairs) -> list[str]:
    """Throw out whoever is clearly worse than another one; the names."""
    left = set(rule.left(compared))
    comparisons = max(1, len(state.asked) - 1)
    for column, system in enumerate(compared.systems):
        if system not in left:
            row = int(compared.p[:, column].argmin())
            p = min(1.0, float(compared.p[row, column]) * comparisons)
            state.out[system] = Standing(system, compared.systems[row], p, True)
    state.left = [candidate for candidate in state.left if candidate.name in left]
    return [system for system in compared.systems if system not in left]


def _answered(asked: _Asking, state: _Rounds, systems: Sequence[str]) -> Choice:
    """The answer from what was asked: whoever was thrown out stays out, whoever is left cannot be told apart."""
    shares = list(asked.job.shares().values()) or [1.0]
    benchmarks = []
    for number, (benchmark, share) in enumerate(zip(asked.benchmarks, shares, strict=True)):
        runs = {
            each.name: asked.store.find(each.plans[number].key.run).report
            for each in asked.candidates
            if state.asked[each.name]
        }
        reports = {name: report for name, report in runs.items() if report is not None}
        benchmarks.append(MeasuredBenchmark(benchmark.name, share, reports))
    names = [report.key.run for each in benchmarks for report in each.reports.values()]
    vectors = score_vectors(asked.store, names)
    seen = Evidence(tuple(benchmarks), vectors, first_tokens=first_tokens(asked.store))
    standings = {name: state.out.get(name, Standing(name, "", 1.0, False)) for name in systems}
    choice = answer(asked.job, seen, systems, standings)
    most = sum(len(unit.items) for unit in asked.units) * len(state.asked)
    each = ", ".join(f"{name} {count}" for name, count in state.asked.items())
    note = f"{sum(state.asked.values()):,} of {most:,} items were asked ({each}): {state.ended}"
    return replace(choice, notes=(note, *state.notes, *choice.notes))
