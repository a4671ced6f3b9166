"""llms: measure, use and improve language models. Importing this loads neither torch nor transformers."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .arena.rate import rate
    from .tools.tool import tool
    from .values import Message
    from .workbench.agent import Teams as Team
    from .workbench.chat.chat import Chat
    from .workbench.choose.python import choose
    from .workbench.compare import compare
    from .workbench.evaluate import evaluate
    from .workbench.finetune import finetune
    from .workbench.pretrain_report import pretrain
    from .workbench.scaling import fit_scaling
    from .workbench.system import load
    from .workbench.task_python import task

__all__ = [
    "Chat",
    "Message",
    "Team",
    "choose",
    "compare",
    "evaluate",
    "finetune",
    "fit_scaling",
    "load",
    "pretrain",
    "rate",
    "task",
    "tool",
]
_HOME_OF = {
    "load": ("llms.workbench.system", "load"),
    "evaluate": ("llms.workbench.evaluate", "evaluate"),
    "compare": ("llms.workbench.compare", "compare"),
    "choose": ("llms.workbench.choose.python", "choose"),
    "pretrain": ("llms.workbench.pretrain_report", "pretrain"),
    "finetune": ("llms.workbench.finetune", "finetune"),
    "task": ("llms.workbench.task_python", "task"),
    "fit_scaling": ("llms.workbench.scaling", "fit_scaling"),
    "rate": ("llms.arena.rate", "rate"),
    "Chat": ("llms.workbench.chat.chat", "Chat"),
    "Team": ("llms.workbench.agent", "Teams"),
    "tool": ("llms.tools.tool", "tool"),
    "Message": ("llms.values", "Message"),
}


if not TYPE_CHECKING:  # for a type checker every name would be known

    def __getattr__(name: str) -> object:
        """Load the module of a public name when the name is first asked for."""
        if name not in _HOME_OF:
            raise AttributeError(f"module 'llms' has no attribute {name!r}")
        module, attribute = _HOME_OF[name]
        return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
