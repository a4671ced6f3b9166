"""The budget of a team: finite units, shared out and never made. Why every run ends.

Each model call and each tool call takes at least one unit before it begins; a share for a part of the team is taken
from its giver and what is left of it goes back; nothing adds units. So the number of steps of a whole tree of agents
is at most what the first budget held.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Literal

from ..errors import LlmsError

Purpose = Literal["plan", "work", "check", "answer"]
Limit = Literal["time", "cost", "tokens", "calls", "tool calls"]
RESERVE_SHARE = 0.15  # of calls, at least one, and of seconds: only for the final answer


class Exhausted(LlmsError):
    """A budget has come to its end, at this `limit`."""

    def __init__(self, limit: Limit):
        super().__init__(f"the budget of {limit} is used up")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class TeamLimits:
    """The most that may be used. `seconds` are by the clock; `cost` in US dollars, None: no limit on it."""

    calls: int = 30
    tool_calls: int = 60
    tokens: int = 200_000
    seconds: float = 600.0
    cost: Decimal | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value < 0:
                raise ValueError(f"{field.name} is {value}; a limit is at least 0")


@dataclass(frozen=True, slots=True)
class Used:
    """The use of a budget. `cost` None: a call's price is unknown."""

    calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    cost: Decimal | None = Decimal(0)

    def __add__(self, other: "Used") -> "Used":
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Used(self.calls + other.calls, self.tool_calls + other.tool_calls, self.tokens + other.tokens, cost)


class StepBudget:
    """One budget. `take_call` and `take_tool` come before the step, `settle` after it; `share` gives to a part.

    The final answer's reserve is spent with the purpose `answer` alone. Safe over threads.
    """

    def __init__(self, limits: TeamLimits, clock: Callable[[], float] = time.monotonic):
        self.limits = limits
        self._clock = clock
        self._begun = clock()
        self._used = Used()
        self._lent = TeamLimits(0, 0, 0, 0.0)
        self._lock = threading.RLock()
        self.reserve = min(limits.calls, max(1, int(limits.calls * RESERVE_SHARE)))
        self.reserve_seconds = limits.seconds * RESERVE_SHARE

    @property
    def used(self) -> Used:
        """The use of this budget and of every share of it, shares still out included in full."""
        with self._lock:
            lent = self._lent
            return self._used + Used(lent.calls, lent.tool_calls, lent.tokens, lent.cost or Decimal(0))

    @property
    def seconds(self) -> float:
        return self._clock() - self._begun

    def left(self) -> TeamLimits:
        """The rest of each limit, the reserve included."""
        used, limits = self.used, self.limits
        cost = None if limits.cost is None else max(Decimal(0), limits.cost - (used.cost or Decimal(0)))
        return TeamLimits(
            max(0, limits.calls - used.calls),
            max(0, limits.tool_calls - used.tool_calls),
            max(0, limits.tokens - used.tokens),
            max(0.0, limits.seconds - self.seconds),
            cost,
        )

    def seconds_for(self, purpose: Purpose) -> float:
        """The time that a step may take; the last of it is the answer's."""
        left = self.left().seconds
        return left if purpose == "answer" else max(0.0, left - self.reserve_seconds)

    def exhausted(self, purpose: Purpose = "work") -> Limit | None:
        """The first limit, in the order of precedence, that forbids one more model call; None if none does."""
        left = self.left()
        if left.seconds <= (0 if purpose == "answer" else self.reserve_seconds):
            return "time"
        if left.cost is not None and left.cost <= 0:
            return "cost"
        if left.tokens <= 0:
            return "tokens"
        if left.calls <= (0 if purpose == "answer" else self.reserve):
            return "calls"
        return None

    def take_call(self, purpose: Purpose = "work") -> None:
        """Pay for one model call. Raises Exhausted. For the answer, only the number of calls is a limit: an answer
        out of what is there must be possible when time, tokens or money have run out."""
        with self._lock:
            limit = self.exhausted(purpose)
            if purpose == "answer":
                limit = None if self.left().calls > 0 else "calls"
            if limit is not None:
                raise Exhausted(limit)
            self._used += Used(calls=1)

    def take_tool(self) -> None:
        """Pay for one tool call. Raises Exhausted."""
        with self._lock:
            left = self.left()
            if left.seconds <= self.reserve_seconds:
                raise Exhausted("time")
            if left.tool_calls <= 0:
                raise Exhausted("tool calls")
            self._used += Used(tool_calls=1)

    def charge(self, used: Used) -> None:
        """Add what an earlier attempt of the same run used; the budget is one over all attempts."""
        with self._lock:
            self._used += used

    def settle(self, tokens: int, cost: Decimal | None = Decimal(0)) -> None:
        """Write down what a call took, now that it is known; an overdraft of the last call is possible, a next not."""
        with self._lock:
            self._used += Used(tokens=max(0, tokens), cost=cost)

    def share(self, part: float) -> "Share":
        """A budget of its own with `part` (0 to 1) of what is left beyond the reserve; `give_back` ends it."""
        if not 0 < part <= 1:
            raise ValueError(f"a share is more than 0 and at most 1; got {part}")
        with self._lock:
            left = self.left()
            limits = TeamLimits(
                int((left.calls - self.reserve) * part) if left.calls > self.reserve else 0,
                int(left.tool_calls * part),
                int(left.tokens * part),
                self.seconds_for("work"),
                None if left.cost is None else left.cost * Decimal(str(part)),
            )
            self._lent = _sum(self._lent, limits, 1)
            return Share(self, limits)


class Share(StepBudget):
    """A part of `giver`'s budget. It has no reserve: the answer to the user is the giver's."""

    def __init__(self, giver: StepBudget, limits: TeamLimits):
        super().__init__(limits, giver._clock)
        self.reserve = 0
        self.reserve_seconds = 0.0
        self._giver = giver
        self._returned = False

    def give_back(self) -> None:
        """End this share: its use is the giver's use, the rest is free again. Once only."""
        giver = self._giver
        with giver._lock:
            if not self._returned:
                self._returned = True
                giver._lent = _sum(giver._lent, self.limits, -1)
                giver._used += self.used
                self.limits = replace(self.limits, calls=0, tool_calls=0, tokens=0)


def _sum(a: TeamLimits, b: TeamLimits, sign: int) -> TeamLimits:
    cost = (a.cost or Decimal(0)) + sign * (b.cost or Decimal(0))
    return TeamLimits(
        a.calls + sign * b.calls,
        a.tool_calls + sign * b.tool_calls,
        a.tokens + sign * b.tokens,
        0.0,
        max(Decimal(0), cost),
    )
