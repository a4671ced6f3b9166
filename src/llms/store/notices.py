"""Sentences for the user that opening a store gives rise to, such as that a newer version wrote it.

Who opens says so by `tell`; who shows it to a person listens. Nobody listens unless told to: a library is silent.
"""

from collections.abc import Callable


def _nobody(sentence: str) -> None:
    """Hears nothing."""


_listener: Callable[[str], None] = _nobody


def listen(listener: Callable[[str], None]) -> None:
    """From now on `listener` hears each sentence, in the thread that opens the store."""
    global _listener
    _listener = listener


def tell(sentence: str) -> None:
    _listener(sentence)
