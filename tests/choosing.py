"""A store as measuring would have left it: runs of systems whose scores are given, on a file of one's own or a benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from llms import settings
from llms.benchmarks.benchmark import Benchmark
from llms.benchmarks.catalogue import find
from llms.data import Source, open_source
from llms.evaluation.config import EvalConfig
from llms.evaluation.plan import plan
from llms.evaluation.report import report
from llms.store.runs import Bill, Runs
from llms.values import Completion, Failed, Identity, LogLikelihood, Outcome, Scored, Spent
from llms.workbench.evaluate import choose

Scores = Sequence[float | None]


def write_rows(path: Path, count: int) -> str:
    path.write_text("question,answer\n" + "".join(f"q{number},a{number}\n" for number in range(count)))
    return str(path)


def store_own(data: str, systems: Mapping[str, Scores], **more: object) -> None:
    """Scores of the first rows of a file (None: the item failed), as if each system had been evaluated on them."""
    config = EvalConfig(data=data)
    source, (benchmark,) = choose([], config)
    _store(source, benchmark, config, systems, **more)


def store_benchmark(name: str, systems: Mapping[str, Scores], **more: object) -> None:
    _store(open_source("sample"), find(name), EvalConfig(), systems, **more)


def _store(
    source: Source, benchmark: Benchmark, config: EvalConfig, systems: Mapping[str, Scores], spent: Mapping[str, Spent] = {},
    weights: str = "1", clusters: int | None = None, status: str = "ok",
) -> None:  # fmt: skip
    questions = plan(benchmark, source, config)
    items = list(questions.items)
    kinds = {True: (LogLikelihood(-1.0, True, 1),), False: (Completion("a", 1, "stop"),)}
    answers = kinds[benchmark.kind == "choice"]
    with Runs(settings.database()) as store:
        for name, scores in systems.items():
            mine = questions.of(Identity(name, weights))
            attempt = store.begin(mine.key)
            outcomes: list[Outcome] = []
            for position, (item, score) in enumerate(zip(items, scores, strict=False)):
                cluster = item.name if clusters is None else f"c{position * clusters // len(scores)}"
                subset = item.example.subset
                if score is None:
                    outcomes.append(Failed(item.name, subset, cluster, "infra", "no answer"))
                else:
                    marks = {mine.headline: score}
                    outcomes.append(Scored(item.name, subset, cluster, status, marks, "t", "x", answers))
            with store.transaction():  # one for all: `add` by itself is durable, and slow
                add_all(store, mine.key.run, attempt, items, outcomes)
            store.end(attempt, Bill(1.0), 0)
            store.save_report(report(mine, outcomes, spent.get(name, Spent(seconds=float(len(outcomes))))))


def add_all(store: Runs, run: str, attempt: int, items: Sequence, outcomes: Sequence[Outcome]) -> None:
    from contextlib import nullcontext

    single, store.transaction = store.transaction, lambda: nullcontext(store.connection)
    try:
        for position, (item, outcome) in enumerate(zip(items, outcomes, strict=False)):
            store.add(run, attempt, position, item.prompt, outcome, Bill(float(position)))
    finally:
        store.transaction = single
