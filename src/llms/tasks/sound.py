"""Sound as arrays: read from a file block by block, brought to a sampling rate, written as WAV."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from ..errors import DataError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType, TracebackType
    from typing import Self

    import numpy.typing as npt
    from soundfile import SoundFile

    from ..values import Media

Samples: TypeAlias = "npt.NDArray[np.float32]"

LONGEST_SECONDS = 4 * 3600
BLOCK_SECONDS = 30
CUT_SHORT = "cut short"  # the flag on a recording that is not whole
ENDLESS = 0x7F000000  # bytes from which on a stated size stands for one that was not known: a stream was written
QUIETEST = 1e-12  # a power that stands for silence: -120 dB


@dataclass(frozen=True, slots=True)
class Loudness:
    """The power in dB of each frame of `frame_seconds`, 0 for a full square wave; constant parts (DC) are left out."""

    levels: npt.NDArray[np.float32]
    frame_seconds: float
    seconds: float

    def frames(self, seconds: float) -> int:
        return round(seconds / self.frame_seconds)


class Recording:
    """A file of sound (WAV, FLAC, OGG or MP3), of which no more is decoded at once than is asked for, and in
    order: reading on is cheap, going back begins anew.

    `rate` is its own, in samples a second; several channels are averaged to one. `cut_short`: a WAV file whose end is
    missing. Raises DataError if it cannot be read, or holds samples that are no finite numbers.
    """

    def __init__(self, source: bytes | Path):
        self._source, self._library = source, _soundfile()
        self._name = f" {source}" if isinstance(source, Path) else ""
        self._file: SoundFile | None = None
        self._open()
        self.cut_short = is_cut_short(source)

    def _open(self) -> None:
        """Begin at its beginning. It is only ever read onwards: in OGG and MP3 libsndfile seeks to wrong samples, and
        soundfile, unless told that it cannot, seeks after each block."""
        self.close()

        class Onwards(self._library.SoundFile):  # type: ignore[name-defined,misc]  # a library that is loaded late
            def seekable(self) -> bool:
                return False

        source = self._source
        try:
            self._file = Onwards(source if isinstance(source, Path) else io.BytesIO(source))
        except self._library.SoundFileError as error:
            raise self._unreadable(error) from error
        self.rate: int = self._file.samplerate
        self._at, self._tail = 0, np.zeros(0, "float32")  # samples decoded so far; the last of them

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def seconds(self) -> float:
        """Its length, as the file states it."""
        assert self._file is not None
        seconds: float = self._file.frames / self.rate
        return seconds

    def blocks(self, size: int) -> Iterator[Samples]:
        """All of it at its own rate, `size` samples at once, the last ones fewer."""
        self._open()
        while len(block := self._next(size)):
            if self._at > LONGEST_SECONDS * self.rate:
                raise DataError(f"the recording is longer than {LONGEST_SECONDS // 3600} hours; cut it first")
            yield block

    def loudness(self, frame_seconds: float) -> Loudness:
        """How loud it is, in frames of about `frame_seconds`: a whole number of samples."""
        hop = max(1, round(frame_seconds * self.rate))
        powers, samples = [], 0
        for block in self.blocks(hop * 1000):
            whole = len(block) // hop * hop
            powers.append(block[:whole].reshape(-1, hop).var(1))
            if whole < len(block):
                powers.append(block[whole:].var(keepdims=True))
            samples += len(block)
        power = np.concatenate(powers) if powers else np.zeros(0, "float32")
        levels = (10 * np.log10(power + QUIETEST)).astype("float32")
        return Loudness(levels, hop / self.rate, samples / self.rate)

    def read(self, start: int, stop: int, rate: int) -> Samples:
        """Samples `start` to `stop` (exclusive) at `rate`, fewer at the end: as if all had been brought to that rate."""
        shared = gcd(self.rate, rate)
        up, down = rate // shared, self.rate // shared
        around = (10 * max(up, down)) // (up * down) + 2  # the filter's reach, in steps of `down` samples
        step = max(0, start // up - around)
        samples = resample(self._span(step * down, (-(-stop // up) + around) * down), self.rate, rate)
        return samples[start - step * up : stop - step * up]

    def _span(self, start: int, stop: int) -> Samples:
        """Samples at its own rate; cheap where each span begins after the one before, or within it."""
        if start < self._at - len(self._tail):
            self._open()
        while self._at < start and len(self._next(min(start - self._at, BLOCK_SECONDS * self.rate))):
            self._tail = self._tail[:0]
        blocks = [self._tail[len(self._tail) - (self._at - start) :] if self._at > start else self._tail[:0]]
        while self._at < stop and len(block := self._next(stop - self._at)):
            blocks.append(block)
        self._tail = np.concatenate(blocks)
        return self._tail[: stop - start]

    def _next(self, size: int) -> Samples:
        assert self._file is not None
        try:
            block = self._file.read(size, dtype="float32", always_2d=True)
        except self._library.SoundFileError as error:
            raise self._unreadable(error) from error
        for row, channel in np.argwhere(~np.isfinite(block))[:1]:
            raise DataError(
                f"the recording{self._name} is {block[row, channel]} at {(self._at + row) / self.rate:.3f} seconds; expected "
                "finite samples: write it anew, such as with 16 bits"
            )
        self._at += len(block)
        mono: Samples = block.mean(1)
        return mono

    def _unreadable(self, error: Exception) -> DataError:
        reason = getattr(error, "error_string", str(error))
        return DataError(f"cannot read the sound{self._name}: {reason} WAV, FLAC, OGG and MP3 are known")


def is_cut_short(source: bytes | Path) -> bool:
    """Whether a WAV file holds fewer bytes of sound than it states. No other format is looked at."""
    with suppress(OSError), io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        whole = file.seek(0, os.SEEK_END)
        at = len(head)
        while at + 8 <= whole:
            file.seek(at)
            name, size = file.read(4), int.from_bytes(file.read(4), "little")
            at += 8
            if name == b"data":
                return 0 < size < ENDLESS and size > whole - at
            at += size + size % 2
    return False


def open_media(media: Media) -> Recording:
    """The recording whose bytes `media` holds, or whose file its URL (file:///...) names."""
    address = urlsplit(media.url)
    if not media.data and address.scheme == "file":
        return Recording(Path(url2pathname(address.path)))
    return Recording(media.data)


def read(data: bytes, rate: int) -> Samples:
    """float32 samples (n,), one channel, `rate` per second. Raises DataError if `data` is not a sound that can be read."""
    with Recording(data) as recording:
        blocks = list(recording.blocks(BLOCK_SECONDS * recording.rate))
        return resample(np.concatenate(blocks) if blocks else np.zeros(0, "float32"), recording.rate, rate)


def resample(samples: Samples, own: int, rate: int) -> Samples:
    """Samples at `own` per second, brought to `rate` by a polyphase filter."""
    if own == rate or not len(samples):
        return samples
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise MissingExtra("scipy", "another sampling rate", "local") from error
    shared = gcd(own, rate)
    resampled: Samples = resample_poly(samples, rate // shared, own // shared).astype("float32")
    return resampled


def write(samples: Samples, rate: int) -> bytes:
    """A WAV file of 16-bit samples."""
    out = io.BytesIO()
    _soundfile().write(out, samples, rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


def _soundfile() -> ModuleType:
    try:
        soundfile = import_module("soundfile")
    except ImportError as error:
        raise MissingExtra("soundfile", "sound", "local") from error
    return soundfile
