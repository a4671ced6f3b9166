"""Looking at every step and stopping when it is clear, without fooling oneself.

A confidence sequence covers the mean at all times at once, so that one may stop at any of them. This is the hedged capital
process of Waudby-Smith and Ramdas 2023 (Estimating means of bounded random variables by betting, arXiv 2010.09686),
section 4: for each candidate mean two bets are placed, that the true mean is larger or smaller; a candidate is out once
either bet has multiplied its stake by 2/alpha.
"""

from math import log

import numpy as np

GRID = 2001
MOST = 0.5  # share of the capital that may be bet at once


class ConfidenceSequence:
    """Over differences in [-1, 1]: `add` one, read `low` and `high`, at any time. Bounds never widen."""

    def __init__(self, alpha: float = 0.05):
        self.alpha = alpha
        self.n = 0
        self.low, self.high = -1.0, 1.0
        self._candidates = np.linspace(0.0, 1.0, GRID)
        self._up = np.zeros(GRID)  # log capital of the bet that the mean is larger than the candidate
        self._down = np.zeros(GRID)
        self._sum, self._squares = 0.5, 0.25  # with one imagined observation

    def add(self, difference: float) -> None:
        if not -1 <= difference <= 1:
            raise ValueError(f"a difference of scores is {difference}; it must lie between -1 and 1")
        x = (difference + 1) / 2
        self.n += 1
        t, variance = self.n, self._squares / self.n  # known before x: predictable
        bet = np.sqrt(2 * log(2 / self.alpha) / (variance * t * log(t + 1)))
        m = self._candidates
        with np.errstate(divide="ignore"):
            up, down = np.minimum(bet, MOST / m), np.minimum(bet, MOST / (1 - m))
        self._up += np.log1p(up * (x - m))
        self._down += np.log1p(down * (m - x))
        self._sum += x
        self._squares += (x - self._sum / (t + 1)) ** 2
        alive = np.flatnonzero(np.maximum(self._up, self._down) < log(2 / self.alpha))
        if len(alive):
            step = 1 / (GRID - 1)
            self.low = max(self.low, 2 * (m[alive[0]] - step) - 1)  # the grid's step is given away
            self.high = min(self.high, 2 * (m[alive[-1]] + step) - 1)

    def decision(self, margin: float) -> str | None:
        """`better` or `worse` once 0 is out, `equivalent` once all that is left lies within the margin; else None."""
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse"
        return "equivalent" if -margin < self.low and self.high < margin else None
