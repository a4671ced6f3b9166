"""Text as one flat file of token ids, mapped into memory, and the windows of it that are trained on, in an order that a seed fixes.

In: files of text. Out, in a run's folder: `text/train.bin`, `text/validation.bin` (little-endian, two bytes a token up to a
vocabulary of 65,536, else four), the tokenizer, and `held-out.txt`, the text that is never trained on.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..data.documents import DocumentPart, read_documents
from ..errors import DataError
from ..tokens.train import END_ID, encode_plain, save_tokenizer, train_tokenizer

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

FOLDER, TRAIN, VALIDATION, COUNTS, HELD_OUT = "text", "train.bin", "validation.bin", "counts.json", "held-out.txt"
WHOLE_PARTS = 40  # from so many on, whole parts are held out; of fewer, the end of each
TOGETHER = 256  # parts that are encoded at once
VARIED = 16  # windows from which on one is given up so that each epoch cuts elsewhere


@dataclass(frozen=True, slots=True)
class TextSize:
    """Of files of text, before any tokenizer."""

    documents: int
    parts: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TextCounts:
    """Of a run's text: what is trained on and what is held out."""

    documents: int
    bytes: int
    tokens: int
    held_out_bytes: int
    held_out_tokens: int
    vocabulary: int

    def write(self, folder: Path) -> None:
        (folder / FOLDER / COUNTS).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Those of a run's folder. Raises DataError."""
        path = folder / FOLDER / COUNTS
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{folder} holds no text of a run ({error}); begin again in another folder") from error


def measure_text(files: Sequence[Path]) -> TextSize:
    """Count, and find out whether all of it can be read. Raises DataError."""
    documents = parts = size = 0
    for part in read_documents(files):
        documents, parts, size = documents + part.begins, parts + 1, size + len(part.text.encode())
    if not size:
        raise DataError(f"there is no text in {', '.join(map(str, files)) or 'no file'}; expected at least some pages")
    return TextSize(documents, parts, size)


@dataclass(frozen=True)
class HeldOutText:
    """Which text is never trained on: a `share` of the parts, drawn by `seed`; where they are few, the end of each."""

    share: float
    seed: int
    parts: int

    def divide(self, number: int, part: DocumentPart) -> tuple[str, str]:
        """(trained, held out) of the part of this number."""
        if self.parts >= WHOLE_PARTS:
            digest = hashlib.sha256(f"{self.seed} {number}".encode()).digest()
            out = int.from_bytes(digest[:8]) < self.share * 2**64
            return ("", part.text) if out else (part.text, "")
        aim = round(len(part.text) * (1 - self.share))
        line = part.text.rfind("\n", aim // 2, aim) + 1
        cut = line or aim
        return part.text[:cut], part.text[cut:]


def write_tokens(
    folder: Path, files: Sequence[Path], held: HeldOutText, vocabulary: int, exact: bool, window: int
) -> TextCounts:
    """Train the tokenizer and write the run's text into `folder`. Raises DataError where the text is too little."""
    import numpy  # a tenth of a second, which --help need not wait for

    backend = train_tokenizer((mine for _, mine, _ in _divided(files, held) if mine), vocabulary, exact)
    save_tokenizer(backend, folder, window)
    (folder / FOLDER).mkdir(exist_ok=True)
    dtype = _dtype(backend.get_vocab_size())
    documents = 0
    sizes, counts = [0, 0], [0, 0]
    paths = (folder / FOLDER / TRAIN, folder / FOLDER / VALIDATION)
    with paths[0].open("wb") as train, paths[1].open("wb") as other, (folder / HELD_OUT).open("wb") as plain:
        batch: list[tuple[bool, bool, str]] = []  # whether held out, whether a document begins, the text

        def flush() -> None:
            for (out, begins, text), ids in zip(batch, encode_plain(backend, [b[2] for b in batch]), strict=True):
                row = numpy.array([END_ID, *ids] if begins else ids, dtype=dtype)
                (other if out else train).write(row.tobytes())
                sizes[out] += len(text.encode())
                counts[out] += len(row)
            batch.clear()

        for part, mine, theirs in _divided(files, held):
            documents += part.begins
            if mine:
                batch.append((False, part.begins, mine))
            if theirs:
                batch.append((True, True, theirs))
                plain.write(theirs.encode())
            if len(batch) >= TOGETHER:
                flush()
        flush()
    result = TextCounts(documents, sizes[0], counts[0], sizes[1], counts[1], backend.get_vocab_size())
    result.write(folder)
    return result


def trained_text(files: Sequence[Path], held: HeldOutText) -> Iterator[bytes]:
    """The text that is trained on, in parts."""
    return (mine.encode() for _, mine, _ in _divided(files, held) if mine)


def _divided(files: Sequence[Path], held: HeldOutText) -> Iterator[tuple[DocumentPart, str, str]]:
    for number, part in enumerate(read_documents(files)):
        yield part, *held.divide(number, part)


def _dtype(vocabulary: int) -> str:
    return "<u2" if vocabulary <= 1 << 16 else "<u4"


class TokenWindows:
    """`rows` windows of `window` + 1 tokens of a token file, each a training row: its tokens, and those that follow them.

    An epoch is the whole text once, cut at a place of its own, in an order of its own; row `i` is the same in every process
    and however often the run was resumed. With `seed` None it is the text once, in order.
    """

    def __init__(self, path: Path, vocabulary: int, window: int, rows: int = 0, seed: int | None = None):
        import numpy

        self.tokens: NDArray[numpy.integer] = numpy.memmap(path, dtype=_dtype(vocabulary), mode="r")
        self.window, self.seed = window, seed
        whole = (len(self.tokens) - 1) // window
        if not whole:
            raise DataError(
                f"{path} has {len(self.tokens):,} tokens; a window takes {window + 1:,}. Take a smaller one, or more text"
            )
        self.of_epoch = whole - 1 if seed is not None and whole >= VARIED else whole
        self.rows = rows or self.of_epoch
        self._epoch = lru_cache(maxsize=2)(self._draw)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> "NDArray[numpy.int64]":
        epoch, number = divmod(row, self.of_epoch)
        order, offset = self._epoch(epoch)
        start = offset + int(order[number]) * self.window
        return self.tokens[start : start + self.window + 1].astype("int64")

    def _draw(self, epoch: int) -> "tuple[NDArray[numpy.int64], int]":
        """The order of an epoch's windows, and the token that the first of them begins at."""
        import numpy

        if self.seed is None:
            return numpy.arange(self.of_epoch), 0
        source = numpy.random.default_rng([self.seed, epoch])
        slack = len(self.tokens) - 1 - self.of_epoch * self.window
        return source.permutation(self.of_epoch), int(source.integers(slack + 1))
