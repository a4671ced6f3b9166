"""The kind of file that bytes are, whatever the name says; nothing is unpacked beyond the list of a zip's members."""

import io
import struct
import zipfile
from typing import Literal

Kind = Literal["pdf", "docx", "xlsx", "pptx", "image", "converted", "audio", "text"]
READ_APART: dict[Kind, str] = {
    "pdf": "PDF", "docx": "Word document", "xlsx": "Excel workbook", "pptx": "PowerPoint presentation",
    "image": "picture", "converted": "picture",
}  # fmt: skip
_OFFICE: dict[str, Kind] = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}
_SOUNDS = ((b"OggS", "audio/ogg"), (b"fLaC", "audio/flac"), (b"ID3", "audio/mpeg"), (b"\x1aE\xdf\xa3", "audio/webm"))
_REFUSED = (
    (b"\x1f\x8b", "an archive; unpack it and attach what is in it"),
    (b"7z\xbc\xaf\x27\x1c", "an archive; unpack it and attach what is in it"),
    (b"Rar!", "an archive; unpack it and attach what is in it"),
    (b"BZh", "an archive; unpack it and attach what is in it"),
    (b"\xfd7zXZ\0", "an archive; unpack it and attach what is in it"),
    (b"SQLite format 3\0", "a database; attach what a query of it gives (the tool sql asks it)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"{\\rtf", "RTF; save it as .docx or as text"),
)
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
UNREADABLE = "neither text nor a picture, a sound or a document that can be read"


class Refused(Exception):
    """The reason why bytes of that kind cannot be attached; it follows the name of the file."""


def kind_of(data: bytes) -> tuple[Kind, str]:
    """(kind, media type) of not empty `data`; "converted" are pictures that no model takes as they are. Raises Refused."""
    if media := _picture(data):
        return "image", media
    if media := _convertible(data):
        return "converted", media
    if media := _sound(data):
        return "audio", media
    if data[:1024].lstrip()[:5] == b"%PDF-":
        return "pdf", "application/pdf"
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zipped(data), "application/zip"
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Refused("is encrypted: it opens with a password only; save it without one")
        raise Refused("is in the binary format of old Office programs; save it as .docx, .xlsx or .pptx")
    for sign, what in _REFUSED:
        if data.startswith(sign) and not (sign == b"MZ" and b"\0" not in data[:4096]):
            raise Refused(f"is {what}")
    return "text", "text/plain"


def pixels(media_type: str, data: bytes) -> tuple[int, int] | None:
    """(width, height) as the header says it; None where the header is broken."""
    size: tuple[int, int] | None = None
    if media_type == "image/png":
        size = struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" and len(data) >= 24 else None
    elif media_type == "image/gif":
        size = struct.unpack("<HH", data[6:10]) if len(data) >= 10 else None
    elif media_type == "image/jpeg":
        size = _jpeg(data)
    elif media_type == "image/webp":
        size = _webp(data)
    return None if size is None or 0 in size else size


def _picture(data: bytes) -> str | None:
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _convertible(data: bytes) -> str | None:
    if data[:2] == b"BM" and len(data) > 26 and int.from_bytes(data[14:18], "little") in (12, 40, 52, 56, 64, 108, 124):
        return "image/bmp"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "image/tiff"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "image/heic" if brand in _HEIF else "image/avif" if brand in (b"avif", b"avis") else None
    return None


def _sound(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2 and data[:2] != b"\xff\xfe":
        return "audio/mpeg"
    if data[4:8] == b"ftyp":
        if data[8:12] in (b"M4A ", b"M4B "):
            return "audio/mp4"
        raise Refused("is a video; attach pictures or the sound of it")
    return next((media for sign, media in _SOUNDS if data.startswith(sign)), None)


def _zipped(data: bytes) -> Kind:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error):
        raise Refused("begins like an Office document or an archive and is broken") from None
    if "[Content_Types].xml" in names:
        for folder, kind in _OFFICE.items():
            if any(name.startswith(folder) for name in names):
                return kind
    if "mimetype" in names and "content.xml" in names:
        raise Refused("is an OpenDocument; save it as .docx, .xlsx, .pptx or PDF")
    raise Refused("is an archive; unpack it and attach what is in it")


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
