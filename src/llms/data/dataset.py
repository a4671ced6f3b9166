"""Where the rows of a dataset are, what they must hold, and what came of reading them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError

Row = Mapping[str, Any]  # of types that `Dataset.columns` names and `check_row` has seen to


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows on the hub (`hub` at commit `revision`) and, in a data root, under `folder`.

    `columns` names what a row must hold and of which type; `int` accepts no bool. `files` are the places of a split
    on the hub, tried in turn. The revision "main" is resolved when rows are fetched, and recorded. Rows of a
    `withheld` dataset are never shown: its authors ask that they stay out of plain text.
    """

    hub: str
    revision: str
    folder: str
    columns: Mapping[str, type | tuple[type, ...]]
    files: tuple[str, ...] = ("{config}/{split}-00000-of-00001.parquet", "data/{split}-00000-of-00001.parquet")
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of one split, in order. `origin` names the file for people, `revision` its content; `places` say where
    in the file each row stands, if that is known; `form` is what the file turned out to be, in words."""

    rows: Sequence[Row]
    origin: str
    revision: str
    places: Sequence[str] = ()
    form: str = ""

    def place(self, index: int) -> str:
        """Where a row comes from: the file, and the line or row in it."""
        return f"{self.origin}, {self.places[index] if self.places else f'row {index + 1}'}"


def check_row(
    row: object, columns: Mapping[str, type | tuple[type, ...]], location: str, withheld: bool = False
) -> Row:
    """`row`, or a DataError that names its location, the column, what was found and what was expected."""
    if not isinstance(row, Mapping):
        raise DataError(f"{location}: a row must be a JSON object; found {type(row).__name__}")
    for column, kinds in columns.items():
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        expected = " or ".join(kind.__name__ for kind in kinds)
        if column not in row:
            raise DataError(
                f"{location}: no column {column!r}; found {', '.join(sorted(row)) or 'none'}; expected {column} ({expected})"
            )
        value = row[column]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            kind = type(value).__name__
            shown = f"a {kind}" if withheld else f"{value!r:.60} ({kind})"
            raise DataError(f"{location}: column {column!r} is {shown}; expected {expected}")
    return row
