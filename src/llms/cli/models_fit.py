"""`llms models fit`."""

import click

from ..workbench.fit import Fit, fit
from ..workbench.fit import measure as measure_fit
from .output import console, print_json, size, table
from .sizes import Bytes


@click.command("fit")
@click.argument("name")
@click.option(
    "--context",
    type=click.IntRange(1),
    help="Tokens of a request, with its answer.  [default: 4096, or the model's own]",
)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Requests at once.")
@click.option("--gpu", default="", help='Whether it would fit this GPU, as in "RTX 4090".')
@click.option("--memory", type=Bytes(), help="Whether it would fit so much memory, as in 8GB.")
@click.option(
    "--measure", is_flag=True, help="Load it on this machine, answer so many requests, and keep what it took."
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def fit_command(
    name: str, context: int | None, batch: int, gpu: str, memory: int | None, measure: bool, as_json: bool
) -> None:
    """Say whether the model NAME fits, before anything is downloaded: weights, KV cache and overhead, and what they
    were computed from.

    \b
    llms models fit hf:Qwen/Qwen2.5-0.5B-Instruct --memory 8GB
    llms models fit 'smollm2?quantize=int8' --context 2048 --batch 4
    llms models fit hf:mistralai/Mistral-7B-v0.1 --gpu "RTX 4090"
    """
    if measure:
        measure_fit(name, context, batch)
    answer = fit(name, context, batch, memory, gpu)
    if as_json:
        print_json([answer.to_json()])
    else:
        print_fit(answer)


def sentence(answer: Fit) -> str:
    """The answer in one sentence."""
    if not answer.local:
        return f"{answer.system} runs {answer.where}: it takes no memory here."
    if answer.too_long:
        asked = f"--context asks for {answer.context_tokens:,}"
        return f"{answer.system} does not fit: its window is {answer.window_tokens:,} tokens, and {asked}."
    if answer.problem:
        return f"Nothing can be said of {answer.system}: {answer.problem}"
    if answer.needs_bytes is None:
        return f"Nothing can be said of {answer.system}."
    needs = size(answer.needs_bytes)
    if answer.has_bytes is None:
        return f"{answer.system} needs {needs}; how much {answer.where} has is unknown."
    has = size(answer.has_bytes)
    if answer.fits:
        return f"{answer.system} fits {answer.where}: it needs {needs} of {has}."
    return f"{answer.system} does not fit {answer.where}: it needs {needs}, and there are {has}."


def print_fit(answer: Fit) -> None:
    click.echo(sentence(answer))
    if not answer.local:
        return
    rows = table("", "", right=("",))
    rows.show_header = False
    for label, count in (
        ("weights", answer.weights_bytes),
        ("KV cache", answer.kv_bytes),
        ("overhead", answer.overhead_bytes),
        ("measured here", answer.measured_bytes),
    ):
        if count is not None:
            rows.add_row(label, size(count))
    if answer.tokens_per_second is not None:
        rows.add_row("tokens/s", f"{answer.tokens_per_second:,.0f} at most, for one answer")
    rows.add_row("licence", answer.licence or "not stated")
    console().print(rows)
    if answer.inputs:
        click.echo("\nfrom " + ", ".join(f"{name} {_shown(name, value)}" for name, value in answer.inputs.items()))
    click.echo(f"verify it here: {answer.verify}")


def _shown(name: str, value: object) -> str:
    return (
        size(value)
        if isinstance(value, int) and name.endswith("bytes")
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
