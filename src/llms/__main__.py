"""The command's entry: python -m llms, and llms."""

from .cli.at_once import AtOnce


def main() -> None:
    """Run the command line."""
    with AtOnce():
        from .cli.main import main as command
    command()


if __name__ == "__main__":
    main()
