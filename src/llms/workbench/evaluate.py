"""The verb `eval`: systems on benchmarks, stored as they go, resumed where they stopped."""

import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Unpack

from .. import settings
from ..benchmarks.benchmark import Benchmark
from ..benchmarks.catalogue import CATALOGUE, find, find_view
from ..benchmarks.fresh import Fresh, is_fresh
from ..benchmarks.languages import missing, unusable
from ..benchmarks.twin import twin
from ..data import Source, open_source
from ..data.own import is_file
from ..errors import BudgetExceeded, UnknownName, UsageError
from ..evaluation.config import EvalConfig, EvalSettings
from ..evaluation.items import Item, Picked, names_of, positions_of
from ..evaluation.plan import Plan, plan
from ..evaluation.report import Report, report
from ..evaluation.room import with_room, without_room
from ..evaluation.run import check, run
from ..lazy import lazy
from ..models.prices import stated_price
from ..models.spending import SpendingLedger
from ..models.system import Model
from ..sandbox import Sandbox
from ..store.runs import Bill, Runs
from ..values import ChoicePrompt, Outcome, Prompt, Score, Scored, Usage
from .cost import about
from .html_report import page
from .own_data import choose_own, groups_of, refuse_own_options, understood
from .system import load
from .task_data import choose_task, refuse_task_options
from .task_system import task_systems


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` items of one system and benchmark; `resumed` were stored before. `note` is printed once."""

    system: str
    benchmark: str
    done: int
    total: int
    resumed: int = 0
    note: str | None = None


def choose(
    names: Sequence[str | Benchmark],
    config: EvalConfig,
    ledger: SpendingLedger | None = None,
    opened: ExitStack | None = None,
) -> tuple[Source, list[Benchmark]]:
    """The source and the benchmarks that names mean: `all`, a view's own, or the user's file. Benchmarks stay themselves.

    A judge is paid from `ledger` and closed with `opened`.
    """
    if config.task:
        rows, benchmark = choose_task(names, config)
        return rows, [benchmark]
    refuse_task_options(config)
    data = config.data or settings.data()
    if data and is_file(data):
        table, benchmark = choose_own(data, names, config, load, ledger, opened or ExitStack())
        return table, [benchmark]
    refuse_own_options(config)
    source: Source = Fresh(data) if data and is_fresh(data) else open_source(data)
    of_view = [b for b in CATALOGUE.values() if config.view in b.views]
    if not of_view:
        raise UnknownName("view", config.view, {view for b in CATALOGUE.values() for view in b.views})
    if not names or "all" in names:
        return source, [benchmark for benchmark in of_view if _has_rows(benchmark, source, config)]
    named = [name if isinstance(name, Benchmark) else find(name) for name in names]
    chosen = list({benchmark.name: benchmark for benchmark in named}.values())
    for benchmark in chosen:
        find_view(benchmark, config.view)
    return source, chosen


def _has_rows(benchmark: Benchmark, source: Source, config: EvalConfig) -> bool:
    """Whether there are rows of any of its parts, and of the few-shot examples that stand before them."""
    shots = benchmark.views[config.view].shots if config.shots is None else config.shots
    return any(
        source.has(benchmark.dataset, part.config, part.split)
        and (
            not shots
            or not part.shots_split
            or source.has(benchmark.dataset, part.shots_config or part.config, part.shots_split)
        )
        for part in benchmark.parts
    )


def left_out(
    names: Sequence[str | Benchmark], config: EvalConfig, source: Source, chosen: Sequence[Benchmark]
) -> list[str]:
    """A note on the benchmarks without rows, where all were asked for and the data hold fewer."""
    if (names and "all" not in names) or source.kind == "file":
        return []
    absent = [b.name for b in CATALOGUE.values() if config.view in b.views and b not in chosen]
    return (
        [f"left out, as the data ({source.kind}) lack their rows or few-shot examples: {', '.join(absent)}"]
        if absent
        else []
    )


def make_plan(model: Model, benchmark: Benchmark, source: Source, config: EvalConfig) -> Plan:
    """Rows are read and checked before the model's identity, which needs its framework and a digest of its weights."""
    if config.chat_template is None:
        config = replace(config, chat_template=not model.capabilities.raw_text)
    return replace(plan(benchmark, source, config).of(model.identity), groups=groups_of(source, config.by))


def evaluate_all(systems: Sequence[str], names: Sequence[str], config: EvalConfig) -> Iterator[Progress | Report]:
    """Every system on every benchmark: progress after each item, the Report after each benchmark.

    All plans are questions, and so all names, keys and data checked, before the first model is loaded.
    """
    with ExitStack() as opened:
        yield from _evaluate_all(systems, names, config, opened)


def _evaluate_all(
    systems: Sequence[str], names: Sequence[str], config: EvalConfig, opened: ExitStack
) -> Iterator[Progress | Report]:
    ledger = ledger_of(config)
    source, benchmarks = choose(names, config, ledger, opened)
    models = opened_all(systems, config, source)
    for note in left_out(names, config, source, benchmarks):
        yield Progress("", "", 0, 0, note=note)
    for benchmark in benchmarks:
        if reason := not_run(benchmark, config):
            yield Progress("", benchmark.name, 0, 0, note=f"{benchmark.name} is not run: {reason}")
    benchmarks = [benchmark for benchmark in benchmarks if not not_run(benchmark, config)]
    sandbox = Sandbox(config.sandbox) if any(benchmark.kind == "code" for benchmark in benchmarks) else None
    for model in models:
        model.check()
        model.pay_from(ledger)
        opened.callback(model.close)
    plans = [[(b, make_plan(model, b, source, config)) for b in suited(model, benchmarks, names)] for model in models]
    if not names or "all" in names:
        for place, model in enumerate(models):
            plans[place], notes = with_room(plans[place], model)
            yield from (Progress("", "", 0, 0, note=note) for note in notes)
    for benchmark, questions in (each for mine in plans for each in mine):
        for note in understood(source, benchmark, questions):
            yield Progress("", benchmark.name, 0, 0, note=note)
    with Runs(settings.database()) as store:
        for model, mine in zip(models, plans, strict=True):
            for benchmark, questions in mine:
                check(questions, benchmark, model)
            model.workers = config.workers or settings.workers() or model.most_workers()
            try:
                for benchmark, questions in mine:
                    yield from evaluate_plan(store, model, benchmark, questions, config, sandbox)
            finally:
                model.close()


def opened_all(systems: Sequence[Model | str], config: EvalConfig, source: Source) -> list[Model]:
    """The systems, none loaded yet; with a task one for each way in which each is measured."""
    if config.task:
        return [each for system in systems for each in task_systems(system, config, source)]
    return [load(system) if isinstance(system, str) else system for system in dict.fromkeys(systems)]


def ledger_of(config: EvalConfig) -> SpendingLedger:
    """The account that pays for an evaluation. Raises UsageError for a price that is none."""
    return SpendingLedger(None if config.budget is None else Decimal(str(config.budget)), stated_price(config.price))


def suited(model: Model, benchmarks: Sequence[Benchmark], names: Sequence[str | Benchmark]) -> list[Benchmark]:
    """The benchmarks to run on `model`: where all were asked for, generative twins of those it cannot score."""
    choices = any(benchmark.kind == "choice" for benchmark in benchmarks)
    if (names and "all" not in names) or not choices or model.capabilities.loglikelihood:
        return list(benchmarks)
    return [twin(benchmark) if benchmark.kind == "choice" else benchmark for benchmark in benchmarks]


def evaluate_plan(
    store: Runs,
    model: Model,
    benchmark: Benchmark,
    questions: Plan,
    config: EvalConfig,
    sandbox: Sandbox | None = None,
    alone: bool = True,
) -> Iterator[Progress | Report]:
    """Ask what is not stored yet, store each outcome; progress after each, the Report of all that is stored at the end.

    Unless the model is `alone` in this process, the memory it takes cannot be told from that of others, and is not stored.
    """
    key, ledger = questions.key, model.ledger
    attempt = store.begin(key, config.fresh)
    graded_from = store.graded_from(key.run)
    todo = to_ask(questions.items, store.known(key.run), config.retry_failed)
    total = len(questions.items)
    progress = partial(Progress, key.system.name, key.benchmark, total=total, resumed=total - len(todo))
    before, stopped = ledger.tally, None
    notes = (*questions.notes, *_few_rows(questions), without_room(questions, model), *_price(model, questions, todo))
    for note in (*notes, None):
        yield progress(total - len(todo), note=note or None)
    if todo:
        model.prepare()
        if note_before := model.note:
            yield progress(total - len(todo), note=note_before)
        position_of = positions_of(questions.items)
        seconds, started = 0.0, time.perf_counter()
        try:
            for done, (item, prompt, outcome) in enumerate(run(questions, benchmark, model, todo, sandbox), 1):
                seconds, used = time.perf_counter() - started, ledger.tally - before
                if questions.withheld:
                    prompt, outcome = withhold(item, prompt, outcome)
                store.add(key.run, attempt, position_of(item), prompt, outcome, Bill(seconds, used.total, used.billed))
                yield progress(total - len(todo) + done)
        except BudgetExceeded as error:
            stopped = error
        used = ledger.tally - before
        peak = model.peak_memory_bytes if alone else 0
        store.end(attempt, Bill(seconds, used.total, used.billed), peak)
        if model.note != note_before:
            yield progress(total, note=model.note)
    outcomes = (outcome for _, outcome in store.outcomes(key.run))
    summary = report(questions, outcomes, store.usage(key.run), graded_from, partial(_dollars, model))
    store.save_report(summary)
    yield summary
    if stopped:
        raise stopped


def to_ask(items: Sequence[Item], known: Mapping[str, bool], retry_failed: bool) -> Picked:
    """The items that are to be asked: `known` says of those that are stored whether they have a score."""
    if not known:
        return Picked(items, range(len(items)))
    wanted = (
        position
        for position, name in enumerate(names_of(items))
        if name not in known or (retry_failed and not known[name])
    )
    return Picked(items, array("q", wanted))


def not_run(benchmark: Benchmark, config: EvalConfig | None = None) -> str | None:
    """Why a benchmark cannot be run on this machine: its programs lack a compiler or interpreter.

    With the `config` of a run that is about to begin, a first program is tried.
    """
    if benchmark.kind != "code":
        return None
    return unusable(benchmark.language, config.sandbox) if config else missing(benchmark.language)


def withhold(item: Item, prompt: Prompt, outcome: Outcome) -> tuple[Prompt, Outcome]:
    """The prompt and the outcome without any text of a dataset whose rows must not appear: item, letters, log-probabilities."""
    placeholder = f"[withheld: {item.name}; llms samples --reveal shows it from the data]"
    if isinstance(prompt, ChoicePrompt):
        shown: Prompt = ChoicePrompt("", "", (placeholder,) * len(prompt.contexts), prompt.continuations)
    else:
        shown = replace(prompt, description="", header="", text=placeholder)
    if isinstance(outcome, Scored) and outcome.completions:
        outcome = replace(outcome, answers=tuple(replace(c, text="[withheld]") for c in outcome.completions))
    return shown, outcome


def _dollars(model: Model, outcome: Scored) -> float | None:
    """US dollars of the answers to an item at the model's price, of which only the proportions between items count."""
    price = model.price(_used(outcome))
    return None if price is None else float(price)


def _used(outcome: Scored) -> Usage:
    if outcome.completions:
        prompts = sum(completion.prompt_tokens for completion in outcome.completions)
        return Usage(prompts, sum(completion.tokens for completion in outcome.completions))
    return Usage(sum(answer.context_tokens + answer.tokens for answer in outcome.choices), len(outcome.choices))


def _few_rows(questions: Plan) -> list[str]:
    limit = questions.config.limit
    if limit and limit > questions.available:
        return [
            f"{questions.key.benchmark}: --limit {limit}, but the data ({questions.key.data}) holds {questions.available} items"
        ]
    return []


def _price(model: Model, questions: Plan, todo: Sequence[Item]) -> list[str]:
    """A note on the tokens and US dollars to be spent, for the user to read beforehand."""
    if model.name.local or not todo:
        return []
    expected = about(model, questions, todo)
    return [] if expected.cost == 0 else [expected.words(questions.key.benchmark)]


class Evaluation:
    """The result of `llms.evaluate`: reports by benchmark, their scores, and the outcomes of each item."""

    def __init__(self, reports: Mapping[str, Report]):
        self.reports = dict(reports)

    @property
    def scores(self) -> dict[str, dict[str, Score]]:
        """benchmark -> metric -> Score."""
        return {name: dict(summary.scores) for name, summary in self.reports.items()}

    @lazy
    def outcomes(self) -> dict[str, list[Outcome]]:
        """benchmark -> one Scored or Failed per item, in the order of the data."""
        with Runs(settings.database()) as store:
            return {name: [o for _, o in store.outcomes(summary.key.run)] for name, summary in self.reports.items()}

    def save(self, path: str | Path) -> None:
        """Write the reports as one HTML page."""
        Path(path).write_text(page(list(self.reports.values())), encoding="utf-8")

    def __repr__(self) -> str:
        lines = []
        for name, summary in self.reports.items():
            s = summary.score
            interval = f" [{s.low:.3f}, {s.high:.3f}]" if s and s.low is not None and s.high is not None else ""
            value = f"{s.value:.3f}{interval}" if s else "no score"
            lines.append(
                f"{name} {summary.shown} {value} n={summary.n}"
                + (f" failed={summary.failed}" if summary.failed else "")
            )
        return "\n".join(lines)


def evaluate(
    model: Model | str,
    benchmarks: Sequence[str | Benchmark] | None = None,
    *,
    config: EvalConfig | None = None,
    **changes: Unpack[EvalSettings],
) -> Evaluation:
    """Run `benchmarks` on a model (or the name of one) and keep the results; what is stored already is not asked again.

    Keywords are the fields of EvalConfig; with a `config` they replace its own. A benchmark of your own is a Benchmark
    (see llms.benchmarks.benchmark), its rows in the folder `data`. Of a file of your own, `prompt` is a template with
    `{column}` fields, and scores are grouped `by` its metadata columns. With a `task`, `data` is a file of its labelled
    rows and no benchmark is named; a language model that does it in two ways has two reports. `budget` caps what requests
    may cost, in US dollars. Raises BudgetExceeded when it is used up; what was scored is kept.
    """
    if isinstance(benchmarks, str):
        raise UsageError(f"benchmarks must be a list; got the string {benchmarks!r}. Write [{benchmarks!r}]")
    config = replace(config or EvalConfig(), **changes)
    if benchmarks is None and not config.task:
        raise UsageError("name the benchmarks, as in ['gsm8k'], or a task=, as in 'sentiment', with data=")
    named, paying = isinstance(model, str), config.budget is not None or config.price is not None
    ledger = ledger_of(config) if isinstance(model, str) or paying else model.ledger
    reports: dict[str, Report] = {}
    with ExitStack() as opened:
        source, chosen = choose(benchmarks or [], config, ledger, opened)
        systems = opened_all([model], config, source)
        for system in systems:
            if named:
                opened.callback(system.close)
            if named or paying:
                system.pay_from(ledger)
            if config.workers is not None:
                system.workers = config.workers
            system.check()
        store = opened.enter_context(Runs(settings.database()))
        for system, benchmark in ((each, b) for each in systems for b in suited(each, chosen, benchmarks or [])):
            if reason := not_run(benchmark, config):
                raise UsageError(f"{benchmark.name} cannot be run: {reason}")
            questions = make_plan(system, benchmark, source, config)
            check(questions, benchmark, system)
            sandbox = Sandbox(config.sandbox) if benchmark.kind == "code" else None
            for event in evaluate_plan(store, system, benchmark, questions, config, sandbox):
                if isinstance(event, Report):
                    name = benchmark.name if len(systems) == 1 else f"{benchmark.name} {system.name.text}"
                    reports[name] = event
    return Evaluation(reports)
