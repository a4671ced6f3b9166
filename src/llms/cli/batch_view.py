"""The first rows of a training run as the model reads them: what is trained stands out, in colour or between marks."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from ..models.local.tokenizing_model import ModelTokenizer
from ..training.rows import Encoded
from .output import coloured, console, visible

TRAINED, REST = "black on bright_green", "dim"
OPEN, CLOSE = "⟦", "⟧"  # where there is no colour
ROWS = 3


def show_batch(encoded: Encoded, count: int = ROWS) -> None:
    """Print the first `count` rows, the share of trained tokens, and whether the end token is trained."""
    out, form = console(), encoded.form
    in_colour, shown = coloured(out), 0
    for row in encoded.train.select(range(min(count, len(encoded.train)))):
        shown += 1
        for name, ids, trained in _parts(row):
            share = 100 * sum(trained) / max(1, len(trained))
            ends = bool(trained) and trained[-1] == 1 and ids[-1] in form.ends
            last = visible(form.model.tokenizer.with_special(ids[-1:])) if ids else ""
            end = f"it ends with {last}, which is {'trained' if ends else 'NOT trained'}"
            out.print(Text(f"{row['source']}{name}: {len(ids)} tokens, {share:.0f} % trained; {end}", style="bold"))
            out.print(_text(form.model.tokenizer, ids, trained, in_colour), soft_wrap=True)
            out.print()
    counts = encoded.counts
    share = 100 * counts.trained_tokens / max(1, counts.tokens)
    how = "on green" if in_colour else f"between {OPEN} and {CLOSE}"
    out.print(f"{shown} of {counts.train_rows:,} rows; of all tokens {share:.1f} % are trained ({how})")
    for note in (*encoded.notices, *encoded.marks):
        out.print(Text(note, style="yellow"), soft_wrap=True)


def _parts(row: dict[str, list[int]]) -> Iterator[tuple[str, list[int], list[int]]]:
    """(name, ids, trained) of a row; of a preference pair one of each answer."""
    if "chosen" in row:
        for name in ("chosen", "rejected"):
            yield f", {name}", row["prompt"] + row[name], [0] * len(row["prompt"]) + [1] * len(row[name])
    else:
        yield "", row["input_ids"], row["trained"]


def _text(tokenizer: ModelTokenizer, ids: Sequence[int], trained: Sequence[int], in_colour: bool) -> Text:
    """The text of the row, cut where training begins and ends; a character of several tokens stays whole."""
    result, start = Text(), 0
    for end in range(1, len(ids) + 1):
        if end < len(ids) and bool(trained[end]) == bool(trained[start]):
            continue
        part, on = tokenizer.with_special(ids[start:end]), bool(trained[start])
        if in_colour:
            result.append(part, TRAINED if on else REST)
        else:
            result.append(f"{OPEN}{part}{CLOSE}" if on else part)
        start = end
    return result
