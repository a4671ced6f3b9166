"""Ctrl-C while libraries are imported: nothing is begun that could be kept, and imports swallow a KeyboardInterrupt."""

import os
import signal


class AtOnce:
    """While the context lasts, an interrupt ends the process with one line and status 130."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, _end)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)


def _end(number: int, frame: object) -> None:
    os.write(2, b"llms: interrupted\n")
    os._exit(130)
