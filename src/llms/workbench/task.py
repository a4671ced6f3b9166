"""The verb `task`: one of Hugging Face's tasks, done by a special model or by a language model."""

from collections.abc import Iterable, Iterator

from ..errors import UsageError
from ..models.name import parse
from ..models.task_model import Answered, TaskInput, TaskModel, TaskOptions, Way
from ..tasks import asked
from ..tasks.catalogue import HubTask, default_of, find_task
from ..tasks.special import open_special
from .system import load

DEFAULTS = TaskOptions()


def open_task(name: str, model: str = "", way: Way | None = None, options: TaskOptions = DEFAULTS) -> TaskModel:
    """Whatever does the task `name`; nothing is loaded yet. Without a `model` it is the special model that the task names.

    Without a `way`, a checkpoint made for the task is used as what it is; any other model is asked in words. Raises
    UnknownName, UsageError, MissingExtra, ModelError, HubUnreachable.
    """
    task = find_task(name)
    if not model:
        model = _default(task, options)
    chosen = way or _way_of(task, model)
    if chosen not in task.ways:
        raise UsageError(f"{task.name} is done by {', '.join(task.ways)}; not by {chosen}")
    if chosen == "special":
        return open_special(task, parse(model), options)
    opened = asked.open_prompted if chosen == "prompt" else asked.open_choice
    return opened(task, load(model), options)


def _default(task: HubTask, options: TaskOptions) -> str:
    default = default_of(task, options)
    if default is None:
        raise UsageError(
            f"{task.name} has no special model of its own; name a model with -m"
            + f", {task.advice}" * bool(task.advice)
        )
    return default.name


def _way_of(task: HubTask, model: str) -> Way:
    """As what a model does a task, where nobody says so."""
    if parse(model).provider != "hf" or "special" not in task.ways:
        return next((way for way in task.ways if way != "special"), "special")
    return "special"


def answer(model: TaskModel, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
    """The answers as they come."""
    return model.answer(inputs)
