"""No option of any command takes NaN or infinity for a number."""

import click
import pytest
from click.testing import CliRunner

from llms.cli.main import cli


def options_of(command, words=()):
    """(command words, option) of every option that takes a number with a fraction, in all commands."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from options_of(command.get_command(context, name), (*words, name))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and isinstance(parameter.type, click.types.FloatParamType):
            yield words, parameter.opts[0]


FLOATS = list(options_of(cli))


def test_the_options_are_found():
    assert len(FLOATS) > 35
    assert {(("gate",), "--budget"), (("eval",), "--temperature"), (("scaling", "plan"), "--flops")} <= set(FLOATS)


@pytest.mark.parametrize("text", ["nan", "-NaN", "inf", "1e999"])
def test_no_option_takes_what_is_no_finite_number(text):
    taken = []
    for words, option in FLOATS:
        result = CliRunner().invoke(cli, [*words, option, text])
        named = f"'{option}'" in result.output and str(float(text)) in result.output
        if result.exit_code != 2 or not named:
            taken.append((*words, option, result.output[-200:]))
    assert not taken


@pytest.mark.parametrize("text", ["nan", "inf", "many"])
def test_no_rating_of_an_anchor_is_infinite(text):
    result = CliRunner().invoke(cli, ["arena", "rate", "--anchor", f"gpt-4={text}"])
    assert result.exit_code == 2
    assert "expected MODEL=RATING" in result.output
