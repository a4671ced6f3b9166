"""The generative twin of a multiple-choice benchmark: the same questions, answered by a letter in a reply.

Chat APIs give no log-probabilities; they are asked this way. Scores of a benchmark and of its twin are not comparable.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..data import Row
from ..scoring.letter import chosen_letter
from ..values import LogLikelihood, Status
from .benchmark import Answers, Benchmark, Choices, Grade, Open, View, reply

SUFFIX = ":letter"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORDER = "Answer with the letter of the right choice, in the form: Answer: X"


def twin(benchmark: Benchmark) -> Benchmark:
    """The twin, named `name:letter`; its views have the same shots, and accuracy by letter as their metric."""
    views = {
        name: View(view.shots, view.draw, "acc", view.average, normalized=("acc",) if view.normalized else ())
        for name, view in benchmark.views.items()
    }
    return replace(
        benchmark,
        name=benchmark.name + SUFFIX,
        title=f"{benchmark.title}, answered by letter",
        version=f"{benchmark.version}.letter1",
        metrics=("acc",),
        views=views,
        ask=lambda row: Open(f"{_question(benchmark, row)}\n{ORDER}\n", ("\n\nQuestion:",), 256),
        shot=lambda row: f"{_question(benchmark, row)}\n{ORDER}\nAnswer: {_right(benchmark, row)[0]}",
        grade=partial(_grade, benchmark),
        description=lambda subset, shots: "",
        kind="generation",
        scorer=f"{benchmark.scorer}.letter2",
    )


def _question(benchmark: Benchmark, row: Row) -> str:
    """The question without the cue to answer, then the choices with letters."""
    asked = benchmark.ask(row)
    assert isinstance(asked, Choices)
    if len(set(asked.contexts)) > 1:  # WinoGrande: what differs is the beginning
        options = [context + continuation for context, continuation in _pairs(asked)]
        return "Which sentence makes sense?\n" + _listed(options)
    text = asked.contexts[0].strip()
    for cue in ("Answer:", "\nA:"):
        text = text.removesuffix(cue).rstrip()
    options = [continuation.strip() for continuation in asked.continuations]
    if _listed_before(text, options):
        return text
    return f"{text.removeprefix('Q: ')}\n{_listed(options)}"


def _pairs(asked: Choices) -> list[tuple[str, str]]:
    return list(zip(asked.contexts, asked.continuations, strict=True))


def _listed(options: Sequence[str]) -> str:
    return "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))


def _listed_before(text: str, options: Sequence[str]) -> bool:
    """Whether the choices are letters that the question itself explains."""
    bare = [option.strip("()") for option in options]
    return bare == list(LETTERS[: len(bare)]) and (f"{bare[0]}. " in text or f"({bare[0]})" in text)


def _right(benchmark: Benchmark, row: Row) -> list[str]:
    """Letters of the right choices: those with which, if they alone were likely, the benchmark's own grade is full."""
    asked = benchmark.ask(row)
    assert isinstance(asked, Choices)
    count = len(asked.continuations)
    right = []
    for index in range(count):
        sure = tuple(LogLikelihood(0.0 if i == index else -1e6, False, 1) for i in range(count))
        assert benchmark.grade
        if next(iter(benchmark.grade(row, sure).scores.values())) > 0.999:
            right.append(LETTERS[index])
    return right


def _grade(benchmark: Benchmark, row: Row, answers: Answers) -> Grade:
    asked = benchmark.ask(row)
    assert isinstance(asked, Choices)
    answer, right = reply(answers), _right(benchmark, row)
    letter = chosen_letter(answer.text, LETTERS[: len(asked.continuations)])
    status: Status = "ok" if letter else "truncated" if answer.finish == "length" else "unparsed"
    return Grade({"acc": float(letter in right)}, " or ".join(right), letter, status)
