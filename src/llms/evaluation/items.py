"""The items of a run as a sequence: each is made of its row when it is asked for."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import overload

from ..values import Example, Prompt


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask: the dataset row, the prompt made of it, and the cluster its error belongs to."""

    example: Example
    prompt: Prompt
    cluster: str

    @property
    def name(self) -> str:
        return self.example.item


@dataclass(frozen=True, slots=True)
class PartItems:
    """The first `count` items of a subset; `make` makes one of the row with its index."""

    subset: str
    count: int
    make: Callable[[int], Item]


class Items(Sequence[Item]):
    """The items of all parts, in order. Each is made anew whenever it is asked for; what it was is what it is."""

    def __init__(self, parts: Sequence[PartItems]):
        self._parts = parts
        self._firsts = [0, *accumulate(part.count for part in parts)]
        self._first_of = dict(zip((part.subset for part in parts), self._firsts, strict=False))

    def __len__(self) -> int:
        return self._firsts[-1]

    def __iter__(self) -> Iterator[Item]:
        return (part.make(index) for part in self._parts for index in range(part.count))

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> "Picked": ...
    def __getitem__(self, index: int | slice) -> "Item | Picked":
        if isinstance(index, slice):
            return Picked(self, range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        number = bisect_right(self._firsts, index) - 1
        return self._parts[number].make(index - self._firsts[number])

    def position(self, item: Item) -> int:
        """The position of one of the items."""
        return self._first_of[item.example.subset] + item.example.index

    def names(self) -> Iterator[str]:
        """The names of the items, without making them."""
        return (f"{part.subset}/{index}" for part in self._parts for index in range(part.count))


class Picked(Sequence[Item]):
    """Some of other items, by their positions."""

    def __init__(self, items: Sequence[Item], positions: Sequence[int]):
        self.whole, self.positions = items, positions

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> "Picked": ...
    def __getitem__(self, index: int | slice) -> "Item | Picked":
        return (
            Picked(self.whole, self.positions[index]) if isinstance(index, slice) else self.whole[self.positions[index]]
        )


def positions_of(items: Sequence[Item]) -> Callable[[Item], int]:
    """The position of an item among those of a plan, by its name."""
    if isinstance(items, Items):
        return items.position
    if isinstance(items, Picked):
        return positions_of(items.whole)
    positions = {item.name: position for position, item in enumerate(items)}
    return lambda item: positions[item.name]


def names_of(items: Sequence[Item]) -> Iterator[str]:
    """The names of items, made of their rows only where nothing else tells them."""
    return items.names() if isinstance(items, Items) else (item.name for item in items)
