"""The verb `task`: one of Hugging Face's tasks, done by a special model or by a language model."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import UsageError
from ..models.hub import hub
from ..models.local.checkpoint import is_folder
from ..models.name import Name, parse
from ..models.system import Model
from ..models.task_model import Answered, TaskInput, TaskModel, TaskOptions, Way
from ..tasks import asked
from ..tasks.catalogue import HubTask, default_of, find_task
from ..tasks.options import check_options
from ..tasks.show_code import show_code
from ..tasks.special import open_special
from .system import load
from .task_default import Agree, default_model, nobody_agrees, speaks

DEFAULTS = TaskOptions()
Loader = Callable[[str], Model]


def open_task(
    name: str,
    model: str = "",
    way: Way | None = None,
    options: TaskOptions = DEFAULTS,
    loader: Loader = load,
    agree: Agree = nobody_agrees,
) -> TaskModel:
    """Whatever does the task `name`; nothing is loaded yet. Without a `model` it is the special model that the task names,
    which is fetched once `agree` says so.

    A language model is what `loader` gives for its name; closing the task's model closes it, too.
    Without a `way`, a checkpoint made for the task is used as what it is; any other model is asked in words. Raises
    UnknownName, UsageError, MissingExtra, ModelError, HubUnreachable.
    """
    task = find_task(name)
    check_options(task, options)
    model = model or default_model(task, agree, options)
    chosen = _checked_way(task, model, way)
    if chosen == "special":
        return open_special(task, parse(model), options)
    opened = asked.open_prompted if chosen == "prompt" else asked.open_choice
    return opened(task, loader(model), options)


def code_of(name: str, model: str, way: Way | None, options: TaskOptions, inputs: Sequence[str]) -> str:
    """The task as a script with transformers alone; nothing is loaded or fetched. Raises UnknownName, UsageError."""
    task = find_task(name)
    check_options(task, options)
    default = None if model else default_of(task, options)
    if not model and default is None:
        default_model(task)  # says what to name
    named = model or (default.name if default else "")
    return show_code(task, parse(named), _checked_way(task, named, way), options, inputs)


def _checked_way(task: HubTask, model: str, way: Way | None) -> Way:
    chosen = way or way_of(task, model)
    if chosen not in task.ways:
        raise UsageError(f"{task.name} is done by {', '.join(task.ways)}; not by {chosen}")
    return chosen


def way_of(task: HubTask, model: str) -> Way:
    """As what a model does a task, where nobody says so: a checkpoint as what it was made for, if it is none that speaks."""
    name = parse(model)
    in_words = next((way for way in task.ways if way != "special"), None)
    if "special" not in task.ways or (in_words and (name.provider != "hf" or _speaks(name))):
        return in_words or "special"
    return "special"


def _speaks(name: Name) -> bool:
    """Whether a checkpoint, where it is on this machine already, is a language model."""
    folder = Path(name.model).expanduser()
    if not is_folder(name.model):
        cached = hub.local_snapshot(name.model, name.revision, ["config.json"])
        if cached is None:
            return False
        folder = cached
    return speaks(folder)


def answer(model: TaskModel, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
    """The answers as they come."""
    return model.answer(inputs)
