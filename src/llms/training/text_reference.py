"""Bits per byte of a text by means that need no network: so that those of a model mean something."""

import json
import lzma
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from .token_file import FOLDER

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

FILE = "references.json"
COMPRESSED = 4 << 20  # bytes of the training text that xz may have seen: a few seconds
MEASURED = 1 << 18  # bytes of the held-out text that are measured


@dataclass(frozen=True, slots=True)
class TextReferences:
    """Bits per byte of the held-out text: from how often each byte comes, from the byte before, and by xz behind the training text."""

    unigram: float
    bigram: float
    xz: float
    xz_seen_bytes: int

    def write(self, folder: Path) -> None:
        (folder / FOLDER / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "TextReferences":
        """Those of a run's folder. Raises DataError."""
        try:
            return cls(**json.loads((folder / FOLDER / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{folder} has no references of its text: {error}") from error


def beginning(text: bytes) -> bytes:
    """As much of a held-out text as is measured, in whole characters."""
    return text[:MEASURED].decode(errors="ignore").encode()


def compare_text(trained: Iterable[bytes], held_out: bytes) -> TextReferences:
    """References for `held_out`, from the training text in pieces. Both have at least a byte."""
    import numpy  # a tenth of a second, which --help need not wait for

    pairs = numpy.zeros(1 << 16, dtype=numpy.int64)
    tail = b""
    for piece in trained:
        pairs += numpy.bincount(_pairs(piece), minlength=1 << 16)
        tail = (tail + piece)[-COMPRESSED:]
    table = pairs.reshape(256, 256)
    single = (table.sum(0) + 1) / (table.sum() + 256)
    followers = (
        (table > 0).sum(1, keepdims=True).clip(1)
    )  # Witten and Bell 1991: as many new bytes as there were kinds of them
    after = (table + followers * single) / (table.sum(1, keepdims=True) + followers)
    wanted = numpy.frombuffer(held_out, dtype=numpy.uint8)
    first = -log2(single[wanted[0]])
    unigram = -numpy.log2(single[wanted]).sum() / len(wanted)
    bigram = (first - numpy.log2(after.reshape(-1)[_pairs(held_out)]).sum()) / len(wanted)
    more = len(lzma.compress(tail + held_out)) - len(lzma.compress(tail))
    return TextReferences(float(unigram), float(bigram), 8 * more / len(wanted), len(tail))


def _pairs(text: bytes) -> "NDArray[numpy.int64]":
    import numpy

    numbers = numpy.frombuffer(text, dtype=numpy.uint8).astype(numpy.int64)
    return numbers[:-1] * 256 + numbers[1:]
