"""A benchmark of the user's own rows, declared on the fly."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from string import Formatter
from typing import TypedDict

from ..data.dataset import Dataset, Row
from ..data.own import OwnTable
from ..data.own_row import MOST_NOTICES
from ..errors import DataError, JudgeFailed, UsageError
from ..scoring.canonical import canonical
from ..scoring.choice import accuracy, accuracy_normalized, best_normalized
from ..scoring.number import numbers
from ..scoring.open import RUBRIC, SCORERS, VERSIONS, Judge, judged
from ..values import Status
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, Open, View, logprobs, reply

BETWEEN = " | "  # accepted answers that are shown
_ASKED = ", asked "
_ANYTHING = "\0"  # in no reply that a pattern means


@dataclass(frozen=True)
class OpenScorer:
    """How open answers are graded: a name of SCORERS, or `judge`: a model (`judge_name`) and a rubric, both shown."""

    name: str = "exact"
    judge: Judge | None = None
    judge_name: str = ""
    rubric: str = RUBRIC

    @property
    def identity(self) -> str:
        """Part of the benchmark's version, which reports show: another scorer is another benchmark."""
        return self.name if self.name != "judge" else f"judged by {self.judge_name}: {self.rubric.strip()}"

    @property
    def metric(self) -> str:
        return "judge" if self.name == "judge" else f"{self.name}_match"


@dataclass(frozen=True, slots=True)
class Asking:
    """How rows are asked, where not as usual: a template with `{column}` fields, where an answer ends, and after how many
    tokens at the latest. What is set is part of the benchmark's version."""

    prompt: str | None = None
    stop: tuple[str, ...] | None = None
    max_tokens: int | None = None

    @property
    def identity(self) -> str:
        fields = {"prompt": self.prompt, "stop": self.stop, "max_tokens": self.max_tokens}
        fields = {name: value for name, value in fields.items() if value is not None}
        return _ASKED + json.dumps(fields, ensure_ascii=False) if fields else ""

    def text(self, row: Row) -> str:
        """The template filled with a row; empty where there is none."""
        parts = Formatter().parse(self.prompt or "")
        return "".join(literal + (str(row[name]) if name is not None else "") for literal, name, _, _ in parts)

    def check(self, table: OwnTable) -> None:
        """Raise UsageError for a template that names what the table lacks, or gives the answer away."""
        columns = ("question", *table.metadata)
        try:
            fields = [part[1:] for part in Formatter().parse(self.prompt or "") if part[1] is not None]
        except ValueError as error:
            raise UsageError(
                f"the prompt {self.prompt!r} is not a template: {error}; write {{{{ for a brace"
            ) from error
        for name, spec, conversion in fields:
            if name not in columns or spec or conversion:
                shown = f"{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}"
                raise UsageError(
                    f"the prompt asks for {{{shown}}}; expected fields of {', '.join(f'{{{c}}}' for c in columns)}, or {{{{ for a brace"
                )
        if self.prompt is not None and not fields:
            raise UsageError(
                f"the prompt {self.prompt!r} has no field, so that all rows would be the same; add {{question}}"
            )
        if table.choices and (self.stop is not None or self.max_tokens is not None):
            raise UsageError(
                f"{table.name} has choices, which are scored as they stand; --stop and --max-tokens are for open answers"
            )


def declare(table: OwnTable, scorer: OpenScorer | None = None, asking: Asking | None = None) -> Benchmark:
    """`Question: …\\nAnswer:`, or as `asking` says; choices are scored by their text, open answers end at the first line
    break. Raises DataError for answers that the scorer cannot use, UsageError for a template that does not fit."""
    asking = asking or Asking()
    asking.check(table)
    if not table.choices:
        scorer = scorer or OpenScorer()
        plain = table.plain and scorer.name not in ("regex", "numeric")
        for number, row in enumerate(() if plain else table.content.rows, 1):
            check_answers(row["answers"], scorer.name, f"{table.content.origin}, row {number}")
        return open_benchmark(table.name, table.content.revision, len(table.content.rows), scorer, asking)
    return Benchmark(
        **_declared(table.name, table.content.revision, len(table.content.rows)),
        version=f"1{asking.identity}",
        chance=table.chance,
        metrics=("acc", "acc_norm"),
        views={"default": View(0, "fixed", "acc_norm")},
        ask=lambda row: Choices((_text(row, asking),), tuple(f" {choice}" for choice in row["choices"])),
        grade=_grade_choices,
        kind="choice",
        scorer="2" if table.reread else "1",
    )


def open_benchmark(name: str, revision: str, items: int, scorer: OpenScorer, asking: Asking) -> Benchmark:
    """Rows with `question`, `answer` and `answers`, answered by a text."""
    stop, most = asking.stop, asking.max_tokens
    return Benchmark(
        **_declared(name, revision, items),
        version=f"1{asking.identity}, {scorer.identity}",
        chance=0.0,
        metrics=(scorer.metric,),
        views={"default": View(0, "fixed", scorer.metric)},
        ask=lambda row: Open(_text(row, asking), ("\n",) if stop is None else stop, most or 64),
        chat=lambda row: Open(asking.text(row) or row["question"], stop or (), most or 256),
        grade=_grader(scorer),
        kind="generation",
        scorer=VERSIONS[scorer.name],
    )


class _Asked(TypedDict, total=False):
    """The fields that `Asking.identity` writes."""

    prompt: str
    stop: list[str]
    max_tokens: int


def of_version(version: str) -> tuple[Asking, str]:
    """How rows were asked, and the identity of the scorer, as the version of a benchmark says."""
    fields: _Asked = {}
    end = 1
    if version.startswith(_ASKED, 1):
        fields, end = json.JSONDecoder().raw_decode(version, 1 + len(_ASKED))
    stop = fields.get("stop")
    asking = Asking(fields.get("prompt"), None if stop is None else tuple(stop), fields.get("max_tokens"))
    return asking, version[end + 2 :]


def listed(accepted: Sequence[str]) -> str:
    """The accepted answers as one text for people, from which `accepted_in` gets them back."""
    plain = not any("|" in answer or answer.startswith("[") for answer in accepted)
    return BETWEEN.join(accepted) if plain else json.dumps(list(accepted), ensure_ascii=False)


def accepted_in(target: str) -> tuple[str, ...]:
    """The accepted answers that `listed` made a text of."""
    try:
        parsed = json.loads(target) if target.startswith("[") else None
    except ValueError:
        parsed = None
    if isinstance(parsed, list) and all(isinstance(answer, str) for answer in parsed):
        return tuple(parsed)
    return tuple(target.split(BETWEEN))


def check_answers(answers: Sequence[str], scorer: str, location: str) -> None:
    """Raise DataError for an accepted answer that `scorer` cannot compare with anything, or finds in everything."""
    for answer in answers:
        if not canonical(answer):
            raise DataError(f"{location}: column 'answer' is {answer!r}, of which nothing is seen; expected a text")
        if scorer == "regex":
            _check_pattern(answer, location)
        elif scorer == "numeric" and len(values := numbers(answer)) != 1:
            what = f"{len(values)} numbers ({', '.join(n.written for n in values)})" if values else "no number"
            raise DataError(
                f"{location}: answer {answer!r} holds {what}; --scorer numeric compares one. Use exact or contains"
            )


def _check_pattern(answer: str, location: str) -> None:
    try:
        pattern = re.compile(answer)
    except re.error as error:
        raise DataError(f"{location}: answer {answer!r} is not a regular expression: {error}") from error
    if pattern.search("") and pattern.search(_ANYTHING):
        raise DataError(f"{location}: answer {answer!r} matches every reply; expected a pattern that some replies lack")


def ambiguous(table: OwnTable, scorer: str) -> tuple[list[str], int]:
    """How numbers that could be read in two ways are read, where they are compared as numbers: the first, and how many more."""
    if table.choices or scorer != "numeric":
        return [], 0
    notices = (
        f"{table.content.origin}, row {number}: answer {answer!r} is read as {readings[0].value:f}, not as {readings[0].other:f}: before "
        f"three digits a comma sets thousands apart, a point is a decimal point"
        for number, row in enumerate(table.content.rows, 1)
        for answer in row["answers"]
        if (readings := numbers(answer)) and readings[0].other is not None
    )
    return list(islice(notices, MOST_NOTICES)), sum(1 for _ in notices)


class _Declared(TypedDict):
    """The parts of a Benchmark that every file of one's own has."""

    name: str
    title: str
    licence: str
    items: int
    dataset: Dataset
    parts: tuple[EvalSplit, ...]
    shot: Callable[[Row], str]


def _declared(name: str, revision: str, items: int) -> _Declared:
    return {
        "name": name,
        "title": name,
        "licence": "the user's own",
        "items": items,
        "dataset": Dataset(name, revision, name, {}),
        "parts": (EvalSplit(name, "", "", None),),
        "shot": lambda row: "",
    }


def _text(row: Row, asking: Asking) -> str:
    return asking.text(row) or f"Question: {row['question']}\nAnswer:"


def _grade_choices(row: Row, answers: Answers) -> Grade:
    got, options, gold = logprobs(answers), row["choices"], row["answer"]
    scores = {"acc": accuracy(got, gold), "acc_norm": accuracy_normalized(got, options, gold)}
    return Grade(scores, options[gold], options[best_normalized(got, options)])


def _grader(scorer: OpenScorer) -> Callable[[Row, Answers], Grade]:
    def grade(row: Row, answers: Answers) -> Grade:
        text, accepted, explanation = reply(answers).text.strip(), row["answers"], ""
        if not text:
            right = False
        elif scorer.name == "judge":
            try:
                right, explanation = _judged(scorer, row, text)
            except JudgeFailed as error:
                error.target = listed(accepted)
                raise
        else:
            right = any(SCORERS[scorer.name](text, answer) for answer in accepted)
        status: Status = "ok" if text else "unparsed"
        return Grade({scorer.metric: float(right)}, listed(accepted), text or None, status, judge=explanation)

    return grade


def _judged(scorer: OpenScorer, row: Row, text: str) -> tuple[bool, str]:
    """Whether the judge finds the answer right, and its words. Raises JudgeFailed where it does not say."""
    assert scorer.judge
    verdict = judged(scorer.judge, scorer.rubric, row["question"], " or ".join(row["answers"]), text)
    if verdict.right is None:
        reason = (
            f"its reply names neither A nor B: {verdict.reply!r:.200}" if verdict.reply.strip() else "it said nothing"
        )
        raise JudgeFailed(f"the judge {scorer.judge_name} gave no verdict: {reason}; llms grade asks the judge again")
    return verdict.right, verdict.reply
