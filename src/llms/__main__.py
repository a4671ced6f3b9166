"""Where the command begins: python -m llms, and llms. An interrupt that comes while its code is still read ends it quietly."""

import atexit
import os
import signal
import sys
import threading


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
    """End at once if a thread that nobody waits for still works, such as one that loads a model: while Python takes itself
    down, torch's C++ would abort the process in it."""
    bridge = sys.modules.get(f"{__package__}.bridge")  # where it was not needed, it is not loaded for this
    if bridge and any(thread.name == bridge.LEFT_BEHIND for thread in threading.enumerate()):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _end(number: int, frame: object) -> None:
    os.write(2, b"llms: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
