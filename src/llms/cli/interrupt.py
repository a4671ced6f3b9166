"""Ctrl-C while a command runs: as Python has it, but not in the middle of an import or of what pydantic makes of a class.

There it is lost in a library's bare `except`, and the command goes on; or it aborts the process, in torch's C++; or pydantic's
Rust makes an error of its own of it.
"""

import signal
import sys
import threading
from types import FrameType

AGAIN_SECONDS = 0.1

_waiting: threading.Timer | None = None


def defer_during_imports() -> None:
    """From now on an interrupt waits until the main thread is out of all that; a second one does not wait."""
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, or another's
    if own and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    global _waiting
    asked_again = _waiting is not None and not _waiting.finished.is_set()
    if asked_again or not _would_be_lost(frame):
        if _waiting is not None:
            _waiting.cancel()
            _waiting = None
        raise KeyboardInterrupt
    _waiting = threading.Timer(AGAIN_SECONDS, _once_more)
    _waiting.daemon = True
    _waiting.start()


def _once_more() -> None:
    assert _waiting is not None
    _waiting.finished.set()
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:  # to the main thread, which may be waiting for something by now
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _would_be_lost(frame: FrameType | None) -> bool:
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_filename.startswith("<frozen importlib") or module.startswith("pydantic."):
            return True
        frame = frame.f_back
    return False
