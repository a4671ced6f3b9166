"""`llms calc`."""

from dataclasses import asdict

import click

from ..errors import LlmsError
from ..tools.calculator import CalculationError, calculate
from .output import print_json


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("expression")
@click.option(
    "--json", "as_json", is_flag=True, help="One object: value, kind, exact, display, normalised, angle_unit."
)
def calc(expression: str, as_json: bool) -> None:
    """Work out EXPRESSION exactly, as the tool `calculator` does for a model: llms calc "15% of 80".

    An expression that has no value ends with status 1; with --json it gives an error of kind, message, column and hint.
    """
    result = calculate(expression)
    failed = isinstance(result, CalculationError)
    if as_json:
        print_json([{"error": asdict(result)} if failed else asdict(result)])
        raise SystemExit(int(failed))
    if isinstance(result, CalculationError):
        raise LlmsError(f"{result.message} (column {result.column})" + (f"; {result.hint}" if result.hint else ""))
    click.echo(result.value if result.exact or result.kind == "int" else f"{result.value}  (rounded)")
