"""Where the command begins: python -m llms, and llms. An interrupt that comes while its code is still read ends it quietly."""

import os
import signal


def main() -> None:
    """Run the command line; see cli.main, which takes over what Ctrl-C does."""
    before = signal.signal(signal.SIGINT, _end)  # imports would swallow a KeyboardInterrupt
    try:
        from .cli.main import main as command
    finally:
        signal.signal(signal.SIGINT, before)
    command()


def _end(number: int, frame: object) -> None:
    os.write(2, b"llms: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
