"""Commands with many options show them in groups."""

import click
import pytest

from llms.cli.main import COMMANDS, cli
from llms.cli.option_groups import ORDER, GroupedCommand, GroupedOption

MANY = 8


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_with_many_options_shows_them_in_groups(name):
    command = cli.get_command(click.Context(cli), name)
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if len(options) <= MANY:
        return
    assert isinstance(command, GroupedCommand)
    assert all(isinstance(option, GroupedOption) for option in options)
    shown = command.get_help(click.Context(command))
    assert [line[:-1] for line in shown.splitlines() if line.endswith(":") and line[:-1] in ORDER] == [
        group for group in ORDER if group in {option.group for option in options}
    ]
    assert all(option.help for option in options)
