"""`llms stateless`."""

from collections.abc import Sequence

import click
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..workbench.stateless import Growth, Request, growth, lesson
from .output import console, print_json

_BAR = 48  # characters of the longest bar


@click.command()
@click.argument("model", default="smollm2")
@click.option("--name", default="Ada", show_default=True, help="The name that is told and asked for.")
@click.option(
    "--per-exchange", type=click.IntRange(min=2), default=200, show_default=True, help="Tokens of an exchange."
)
@click.option(
    "--window", type=click.IntRange(min=2), default=2048, show_default=True, help="Window that history is cut to."
)
@click.option("--json", "as_json", is_flag=True, help="One object a line: three requests, then the growth.")
def stateless(model: str, name: str, per_exchange: int, window: int, as_json: bool) -> None:
    """See that MODEL remembers nothing between requests.

    Three requests: a name is told (A); a new request asks for it (B); it is asked for again, with the first exchange sent
    along (C). Then: how many tokens a growing conversation sends in all.
    """
    grown = growth(per_exchange, window)
    requests = lesson(model, name)
    if as_json:
        print_json(_request_row(request) for request in requests)
        print_json({"turns": row.turns, "tokens": row.tokens, "tokens_in_window": row.in_window} for row in grown)
        return
    out = console()
    shown = list(requests)
    out.print(_side_by_side(shown) if out.width >= 90 else _below_each_other(shown))
    out.print(f"\nThe model knows only what is sent: {name!r} stands in A and C, and not in B.\n")
    out.print(_plot(grown, per_exchange, window))


def _request_row(request: Request) -> dict[str, object]:
    return {
        "request": request.name, "what": request.what,
        "sent": [{"role": message.role, "content": message.content} for message in request.sent],
        "rendered": request.rendered, "answer": request.answer, "prompt_tokens": request.prompt_tokens,
        "tokens": request.tokens, "seconds": request.seconds,
        "cost": None if request.cost is None else str(request.cost), "name_was_sent": request.knows,
    }  # fmt: skip


def _panel(request: Request) -> Panel:
    sent = request.rendered or "\n".join(f"{message.role}: {message.content}" for message in request.sent)
    cost = "unknown cost" if request.cost is None else f"${request.cost}" if request.cost else "no cost"
    text = f"{sent.rstrip()}\n\n→ {request.answer}\n\n{request.prompt_tokens} tokens sent, {request.tokens} answered, "
    text += f"{request.seconds:.1f} s, {cost}"
    return Panel(Text(text), title=f"{request.name}: {request.what}")


def _side_by_side(requests: Sequence[Request]) -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    for _ in requests:
        table.add_column(ratio=1)
    table.add_row(*(_panel(request) for request in requests))
    return table


def _below_each_other(requests: Sequence[Request]) -> Table:
    table = Table.grid(expand=True)
    for request in requests:
        table.add_row(_panel(request))
    return table


def _plot(grown: Sequence[Growth], per_exchange: int, window: int) -> str:
    """Bars of the tokens sent in all; the numbers stand beside them."""
    most = max(row.tokens for row in grown)
    lines = [f"Tokens sent in all, {per_exchange} an exchange (█ whole history, ░ cut to {window:,})"]
    for row in grown:
        lines.append(f"{row.turns:>4} turns {row.tokens:>9,} {'█' * max(1, round(_BAR * row.tokens / most))}")
        lines.append(f"           {row.in_window:>9,} {'░' * max(1, round(_BAR * row.in_window / most))}")
    return "\n".join(lines)
