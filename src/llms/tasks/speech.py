"""Speech to text and text to speech with checkpoints that are here, through transformers' pipelines."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..errors import MissingExtra, ModelError
from ..models.local.checkpoint import find
from .sound import read, write

LONGEST_TEXT = 2000  # characters spoken at once


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in `seconds` of sound."""

    text: str
    seconds: float


def transcribe(name: str, data: bytes) -> Transcript:
    """The words of a recording (bytes of a WAV, FLAC, OGG or MP3 file) by a Whisper or CTC checkpoint.

    `name` is a folder or a hub name. Long recordings are read in windows of 30 seconds.
    """
    pipeline = _pipeline("automatic-speech-recognition", name)
    rate = pipeline.feature_extractor.sampling_rate
    samples = read(data, rate)
    whisper = pipeline.type == "seq2seq_whisper"
    long = len(samples) > 30 * rate
    options = (
        {"return_timestamps": True} if whisper and long else {"chunk_length_s": 30} if long and not whisper else {}
    )
    found = pipeline({"raw": samples, "sampling_rate": rate}, **options)
    return Transcript(found["text"].strip(), len(samples) / rate)


def speak(name: str, text: str) -> bytes:
    """`text` as a WAV file, by a text-to-speech checkpoint (VITS and its kind)."""
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise ModelError(f"the text has {len(text)} characters; 1 to {LONGEST_TEXT} can be spoken at once")
    made = _pipeline("text-to-audio", name)(text)
    return write(made["audio"].squeeze(), made["sampling_rate"])


@lru_cache(maxsize=4)
def _pipeline(task: str, name: str) -> Any:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "local speech", "local") from error
    folder = find(name.removeprefix("hf:"), None, frozenset()).folder
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    make: Any = transformers.pipeline
    try:
        return make(task, model=str(folder), device="cuda" if torch.cuda.is_available() else "cpu")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name} cannot be used for {task}: {first}") from error
