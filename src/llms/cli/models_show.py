"""`llms models show`."""

from dataclasses import asdict

import click

from ..models.info import ModelInfo
from ..models.name import parse
from ..workbench import probe as verbs
from ..workbench.models import show as show_weights
from .output import console, dollars, print_json, size, table


@click.command()
@click.argument("name")
@click.option("--probe", is_flag=True, help="Ask the endpoint what it can do: about 20 short requests.")
@click.option("--yes", is_flag=True, help="Do not ask before a probe that may cost money.")
@click.option(
    "--json", "as_json", is_flag=True, help="One object; endpoints and models with weights have each their own."
)
def show(name: str, probe: bool, yes: bool, as_json: bool) -> None:
    """Show what is known of the model NAME.

    Of one with weights: size, parameters, context window, licence; on the hub before it is downloaded. Of one behind an
    endpoint: window, price, and what the endpoint was found to be able to do.

    \b
    llms models show hf:Qwen/Qwen2.5-0.5B-Instruct
    llms models show openai:gpt-5-mini
    llms models show http://127.0.0.1:8000/v1#smollm2 --probe
    """
    if probe:
        cost = verbs.expected_cost(name)
        if cost != 0 and not yes:
            price = "at a price that is unknown" if cost is None else f"for {dollars(float(cost))} at most"
            click.confirm(f"send about 20 short requests to {name}, {price}?", abort=True, err=True)
        found = verbs.probe(name)
    elif parse(name).provider in ("smollm2", "hf"):
        about = show_weights(name)
        if as_json:
            print_json([asdict(about)])
        else:
            print_about(about)
        return
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


def print_about(found: ModelInfo) -> None:
    known = {
        "name": found.name,
        "place": f"{'on this machine' if found.place == 'here' else 'on the hub'}: {found.path}",
        "revision": found.revision,
        "size": size(found.bytes) + (f", and {size(found.pickled)} pickled" if found.pickled else ""),
        "parameters": f"{found.parameters / 1e6:,.0f} million" if found.parameters else None,
        "data type": found.dtype,
        "context window": f"{found.context_window:,} tokens",
        "licence": found.licence or "not stated",
        "access": "gated: accept its terms on the hub, and set HF_TOKEN" if found.gated else None,
        "chat template": "yes" if found.chat_template else "no: give it raw text",
        "tokenizer": found.tokenizer,
        "architecture": found.architecture,
    }
    rows = table("", "")
    rows.show_header = False
    for label, value in known.items():
        if value is not None:
            rows.add_row(label, value)
    console().print(rows)
