"""`llms models merge`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..workbench.merge import merge
from .output import print_json, size

if TYPE_CHECKING:
    from ..training import MergeProof


@click.command("merge")
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="In which the sum is stored; it is made in float32.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One object: what was merged, and the difference that was measured."
)
def merge_command(name: str, out: Path, dtype: str, as_json: bool) -> None:
    """Write the model NAME with its adapter into the new folder OUT, as a checkpoint that needs no adapter.

    \b
    llms models merge 'smollm2?adapter=./tuned' merged

    It is read back and compared with model and adapter on 32 prompts; a difference of more than 0.001 nats refuses it.
    """
    proof = merge(name, out, dtype)
    if as_json:
        print_json([{"folder": str(out), **proof.to_json()}])
    else:
        show_merge(proof, out)


def show_merge(proof: "MergeProof", out: Path) -> None:
    click.echo(f"merged into {out} ({size(proof.bytes)}, {proof.dtype}) in {proof.seconds:.0f} s")
    click.echo(
        f"read back, it is at most {proof.largest_difference:.1g} nats from model and adapter, at {proof.positions} "
        f"positions of {proof.prompts} prompts"
    )
    if proof.rounding:
        click.echo(f"rounding to {proof.dtype} moves log-probabilities by up to {proof.rounding:.2g} nats more")
    click.echo(f"use it:  llms chat -m hf:{out if out.is_absolute() else f'./{out}'}")
