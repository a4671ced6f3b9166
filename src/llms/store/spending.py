"""The spending of conversations, by purpose, so that requests nobody sees are counted where they can be seen."""

from dataclasses import dataclass
from decimal import Decimal

from .conversations import Conversations


@dataclass(frozen=True, slots=True)
class Spending:
    """`cost` in US dollars covers the requests that have a price; `unpriced` counts the others."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    def __add__(self, other: "Spending") -> "Spending":
        return Spending(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.tokens + other.tokens,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
        )

    @property
    def total(self) -> Decimal | None:
        """The cost; None where some of it is not known, which is not 0."""
        return None if self.unpriced else self.cost


def spent(
    store: Conversations, conversation: str | None = None, node: str | None = None, since: str = ""
) -> dict[str, Spending]:
    """By purpose: of one conversation, of the requests that made one message, or of all, from `since` (ISO 8601) on."""
    where, values = ["calls.created >= ?"], [since]
    if conversation is not None:
        where.append("conversation = ?")
        values.append(conversation)
    if node is not None:
        where.append("calls.node = ?")
        values.append(node)
    rows = store.read(
        "SELECT purpose, prompt_tokens, cached_tokens, calls.tokens, cost FROM calls JOIN chat_runs ON chat_runs.id = run "
        f"WHERE {' AND '.join(where)}",
        values,
    )
    by_purpose: dict[str, Spending] = {}
    for purpose, prompt, cached, tokens, cost in rows:  # decimals are summed here: SQL would round them
        call = Spending(1, prompt or 0, cached or 0, tokens or 0, Decimal(cost or 0), cost is None)
        by_purpose[purpose] = by_purpose.get(purpose, Spending()) + call
    return by_purpose
