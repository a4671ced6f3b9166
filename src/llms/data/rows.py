"""Rows of a file, read by offset: an index of blocks of lines, of which the last few that were read are held."""

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import overload

from .dataset import Row, Table

HELD = 16  # blocks


class TextRows(Sequence[Row]):
    """Rows of texts, all of the same columns, kept as they were parsed until one is asked for."""

    def __init__(self, header: Sequence[str], fields: Sequence[Sequence[str]]):
        self._header, self._fields = header, fields

    def __len__(self) -> int:
        return len(self._fields)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return dict(zip(self._header, self._fields[index], strict=True))

    def columns(self) -> dict[str, Sequence[str]]:
        """The cells by column."""
        return dict(zip(self._header, zip(*self._fields, strict=True), strict=True))


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Rows that stand together in a file; row i begins in line (or is row) `places[i]` of it. `height` is in lines."""

    rows: Sequence[Row]
    places: Sequence[int]
    height: int


class FileRows(Sequence[Row]):
    """All rows of a file, in order, none of them held but those of the last blocks.

    `firsts` has the index of the first row of each block, and at its end the number of rows. `load` reads a block by its
    number. `unit` is what places count: lines or rows.
    """

    def __init__(self, load: Callable[[int], RowBlock], firsts: "array[int]", unit: str):
        self._load, self._firsts, self.unit = load, firsts, unit
        self._held: OrderedDict[int, RowBlock] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return self._firsts[-1]

    def __iter__(self) -> Iterator[Row]:
        for _, block in self.blocks():
            yield from block.rows

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        block, offset = self._of(index)
        return block.rows[offset]

    def blocks(self) -> Iterator[tuple[int, RowBlock]]:
        """The index of the first row of each block, and the block."""
        for number in range(len(self._firsts) - 1):
            yield self._firsts[number], self._held.get(number) or self._load(number)

    def place(self, index: int) -> str:
        """Where a row stands in the file."""
        block, offset = self._of(index)
        return f"{self.unit} {block.places[offset]}"

    def hold(self, number: int, block: RowBlock) -> None:
        """Keep a block that has been read; the one that was not used for longest goes."""
        with self._lock:
            self._held[number] = block
            self._held.move_to_end(number)
            if len(self._held) > HELD:
                self._held.popitem(last=False)

    def _of(self, index: int) -> tuple[RowBlock, int]:
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect_right(self._firsts, index) - 1
        block = self._held.get(number) or self._load(number)
        self.hold(number, block)
        return block, index - self._firsts[number]


class Places(Sequence[str]):
    """Where each of the rows stands."""

    def __init__(self, rows: FileRows):
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._rows.place(index)


class Selected(Sequence[Row]):
    """Some rows of others, by their `indices`, each with `fields` added."""

    def __init__(self, rows: Sequence[Row], indices: Sequence[int], fields: Row):
        self._rows, self._indices, self._fields = rows, indices, fields

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return {**self._rows[self._indices[index]], **self._fields}


class SelectedPlaces(Sequence[str]):
    """Where selected rows of a table stand."""

    def __init__(self, table: Table, indices: Sequence[int]):
        self._table, self._indices = table, indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = self._indices[index]
        return self._table.places[row] if self._table.places else f"row {row + 1}"
