"""How many requests an endpoint gets at once: a little more while all goes well, half as many when it says too many.

AIMD, as TCP does it (Chiu and Jain 1989), and in the server's own words where it sends rate-limit headers.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from ..wait_queue import WaitQueue
from .retry_policy import RetryPolicy

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class Limiter:
    """The concurrency limit of one endpoint, for tasks of all event loops. `limit` requests may be inside."""

    def __init__(self, retry_policy: RetryPolicy):
        self.retry_policy = retry_policy
        self.limit = float(retry_policy.start)
        self.inside = 0
        self._open_from = 0.0
        self._halved = 0.0
        self._queue = WaitQueue()

    async def enter(self, first: bool = False) -> None:
        """Wait for a place, `first` in the line if asked, and while the endpoint wants a pause."""

        def take() -> bool:
            free = self.inside < int(self.limit)
            self.inside += free
            return free

        await self._queue.until(take, first)
        try:
            while (wait := self._open_from - time.monotonic()) > 0:
                await asyncio.sleep(wait)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        with self._queue.lock:
            self.inside -= 1
            free = int(self.limit) - self.inside
        self._queue.wake(free)

    def went_well(self) -> None:
        with self._queue.lock:
            step = 1 / self.limit if self._halved else 1.0  # fast until the first refusal
            self.limit = min(float(self.retry_policy.most), self.limit + step)

    def too_many(self, sent_at: float, wait: float) -> None:
        """A request sent at `sent_at` (monotonic clock) came too early: halve, once for all that were then on the way."""
        with self._queue.lock:
            now = time.monotonic()
            if sent_at >= self._halved:
                self.limit, self._halved = max(1.0, self.limit / 2), now
            self._open_from = max(self._open_from, now + wait)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Follow rate-limit headers: nothing left means waiting for the reset, little left means few at once."""
        for left, reset in _limits(headers):
            with self._queue.lock:
                if left <= 0:
                    wait = min(reset, self.retry_policy.longest_wait_seconds)
                    self._open_from = max(self._open_from, time.monotonic() + wait)
                self.limit = max(1.0, min(self.limit, float(left)))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait; None if it does not say."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    stated = headers.get("retry-after")
    seconds = _number(stated)
    if seconds is None and stated:
        try:
            seconds = (parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return None if seconds is None else max(0.0, seconds)


def _limits(headers: Mapping[str, str]) -> list[tuple[int, float]]:
    """(requests left, seconds until more), and (0, seconds) where no tokens are left."""
    limits = []
    for kind in ("requests", "tokens"):
        for left_name, reset_name in (
            (f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}"),
            (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset"),
        ):
            left = _number(headers.get(left_name))
            if left is not None and (kind == "requests" or left <= 0):
                limits.append((int(left), _until(headers.get(reset_name))))
    return limits


def _until(reset: str | None) -> float:
    """Seconds of `6m0s`, `20ms`, `1.5` or an RFC 3339 time; 1 where it cannot be read."""
    if parts := _DURATION.findall(reset or ""):
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    if (seconds := _number(reset)) is not None:
        return seconds
    try:
        return max(0.0, (datetime.fromisoformat(reset or "") - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 1.0


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return max(0.0, number) if isfinite(number) else None
