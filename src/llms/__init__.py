"""llms: measure, use and improve language models. Importing this loads neither torch nor transformers."""

from importlib import import_module

__version__ = "0.1.0"

_LAZY = {
    "load": ("llms.workbench.system", "load"),
    "evaluate": ("llms.workbench.evaluate", "evaluate"),
    "compare": ("llms.workbench.compare", "compare"),
    "Chat": ("llms.workbench.chat.chat", "Chat"),
    "Team": ("llms.workbench.agent", "Teams"),
    "tool": ("llms.tools.tool", "tool"),
    "Message": ("llms.values", "Message"),
}


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'llms' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__():
    return sorted([*globals(), *_LAZY])
