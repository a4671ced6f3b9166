"""The verb `grade`: the answers of a stored run under another scorer, or the present one; the model is not asked."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from .. import settings
from ..benchmarks.benchmark import Benchmark
from ..benchmarks.catalogue import find
from ..benchmarks.fresh import Fresh, is_fresh
from ..benchmarks.own import Asking, OpenScorer, accepted_in, check_answers, declare, of_version, open_benchmark
from ..benchmarks.twin import SUFFIX, twin
from ..data import Source, open_source
from ..data.labelled import LabelledTable
from ..data.own import OwnTable, read
from ..errors import BudgetExceeded, UsageError
from ..evaluation.items import Item
from ..evaluation.plan import Plan, plan
from ..evaluation.replay import Replay
from ..evaluation.report import Report, report
from ..evaluation.run import run as evaluated
from ..models.prices import stated_price
from ..models.spending import SpendingLedger
from ..sandbox import Sandbox
from ..store.runs import Bill, Runs, StoredRun
from ..values import Example, Failed, GenerationPrompt, Outcome, Prompt
from .evaluate import Progress, withhold
from .own_data import groups_of, scorer_of
from .system import load
from .task_data import choose_task

Stored = dict[str, tuple[Prompt, Outcome]]
USUAL = ("Question: ", "\nAnswer:")  # what stands around a question that is asked as usual


@dataclass(frozen=True, slots=True)
class Regrade:
    """How to grade again. `data` is where the rows lie, if the run cannot tell; no `scorer`: the run's own."""

    scorer: str = ""
    judge: str = ""
    rubric: str = ""
    data: str = ""
    budget: float | None = None
    by: tuple[str, ...] = ()
    price: str | None = None


def grade(name: str, how: Regrade) -> Iterator[Progress | Report]:
    """Grade the run `name` again: progress, then the Report of a new run that differs in the scorer only.

    Where the scorer is the one that the run has, only what it could not grade (a judge's failures) is graded again, in
    place. Raises UsageError where the rows are needed and not those of the run, or its texts were withheld.
    """
    with ExitStack() as opened:
        store = opened.enter_context(Runs(settings.database()))
        yield from _grade(store, store.find(name), how, opened)


def _grade(store: Runs, run: StoredRun, how: Regrade, opened: ExitStack) -> Iterator[Progress | Report]:
    ledger = SpendingLedger(None if how.budget is None else Decimal(str(how.budget)), stated_price(how.price))
    stored: Stored = {outcome.item: (prompt, outcome) for prompt, outcome in store.outcomes(run.run)}
    if not stored:
        raise UsageError(f"run {run.run} has no outcome to grade; finish it with the llms eval command that began it")
    questions, benchmark = (_own if run.key.data == "file" else _public)(run, stored, how, ledger, opened)
    key = questions.key
    if run.report:
        questions = replace(questions, available=run.report.available)
    if questions.withheld and benchmark.kind != "choice":
        raise UsageError(f"run {run.run} cannot be graded again: the texts of {benchmark.name} are not stored")
    positions = {item.name: position for position, item in enumerate(questions.items)}
    todo = _todo(run, questions, stored, {} if key == run.key else store.known(key.run))
    attempt = store.begin(key, graded_from=None if key == run.key else run.run)
    graded_from, seconds, stopped, started = store.graded_from(key.run), 0.0, None, time.perf_counter()
    for prompt, outcome in stored.values():
        if key != run.key and not outcome.answers and outcome.item in positions:  # never answered: a failure here too
            store.add(key.run, attempt, positions[outcome.item], prompt, outcome, Bill(0.0))
    replay = Replay(key.system, (stored[item.name][1].answers for item in todo))
    box = Sandbox(key.sandbox == "isolated") if benchmark.kind == "code" else None
    try:
        for done, (item, _, outcome) in enumerate(evaluated(questions, benchmark, replay, todo, box), 1):
            prompt, seconds, used = stored[item.name][0], time.perf_counter() - started, ledger.tally
            if questions.withheld:
                _, outcome = withhold(item, prompt, outcome)
            position = positions[item.name]
            bill = Bill(seconds, used.total, used.billed)
            store.add(key.run, attempt, position, prompt, outcome, bill, asked=False)
            yield Progress(key.system.name, key.benchmark, done, len(todo))
    except BudgetExceeded as error:
        stopped = error
    store.end(attempt, Bill(seconds, ledger.tally.total, ledger.tally.billed), 0)
    summary = report(questions, (outcome for _, outcome in store.outcomes(key.run)), store.usage(key.run), graded_from)
    store.save_report(summary)
    yield summary
    if stopped:
        raise stopped


def _todo(run: StoredRun, questions: Plan, stored: Stored, known: Mapping[str, bool]) -> list[Item]:
    """The items with answers that have no such grade yet. Raises UsageError if the run's own scorer left none open."""
    items = [item for item in questions.items if item.name in stored and not known.get(item.name, False)]
    items = [item for item in items if stored[item.name][1].answers]
    if questions.key == run.key:
        items = [item for item in items if isinstance(stored[item.name][1], Failed)]
        if not items:
            scorer = f"{questions.key.version}, scorer {questions.key.scorer}"
            raise UsageError(f"run {run.run} is graded by this scorer already ({scorer}); nothing to do")
    return items


def _own(
    run: StoredRun, stored: Stored, how: Regrade, ledger: SpendingLedger, opened: ExitStack
) -> tuple[Plan, Benchmark]:
    """A run of one's own file: by its rows if `data` is given, else by the answers that were stored as right."""
    key = run.key
    if key.config.task:
        return _of_task(run, how)
    table = read(Path(how.data)) if how.data else None
    letters = key.benchmark.endswith(SUFFIX)
    if letters or key.decoding == "loglikelihood":
        if how.scorer:
            raise UsageError(f"run {run.run} has choices, of which one is right; --scorer is for open answers")
        if table is None:
            raise UsageError(f"run {run.run} has choices, which are not stored with their key; add --data FILE")
        benchmark = declare(table, None, of_version(key.version)[0])
        benchmark = twin(benchmark) if letters else benchmark
        return _planned(run, table, benchmark, how), benchmark
    asking, before = of_version(key.version)
    scorer = _scorer(before, how, ledger, opened)
    if table:
        benchmark = declare(table, scorer, asking)
        return _planned(run, table, benchmark, how), benchmark
    if how.by:
        raise UsageError("--by needs the columns of the file; add --data FILE")
    benchmark = open_benchmark(key.benchmark, "", len(stored), scorer, asking)
    items = tuple(_item(run, prompt, outcome, scorer, asking) for prompt, outcome in stored.values())
    new = replace(key, version=benchmark.version, scorer=benchmark.scorer)
    return Plan(new, items, len(items), scorer.metric, "micro", 0.0, config=key.config), benchmark


def _of_task(run: StoredRun, how: Regrade) -> tuple[Plan, Benchmark]:
    """A run of a task: by its labelled rows, under the metrics as they are now."""
    if how.scorer or how.judge or how.rubric:
        raise UsageError(
            f"{run.key.benchmark} has its task's metrics; --scorer and --judge are for questions of your own"
        )
    if not how.data:
        raise UsageError(f"run {run.run} has labelled rows, of which only the answers are stored; add --data FILE")
    config = replace(run.key.config, data=how.data, by=how.by)
    table, benchmark = choose_task([], config)
    return _planned(run, table, benchmark, how), benchmark


def _scorer(before: str, how: Regrade, ledger: SpendingLedger, opened: ExitStack) -> OpenScorer:
    """The scorer asked for, or the run's own."""
    judged = before.startswith("judged by ")
    judge, rubric = how.judge, how.rubric
    name = how.scorer or ("judge" if judged or judge else before)
    if name == "judge" and judged:
        model, _, words = before.removeprefix("judged by ").partition(": ")
        judge, rubric = judge or model, rubric or words
    return scorer_of(name, judge, rubric, load, ledger, opened)


def _item(run: StoredRun, prompt: Prompt, outcome: Outcome, scorer: OpenScorer, asking: Asking) -> Item:
    """An item as far as its outcome tells."""
    assert isinstance(prompt, GenerationPrompt)
    question, answers = prompt.context, accepted_in(outcome.target)
    if scorer.name == "judge":
        before, behind = USUAL
        if asking.prompt is not None or not (question.startswith(before) and question.endswith(behind)):
            raise UsageError(f"a judge needs the questions of run {run.run} as they stand in the file; add --data FILE")
        question = question.removeprefix(before).removesuffix(behind)
    if outcome.answers:
        check_answers(answers, scorer.name, f"run {run.run}, {outcome.item}")
    index = int(outcome.item.rpartition("/")[2])
    row = {"question": question, "answer": answers[0], "answers": answers}
    return Item(Example(outcome.subset, index, row), prompt, outcome.cluster)


def _public(
    run: StoredRun, stored: Stored, how: Regrade, ledger: SpendingLedger, opened: ExitStack
) -> tuple[Plan, Benchmark]:
    """A run of a benchmark: by its rows, under the version that its scorer has now."""
    if how.scorer or how.judge or how.rubric or how.by:
        raise UsageError(
            f"{run.key.benchmark} has its own scorer; --scorer, --judge and --by are for runs of a file of your own"
        )
    data = how.data or {"sample": "sample", "hub": "hub"}.get(run.key.data, "")
    if not data:
        raise UsageError(f"run {run.run} was made of a {run.key.data}; say which: --data")
    benchmark = find(run.key.benchmark)
    source: Source = Fresh(data) if is_fresh(data) else open_source(data)
    return _planned(run, source, benchmark, how), benchmark


def _planned(run: StoredRun, source: Source, benchmark: Benchmark, how: Regrade) -> Plan:
    """The plan of the run, made again. Raises UsageError if it is not the same but for the scorer."""
    key = run.key
    questions = plan(benchmark, source, key.config, key.system)
    version = questions.key.version if isinstance(source, OwnTable | LabelledTable) else key.version
    if (questions.key.data, questions.key.revision) != (key.data, key.revision):
        raise UsageError(
            f"run {run.run} was made of other rows than {how.data or source.kind} holds; name its own by --data"
        )
    if questions.key != replace(key, version=version, scorer=questions.key.scorer):
        raise UsageError(f"run {run.run} was asked otherwise than {benchmark.name} asks now; ask again with llms eval")
    return replace(questions, groups=groups_of(source, how.by))
