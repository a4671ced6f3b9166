"""Where the command begins: python -m llms, and llms. An interrupt that comes while its code is still read ends it quietly."""

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress


def main() -> None:
    """Run the command line; see cli.main, which takes over what Ctrl-C does."""
    before = signal.signal(signal.SIGINT, _end)  # imports would swallow a KeyboardInterrupt
    try:
        from .cli.main import main as command
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        command()
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
        raise
    _leave(0)


def _leave(status: int) -> None:
    """End at once if there are threads that nobody waits for, such as one that loads a model: while Python takes itself down,
    torch's C++ would abort the process in it. Until there, all is done as Python does it."""
    if any(thread.daemon for thread in threading.enumerate()):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for the others
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(BrokenPipeError):  # nobody reads any more
                stream.flush()
        os._exit(status)


def _end(number: int, frame: object) -> None:
    os.write(2, b"llms: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
