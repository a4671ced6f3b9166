"""Attachments are what their bytes say, and bounded before anything is unpacked."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.errors import UsageError
from llms.web.service.file_kinds import LARGEST, examine


def png(width: int = 2, height: int = 3) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\x00\x00\x00rest"


JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x05\x00\x07\x03rest of it"
WEBP = (
    b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\x01\x00\x00" + b"\x02\x00\x00" + b"more bytes"
)


@pytest.mark.parametrize(
    ("data", "kind", "media"),
    [
        (png(), "image", "image/png"),
        (JPEG, "image", "image/jpeg"),
        (b"GIF89a\x02\x00\x03\x00more", "image", "image/gif"),
        (WEBP, "image", "image/webp"),
        (b"RIFF....WAVEfmt ", "audio", "audio/wav"),
        (b"OggS....", "audio", "audio/ogg"),
        ("plain text, größer".encode(), "text", "text/plain"),
    ],
)
def test_kinds_are_told_by_content(data, kind, media):
    found = examine("../../x/name.bin", data)
    assert (found.name, found.kind, found.media_type) == ("name.bin", kind, media)


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\nbroken", "broken"),
        ("a.png", b"hello", "not what its name says"),
        ("a.png", png(100_000, 100_000), "pixels"),
        ("a.zip", b"PK\x03\x04....", "archive"),
        ("a.gz", b"\x1f\x8b....", "archive"),
        ("a.pdf", b"%PDF-1.7", "PDF"),
        ("a.bin", b"\xff\xfe\x00\x01", "neither"),
        ("a.txt", b"a\0b", "zero bytes"),
        ("a.txt", b"", "empty"),
        ("a.txt", b"x" * (LARGEST + 1), "25 MB"),
    ],
)
def test_what_cannot_be_attached_is_refused_with_the_reason(name, data, word):
    with pytest.raises(UsageError, match=word):
        examine(name, data)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBP", b"GIF89a"])
)
def test_no_bytes_break_it(data, head):
    with contextlib.suppress(UsageError):
        assert examine("x", head + data).kind in ("image", "audio", "text")
