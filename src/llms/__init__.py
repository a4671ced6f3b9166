"""llms: measure, use and improve language models. Importing this loads neither torch nor transformers."""

from importlib import import_module

__version__ = "0.1.0"

_LAZY = {
    "load": "llms.models.load",
    "evaluate": "llms.workbench.evaluate",
    "Message": "llms.values",
    "tool": "llms.tools.tool",
}


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'llms' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__():
    return sorted([*globals(), *_LAZY])
