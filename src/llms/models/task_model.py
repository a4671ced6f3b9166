"""Special models: what answers no text prompt, but one task of Hugging Face's, input by input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from ..values import Failure, Identity

Input = TypeVar("Input", contravariant=True)


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label and its probability."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """The answer to one input: `text` is a transcript, a summary or the likeliest label; `scores` are of all labels, the
    likeliest first, where there are labels. `truncated`: the input was longer than the model reads, and was cut.
    `tokens` were read; `seconds` is this input's share of the computation."""

    text: str
    scores: tuple[LabelScore, ...] = ()
    truncated: bool = False
    tokens: int = 0
    seconds: float = 0.0


class TaskModel(Protocol[Input]):
    """`answer` yields (index, result) in order of completion; a result is a value or a Failure."""

    @property
    def identity(self) -> Identity: ...

    @property
    def task(self) -> str:
        """The task's name at Hugging Face, such as text-classification."""
        ...

    def answer(self, inputs: Sequence[Input]) -> Iterator[tuple[int, TaskOutput | Failure]]: ...

    def close(self) -> None: ...
