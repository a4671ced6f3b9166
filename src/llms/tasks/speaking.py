"""Text to speech: VITS, and SpeechT5 with a vocoder. A long text is spoken sentence by sentence and joined."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import ModelError, UsageError
from ..lazy import lazy
from ..models.loading import loading
from ..models.local.auto import Auto, load_auto
from ..models.local.checkpoint import Checkpoint, find, first_line
from ..models.name import Name
from ..models.task_model import Answered, TaskInput, TaskOptions, TaskOutput
from ..values import Failure, Media
from .catalogue import HubTask
from .seeded import drawn_by
from .sound import Samples, write
from .special import SpecialModel

VOCODER = "microsoft/speecht5_hifigan"
AT_ONCE = 300  # characters; longer ones are split, at sentences where there are any
PAUSE_SECONDS = 0.25  # between what is spoken apart
LONGEST_TEXT = 100_000  # characters: about two hours
SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
KINDS = ("vits", "speecht5")


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> "Speaker":
    kind = str(checkpoint.config.get("model_type"))
    if kind not in KINDS:
        raise ModelError(
            f"{name.text} cannot be used for text-to-speech: it is {kind}; expected {' or '.join(KINDS)} (MMS is VITS)"
        )
    return Speaker(task, name, checkpoint, options)


class Speaker(SpecialModel):
    """A TaskModel over texts. The same seed speaks a text the same way.

    `voice` is, for SpeechT5, a file .npy of the floats of a speaker (an x-vector); without one a voice is drawn by the
    seed, and the flag `random voice` says so. For a VITS of several speakers it is the number of one.
    """

    @lazy
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(self.checkpoint.folder))
        except ImportError as error:
            raise ModelError(
                f"the tokenizer of {self.name.text} needs sentencepiece, which is not installed; "
                "run: pip install sentencepiece"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{self.name.text} cannot be used for text-to-speech: {first_line(error)}") from error
        return tokenizer

    @lazy
    def _network(self) -> PreTrainedModel:
        auto: Auto = "AutoModelForTextToSpectrogram" if self._needs_vocoder else "AutoModelForTextToWaveform"
        with loading("loading", self.name.text):
            return load_auto(auto, self.checkpoint, self.name.options)

    @lazy
    def _vocoder(self) -> PreTrainedModel:
        """That in the checkpoint's folder `vocoder`; without one the usual, from the hub."""
        folder = self.checkpoint.folder / "vocoder"
        vocoder = find(str(folder) if folder.is_dir() else VOCODER, None, self.checkpoint.allow)
        return load_auto("SpeechT5HifiGan", vocoder, self.name.options)

    @property
    def _needs_vocoder(self) -> bool:
        return self.checkpoint.config.get("model_type") == "speecht5"

    @property
    def rate(self) -> int:
        """Samples a second of what it speaks."""
        rate: int = (self._vocoder if self._needs_vocoder else self._network).config.sampling_rate
        return rate

    @lazy
    def _voice(self) -> torch.Tensor:
        """The speaker (1, D): from the file, or drawn."""
        size: int = self._network.config.speaker_embedding_dim
        if self.options.voice:
            return torch.from_numpy(_read_voice(Path(self.options.voice), size)).to(self._network.device)
        generator = torch.Generator().manual_seed(self.options.seed)
        drawn = torch.randn(1, size, generator=generator)
        voice: torch.Tensor = (drawn / drawn.norm()).to(self._network.device)
        return voice

    def answer_block(self, inputs: Sequence[TaskInput]) -> Iterator[Answered]:
        """(index, result) in input order. A text without anything that can be said is a Failure."""
        for index, one in enumerate(inputs):
            text = one.text.strip()
            if not text or len(text) > LONGEST_TEXT:
                yield (
                    index,
                    Failure("infra", f"input {index} has {len(text)} characters; 1 to {LONGEST_TEXT} can be spoken"),
                )
                continue
            yield index, self._spoken(index, text)

    def _spoken(self, index: int, text: str) -> TaskOutput | Failure:
        started, tokens, nothing = perf_counter(), 0, len(self._tokenizer("")["input_ids"])
        sounds: list[Samples] = []
        with drawn_by(self.options.seed, self._network.device):
            for piece in pieces(text):
                ids = self._tokenizer(piece, return_tensors="pt").to(self._network.device)
                length = ids["input_ids"].shape[1]
                if length > nothing:
                    sounds += [self._say(ids["input_ids"], ids["attention_mask"])]
                    tokens += length
        if not tokens:
            return Failure("infra", f"input {index} holds nothing that {self.name.text} can say: {text[:40]!r}")
        pause = np.zeros(round(PAUSE_SECONDS * self.rate), "float32")
        joined = np.concatenate([part for sound in sounds for part in (sound, pause)][:-1])
        if not np.isfinite(joined).all():
            return Failure("infra", f"what {self.name.text} computes are not finite numbers (NaN)")
        return TaskOutput(
            text,
            media=Media("audio/wav", write(joined, self.rate), name=f"speech-{index}.wav"),
            flags=("random voice",) if self._needs_vocoder and not self.options.voice else (),
            tokens=tokens,
            seconds=perf_counter() - started,
        )

    @torch.inference_mode()
    def _say(self, ids: torch.Tensor, mask: torch.Tensor) -> Samples:
        if self._needs_vocoder:
            speak = getattr(self._network, "generate_speech")  # noqa: B009 - SpeechT5's own
            wave: torch.Tensor = speak(ids, self._voice, attention_mask=mask, vocoder=self._vocoder)
        else:
            speakers = int(self._network.config.num_speakers)
            which = {"speaker_id": _speaker(self.options.voice, speakers)} if speakers > 1 else {}
            wave = self._network(input_ids=ids, attention_mask=mask, **which).waveform
        samples: Samples = wave.float().cpu().numpy().reshape(-1)
        return samples

    def close(self) -> None:
        """Let go of the weights."""
        super().close()
        self.__dict__.pop("_vocoder", None)


def pieces(text: str) -> list[str]:
    """`text` as one piece if it is short, else split at the ends of sentences, and long sentences between words."""
    result: list[str] = []
    for sentence in [text] if len(text) <= AT_ONCE else SENTENCE.split(text):
        words = ""
        for word in (sentence or "").split():
            while len(word) > AT_ONCE:  # a script without spaces
                result += [part for part in (words, word[:AT_ONCE]) if part]
                words, word = "", word[AT_ONCE:]
            if words and len(words) + 1 + len(word) > AT_ONCE:
                result.append(words)
                words = word
            else:
                words = f"{words} {word}".strip()
        if words:
            result.append(words)
    return result


def _read_voice(file: Path, size: int) -> np.ndarray:
    """The floats of a speaker (1, size), of a file .npy."""
    try:
        voice = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the voice {file}: {error}; expected a .npy file of {size} floats") from error
    if voice.size != size or not np.issubdtype(voice.dtype, np.floating):
        raise UsageError(f"the voice {file} holds {voice.dtype} {voice.shape}; expected {size} floats")
    speaker: np.ndarray = voice.reshape(1, size).astype("float32")
    return speaker


def _speaker(voice: str, speakers: int) -> int:
    if voice and not (voice.isdecimal() and int(voice) < speakers):
        raise UsageError(f"there is no voice {voice!r}; expected a number from 0 to {speakers - 1}")
    return int(voice or 0)
