"""Special models: a checkpoint made for one task. Each module of a task has `open_model`, which makes one of these."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib import import_module
from itertools import islice

from ..errors import UsageError
from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint, find
from ..models.local.pipeline import find_pipeline
from ..models.name import Name
from ..models.task_model import Answered, TaskInput, TaskModel, TaskOptions, Way
from ..values import Failure, Identity
from .architectures import check_made_for
from .catalogue import HubTask

BLOCK = 512  # inputs that are read ahead, so that those of like length can be computed together
Opened = Callable[[HubTask, Name, Checkpoint, TaskOptions], TaskModel]


def open_special(task: HubTask, name: Name, options: TaskOptions) -> TaskModel:
    """The special model that `name` names; weights are not yet loaded. Raises as `models.load` does, and ModelError also
    where the checkpoint was made for other tasks."""
    if name.provider != "hf":
        raise UsageError(
            f"{name.text} is no special model for {task.name}; name a checkpoint as hf:./folder or hf:owner/name"
        )
    checkpoint: Checkpoint
    if task.home == "drawing":
        checkpoint = find_pipeline(name.model, name.revision, name.allow)
    else:
        checkpoint = find(name.model, name.revision, name.allow)
        check_made_for(task, checkpoint)
    opened: Opened = import_module(f"llms.tasks.{task.home}").open_model
    return opened(task, name, checkpoint, options)


class SpecialModel:
    """The base of special models. A subclass has `answer_block`, whose indexes are those of its block of `block` inputs, and
    whose Failures need not name their input."""

    block = BLOCK
    first = 0  # of the block that is being answered, among all inputs

    def __init__(self, task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions):
        self.kind, self.name, self.checkpoint, self.options = task, name, checkpoint, options

    @property
    def task(self) -> str:
        return self.kind.name

    @lazy
    def identity(self) -> Identity:
        return Identity(
            name=self.name.text,
            weights=self.checkpoint.weights_digest,
            dtype=self.name.options.get("dtype", "float32"),
            tokenizer=self.checkpoint.tokenizer_digest,
            extra={"task": self.task, "way": "special", **changed_options(self.options)},
        )

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
        """(index, result) in order of completion, within blocks of inputs. A Failure names its input by its number."""
        rows, first = iter(inputs), 0
        while block := list(islice(rows, self.block)):
            self.first = first  # while this waits, another may be answered by the same model
            for index, result in self.answer_block(block):
                if isinstance(result, Failure) and not result.reason.startswith("input "):
                    result = Failure(result.kind, f"input {first + index}: {result.reason}")
                yield first + index, result
            first += len(block)

    def answer_block(self, inputs: Sequence[TaskInput]) -> Iterator[Answered]:
        raise NotImplementedError

    def prepare(self) -> None:
        """Load the weights, which the first answer does otherwise."""
        if hasattr(type(self), "_network"):
            getattr(self, "_network")  # noqa: B009 - a lazy attribute of the subclass

    def close(self) -> None:
        """Let go of the weights."""
        self.__dict__.pop("_network", None)


def changed_options(options: TaskOptions) -> dict[str, str]:
    """The options that are not as usual, as texts: a part of an identity."""
    usual = asdict(TaskOptions())
    return {name: str(value) for name, value in asdict(options).items() if value != usual[name]}


def identity_of_task(identity: Identity, task: str, way: Way, options: TaskOptions, **more: str) -> Identity:
    """A model's identity with what else decides its answers to a task: the way, the options that are not as usual, and
    `more`, such as the version of a prompt."""
    return replace(identity, extra={**identity.extra, "task": task, "way": way, **more, **changed_options(options)})
