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
    found = calculate(expression)
    failed = isinstance(found, CalculationError)
    if as_json:
        print_json([{"error": asdict(found)} if failed else asdict(found)])
        raise SystemExit(int(failed))
    if isinstance(found, CalculationError):
        raise LlmsError(f"{found.message} (column {found.column})" + (f"; {found.hint}" if found.hint else ""))
    click.echo(found.value if found.exact or found.kind == "int" else f"{found.value}  (rounded)")
