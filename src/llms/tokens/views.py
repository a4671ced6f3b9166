"""Tokens for people: which part of a text each token stands for, and how many words, characters and bytes that makes.

A tokenizer may spread one character over several tokens. Such tokens hold bytes that are no text of their own, and
are shown as bytes.
"""

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class TokenView:
    """One token. `name` is how the vocabulary writes it; `data` are the bytes of the text that it stands for, which lie
    at start .. end of the text's UTF-8. A token that the tokenizer adds by itself has no bytes. Where a tokenizer drops
    a part of a character, start .. end are those of whole characters, as far as it tells."""

    id: int
    name: str
    data: bytes
    start: int
    end: int
    special: bool = False

    @property
    def text(self) -> str | None:
        """Its part of the text; None where that is only a part of a character."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None

    @property
    def shown(self) -> str:
        """Its text; `<E2 82>` for parts of characters; its name where it has no text."""
        if not self.data:
            return self.name
        text = self.text
        return f"<{self.data.hex(' ').upper()}>" if text is None else text


@dataclass(frozen=True, slots=True)
class Ratio:
    """How a text of so many characters (code points) and bytes was cut: `tokens` for it, `added` by the tokenizer.

    `dropped` bytes of the text belong to no token: the vocabulary lacks them, or the tokenizer leaves out white space.
    """

    tokens: int
    added: int
    characters: int
    bytes: int
    dropped: int

    @property
    def characters_per_token(self) -> float | None:
        return self.characters / self.tokens if self.tokens else None

    @property
    def bytes_per_token(self) -> float | None:
        return self.bytes / self.tokens if self.tokens else None


def ratio(text: str, pieces: Sequence[TokenView]) -> Ratio:
    size = len(text.encode())
    added = sum(not piece.data for piece in pieces)
    held = sum(len(piece.data) for piece in pieces)
    return Ratio(len(pieces) - added, added, len(text), size, max(0, size - held))


def words(text: str) -> list[str]:
    """Runs of letters and digits, and single other signs; scripts written without spaces have no such words."""
    return re.findall(r"\w+|[^\w\s]", text)


def cut(tokenizer: "Tokenizer", text: str, special: bool = True) -> list[TokenView]:
    """The tokens of `text` under a `tokenizers.Tokenizer`, in order, each with its part of the text."""
    encoding = tokenizer.encode(text, add_special_tokens=special)
    ids, names, fixed = encoding.ids, encoding.tokens, encoding.special_tokens_mask  # each is copied when it is read
    byte_of = _byte_offsets(text)
    spans = [(byte_of(start), byte_of(end)) for start, end in _with_marks(text, encoding.offsets)]
    added = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    raw, byte_level = text.encode(), _byte_level(tokenizer)
    pieces: list[TokenView] = []
    while (first := len(pieces)) < len(ids):
        last = _overlap(spans, first)
        start = spans[first][0]
        whole = raw[start : max(end for _, end in spans[first:last])]
        datas = [_data(name, byte_level) for name in names[first:last]]
        if len(datas) == 1 and datas[0] not in whole:  # normalized, or written with a mark of the vocabulary's own
            datas = [whole]
        exact = b"".join(datas) == whole
        for index, data in enumerate(datas, first):
            begin, end = (start, start + len(data)) if exact else spans[index]
            pieces.append(
                TokenView(ids[index], names[index], data, begin, end, bool(fixed[index]) or ids[index] in added)
            )
            start += len(data)
    return pieces


def entry(tokenizer: "Tokenizer", token: int) -> TokenView:
    """The vocabulary's entry of a token id, as if it were a text of its own. Ids beyond the vocabulary have no text."""
    name = tokenizer.id_to_token(token)
    if name is None:
        return TokenView(token, f"<{token}>", b"", 0, 0)
    added = tokenizer.get_added_tokens_decoder().get(token)
    data = name.encode() if added is not None else _data(name, _byte_level(tokenizer))
    return TokenView(token, name, data, 0, len(data), added is not None and added.special)


def of_bytes(ids: Sequence[int], datas: Sequence[bytes]) -> list[TokenView]:
    """The pieces of a vocabulary whose entries are bytes and nothing else."""
    ends = accumulate(len(data) for data in datas)
    return [
        TokenView(i, data.decode(errors="replace"), data, end - len(data), end)
        for i, data, end in zip(ids, datas, ends, strict=True)
    ]


def _with_marks(text: str, offsets: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Character spans, each with the marks behind it that a normalizer has joined to its last character."""
    followings = [*(start for start, _ in offsets[1:]), len(text)]
    for (start, end), following in zip(offsets, followings, strict=False):
        while start < end < following and unicodedata.combining(text[end]):
            end += 1
        yield start, end


def _byte_offsets(text: str) -> Callable[[int], int]:
    """From the index of a character to the offset of its first byte in UTF-8."""
    if text.isascii():
        return lambda index: index
    table = array("Q", accumulate((len(character.encode()) for character in text), initial=0))
    return table.__getitem__


def _overlap(spans: Sequence[tuple[int, int]], first: int) -> int:
    """The end of the run of tokens from `first` on that share characters with one another."""
    end, last = spans[first][1], first + 1
    while last < len(spans) and spans[last][0] < end and spans[last][1] > spans[last][0]:
        end = max(end, spans[last][1])
        last += 1
    return last


def _byte_level(tokenizer: "Tokenizer") -> bool:
    return "ByteLevel" in repr(tokenizer.decoder)


def _data(name: str, byte_level: bool) -> bytes:
    """The bytes that a vocabulary's entry stands for, by the way in which its tokenizer writes bytes."""
    if byte_level:
        alphabet = _byte_alphabet()
        return bytes(alphabet[sign] for sign in name) if all(sign in alphabet for sign in name) else name.encode()
    if re.fullmatch("<0x[0-9A-F]{2}>", name):
        return bytes.fromhex(name[3:5])
    return name.replace("▁", " ").encode()


@cache
def _byte_alphabet() -> dict[str, int]:
    """How byte-level vocabularies write the 256 bytes: as themselves where that is printable in Latin-1, the others as
    the characters from U+0100 on, in order (Radford et al. 2019)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}
