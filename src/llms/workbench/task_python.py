"""`llms.task`."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, TypedDict, Unpack, overload

from ..errors import ModelError, UsageError
from ..models.task_model import TaskInput, TaskModel, TaskOptions, TaskOutput, Way
from ..tasks.catalogue import HubTask, find_task
from ..values import Failure, Identity
from .task import open_task
from .task_html import ShownAnswers
from .task_inputs import TEXTS, TaskRow, content_of, read_input
from .task_stream import in_order

AnyInput: TypeAlias = str | Path | bytes | TaskInput


class OptionSettings(TypedDict, total=False):
    """The fields of TaskOptions as keywords, but for `labels`, for `llms.task`; a test keeps the two alike."""

    several: bool
    hypothesis: str
    question: str
    source: str
    target: str
    top: int
    threshold: float
    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int
    voice: str
    steps: int
    width: int
    height: int


class OpenedTask:
    """A task that is ready to be done: called with one input it gives one answer, with a list a list of them."""

    def __init__(self, model: TaskModel):
        self.model = model
        self.task: HubTask = find_task(model.task)

    def __repr__(self) -> str:
        return f"llms.task({self.task.name!r}, model={self.identity.name!r})"

    @property
    def identity(self) -> Identity:
        return self.model.identity

    @overload
    def __call__(self, inputs: AnyInput) -> TaskOutput: ...  # type: ignore[overload-overlap]  # a text is iterable, and is one input
    @overload
    def __call__(self, inputs: Iterable[AnyInput]) -> list[TaskOutput | Failure]: ...
    def __call__(self, inputs: AnyInput | Iterable[AnyInput]) -> TaskOutput | list[TaskOutput | Failure]:
        """The answers in the order of the inputs. One that fails is a Failure in the list; alone it raises ModelError.

        A text is itself, unless the task takes sounds or pictures: then it is the name of a file. A Path is read, bytes are
        the content of a file.
        """
        if not isinstance(inputs, str | Path | bytes | TaskInput):
            return list(self.stream(inputs))
        (result,) = self.stream([inputs])
        if isinstance(result, Failure):
            raise ModelError(result.reason)
        return result

    def stream(self, inputs: Iterable[AnyInput]) -> Iterator[TaskOutput | Failure]:
        """The answers one after another, while `inputs` is read: in memory that does not grow with their number."""
        for _, result in in_order(self.model, map(self._row, inputs)):
            yield result

    def show(self, inputs: AnyInput | Iterable[AnyInput]) -> ShownAnswers:
        """The answers with their inputs, to be looked at: a notebook draws them. One that fails says why in its place."""
        items = [inputs] if isinstance(inputs, str | Path | bytes | TaskInput) else inputs
        rows = in_order(self.model, map(self._row, items))
        return ShownAnswers(self.task, tuple((_input_of(row), result) for row, result in rows))

    def _row(self, item: AnyInput) -> TaskRow:
        if isinstance(item, TaskInput):
            return TaskRow(item, item.text)
        if isinstance(item, bytes):
            return TaskRow(content_of(self.task, "the bytes", item), "")
        if isinstance(item, Path) or self.task.takes not in TEXTS:
            return TaskRow(read_input(self.task, Path(item).expanduser()), str(item))
        return TaskRow(TaskInput(item), item)

    def close(self) -> None:
        """Let go of the model."""
        self.model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _input_of(row: TaskRow) -> TaskInput:
    return row.input if isinstance(row.input, TaskInput) else TaskInput(row.shown)


def task(
    name: str,
    model: str = "",
    *,
    way: Way | None = None,
    fetch: bool = False,
    labels: Sequence[str] = (),
    **options: Unpack[OptionSettings],
) -> OpenedTask:
    """The task `name`, ready to be called: `llms.task("sentiment")("I love it").text`.

    Without a `model` it is the task's own, taken from the cache; `fetch` lets it be downloaded. `way` is special, prompt or
    choice, `labels` those to choose among. Other keywords are the fields of TaskOptions. Raises UnknownName, UsageError, ModelError, HubUnreachable.
    """
    if isinstance(labels, str):
        raise UsageError(f"labels is a list of texts; got the text {labels[:40]!r}. Write [{labels[:40]!r}]")
    opened = TaskOptions(labels=tuple(labels), **options)
    for need in find_task(name).needs:
        if need != "question" and not getattr(opened, need):
            raise UsageError(f"{find_task(name).name} needs its {need}: give {need}=…")
    return OpenedTask(open_task(name, model, way, opened, agree=lambda _: fetch))
