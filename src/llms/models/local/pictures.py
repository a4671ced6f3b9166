"""Pictures of a message as pixels: RGB, upright, no larger than can be held; bytes that are no picture are refused by name."""

from __future__ import annotations

import io
import struct
import warnings
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import MissingExtra, ModelError
from ...values import Media

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 40_000_000  # of one picture, and of all in one prompt
MOST_TOGETHER = 200_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error)


def open_picture(media: Media, name: str = "") -> Image.Image:
    """The picture, RGB, as a person sees it: turned as its camera says, on white where it is transparent, the first where
    it moves; 16 bits a channel become 8. Raises ModelError naming it for bytes that are none, and for too many pixels, which are
    not unpacked; MissingExtra."""
    name = media.name or name or "a picture"
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtra("pillow", "a picture", "local") from error
    data = _data(media, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ModelError(
                        f"{name} has {picture.width} × {picture.height} pixels; at most {MOST_PIXELS // 1_000_000} million "
                        "are read. Make it smaller"
                    )
                picture.load()
                return _rgb(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError as error:
        raise ModelError(f"{name} has more pixels than the {MOST_PIXELS // 1_000_000} million that are read") from error
    except DAMAGED as error:
        what = "is not a picture that can be read" if isinstance(error, UnidentifiedImageError) else "is damaged"
        raise ModelError(f"{name} {what}; expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from error


def open_pictures(media: Sequence[Media]) -> list[Image.Image]:
    """All of them, as `open_picture` gives them; a nameless one is named by its number. Raises ModelError for too many pixels
    together."""
    pictures, pixels = [], 0
    for number, one in enumerate(media, 1):
        pictures.append(open_picture(one, "the picture" if len(media) == 1 else f"picture {number}"))
        pixels += pictures[-1].width * pictures[-1].height
        if pixels > MOST_TOGETHER:
            raise ModelError(
                f"{number} of {len(media)} pictures have {pixels // 1_000_000} million pixels together; at most "
                f"{MOST_TOGETHER // 1_000_000} million are read at once. Send fewer, or smaller ones"
            )
    return pictures


def _data(media: Media, name: str) -> bytes:
    """The bytes of `media`, which may stand in its address."""
    if media.data:
        kind = media.media_type.partition("/")[0]
        if kind not in ("image", "application", ""):
            raise ModelError(f"{name} is {media.media_type}; a model that sees takes pictures")
        return media.data
    head, comma, rest = media.url.partition(",")
    if not media.url:
        raise ModelError(f"{name} is empty")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise ModelError(f"{name} lies at {media.url[:80]}, which is not fetched; send the picture itself")
    try:
        return b64decode(rest, validate=True)
    except NotBase64 as error:
        raise ModelError(f"{name} is not base64: {error}") from error


def _rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _eight_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A gray picture of 16 bits and more, which Pillow would cut off at 255 instead of scaling."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float64)
    most = 65535.0 if picture.mode.startswith("I") else max(1.0, float(values.max()))
    return Image.fromarray((values.clip(0, most) * (255 / most)).round().astype(np.uint8))
