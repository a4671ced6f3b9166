"""Pictures made from words.

endpoint(client, model)   draws through an endpoint that speaks OpenAI's /v1/images/generations
generate_image(draw)      the tool over that, or over any other function from words to a picture
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from .tool import File, Tool, ToolError, ToolOutput

Draw = Callable[[str, str], Awaitable[File]]  # prompt and size, such as "1024x1024" or "" for the model's own
SECONDS = 180.0
MOST_BYTES = 50_000_000
MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp", b"GIF8": "gif"}


def endpoint(client: Any, model: str) -> Draw:
    """Draw with `model` over `client`, an AsyncOpenAI."""

    async def draw(prompt: str, size: str) -> File:
        options = {"model": model, "prompt": prompt, "n": 1, **({"size": size} if size else {})}
        try:  # some models answer with an address unless they are asked, others refuse to be asked
            answer = await client.images.generate(**options, response_format="b64_json")
        except Exception as error:
            if getattr(error, "status_code", None) != 400 or "response_format" not in str(error):
                raise
            answer = await client.images.generate(**options)
        encoded = answer.data[0].b64_json if answer.data else None
        if not encoded:
            raise ToolError("no_picture", f"{model} answered without a picture")
        try:
            return picture(base64.b64decode(encoded, validate=True))
        except binascii.Error:
            raise ToolError("no_picture", f"{model} answered with something that is not a picture") from None

    return draw


def picture(data: bytes) -> File:
    """`data` as a file of its type. Raises ToolError if it is not a picture of a known type."""
    kind = next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)
    if kind is None or (kind == "webp" and data[8:12] != b"WEBP") or len(data) > MOST_BYTES:
        raise ToolError("no_picture", f"{len(data)} bytes came that are not a PNG, JPEG, WebP or GIF of a usual size")
    return File(f"picture.{kind}", f"image/{kind}", data)


def generate_image(draw: Draw) -> Tool:
    """The tool that draws with `draw`."""

    async def generate_image(prompt: str, size: str = "") -> ToolOutput:
        """Draw a picture and show it to the user.

        Args:
            prompt: What the picture shows, in detail.
            size: Width and height, for example "1024x1024"; leave it out for the usual one.
        """
        file = await draw(prompt, size)
        return ToolOutput("The picture is drawn and the user sees it.", (file,))

    return Tool("generate_image", generate_image, "network", SECONDS)
