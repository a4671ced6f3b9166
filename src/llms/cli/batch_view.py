"""The first rows of a training run as the model reads them: what is trained stands out, in colour or between marks."""

from rich.text import Text

from ..training.preview import RowPreview, preview
from ..training.rows import Encoded
from .output import coloured, console

TRAINED, REST = "black on bright_green", "dim"
OPEN, CLOSE = "⟦", "⟧"  # where there is no colour


def show_batch(encoded: Encoded) -> None:
    """Print the first rows, the share of trained tokens, and whether the end token is trained."""
    out = console()
    in_colour, rows = coloured(out), preview(encoded)
    for row in rows:
        share = 100 * row.trained_tokens / max(1, row.tokens)
        end = "is trained" if row.end_trained else "is NOT trained"
        title = f"{row.source}: {row.tokens} tokens, {share:.0f} % trained; the end token {end}"
        out.print(Text(title, style="bold"))
        out.print(_text(row, in_colour), soft_wrap=True)
        if row.rejected:
            out.print(Text(f"rejected: {row.rejected}", style="red"), soft_wrap=True)
        out.print()
    counts = encoded.counts
    share = 100 * counts.trained_tokens / max(1, counts.tokens)
    how = "on green" if in_colour else f"between {OPEN} and {CLOSE}"
    out.print(f"{len(rows)} of {counts.train_rows:,} rows; of all tokens {share:.1f} % are trained ({how})")
    for note in (*encoded.notices, *encoded.marks):
        out.print(Text(note, style="yellow"), soft_wrap=True)


def _text(row: RowPreview, in_colour: bool) -> Text:
    result = Text()
    for piece in row.pieces:
        if in_colour:
            result.append(piece.text, TRAINED if piece.trained else REST)
        else:
            result.append(f"{OPEN}{piece.text}{CLOSE}" if piece.trained else piece.text)
    return result
