"""Kinds of files that may be attached, recognized by their bytes and not by their names; bounded before anything is unpacked."""

import struct
from dataclasses import dataclass
from typing import Literal

from ...errors import UsageError

LARGEST = 25 << 20
LARGEST_PIXELS = 40_000_000  # a picture that unpacks to more is refused unread
_TEXT_LIKE = (".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".py", ".js", ".ts", ".html", ".css", ".c", ".cpp", ".h", ".rs", ".go",
              ".java", ".sh", ".sql", ".xml", ".yaml", ".yml", ".toml", ".ini", ".log", ".tex")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    name: str
    kind: Literal["image", "audio", "text"]
    media_type: str
    data: bytes


def examine(name: str, data: bytes) -> ExaminedFile:
    """The file, by what `data` really is. Raises UsageError with the reason if it cannot be attached."""
    name = name.replace("\\", "/").rpartition("/")[2][:120] or "attachment"
    if not data:
        raise UsageError(f"{name} is empty")
    if len(data) > LARGEST:
        raise UsageError(f"{name} has {len(data) / 1e6:.0f} MB; at most {LARGEST >> 20} MB can be attached")
    if media_type := _image(name, data):
        return ExaminedFile(name, "image", media_type, data)
    if media_type := _audio(data):
        return ExaminedFile(name, "audio", media_type, data)
    if data[:4] == b"PK\x03\x04" or data[:2] == b"\x1f\x8b" or data[:6] == b"7z\xbc\xaf\x27\x1c":
        raise UsageError(f"{name} is an archive; unpack it and attach what is in it")
    if data[:5] == b"%PDF-":
        raise UsageError(f"{name} is a PDF; attach its text (pdftotext makes it)")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is neither an image, nor sound, nor UTF-8 text") from None
    if "\0" in text:
        raise UsageError(f"{name} is not text: it holds zero bytes")
    if name.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".webp", ".wav", ".mp3", ".ogg", ".flac")):
        raise UsageError(f"{name} is not what its name says: it holds text")
    return ExaminedFile(name, "text", "text/plain", data)


def _image(name: str, data: bytes) -> str | None:
    size: tuple[int, int] | None = None
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        media = "image/png"
        size = struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" and len(data) >= 24 else None
    elif data[:6] in (b"GIF87a", b"GIF89a"):
        media, size = "image/gif", struct.unpack("<HH", data[6:10]) if len(data) >= 10 else None
    elif data[:3] == b"\xff\xd8\xff":
        media, size = "image/jpeg", _jpeg(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        media, size = "image/webp", _webp(data)
    else:
        return None
    if size is None or 0 in size:
        raise UsageError(f"{name} begins like {media} and is broken")
    if size[0] * size[1] > LARGEST_PIXELS:
        raise UsageError(
            f"{name} has {size[0]} × {size[1]} pixels; at most {LARGEST_PIXELS // 1_000_000} million can be attached"
        )
    return media


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """(width, height) from the first frame header."""
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return None
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    if len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _audio(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data[:4] == b"OggS":
        return "audio/ogg"
    if data[:4] == b"fLaC":
        return "audio/flac"
    if data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "audio/mpeg"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "audio/webm"
    return None
