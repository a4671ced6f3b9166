"""Pictures: looked through to their end, and converted where no model takes their format, upright and without metadata."""

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from .kinds import Refused

MOST_PIXELS = 40_000_000  # a picture that unpacks to more is refused unread
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP", "image/bmp": "BMP",
            "image/tiff": "TIFF", "image/heic": "HEIF", "image/avif": "AVIF"}  # fmt: skip
_PHOTOS = ("image/heic", "image/avif")
_TAKEN = ("image/png", "image/jpeg", "image/gif", "image/webp")


def read(name: str, media_type: str, data: bytes) -> tuple[dict[str, object], bytes]:
    """Raises Refused for too many pixels."""
    if media_type == "image/heic":
        from pi_heif import register_heif_opener

        register_heif_opener()
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # ours is smaller
    try:
        picture = Image.open(io.BytesIO(data), formats=[_FORMATS[media_type]])
    except UnidentifiedImageError:
        raise ValueError("its header is damaged") from None
    width, height = picture.size
    check_pixels(width, height)
    frames = getattr(picture, "n_frames", 1)
    picture.load()
    about = f"{width} × {height} pixels"
    if media_type in _TAKEN:
        return {"about": about, "media_type": media_type, "notes": []}, data
    notes = [f"the first of {frames} pictures in it"] if frames > 1 else []
    converted, media = _converted(picture, media_type in _PHOTOS)
    form = "JPEG" if media == "image/jpeg" else "PNG"
    return {"about": f"{about}, sent as {form}", "media_type": media, "notes": notes}, converted


def check_pixels(width: int, height: int) -> None:
    """Raises Refused."""
    if width * height > MOST_PIXELS:
        raise Refused(f"has {width} × {height} pixels; at most {MOST_PIXELS // 1_000_000} million can be attached")


def _converted(picture: Image.Image, photo: bool) -> tuple[bytes, str]:
    """The picture as JPEG, if it is a photo without transparency, else as PNG; nothing but its pixels."""
    upright = ImageOps.exif_transpose(picture)
    opaque = upright.mode not in ("RGBA", "LA", "PA") and "transparency" not in upright.info
    bare = upright.convert("RGB" if opaque else "RGBA")
    bare.info.clear()
    out = io.BytesIO()
    if photo and opaque:
        bare.save(out, "JPEG", quality=90)
        return out.getvalue(), "image/jpeg"
    bare.save(out, "PNG")
    return out.getvalue(), "image/png"
