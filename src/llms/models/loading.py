"""Long steps before a model answers are said when they begin: weights that are converted, loaded, proved.

Who does it says so by `loading`; who shows it to a person listens. Nobody listens unless told to: a library is silent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

Stage = Literal["converting", "loading", "drawing", "merging"]


@dataclass(frozen=True, slots=True)
class Loading:
    """`model` is being converted, loaded or merged, or draws; done if it has `seconds`, given up if `failed`. `note` is the model's.
    With `steps` it says on the way that so many of them are `done`."""

    stage: Stage
    model: str
    seconds: float | None = None
    failed: bool = False
    note: str | None = None
    done: int = 0
    steps: int = 0


Listener = Callable[[Loading], None]


def _nobody(event: Loading) -> None:
    """Hears nothing."""


_listener: Listener = _nobody


def listen(listener: Listener) -> None:
    """From now on `listener` hears, in the thread that loads, of each beginning and each end."""
    global _listener
    _listener = listener


@contextmanager
def loading(stage: Stage, model: str, note: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Say that `model` is being converted or loaded while the context lasts, and how it ended; then ask for its note."""
    started = perf_counter()
    _listener(Loading(stage, model))
    try:
        yield
    except BaseException:
        _listener(Loading(stage, model, perf_counter() - started, failed=True))
        raise
    _listener(Loading(stage, model, perf_counter() - started, note=note()))


def progress(stage: Stage, model: str, done: int, steps: int) -> None:
    """Say that so many `steps` of what lasts are done."""
    _listener(Loading(stage, model, done=done, steps=steps))
