"""Pictures made from words: the tool generate_image, over a model of an endpoint (OpenAI's /v1/images/generations).

image:openai:gpt-image-1          image:http://127.0.0.1:8000/v1#name
"""

import base64
import binascii
from collections.abc import Mapping

from ..models.api.client import EndpointClient
from ..models.api.errors import StatusError
from ..models.api.model import ApiModel
from ..values import Json, JsonObject
from .endpoint import endpoint_model, opened
from .tool import File, Tool, ToolError, ToolOutput

SECONDS = 180.0
MOST_BYTES = 50_000_000
MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp", b"GIF8": "gif"}


def over(name: str) -> list[Tool]:
    """The tool that draws with the model of that name. Raises UsageError or UnknownName."""
    model, _ = endpoint_model("image", name, (), SECONDS)
    return [generate_image(model)]


def generate_image(model: ApiModel) -> Tool:
    """The tool that draws with `model`."""

    async def generate_image(prompt: str, size: str = "") -> ToolOutput:
        """Draw a picture and show it to the user.

        Args:
            prompt: What the picture shows, in detail.
            size: Width and height, for example "1024x1024"; leave it out for the usual one.
        """
        async with opened(model) as client:
            file = await _draw(client, prompt, size)
        return ToolOutput("The picture is drawn and the user sees it.", (file,))

    return Tool("generate_image", generate_image, "network", SECONDS)


async def _draw(client: EndpointClient, prompt: str, size: str) -> File:
    model = client.name.model
    body: JsonObject = {"model": model, "prompt": prompt, "n": 1, **({"size": size} if size else {})}
    path = "/images/generations"
    try:  # some models answer with an address unless they are asked, others refuse to be asked
        answer = await client.post(path, {**body, "response_format": "b64_json"})
    except StatusError as error:
        if error.status not in (400, 422) or "response_format" not in error.text:
            raise
        answer = await client.post(path, body)
    encoded = _encoded(answer)
    if not encoded:
        raise ToolError("no_picture", f"{model} answered without a picture")
    try:
        return picture(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        raise ToolError("no_picture", f"{model} answered with something that is not a picture") from None


def _encoded(answer: Json) -> str:
    """The base64 of the first picture in an answer, "" where there is none."""
    data = answer.get("data") if isinstance(answer, Mapping) else None
    first = data[0] if isinstance(data, list) and data else None
    encoded = first.get("b64_json") if isinstance(first, Mapping) else None
    return encoded if isinstance(encoded, str) else ""


def picture(data: bytes) -> File:
    """`data` as a file of its type. Raises ToolError if it is not a picture of a known type."""
    kind = next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)
    if kind is None or (kind == "webp" and data[8:12] != b"WEBP") or len(data) > MOST_BYTES:
        raise ToolError("no_picture", f"{len(data)} bytes came that are not a PNG, JPEG, WebP or GIF of a usual size")
    return File(f"picture.{kind}", f"image/{kind}", data)
