"""Models that stay loaded while a program of many requests runs."""

import threading

from ..models.system import Model
from .system import load


class Models:
    """Models by name, each loaded once and kept until `close`. Safe over threads."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Model:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load(name)
            return self._loaded[name]

    def close(self) -> None:
        with self._lock:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()
