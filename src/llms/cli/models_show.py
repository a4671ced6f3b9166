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
    endpoint: window, price, and what the endpoint turned out to be able to do.

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
        details = verbs.probe(name)
    elif parse(name).provider in ("smollm2", "hf"):
        about = show_weights(name)
        if as_json:
            print_json([asdict(about)])
        else:
            print_about(about)
        return
    else:
        details = verbs.show(name)
    if as_json:
        print_json([details.to_json()])
        return
    rows = table("", "", "")
    rows.show_header = False
    rows.add_row("name", details.name, "")
    rows.add_row("where", details.where, "")
    if details.key:
        rows.add_row("key", details.key, "")
    rows.add_row("window", str(details.window or "unknown"), "tokens" if details.window else "")
    rows.add_row("price", f"{dollars(details.price_in)} in, {dollars(details.price_out)} out", "per million tokens")
    for check, (value, detail) in (details.facts or {}).items():
        if check not in ("window", "price"):
            rows.add_row(check.replace("_", " "), value, detail)
    console().print(rows)
    if details.probed:
        click.echo(f"\nprobed {details.probed[:16].replace('T', ' ')} UTC; again with --probe")
    elif "://" in details.where:
        click.echo("\nnot probed yet: --probe asks the endpoint what it can do")


def print_about(model: ModelInfo) -> None:
    known = {
        "name": model.name,
        "place": f"{'on this machine' if model.place == 'here' else 'on the hub'}: {model.path}",
        "revision": model.revision,
        "size": size(model.bytes) + (f", and {size(model.pickled)} pickled" if model.pickled else ""),
        "parameters": f"{model.parameters / 1e6:,.0f} million" if model.parameters else None,
        "data type": model.dtype,
        "context window": f"{model.context_window:,} tokens",
        "licence": model.licence or "not stated",
        "access": "gated: accept its terms on the hub, and set HF_TOKEN" if model.gated else None,
        "chat template": "yes" if model.chat_template else "no: give it raw text",
        "tokenizer": model.tokenizer,
        "architecture": model.architecture,
    }
    rows = table("", "")
    rows.show_header = False
    for label, value in known.items():
        if value is not None:
            rows.add_row(label, value)
    console().print(rows)
