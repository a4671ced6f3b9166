"""`llms models show`."""

import click

from ..workbench import probe as verbs
from .output import console, dollars, print_json, table


@click.command()
@click.argument("name")
@click.option("--probe", is_flag=True, help="Ask the endpoint what it can do: about 20 short requests.")
@click.option("--yes", is_flag=True, help="Do not ask before a probe that may cost money.")
@click.option("--json", "as_json", is_flag=True, help="One object: name, where, key, window, prices, probed, facts.")
def show(name: str, probe: bool, yes: bool, as_json: bool) -> None:
    """Show what is known of the model NAME: window, price, and what its endpoint was found to be able to do.

    \b
    llms models show openai:gpt-5-mini
    llms models show http://127.0.0.1:8000/v1#smollm2 --probe
    """
    if probe:
        cost = verbs.expected_cost(name)
        if cost != 0 and not yes:
            price = "at a price that is unknown" if cost is None else f"for {dollars(float(cost))} at most"
            click.confirm(f"send about 20 short requests to {name}, {price}?", abort=True, err=True)
        found = verbs.probe(name)
    else:
        found = verbs.show(name)
    if as_json:
        print_json([found.to_json()])
        return
    rows = table("", "", "")
    rows.show_header = False
    rows.add_row("name", found.name, "")
    rows.add_row("where", found.where, "")
    if found.key:
        rows.add_row("key", found.key, "")
    rows.add_row("window", str(found.window or "unknown"), "tokens" if found.window else "")
    rows.add_row("price", f"{dollars(found.price_in)} in, {dollars(found.price_out)} out", "per million tokens")
    for check, (value, detail) in (found.facts or {}).items():
        if check not in ("window", "price"):
            rows.add_row(check.replace("_", " "), value, detail)
    console().print(rows)
    if found.probed:
        click.echo(f"\nprobed {found.probed[:16].replace('T', ' ')} UTC; again with --probe")
    elif "://" in found.where:
        click.echo("\nnot probed yet: --probe asks the endpoint what it can do")
