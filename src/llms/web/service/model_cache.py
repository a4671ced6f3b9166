"""Models that stay loaded while a program of many requests runs."""

import threading

from ...models.system import Model
from ...workbench.system import load


class Models:
    """Models by name, each loaded once and kept until `close`. Safe over threads."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._loading: dict[str, threading.Lock] = {}  # one of each name: a slow one holds up no other

    def get(self, name: str) -> Model:
        with self._loading.setdefault(name, threading.Lock()):
            if name not in self._loaded:
                self._loaded[name] = load(name)
            return self._loaded[name]

    def close(self) -> None:
        for name, loading in list(self._loading.items()):
            with loading:
                if model := self._loaded.pop(name, None):
                    model.close()
