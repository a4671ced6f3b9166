"""Speech to text and text to speech with checkpoints that are here, for the chat and its tools."""

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from ..errors import ModelError
from ..models.name import parse
from ..models.task_model import TaskInput, TaskModel, TaskOptions, TaskOutput
from ..values import Failure, Media
from .catalogue import find_task
from .sound import Recording
from .special import open_special

LONGEST_TEXT = 2000  # characters spoken at once
_one_at_a_time = Lock()  # a network draws from the numbers of the process


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words spoken in `seconds` of sound."""

    text: str
    seconds: float


def transcribe(name: str, data: bytes) -> Transcript:
    """The words of a recording (bytes of a WAV, FLAC, OGG or MP3 file) by a Whisper or CTC checkpoint.

    `name` is a folder or a hub name. Long recordings are cut where nobody speaks. Raises DataError for what is no sound.
    """
    with Recording(data) as recording:
        seconds = recording.seconds
    return Transcript(_answer("speech-to-text", name, TaskInput(media=Media("audio/wav", data))).text, seconds)


def speak(name: str, text: str) -> bytes:
    """`text` as a WAV file, by a text-to-speech checkpoint (VITS and its kind)."""
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise ModelError(f"the text has {len(text)} characters; 1 to {LONGEST_TEXT} can be spoken at once")
    media = _answer("text-to-speech", name, TaskInput(text)).media
    assert media is not None  # of every text that is spoken
    return media.data


def _answer(task: str, name: str, one: TaskInput) -> TaskOutput:
    with _one_at_a_time:
        ((_, result),) = _opened(task, name.removeprefix("hf:")).answer([one])
    if isinstance(result, Failure):
        raise ModelError(result.reason)
    return result


@lru_cache(maxsize=4)
def _opened(task: str, name: str) -> TaskModel:
    return open_special(find_task(task), parse(f"hf:{name}"), TaskOptions())
