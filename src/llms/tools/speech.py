"""Text said aloud: the tool speak, over a model of an endpoint (OpenAI's /v1/audio/speech).

    speak:openai:gpt-4o-mini-tts,voice=nova          speak:http://127.0.0.1:8000/v1#name,format=wav

Listening is not a tool: what the user says becomes their message.
"""

from ..models.api.model import ApiModel
from .endpoint import endpoint_model, opened
from .tool import File, Tool, ToolError, ToolOutput

SECONDS = 120.0
LONGEST_TEXT = 4_096  # characters that the endpoint takes
OPTIONS = ("voice", "format")
MAGIC = {
    b"ID3": "mpeg", b"\xff\xfb": "mpeg", b"\xff\xf3": "mpeg", b"\xff\xf2": "mpeg", b"RIFF": "wav", b"OggS": "ogg",
    b"fLaC": "flac", b"\xff\xf1": "aac", b"\xff\xf9": "aac",
}  # fmt: skip


def over(name: str) -> list[Tool]:
    """The tool that speaks with the model of that name. Raises UsageError or UnknownName."""
    model, options = endpoint_model("speak", name, OPTIONS, SECONDS)
    return [speak(model, options.get("voice") or "alloy", options.get("format") or "mp3")]


def speak(model: ApiModel, voice: str, format: str) -> Tool:
    """The tool that speaks with `model`; `voice` and `format` as its server calls them."""

    async def speak(text: str) -> ToolOutput:
        """Say a text aloud to the user.

        Args:
            text: What is said, at most 4,096 characters, without any markup.
        """
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise ToolError("bad_arguments", f"the text has {len(text)} characters; 1 to {LONGEST_TEXT:,} are spoken")
        body = {"model": model.name.model, "voice": voice, "input": text, "response_format": format}
        async with opened(model) as client:
            data = await client.connection.download("/audio/speech", body)
        return ToolOutput("The user hears it.", (sound(data),))

    return Tool("speak", speak, "network", SECONDS)


def sound(data: bytes) -> File:
    """`data` as a file of its type. Raises ToolError if it is not a recording of a known type."""
    kind = next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)
    if kind is None or (kind == "wav" and data[8:12] != b"WAVE"):
        came = f"{len(data)} bytes came that are" if data else "the answer is"
        raise ToolError("no_sound", f"{came} {'not MP3, WAV, Ogg, FLAC or AAC' if data else 'without sound'}")
    return File(f"speech.{'mp3' if kind == 'mpeg' else kind}", f"audio/{kind}", data)
