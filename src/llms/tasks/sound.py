"""Sound as arrays: read from a file's bytes, brought to a sampling rate, written as WAV."""

from __future__ import annotations

import io
from importlib import import_module
from math import gcd
from typing import TYPE_CHECKING, TypeAlias

from ..errors import DataError, MissingExtra

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    import numpy.typing as npt

    Samples: TypeAlias = npt.NDArray[np.float32]

LONGEST_SECONDS = 4 * 3600


def read(data: bytes, rate: int) -> Samples:
    """float32 samples (n,), one channel, `rate` per second. Raises DataError if `data` is not a sound that can be read."""
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.frames > LONGEST_SECONDS * file.samplerate:
                raise DataError(f"the recording is longer than {LONGEST_SECONDS // 3600} hours; cut it first")
            samples, own = file.read(dtype="float32", always_2d=True), file.samplerate
    except soundfile.LibsndfileError as error:
        raise DataError(f"cannot read the sound: {error.error_string}; WAV, FLAC, OGG and MP3 are known") from error
    return resample(samples.mean(1), own, rate)


def resample(samples: Samples, own: int, rate: int) -> Samples:
    """Samples at `own` per second, brought to `rate` by a polyphase filter."""
    if own == rate:
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
