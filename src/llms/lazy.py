"""Attributes that are computed when they are first read and then kept; libraries that are loaded when first needed.

functools.cached_property does the same, but on Python 3.11 it holds one lock for all instances of a class while it
computes: one endpoint that does not answer, or one file that is read slowly, would hold up every other model.
"""

from collections.abc import Callable
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING

_loading = RLock()


def load_library(name: str) -> None:
    """Import the module `name` in one thread at a time; plain imports of it are safe afterwards. Raises ImportError.

    transformers puts another object in its place while it is imported: a thread that waits for that import, as Python
    has it, would go on with the first one, which has none of its names.
    """
    with _loading:
        import_module(name)


if TYPE_CHECKING:
    from functools import cached_property

    lazy = cached_property
else:

    class lazy:
        """A method as an attribute of its instance, computed once, under a lock of that instance alone.

        Kept in the instance's `__dict__`, from which `pop` forgets it. One that raises is tried again when it is next read.
        """

        def __init__(self, compute: Callable[..., object]):
            self._compute, self.__doc__ = compute, compute.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name, self._lock = name, f"{name} is being computed"

        def __get__(self, instance: object, owner: type | None = None) -> object:
            if instance is None:
                return self
            values = vars(instance)
            with values.setdefault(self._lock, RLock()):
                value = values.get(self._name, self)
                if value is self:  # else another thread was faster
                    value = values[self._name] = self._compute(instance)
            values.pop(self._lock, None)  # an instance that has its value can be pickled
            return value
