"""`llms next`."""

import math
from collections.abc import Iterator
from itertools import chain, repeat

import click
from rich.console import Console
from rich.text import Text

from ..errors import UsageError
from ..values import NextToken
from ..workbench.tokens import NextTokens, follow
from .output import bordered, console, percent, print_json, table, visible

BAR = 40  # characters of a bar that stands for certainty


@click.command("next")
@click.argument("text")
@click.option("-m", "--model", default="smollm2", show_default=True, metavar="NAME")
@click.option(
    "--steps", type=click.IntRange(min=1), default=1, show_default=True, help="So many tokens, one after another."
)
@click.option("--top", type=click.IntRange(1, 100), default=10, show_default=True, help="Show so many candidates.")
@click.option("--pick", metavar="N,N,…", help="Take the Nth candidate of each step; the first where nothing is said.")
@click.option("--ask", is_flag=True, help="Choose the token of each step yourself.")
@click.option("--json", "as_json", is_flag=True, help="One object a line, one per step.")
def next_tokens(text: str, model: str, steps: int, top: int, pick: str | None, ask: bool, as_json: bool) -> None:
    """Show the most likely next tokens after TEXT, with their probabilities, step by step.

    TEXT goes to the model as it is, without a chat template.
    """
    if ask and (pick or as_json):
        raise UsageError("--ask lets you choose; it goes with neither --pick nor --json")
    ranks = _ranks(pick, top)
    if as_json:
        print_json(_json(step, taken) for step, taken in follow(model, text, steps, top, lambda _: next(ranks)))
        return
    out = console()

    def show_and_pick(step: NextTokens) -> int:
        _show(out, step)
        return click.prompt("take", type=click.IntRange(1, len(step.tokens)), default=1) - 1 if ask else next(ranks)

    for step, taken in follow(model, text, steps, top, show_and_pick):
        out.print(Text(visible(step.text), style="dim").append(visible(taken.text), "bold"), soft_wrap=True)
        if taken.end:
            out.print(Text("here the model ends its text", style="dim"))


def _ranks(pick: str | None, top: int) -> Iterator[int]:
    """The places to take, from 0, and then the first for ever."""
    try:
        ranks = [int(part) for part in pick.split(",")] if pick else []
    except ValueError as error:
        raise UsageError(f"--pick {pick}: expected places such as 2 or 1,3,1") from error
    if any(not 1 <= rank <= top for rank in ranks):
        raise UsageError(f"--pick {pick}: places go from 1 to {top}, the number of candidates (--top)")
    return chain((rank - 1 for rank in ranks), repeat(0))


def _show(out: Console, step: NextTokens) -> None:
    rows = table("", "token", "id", "%", "probability", right=("", "id", "%"))
    for rank, token in enumerate(step.tokens, 1):
        probability = math.exp(token.logprob)
        bar = "█" * round(BAR * probability)
        rows.add_row(
            str(rank), bordered(token.text, out), "" if token.id is None else str(token.id), percent(probability), bar
        )
    rows.add_row("", Text("all others", style="dim"), "", percent(step.rest), "░" * round(BAR * step.rest))
    out.print(rows)


def _json(step: NextTokens, taken: NextToken) -> dict[str, object]:
    return {
        "text": step.text,
        "tokens": [
            {"id": t.id, "text": t.text, "logprob": t.logprob, "probability": math.exp(t.logprob), "end": t.end}
            for t in step.tokens
        ],
        "rest": step.rest,
        "taken": taken.id,
    }
