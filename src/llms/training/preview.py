"""The first rows of a run as they will be trained: their text in pieces, trained or not."""

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from .rows import Encoded


@dataclass(frozen=True, slots=True)
class RowPiece:
    """Tokens in a row that are all trained, or all not, as text with special tokens by name."""

    text: str
    trained: bool


@dataclass(frozen=True, slots=True)
class RowPreview:
    """A row as it is trained. Of a preference pair the pieces are the prompt and the preferred answer, `rejected` the other.

    `end_trained`: the last trained token is an end token, at which the model stops.
    """

    source: str
    pieces: tuple[RowPiece, ...]
    tokens: int
    trained_tokens: int
    end_trained: bool
    rejected: str = ""

    @property
    def share(self) -> float:
        """Trained tokens of all."""
        return self.trained_tokens / self.tokens


def preview(encoded: Encoded, rows: int = 3) -> list[RowPreview]:
    """The first trained rows."""
    return [_preview(encoded, row) for row in encoded.train.select(range(min(rows, len(encoded.train))))]


def _preview(encoded: Encoded, row: dict[str, object]) -> RowPreview:
    form, decode = encoded.form, encoded.form.model.tokenizer.with_special
    if "chosen" in row:
        prompt, chosen, rejected = (_ids(row[name]) for name in ("prompt", "chosen", "rejected"))
        ids, mask, other = [*prompt, *chosen], [0] * len(prompt) + [1] * len(chosen), decode(rejected)
    else:
        ids, mask, other = _ids(row["input_ids"]), _ids(row["trained"]), ""
    runs = [(bool(flag), [id for id, _ in run]) for flag, run in groupby(zip(ids, mask, strict=True), itemgetter(1))]
    trained = [id for id, flag in zip(ids, mask, strict=True) if flag]
    pieces = tuple(RowPiece(decode(run), flag) for flag, run in runs)
    return RowPreview(
        str(row["source"]), pieces, len(ids), len(trained), bool(trained) and trained[-1] in form.ends, other
    )


def _ids(value: object) -> list[int]:
    assert isinstance(value, list)
    return value
