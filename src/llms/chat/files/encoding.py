"""Text of bytes in any encoding, and the name of the one it was: marks first, then what the bytes allow, then what they look like."""

import codecs
from dataclasses import dataclass

from ...errors import MissingExtra
from .kinds import UNREADABLE, Refused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_NAMES = {
    "cp1252": "Windows-1252", "latin_1": "Latin-1", "cp1250": "Windows-1250", "cp1251": "Windows-1251", "koi8_r": "KOI8-R",
    "cp1253": "Windows-1253", "cp1254": "Windows-1254", "cp1255": "Windows-1255", "cp1256": "Windows-1256", "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP", "gb18030": "GB18030", "big5": "Big5", "cp949": "EUC-KR",
}  # fmt: skip
_SAMPLE = 256 << 10  # bytes that an encoding is guessed from
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b")) + b"\x7f"
MOST_CONTROLS = 0.002  # of the bytes; programs and pictures have some 0.1
_FEW = 0.2  # share of bytes beyond ASCII below which letters of an alphabet with accents are meant


@dataclass(frozen=True, slots=True)
class Decoded:
    """`encoding` is a name for people; `broken` counts the places that were not valid in it and show U+FFFD."""

    text: str
    encoding: str
    broken: int = 0


def decode(data: bytes) -> Decoded:
    """The text in `data`. Raises Refused if it is none."""
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            return _without_controls(_lossy(data, codec, name))
    for codec, name in (("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16")):
        if _looks_wide(data, codec):
            return _without_controls(_lossy(data, codec, name))
    if b"\0" in data:
        raise Refused("is not text: it holds zero bytes")
    if len(data.translate(None, _CONTROLS)) < len(data) * (1 - MOST_CONTROLS):
        raise Refused(f"is {UNREADABLE}")
    try:
        return Decoded(data.decode("utf-8"), "UTF-8")
    except UnicodeDecodeError:
        pass
    mended = _lossy(data, "utf-8", "UTF-8")
    beyond = sum(1 for byte in data if byte >= 0xC2) - mended.broken
    if mended.broken and beyond > 20 * mended.broken:  # UTF-8, damaged in a few places
        return mended
    codec = _guess(data)
    return _lossy(data, codec, _NAMES.get(codec, codec))


def _lossy(data: bytes, codec: str, name: str) -> Decoded:
    try:
        return Decoded(data.decode(codec), name)
    except UnicodeDecodeError:
        text = data.decode(codec, "replace")
        return Decoded(text, name, text.count("\ufffd"))


def _without_controls(decoded: Decoded) -> Decoded:
    if "\0" in decoded.text:
        raise Refused("is not text: it holds zero bytes")
    if decoded.broken > max(2, len(decoded.text) // 100):
        raise Refused(f"is {UNREADABLE}")
    return decoded


def _looks_wide(data: bytes, codec: str) -> bool:
    """Whether it is UTF-16 without its mark: every second byte is often a zero, the others hardly ever."""
    sample = data[:_SAMPLE]
    if len(sample) < 4 or len(data) % 2 or b"\0" not in sample:
        return False
    high, low = (sample[1::2], sample[0::2]) if codec == "utf-16-le" else (sample[0::2], sample[1::2])
    if low.count(0) > 0.1 * len(low):
        return False
    if high.count(0) > 0.4 * len(high):
        return True
    text = sample.decode(codec, "replace")  # Chinese, say, whose line ends alone have a zero
    return sum(one.isprintable() or one.isspace() for one in text) > 0.99 * len(text)


def _guess(data: bytes) -> str:
    """The likeliest codec of bytes that are no UTF-8."""
    try:
        from charset_normalizer import from_bytes
    except ImportError as error:
        raise MissingExtra("charset-normalizer", "text that is not UTF-8", "files") from error
    first = next(at for at, byte in enumerate(data) if byte >= 0x80)
    sample = data[max(0, first - 1000) : first + _SAMPLE]
    alphabet = _few_beyond_ascii(sample)
    candidates = [codec for codec in _NAMES if not alphabet or codec.startswith(("cp12", "koi8"))]
    ranked = []
    for codec in candidates:
        match = from_bytes(sample, cp_isolation=[codec], threshold=1.0).best()
        if match is not None:
            narrow = sum("\uff61" <= one <= "\uff9f" for one in str(match)) > 0.1 * len(sample)  # no one writes so
            ranked.append((narrow, round(match.chaos, 2), -round(match.coherence, 1), candidates.index(codec), codec))
    codec = min(ranked)[-1] if ranked else "cp1252"
    if codec == "cp1252":  # has five holes, which Latin-1 fills
        try:
            data.decode("cp1252")
        except UnicodeDecodeError:
            return "latin_1"
    return codec


def _few_beyond_ascii(sample: bytes) -> bool:
    """Whether the bytes beyond ASCII are few and stand alone, as accented letters do and no character of two bytes."""
    high = [byte >= 0x80 for byte in sample]
    alone = sum(
        1 for at, one in enumerate(high) if one and high[at - 1 : at] != [True] and high[at + 1 : at + 2] != [True]
    )
    count = sum(high)
    return count < _FEW * len(high) and alone > count / 2
