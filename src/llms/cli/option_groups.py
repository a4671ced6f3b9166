"""Options of a command under headings in its `--help`, for commands that have many.

@click.command(cls=GroupedCommand)
@option(MODEL, "-m", "--model", help="…")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="…")
"""

from collections.abc import Callable
from typing import TypeVar

import click

MODEL, DATA, LIMITS, ANSWER, GRADING = "Model", "Data", "Limits", "Answer", "Grading"
TRAINING, RUN, OUTPUT = "Training", "Run", "Output"
ORDER = (MODEL, DATA, TRAINING, LIMITS, ANSWER, GRADING, RUN, OUTPUT)
F = TypeVar("F", bound=Callable[..., object])


class GroupedOption(click.Option):
    """An option that stands under the heading `group`."""

    group = ""


_CLASSES: dict[str, type[GroupedOption]] = {
    group: type("GroupedOption", (GroupedOption,), {"group": group}) for group in ORDER
}


def option(group: str, *declarations: str, **attributes: object) -> Callable[[F], F]:
    """click.option under the heading `group`, one of ORDER."""
    return click.option(*declarations, cls=_CLASSES[group], **attributes)


class GroupedCommand(click.Command):
    """A command whose help shows its options group by group; `--help` itself and options without a group come last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {group: [] for group in (*ORDER, "Other")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                groups[parameter.group if isinstance(parameter, GroupedOption) else "Other"].append(record)
        for group, records in groups.items():
            if records:
                with formatter.section(group):
                    formatter.write_dl(records)
