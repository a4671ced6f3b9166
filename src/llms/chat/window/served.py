"""Limits a server has shown: its window, the most it writes at a time, and how its counts differ from ours.

`length` says that an answer was cut, not that a window is full: a server's cap on output is not its window. The window
shrinks only where the server read less than was sent, or names its limit, and grows again when it reads more.
"""

import re
from dataclasses import dataclass, field, replace

from .sizes import Calibration, Grade, was_truncated

_LIMITS = (
    re.compile(r"maximum context (?:length|window) (?:is|of) (\d[\d,]*)", re.IGNORECASE),
    re.compile(r"context (?:length|window|size)\D{0,40}?(\d[\d,]*) tokens?", re.IGNORECASE),
    re.compile(r"\bn_ctx\W{1,6}(\d+)"),
    re.compile(r"max_model_len\W{1,6}(\d+)"),
)


@dataclass(frozen=True, slots=True)
class ObservedAnswer:
    """One answer: our `counted` tokens of its prompt (with `grade`), what the server `read` and `wrote`, and whether
    it was `cut` by a limit of its own, below the `reserve` that was asked for. `partly`: no vocabulary has so few tokens
    as it read for the text that was sent, whoever counts."""

    counted: int
    grade: Grade
    read: int
    wrote: int
    reserve: int
    cut: bool = False
    partly: bool = False


@dataclass(frozen=True, slots=True)
class ServedWindow:
    """`window` is what the server has shown to take, input and output; `most_output` the tokens after which it ended an
    answer. None: nothing was shown, and what is declared counts."""

    window: int | None = None
    most_output: int | None = None
    calibration: Calibration = field(default_factory=Calibration)

    def truncated(self, answer: ObservedAnswer) -> bool:
        """Whether the server left out a part of what was sent."""
        return answer.partly or was_truncated(answer.read, answer.counted, answer.grade, self.calibration.samples)

    def after(self, answer: ObservedAnswer) -> "ServedWindow":
        """With one more answer."""
        total = answer.read + answer.wrote
        if self.truncated(answer):
            return replace(self, window=total)
        window = None if self.window is None else max(self.window, total)
        most = self.most_output
        if most is not None and answer.wrote > most:
            most = None  # it was no cap
        if answer.cut and answer.wrote < answer.reserve:
            most = max(answer.wrote, most or 0)
        calibration = self.calibration
        if answer.grade != "exact":
            calibration = calibration.learn(answer.read, round(answer.counted / calibration.ratio))
        return ServedWindow(window, most, calibration)

    def refused(self, limit: int) -> "ServedWindow":
        """With a limit that the server's error named."""
        return replace(self, window=limit)


def named_limit(error: str) -> int | None:
    """The window, in tokens, that an error of a server names."""
    for pattern in _LIMITS:
        if match := pattern.search(error):
            return int(match[1].replace(",", "")) or None
    return None
