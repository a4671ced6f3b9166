"""A group of commands whose modules are imported only when they are called, so that `--help` costs next to nothing."""

import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module

import click
from click.shell_completion import CompletionItem

CommandTable = Mapping[str, tuple[str, str, str]]  # by name: module in llms.cli, attribute, what it does


class LazyGroup(click.Group):
    """`@click.group(cls=LazyGroup, table=COMMANDS)`."""

    def __init__(self, *, table: CommandTable, **attributes: object):
        super().__init__(**attributes)  # type: ignore[arg-type]  # click's own, handed on
        self.table = table

    def invoke(self, ctx: click.Context) -> object:
        """Nobody reads the output any more, as behind `| head -1`: the command has done what was asked. Else click ends it
        with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.table:
            return None
        module, attribute, _ = self.table[name]
        command: click.Command = getattr(import_module(f"llms.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.table and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.table, n=1)
            raise click.UsageError(f"no such command {args[0]!r}" + (f"; did you mean {near[0]}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, without importing what they would run."""
        names = [
            CompletionItem(name, help=text) for name, (_, _, text) in self.table.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.table.items()])
