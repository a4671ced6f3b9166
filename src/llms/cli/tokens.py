"""`llms tokens`."""

import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ..errors import DataError, UsageError
from ..tokens.count import TokenCount
from ..tokens.views import TokenView, words
from ..workbench.tokens import Tokenization, cut
from .output import BORDER, COLOURS, coloured, console, dollars, print_json, table, visible

MOST_SHOWN = 1000  # pieces that are written out for people


@click.command()
@click.argument("text", required=False)
@click.option("-m", "--model", "models", multiple=True, metavar="NAME", help="Of which model (repeatable; smollm2).")
@click.option("-f", "--file", type=click.Path(path_type=Path), help="The text is in this file.")
@click.option("--ids", is_flag=True, help="Show the id under each token.")
@click.option("--views", is_flag=True, help="Show words, tokens and characters side by side.")
@click.option("--json", "as_json", is_flag=True, help="One object a line, one per model.")
def tokens(text: str | None, models: tuple[str, ...], file: Path | None, ids: bool, views: bool, as_json: bool) -> None:
    """Show how models cut TEXT into tokens, how many that makes, and what it costs to send them.

    TEXT may be - for standard input. A token that holds a part of a character is shown as its bytes, as in <E2 82>.
    A hosted model keeps its tokenizer to itself: its count is an estimate, and says so. A server of your own, named by its
    address, is asked where it has /tokenize.
    """
    source = _text(text, file)
    cuts = cut(source, models or ("smollm2",))
    if as_json:
        print_json(_json(source, one) for one in cuts)
        return
    out = console()
    for number, one in enumerate(cuts):
        if number:
            out.print()
        out.print(Text(one.model, style="bold"))
        if one.pieces is not None and not views:
            (_with_ids if ids else _line)(out, one.pieces)
        out.print(Text(_summary(source, one), style="dim"))
    if views:
        out.print()
        _views(out, source, cuts)


def _text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None) and (file is not None or sys.stdin.isatty()):
        raise UsageError("give one text: as an argument, with -f FILE, or - for standard input")
    try:
        if file is not None:
            raw = file.read_bytes()
        elif text in (None, "-"):
            raw = sys.stdin.buffer.read()
        else:
            raw = str(text).encode(errors="surrogateescape")
        return raw.decode()
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file or 'the text'} is not UTF-8 at byte {error.start}; give it as UTF-8") from error


def _summary(text: str, one: Tokenization) -> str:
    parts = [f"{'about ' if one.count.error else ''}{one.count.tokens} tokens{_grade(one.count)}"]
    if one.message is not None:
        parts.append(f"{one.message.tokens} as a chat message")
    cut_as = one.ratio(text)
    if cut_as.characters_per_token:
        parts.append(f"{cut_as.characters_per_token:.2f} characters a token")
    if cut_as.dropped:
        parts.append(f"{cut_as.dropped} bytes of the text are in no token")
    parts.append("price unknown" if one.price is None else dollars(float(one.price)) if one.price else "free")
    return " · ".join(parts)


def _grade(count: TokenCount) -> str:
    return f" ({count.grade}, ±{100 * count.error:.0f} %)" if count.error else ""


def _line(out: Console, pieces: Sequence[TokenView]) -> None:
    """One piece behind the other: coloured on a terminal, with borders where there is no colour."""
    line = Text()
    if coloured(out):
        for piece, colour in zip(pieces[:MOST_SHOWN], cycle(COLOURS)):
            line.append(visible(piece.shown), "reverse" if piece.special else colour)
    else:
        line.append(BORDER + "".join(visible(piece.shown) + BORDER for piece in pieces[:MOST_SHOWN]))
    out.print(line, soft_wrap=True)
    _rest(out, pieces)


def _with_ids(out: Console, pieces: Sequence[TokenView]) -> None:
    """Rows of pieces over rows of their ids, as wide as the output."""
    colour = cycle(COLOURS if coloured(out) else [""])
    above, below = Text(), Text()
    for piece in pieces[:MOST_SHOWN]:
        shown, number = visible(piece.shown), str(piece.id)
        width = max(cell_len(shown), len(number))
        if above and cell_len(above.plain) + width + 1 > out.width:
            out.print(above, below, sep="\n", soft_wrap=True)
            above, below = Text(), Text()
        above.append(shown + " " * (width - cell_len(shown)), next(colour)).append(BORDER)
        below.append(f"{number:<{width}}", "dim").append(BORDER)
    out.print(above, below, sep="\n", soft_wrap=True)
    _rest(out, pieces)


def _rest(out: Console, pieces: Sequence[TokenView]) -> None:
    if len(pieces) > MOST_SHOWN:
        out.print(Text(f"… and {len(pieces) - MOST_SHOWN} more; --json has them all", style="dim"))


def _views(out: Console, text: str, cuts: Sequence[Tokenization]) -> None:
    rows = table("view", "units", "cut", right=("units",))

    def add(name: str, units: Sequence[str]) -> None:
        shown = BORDER.join(visible(unit) for unit in units[:MOST_SHOWN])
        rows.add_row(name, str(len(units)), Text(f"{BORDER}{shown}{BORDER}" if units else ""))

    add("words", words(text))
    for one in cuts:
        if one.pieces is not None:
            add(f"tokens of {one.model}", [piece.shown for piece in one.pieces])
    add("characters", text)
    rows.add_row("bytes", str(len(text.encode())), "")
    out.print(rows)


def _json(text: str, one: Tokenization) -> dict[str, object]:
    def counted(count: TokenCount) -> dict[str, object]:
        return {"tokens": count.tokens, "grade": count.grade, "error": count.error}

    cut_as = one.ratio(text)
    return {
        "model": one.model,
        **counted(one.count),
        "message": counted(one.message) if one.message else None,
        "words": len(words(text)),
        "characters": cut_as.characters,
        "bytes": cut_as.bytes,
        "characters_per_token": cut_as.characters_per_token,
        "bytes_per_token": cut_as.bytes_per_token,
        "dropped_bytes": cut_as.dropped,
        "price_usd": None if one.price is None else float(one.price),
        "pieces": None if one.pieces is None else [_piece(piece) for piece in one.pieces],
    }


def _piece(piece: TokenView) -> dict[str, object]:
    return {
        "id": piece.id,
        "token": piece.name,
        "text": piece.text,
        "bytes": piece.data.hex(),
        "start": piece.start,
        "end": piece.end,
        "special": piece.special,
    }
