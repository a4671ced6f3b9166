"""Plain data as bytes and back: what may pass between a program that nobody has read and the process that judges it.

None, bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set and frozenset, nested, each told from the others.
Unlike pickle or marshal, reading makes nothing but these. Runs in the sandbox too: it imports only the standard library.
"""

import struct
from collections.abc import Callable
from typing import TypeAlias, overload

PlainData: TypeAlias = (
    "int | float | complex | str | bytes | bytearray | list[PlainData] | tuple[PlainData, ...] "
    "| dict[PlainData, PlainData] | set[PlainData] | frozenset[PlainData] | None"
)
DEEPEST, LARGEST = 20_000, 256 << 20  # nested containers; bytes
COUNT, FLOAT, COMPLEX = struct.Struct("<Q"), struct.Struct("<d"), struct.Struct("<dd")
CONSTANTS: dict[bytes, bool | None] = {b"N": None, b"T": True, b"F": False}
CONTAINERS: dict[bytes, type] = {b"l": list, b"t": tuple, b"d": dict, b"S": set, b"Z": frozenset}
LEAVES: dict[bytes, type] = {b"i": int, b"f": float, b"c": complex, b"s": str, b"b": bytes, b"B": bytearray}
TAGS = {kind: tag for tag, kind in (*LEAVES.items(), *CONTAINERS.items())}
OTHER = b"o"
Lend = Callable[[object], str]
Borrow = Callable[[str], object]


def pack(value: object, lend: Lend | None = None, keep: Callable[[type], bool] = lambda kind: False) -> bytes:
    """`value` as bytes. A subclass goes as what the plain type itself holds, whatever it says of itself.

    What is not plain data, or of a type to `keep`, goes as the name that `lend` gives it; without `lend` it raises TypeError.
    Raises ValueError for what is too large, or contains itself.
    """
    out, waiting = bytearray(), [iter([value])]
    while waiting:
        try:
            value = next(waiting[-1])
        except StopIteration:
            waiting.pop()
            continue
        base = next((base for base in type(value).__mro__ if base in TAGS), None)
        if value is None:
            out += b"N"
        elif value is True or value is False:
            out += b"T" if value else b"F"
        elif base is None or keep(type(value)):
            if lend is None:
                raise TypeError(f"{type(value).__name__} is not plain data")
            _append(out, OTHER, lend(value).encode())
        elif (tag := TAGS[base]) in LEAVES:
            _append(out, tag, _content(value))
        else:
            items = _items(value)
            out += tag + COUNT.pack(len(items))
            waiting.append(iter(items))
        if len(waiting) > DEEPEST or len(out) > LARGEST:
            raise ValueError("a value is too large to be passed on, or contains itself")
    return bytes(out)


def _append(out: bytearray, tag: bytes, data: bytes | bytearray) -> None:
    out += tag + COUNT.pack(len(data))
    out += data


def _items(value: object) -> list[object]:
    """The items of a container, keys and values in turn, by the plain type's own method: a subclass may say otherwise."""
    if isinstance(value, dict):
        return [part for pair in dict.items(value) for part in pair]
    if isinstance(value, list):
        return list(list.__iter__(value))
    if isinstance(value, tuple):
        return list(tuple.__iter__(value))
    if isinstance(value, set):
        return list(set.__iter__(value))
    if isinstance(value, frozenset):
        return list(frozenset.__iter__(value))
    raise TypeError(f"{type(value).__name__} is not a container")


def _content(value: object) -> bytes | bytearray:
    """The bytes of a leaf, by the plain type's own methods."""
    if isinstance(value, int):
        return int.to_bytes(value, int.bit_length(value) // 8 + 1, "little", signed=True)
    if isinstance(value, float):
        return FLOAT.pack(float.__float__(value))
    if isinstance(value, complex):
        return COMPLEX.pack(complex.real.__get__(value), complex.imag.__get__(value))
    if isinstance(value, str):
        return str.encode(value, "utf-8", "surrogatepass")
    if isinstance(value, bytearray):
        return bytearray.__getitem__(value, slice(None))
    if isinstance(value, bytes):
        return bytes.__getitem__(value, slice(None))
    raise TypeError(f"{type(value).__name__} is not plain data")


@overload
def unpack(data: bytes) -> PlainData: ...


@overload
def unpack(data: bytes, borrow: Borrow | None) -> object: ...


def unpack(data: bytes, borrow: Borrow | None = None) -> object:
    """The value that `pack` wrote, of exactly the plain types; `borrow` gives what a name stands for.

    Raises ValueError for bytes that `pack` cannot have written.
    """
    end = 0  # of what has been read
    unfinished: list[tuple[bytes, int, list[object]]] = [(b"l", 1, [])]

    def take(size: int) -> bytes:
        nonlocal end
        end += size
        if end > len(data):
            raise ValueError("it ends early")
        return data[end - size : end]

    while True:
        tag = take(1)
        if tag in CONSTANTS:
            unfinished[-1][2].append(CONSTANTS[tag])
        elif tag in CONTAINERS:
            (count,) = COUNT.unpack(take(8))
            unfinished.append((tag, count, []))
        else:
            content = take(*COUNT.unpack(take(8)))
            unfinished[-1][2].append(_leaf(tag, content, borrow))
        while len(unfinished[-1][2]) == unfinished[-1][1]:
            tag, _, items = unfinished.pop()
            if not unfinished:
                if end != len(data):
                    raise ValueError("something follows it")
                return items[0]
            unfinished[-1][2].append(_container(tag, items))


def _leaf(tag: bytes, content: bytes, borrow: Borrow | None) -> object:
    if tag == OTHER and borrow:
        return borrow(content.decode())
    if tag not in LEAVES:
        raise ValueError(f"nothing begins with {tag!r}")
    kind = LEAVES[tag]
    try:
        if kind is int:
            return int.from_bytes(content, "little", signed=True)
        if kind is float:
            return FLOAT.unpack(content)[0]
        if kind is complex:
            return complex(*COMPLEX.unpack(content))
    except struct.error as error:
        raise ValueError(f"{len(content)} bytes are not a {kind.__name__}") from error
    return content.decode("utf-8", "surrogatepass") if kind is str else kind(content)


def _container(tag: bytes, items: list[object]) -> object:
    try:
        return dict(zip(items[::2], items[1::2], strict=True)) if tag == b"d" else CONTAINERS[tag](items)
    except TypeError as error:
        raise ValueError(str(error)) from error
