"""The pages' one door: conversations and their runs, teams, lessons, over one store and models that are loaded once.

A run belongs to the desk, not to the page that began it: readers come and go, the run goes on. All methods are
asynchronous; what blocks goes to a thread.
"""

import threading
from typing import TypeVar

from ..models.system import Model
from .system import system

T = TypeVar("T")
POLICIES = ("truncate", "summarise", "strict")
LOOK_SECONDS = 0.2  # how often another process's run is looked at


class Models:
    """Models by name, each loaded once and kept."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Model:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = system(name)
            return self._loaded[name]

    def close(self) -> None:
        with self._lock:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()
