"""Speech out of text, and text out of speech.

    endpoint(client, model, voice)    speaks through /v1/audio/speech
    listener(client, model)           writes down what it hears through /v1/audio/transcriptions
    speak(voice)                      the tool over any function from text to sound

Listening is not a tool: what the user says becomes their message.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from .tool import File, Tool, ToolError, ToolOutput

Speak = Callable[[str], Awaitable[File]]
Listen = Callable[[File], Awaitable[str]]
SECONDS = 120.0
LONGEST_TEXT = 4_096  # characters that the endpoint takes
MOST_BYTES = 25_000_000  # of a recording
HEARD = {"flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"}


def endpoint(client: Any, model: str, voice: str = "alloy", format: str = "mp3") -> Speak:
    """Speak with `model` over `client`, an AsyncOpenAI."""

    async def say(text: str) -> File:
        answer = await client.audio.speech.create(model=model, voice=voice, input=text, response_format=format)
        data = await answer.aread()
        if not data:
            raise ToolError("no_sound", f"{model} answered without sound")
        return File(f"speech.{format}", "audio/mpeg" if format == "mp3" else f"audio/{format}", data)

    return say


def listener(client: Any, model: str, language: str = "") -> Listen:
    """The words of a recording, by `model` over `client`. `language` is a code such as "de"; "" lets the model tell."""

    async def listen(recording: File) -> str:
        ending = recording.name.rpartition(".")[2].lower()
        if ending not in HEARD:
            raise ToolError("no_sound", f"{recording.name} is not a recording", f"known: {', '.join(sorted(HEARD))}")
        if not recording.data or len(recording.data) > MOST_BYTES:
            size = f"{len(recording.data):,} bytes"
            raise ToolError(
                "too_large", f"{recording.name} has {size}; one to {MOST_BYTES:,} are taken", "send it in parts"
            )
        options = {"language": language} if language else {}
        file = (recording.name, recording.data, recording.media_type)
        answer = await client.audio.transcriptions.create(model=model, file=file, **options)
        return str(answer.text)

    return listen


def speak(say: Speak) -> Tool:
    """The tool that speaks with `say`."""

    async def speak(text: str) -> ToolOutput:
        """Say a text aloud to the user.

        Args:
            text: What is said, at most 4,096 characters, without any markup.
        """
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise ToolError("bad_arguments", f"the text has {len(text)} characters; 1 to {LONGEST_TEXT:,} are spoken")
        return ToolOutput("The user hears it.", (await say(text),))

    return Tool("speak", speak, "network", SECONDS)
