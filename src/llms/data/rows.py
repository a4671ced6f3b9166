"""Rows of a file, read by offset: an index of blocks of lines, of which the last few that were read are held."""

from abc import abstractmethod
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar, overload

from .dataset import Row, Table

HELD = 16  # blocks
T = TypeVar("T")


class Indexed(Sequence[T]):
    """A sequence whose items are made when they are asked for, by `at`; a slice of it is a list."""

    @abstractmethod
    def at(self, index: int) -> T:
        """The item at `index`, which may count from the end. Raises IndexError."""

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self.at(i) for i in range(*index.indices(len(self)))]
        return self.at(index)


class TextRows(Indexed[Row]):
    """Rows of texts, all of the same columns, kept as they were parsed until one is asked for."""

    def __init__(self, header: Sequence[str], fields: Sequence[Sequence[str]]):
        self._header, self._fields = header, fields

    def __len__(self) -> int:
        return len(self._fields)

    def at(self, index: int) -> Row:
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


class FileRows(Indexed[Row]):
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

    def at(self, index: int) -> Row:
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


class Places(Indexed[str]):
    """Where each of the rows stands."""

    def __init__(self, rows: FileRows):
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, index: int) -> str:
        return self._rows.place(index)


class Selected(Indexed[Row]):
    """Some rows of others, by their `indices`, each with `fields` added."""

    def __init__(self, rows: Sequence[Row], indices: Sequence[int], fields: Row):
        self._rows, self._indices, self._fields = rows, indices, fields

    def __len__(self) -> int:
        return len(self._indices)

    def at(self, index: int) -> Row:
        return {**self._rows[self._indices[index]], **self._fields}


class SelectedPlaces(Indexed[str]):
    """Where selected rows of a table stand."""

    def __init__(self, table: Table, indices: Sequence[int]):
        self._table, self._indices = table, indices

    def __len__(self) -> int:
        return len(self._indices)

    def at(self, index: int) -> str:
        row = self._indices[index]
        return self._table.places[row] if self._table.places else f"row {row + 1}"
