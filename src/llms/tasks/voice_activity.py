"""Where somebody speaks in a recording, judged by its power alone, and where it is best cut into parts for a model.

Recognizers invent words where nobody speaks, and do so with confidence. So silence is never given to one; and what is not
clearly silence counts as speech, since a lost word cannot be got back.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .sound import Loudness

Mask: TypeAlias = npt.NDArray[np.bool_]

FRAME_SECONDS = 0.03
SILENT_DB = -60.0  # below this nothing can be understood
OVER_NOISE_DB = 9.0  # speech stands out of the noise around it by so much
UNDER_LOUD_DB = 25.0  # and is not weaker than the loud by more, unless it stands out
NEAR_SECONDS = 30.0  # from how far on both sides the noise is taken
AROUND_SECONDS = 0.24  # kept before and after speech: the weak beginnings and ends of words
LONG_PAUSE_SECONDS = 3.0  # a silence that ends a part
LEAST_SECONDS = 0.1  # of speech in a part that is worth a model's look
SEARCHED_SECONDS = 8.0  # at the end of a full window, where the quietest place is looked for
SMOOTHED_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Stretch:
    """Seconds of a recording."""

    start: float
    end: float


def speech_mask(sound: Loudness) -> Mask:
    """Which frames may hold speech. The noise is the 10th percentile of the frames around, the loud the 95th of all."""
    levels = sound.levels
    if not len(levels):
        return np.zeros(0, bool)
    loud = np.percentile(levels, 95)
    near = sound.frames(NEAR_SECONDS)
    mask = np.zeros(len(levels), bool)
    for first in range(0, len(levels), near):
        noise = np.percentile(levels[max(0, first - near) : first + 2 * near], 10)
        least = max(SILENT_DB, float(min(noise + OVER_NOISE_DB, loud - UNDER_LOUD_DB)))
        mask[first : first + near] = levels[first : first + near] > least
    return mask


def cut_at_silence(sound: Loudness, mask: Mask, window: float) -> list[Stretch]:
    """Stretches that hold all speech, in order, apart, none longer than `window` seconds; silent ones are left out.

    A recording that fits the window whole is one stretch. One that is longer is cut at long pauses, and else at the
    quietest place of a window's last seconds.
    """
    if mask.sum() < sound.frames(LEAST_SECONDS):
        return []
    if sound.seconds <= window:
        return [Stretch(0.0, sound.seconds)]
    around, longest = sound.frames(AROUND_SECONDS), int(window / sound.frame_seconds)
    spoken = np.flatnonzero(mask)
    pauses = np.flatnonzero(np.diff(spoken) > sound.frames(LONG_PAUSE_SECONDS))
    firsts, lasts = spoken[np.concatenate([[0], pauses + 1])], spoken[np.concatenate([pauses, [len(spoken) - 1]])]
    smooth = np.convolve(sound.levels, np.ones(sound.frames(SMOOTHED_SECONDS)), "same")
    stretches: list[Stretch] = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        begin, end = max(0, first - around), min(len(mask), last + 1 + around)
        while end - begin > longest:
            late = begin + longest - min(longest // 2, sound.frames(SEARCHED_SECONDS))
            cut = late + int(smooth[late : begin + longest].argmin())
            stretches += _trimmed(sound, mask, begin, cut)
            begin = cut
        stretches += _trimmed(sound, mask, begin, end)
    return stretches


def _trimmed(sound: Loudness, mask: Mask, first: int, stop: int) -> list[Stretch]:
    """Frames `first` to `stop` (exclusive), less the silence at their ends, if somebody speaks in them."""
    spoken = np.flatnonzero(mask[first:stop])
    if len(spoken) < sound.frames(LEAST_SECONDS):
        return []
    around = sound.frames(AROUND_SECONDS)
    stop = min(stop, first + int(spoken[-1]) + 1 + around)
    first = max(first, first + int(spoken[0]) - around)
    return [Stretch(first * sound.frame_seconds, min(sound.seconds, stop * sound.frame_seconds))]


def speaks_in(sound: Loudness, mask: Mask, start: float, end: float) -> bool:
    """Whether somebody may speak between two moments, in seconds, or within a tenth of a second of them."""
    first = max(0, int((start - LEAST_SECONDS) / sound.frame_seconds))
    return bool(mask[first : int((end + LEAST_SECONDS) / sound.frame_seconds) + 1].any())
