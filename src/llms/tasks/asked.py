"""Tasks that a language model does: asked in words, with a schema for its answer, or by the log-probability of each choice."""

from ..models.system import Model
from ..models.task_model import TaskModel, TaskOptions
from .catalogue import HubTask


def open_prompted(task: HubTask, model: Model, options: TaskOptions) -> TaskModel:
    """`model`, asked in words. Raises UsageError where it cannot be."""
    raise NotImplementedError


def open_choice(task: HubTask, model: Model, options: TaskOptions) -> TaskModel:
    """`model`, whose likeliest label is taken by log-probability. Raises UsageError where it gives none."""
    raise NotImplementedError
