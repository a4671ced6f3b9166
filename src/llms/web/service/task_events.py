"""Events of a task that is done for a page, and answers as the page draws them."""

from dataclasses import asdict, dataclass

from ...models.task_model import LabelScore, Segment, TaskInput, TaskOutput, TextSpan
from ...values import Failure, Json
from ...workbench.task_inputs import TaskRow

FIRST_VALUES = 8  # of a vector
SHOWN_TEXT = 200_000  # characters of an input that travel back, for marks in it


@dataclass(frozen=True, slots=True)
class TaskWaiting:
    """Another task is being done; this one begins after it."""

    type: str = "Waiting"


@dataclass(frozen=True, slots=True)
class TaskOpening:
    """`model` is loaded, or is at hand; `total` inputs follow."""

    model: str
    total: int
    type: str = "Opening"


@dataclass(frozen=True, slots=True)
class TaskFetching:
    """`done` of `total` bytes of a model have come."""

    done: int
    total: int
    type: str = "Fetching"


@dataclass(frozen=True, slots=True)
class TaskAnswered:
    """The answer to input `index`, of which `input` is the text, or the file's name. `media` is the type of what can be
    fetched as this answer's media. Of a vector there is its `dimension` and its `first` values."""

    index: int
    input: str
    other: str
    text: str
    scores: list[LabelScore]
    spans: list[TextSpan]
    segments: list[Segment]
    dimension: int
    first: list[float]
    media: str
    texts: list[str]
    truncated: bool
    flags: list[str]
    tokens: int
    generated: int
    seconds: float
    type: str = "Answered"


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """Why input `index` has no answer."""

    index: int
    input: str
    reason: str
    type: str = "Failed"


@dataclass(frozen=True, slots=True)
class TaskRefused:
    """Why nothing is answered."""

    error: str
    type: str = "Refused"


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """All are answered, or the model is fetched, in `seconds`."""

    answered: int
    failed: int
    seconds: float
    type: str = "Ended"


TaskEvent = TaskWaiting | TaskOpening | TaskFetching | TaskAnswered | TaskFailed | TaskRefused | TaskEnded


def event_of(index: int, row: TaskRow, result: TaskOutput | Failure) -> TaskAnswered | TaskFailed:
    """A result with its input."""
    if isinstance(result, Failure):
        return TaskFailed(index, row.shown[:SHOWN_TEXT], result.reason)
    asked = row.input
    text, other = (asked.text, asked.other) if isinstance(asked, TaskInput) else ("", "")
    return TaskAnswered(
        index=index,
        input=(text or row.shown)[:SHOWN_TEXT],
        other=other[:SHOWN_TEXT],
        text=result.text,
        scores=list(result.scores),
        spans=list(result.spans),
        segments=list(result.segments),
        dimension=len(result.vector),
        first=list(result.vector[:FIRST_VALUES]),
        media=result.media.media_type if result.media else "",
        texts=list(result.texts),
        truncated=result.truncated,
        flags=list(result.flags),
        tokens=result.tokens,
        generated=result.generated,
        seconds=result.seconds,
    )


def to_json(event: TaskEvent) -> dict[str, Json]:
    """An event as it is sent."""
    return asdict(event)
