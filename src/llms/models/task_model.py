"""Tasks of Hugging Face as one protocol: whatever answers one input after another, by whatever means.

A special model was made for its task; a language model is asked in words, or by the log-probability of each choice. All
are `TaskModel`s, take `TaskInput`s and give `TaskOutput`s, so that they can be measured side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from ..values import Media

if TYPE_CHECKING:
    from ..values import Failure, Identity

Way = Literal["special", "prompt", "choice"]


@dataclass(frozen=True, slots=True)
class TaskInput:
    """One thing to work on: a text, or a picture or a sound as bytes (`media`); `question` is asked about it.

    `other` is the second text of a pair (similarity).
    """

    text: str = ""
    media: Media | None = None
    question: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How a task is done, the same for all inputs. Empty, None: as the model has it.

    `labels` are those to choose among, `several`: more than one may hold, each is judged alone; `hypothesis` is the
    sentence of zero-shot classification, with {} for the label. `source` and `target` are languages (ISO 639-1). `top`
    is how many answers are given, `threshold` the least score of one. `max_tokens` and the sampling fields are for what
    is generated. `voice` is a name or a file, `steps`, `width` and `height` are of a picture that is made.
    """

    labels: tuple[str, ...] = ()
    several: bool = False
    hypothesis: str = "This example is {}."
    question: str = ""
    source: str = ""
    target: str = ""
    top: int = 1
    threshold: float = 0.0
    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    voice: str = ""
    steps: int = 20
    width: int = 512
    height: int = 512


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label and its probability."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Characters `start` to `end` (exclusive) of the input's text, which read `text`; `label` says of what kind they are."""

    start: int
    end: int
    label: str
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """Words spoken from `start` to `end`, in seconds; `flags` name what makes them doubtful, such as `repeats`."""

    start: float
    end: float
    text: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """The answer to one input. `text` is what a person reads first: the likeliest label, an answer, a summary, a transcript.

    `scores` are labels or words, the likeliest first; `spans` are places in the input, in their order; `vector` (D,) is an
    embedding; `media` a sound or a picture that was made; `segments` the parts of a transcript. `truncated`: the model
    did not read all of the input. `flags` name what makes the answer doubtful. `tokens` were read, `generated` written;
    `seconds` is this input's share of the computation. `texts` are all that were generated, where several were asked for.
    """

    text: str
    scores: tuple[LabelScore, ...] = ()
    spans: tuple[TextSpan, ...] = ()
    vector: tuple[float, ...] = ()
    media: Media | None = None
    segments: tuple[Segment, ...] = ()
    truncated: bool = False
    flags: tuple[str, ...] = ()
    tokens: int = 0
    generated: int = 0
    seconds: float = 0.0
    texts: tuple[str, ...] = ()


Answered: TypeAlias = "tuple[int, TaskOutput | Failure]"


class TaskModel(Protocol):
    """`answer` yields (index, result) in order of completion; a result is a value or a Failure, which ends no other.

    It reads its inputs as it needs them, a bounded number ahead of its answers, so that they may be a stream.
    """

    @property
    def identity(self) -> Identity: ...

    @property
    def task(self) -> str:
        """The name of the task in tasks.catalogue, such as `sentiment`."""
        ...

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]: ...

    def close(self) -> None: ...


def as_inputs(texts: Sequence[str]) -> list[TaskInput]:
    """Texts as inputs."""
    return [TaskInput(text) for text in texts]
