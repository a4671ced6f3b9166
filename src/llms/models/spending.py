"""The cost of requests, and a cap on it: reserved before each request, settled after it."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from ..errors import BudgetExceeded, UsageError
from ..values import Billed, Usage
from .prices import StatedPrice
from .wait_queue import WaitQueue

ZERO = Decimal(0)
NO_PRICE = (
    "no price is known for {}, so no cap can hold; give one: --price IN/OUT, in dollars per million tokens, or leave out "
    "--budget"
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Tokens and money used up. `cost` in US dollars covers what has a price; `unpriced` counts the answers that have none."""

    billed: Billed = field(default_factory=Billed)
    cost: Decimal = ZERO
    unpriced: int = 0

    @property
    def total(self) -> Decimal | None:
        """The cost; None where some of it is unknown."""
        return None if self.unpriced else self.cost

    def __sub__(self, before: "Tally") -> "Tally":
        return Tally(self.billed - before.billed, self.cost - before.cost, self.unpriced - before.unpriced)


class SpendingLedger:
    """The account of one command or conversation, for all its models, threads and event loops.

    The sum of what is spent and reserved never exceeds `budget` (US dollars; None: no cap), as long as no request
    costs more than what was reserved for it. `stated` is the price of all that is paid from here but for models on this
    machine, instead of the known one.
    """

    def __init__(self, budget: Decimal | None = None, stated: StatedPrice | None = None):
        self.budget, self.stated = budget, stated
        self.tally = Tally()
        self.reserved = ZERO
        self._queue = WaitQueue()

    async def reserve(self, most: Decimal | None) -> Decimal:
        """Set aside the `most` that a request may cost; waits where others that still run may give something back.

        Raises BudgetExceeded if it would not fit even then, UsageError if there is a cap and `most` is unknown.
        """
        if self.budget is None:
            return ZERO
        if most is None:
            raise UsageError(NO_PRICE.format("this model"))

        def take() -> bool:
            assert self.budget is not None
            if self.tally.cost + self.reserved + most <= self.budget:
                self.reserved += most
                return True
            if self.reserved:
                return False
            raise BudgetExceeded(
                f"the budget of ${self.budget} does not hold the next request: ${self.tally.cost:.4f} are spent and it "
                f"may cost ${most:.4f}. What was answered is kept; go on with a larger --budget"
            )

        await self._queue.until(take)
        return most

    def settle(self, reserved: Decimal, usage: Usage | None, cost: Decimal | None) -> None:
        """Book a request that has ended. `usage` is None where nothing was billed, `cost` where the price is unknown."""
        with self._queue.lock:
            self.reserved -= reserved
            before, used = self.tally, usage or Usage()
            billed = Billed(1, used.prompt_tokens, used.cached_tokens, used.tokens, used.reasoning_tokens)
            self.tally = replace(
                before,
                billed=before.billed + billed,
                cost=before.cost + (cost or ZERO if usage else ZERO),
                unpriced=before.unpriced + (usage is not None and cost is None),
            )
        self._queue.wake(1 << 30)
