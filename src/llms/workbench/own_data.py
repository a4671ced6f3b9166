"""The user's own file as a benchmark: its scorer, its groups, and what was understood of it, said before anything is asked."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ..benchmarks.benchmark import Benchmark
from ..benchmarks.own import Asking, OpenScorer, ambiguous, declare, of_version
from ..data import Row, Source
from ..data.labelled import LabelledTable
from ..data.own import OwnTable, read
from ..errors import JudgeFailed, ModelError, UsageError
from ..evaluation.config import EvalConfig, changed, settings_of
from ..evaluation.plan import Plan
from ..models.spending import SpendingLedger
from ..models.system import Model
from ..scoring.open import RUBRIC
from ..values import ChoicePrompt, Message
from .task_data import understood_task

Load = Callable[[str], Model]
SHOWN = 400  # characters of a text that is shown
NOTICES = 3  # ambiguous rows that are named one by one


def choose_own(
    data: str,
    names: Sequence[str | Benchmark],
    config: EvalConfig,
    load: Load,
    ledger: SpendingLedger | None,
    opened: ExitStack,
) -> tuple[OwnTable, Benchmark]:
    """The file and the benchmark it is. A judge is loaded by `load`, paid from `ledger` and closed with `opened`."""
    table = read(Path(data))
    if [name for name in names if name not in ("all", table.name)]:
        raise UsageError(f"--data {data} is a benchmark of its own; leave out -b")
    if table.choices and config.scorer != "exact":
        raise UsageError(f"{data} has choices, of which one is right; --scorer {config.scorer} is for open answers")
    for column in config.by:
        if column not in table.metadata:
            known = f"its metadata: {', '.join(table.metadata)}" if table.metadata else "it has no further columns"
            raise UsageError(f"{data} has no column {column!r} to group by; {known}")
    scorer = scorer_of(config.scorer, config.judge, config.rubric, load, ledger, opened)
    return table, declare(table, scorer, asking_of(config))


def asking_of(config: EvalConfig) -> Asking:
    """The way in which rows of one's own file are asked."""
    return Asking(config.prompt, None if config.stop is None else tuple(config.stop), config.max_tokens)


def refuse_own_options(config: EvalConfig) -> None:
    """Raise UsageError where a setting for one's own file is given without one."""
    known = settings_of(config)
    if mistaken := [known[name].option for name in changed(config) if known[name].own_data]:
        raise UsageError(f"{mistaken[0]} is for a file of your own (--data FILE); benchmarks have their own ways")


def scorer_of(
    name: str, judge: str, rubric: str, load: Load, ledger: SpendingLedger | None, opened: ExitStack
) -> OpenScorer:
    """The user's scorer; a judge is a model, checked now and loaded when the first answer is graded."""
    if name != "judge":
        if judge or rubric:
            raise UsageError("--judge and --rubric go with --scorer judge")
        return OpenScorer(name)
    if not judge:
        raise UsageError("--scorer judge needs a model to judge: --judge NAME")
    model = load(judge)
    model.check()
    model.pay_from(ledger or model.ledger)
    opened.callback(model.close)

    def answer(prompt: str) -> str:
        asked = [Message("user", prompt)] if model.capabilities.chat else prompt
        try:
            return model.generate([asked], max_tokens=256)[0].text
        except ModelError as error:
            raise JudgeFailed(f"the judge {judge} gave no answer: {error}; llms grade asks the judge again") from error

    return OpenScorer("judge", answer, judge, rubric or RUBRIC)


def groups_of(source: Source, by: Sequence[str]) -> dict[str, Callable[[str], str]]:
    """For each column a function from an item's name to its value in one's own file."""
    if not isinstance(source, OwnTable | LabelledTable):
        return {}
    return {column: partial(_value, source.content.rows, column) for column in by}


def _value(rows: Sequence[Row], column: str, item: str) -> str:
    return str(rows[int(item.rpartition("/")[2])].get(column) or "").strip() or "(none)"


def understood(source: Source, benchmark: Benchmark, questions: Plan) -> list[str]:
    """Notes on how one's own file was read: its form, row 1 with its right answer, the prompt as sent, ambiguous cells."""
    if isinstance(source, LabelledTable):
        return understood_task(source, benchmark)
    if not isinstance(source, OwnTable):
        return []
    scorer = "" if source.choices else of_version(questions.key.version)[1]
    first = questions.items[0]
    row, prompt = first.example.row, first.prompt
    if isinstance(prompt, ChoicePrompt):
        text, ends = prompt.contexts[0], "then each choice is scored"
    else:
        asked = benchmark.chat(row) if questions.key.chat_template and benchmark.chat else prompt
        text, ends = asked.text, f"then at most {asked.max_tokens} tokens{_until(asked.stop)}"
    if source.choices:
        right = "".join(f"\n  {'=' if i == row['answer'] else ' '} {choice}" for i, choice in enumerate(row["choices"]))
    else:
        right = " " + " | ".join(row["answers"])
    graded = "" if source.choices else f"; {'' if scorer.startswith('judged by ') else 'scored by '}{scorer}"
    named = f"; metadata: {', '.join(source.metadata)}" if source.metadata else ""
    lines = (
        f"{source.content.origin}: {len(source.content.rows)} rows, {source.content.form}{graded}{named}",
        f"row 1, question: {_cut(row['question'])}",
        f"row 1, {'choices, = is right' if source.choices else 'right'}:{_cut(right)}",
        f"row 1, sent{' under the chat template' * questions.key.chat_template} ({ends}):",
        *(f"  {line}" for line in _cut(text).splitlines()),
    )
    numbers, further = ambiguous(source, scorer)
    notices = [*source.notices, *numbers]
    unlisted = len(notices) - NOTICES + source.unlisted + further
    more = [f"… and {unlisted} more rows so"] if unlisted > 0 else []
    return ["\n".join(lines), *notices[:NOTICES], *more]


def _until(stop: Sequence[str]) -> str:
    return f", until {' or '.join(repr(one) for one in stop)}" if stop else ""


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
