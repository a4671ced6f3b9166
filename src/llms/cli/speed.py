"""`llms speed`."""

import click
from rich.text import Text

from ..arena.board_speed import SystemSpeed
from ..values import Score
from ..workbench.speed import SpeedConfig, measure
from .finite import FiniteRange
from .output import console, dollars, print_json, size, table


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--concurrency", type=click.IntRange(1), default=4, show_default=True, help="Answers at once.")
@click.option(
    "--prompt-tokens", type=click.IntRange(1), default=256, show_default=True, help="Tokens of a prompt, about."
)
@click.option("--tokens", type=click.IntRange(2), default=64, show_default=True, help="Tokens of an answer, at most.")
@click.option("--repeat", type=click.IntRange(2), default=5, show_default=True, help="Times that each is measured.")
@click.option("--budget", type=FiniteRange(0, min_open=True), help="US dollars that requests may cost in all.")
@click.option("--price", metavar="IN/OUT", help="US dollars per million tokens, where no price is known.")
@click.option("--json", "as_json", is_flag=True, help="One object a line, one per system.")
def speed(
    models: tuple[str, ...],
    concurrency: int,
    prompt_tokens: int,
    tokens: int,
    repeat: int,
    budget: float | None,
    price: str | None,
    as_json: bool,
) -> None:
    """Measure MODELS here: seconds to the first token, tokens per second alone and at once, peak memory.

    Each number is a mean with its 95 % interval over repeats, and stands in the leaderboard. Prompts are random words
    that share no beginning. Times of an endpoint include the network.
    """
    config = SpeedConfig(concurrency, prompt_tokens, tokens, repeat, budget, price)
    speeds = []
    for one in measure(models, config):
        if as_json:
            print_json([one.to_json()])
        speeds.append(one)
    if not as_json:
        _show(speeds)


def _show(speeds: list[SystemSpeed]) -> None:
    out, setup = console(), speeds[0].setup
    paid = any(one.cost != 0 for one in speeds)
    together = f"{setup.concurrency} at once"
    right = ["first token, s", "tokens/s", together, "memory"] + (["cost"] if paid else [])
    rows = table("system", *right, right=right)
    for one in speeds:
        memory = size(one.peak_memory_bytes) if one.peak_memory_bytes else ""
        cost = [dollars(one.cost)] if paid else []
        rows.add_row(one.system.name, *map(_with_interval, (one.first_token, one.alone, one.together)), memory, *cost)
    out.print(rows)
    for machine in dict.fromkeys(one.setup.machine for one in speeds):
        out.print(Text(f"{machine}: {setup.prompt_tokens} + {setup.tokens} tokens, {setup.repeat} times", style="dim"))
    for note in dict.fromkeys(note for one in speeds for note in one.notes):
        out.print(Text(note, style="dim"))


def _with_interval(score: Score | None) -> str:
    if score is None:
        return ""
    half = "" if score.low is None or score.high is None else f" ± {score.high - score.value:.2g}"
    return f"{score.value:.3g}{half}"
