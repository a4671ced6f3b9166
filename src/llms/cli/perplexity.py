"""`llms perplexity`."""

from pathlib import Path

import click

from ..workbench.perplexity import measure
from .output import print_json


@click.command()
@click.argument("system")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--window", type=click.IntRange(min=2), help="Tokens of a window, if less than the model's own.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def perplexity(system: str, file: Path, window: int | None, as_json: bool) -> None:
    """Measure how well SYSTEM predicts the text in FILE: bits per byte, comparable between tokenizers."""
    result = measure(system, file, window)
    if as_json:
        print_json(
            [
                {
                    "system": system,
                    "file": str(file),
                    "bits_per_byte": result.bits_per_byte,
                    "token_perplexity": result.token_perplexity,
                    "word_perplexity": result.word_perplexity,
                    "logprob": result.logprob,
                    "tokens": result.tokens,
                    "words": result.words,
                    "bytes": result.bytes,
                    "windows": result.windows,
                    "seconds": result.seconds,
                }
            ]
        )
        return
    click.echo(f"bits per byte        {result.bits_per_byte:.4f}")
    click.echo(
        f"perplexity per token {_shown(result.token_perplexity)} ({result.tokens} tokens, {result.windows} windows)"
    )
    click.echo(f"perplexity per word  {_shown(result.word_perplexity)} ({result.words} words, {result.bytes} bytes)")


def _shown(perplexity: float | None) -> str:
    """At most six digits before a power of ten."""
    if perplexity is None:
        return "more than 1e308"
    return f"{perplexity:.2f}" if perplexity < 1e6 else f"{perplexity:.2e}"
