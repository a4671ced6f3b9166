"""Speech to text and text to speech with checkpoints that are here, through transformers' pipelines."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import MissingExtra, ModelError
from ..models.local.checkpoint import find, first_line
from .sound import read, write

if TYPE_CHECKING:
    from transformers import Pipeline

LONGEST_TEXT = 2000  # characters spoken at once


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words spoken in `seconds` of sound."""

    text: str
    seconds: float


def transcribe(name: str, data: bytes) -> Transcript:
    """The words of a recording (bytes of a WAV, FLAC, OGG or MP3 file) by a Whisper or CTC checkpoint.

    `name` is a folder or a hub name. Long recordings are read in windows of 30 seconds.
    """
    pipeline = _pipeline("automatic-speech-recognition", name)
    extractor = pipeline.feature_extractor
    assert extractor is not None  # every recognizer has one
    rate: int = extractor.sampling_rate
    samples = read(data, rate)
    whisper = getattr(pipeline, "type", "") == "seq2seq_whisper"  # which recognizers alone have
    long = len(samples) > 30 * rate
    options = (
        {"return_timestamps": True} if whisper and long else {"chunk_length_s": 30} if long and not whisper else {}
    )
    result = pipeline({"raw": samples, "sampling_rate": rate}, **options)
    return Transcript(result["text"].strip(), len(samples) / rate)


def speak(name: str, text: str) -> bytes:
    """`text` as a WAV file, by a text-to-speech checkpoint (VITS and its kind)."""
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise ModelError(f"the text has {len(text)} characters; 1 to {LONGEST_TEXT} can be spoken at once")
    sound = _pipeline("text-to-audio", name)(text)
    return write(sound["audio"].squeeze(), sound["sampling_rate"])


@lru_cache(maxsize=4)
def _pipeline(task: str, name: str) -> "Pipeline":
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "local speech", "local") from error
    folder = find(name.removeprefix("hf:"), None, frozenset()).folder
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        pipeline: Pipeline = getattr(transformers, "pipeline")(task, model=str(folder), device=device)  # noqa: B009 - its overloads want a literal
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{name} cannot be used for {task}: {first_line(error)}") from error
    return pipeline
