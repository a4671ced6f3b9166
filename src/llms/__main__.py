"""Where the command begins; an interrupt that comes while its code is still read ends it as quietly as a later one."""

import sys


def main() -> None:
    """Run the command line; see cli.main."""
    try:
        from .cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
