"""Prices and context windows of models behind endpoints, from genai-prices' offline table. Unknown is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..lazy import lazy
from ..values import Usage
from .api.endpoints import Endpoint

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

ZERO = Decimal(0)
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class StatedPrice:
    """A price that the user states, in US dollars per million tokens: of what is sent, and of what is answered."""

    into: Decimal
    out: Decimal

    def of(self, usage: Usage) -> Decimal:
        return (usage.prompt_tokens * self.into + usage.tokens * self.out) / MILLION


def stated_price(text: str | None) -> StatedPrice | None:
    """The price in `text`, as in 0.15/0.60; None for None. Raises UsageError."""
    if text is None:
        return None
    try:
        into, out = map(Decimal, text.split("/"))
    except (ValueError, ArithmeticError):
        into = out = Decimal(-1)
    if not (into.is_finite() and out.is_finite() and into >= 0 and out >= 0):
        raise UsageError(f"a price is US dollars per million tokens sent and answered, as in 0.15/0.60; got {text!r}")
    return StatedPrice(into, out)


class Price:
    """The price of one model of an endpoint, in US dollars; nothing on one's own machines."""

    def __init__(self, endpoint: Endpoint, model: str):
        self.endpoint, self.model = endpoint, model

    @lazy
    def _row(self) -> tuple[Provider, ModelInfo] | None:
        """(provider, model) of the table; None if it has no such model."""
        from genai_prices.data_snapshot import get_snapshot

        by_name = self.endpoint.prices or None
        address = None if by_name else self.endpoint.base_url
        try:
            return get_snapshot().find_provider_model(self.model, None, by_name, address)
        except LookupError:
            return None

    @property
    def free(self) -> bool:
        return not self.endpoint.prices and self.endpoint.own

    def of(self, usage: Usage) -> Decimal | None:
        """The cost of one answer. Cached tokens have their own price where the table has one."""
        if self.free:
            return ZERO
        if self._row is None:
            return None
        from genai_prices import Usage as Counted

        provider, model = self._row
        counted = Counted(
            input_tokens=usage.prompt_tokens, cache_read_tokens=usage.cached_tokens, output_tokens=usage.tokens
        )
        cost = model.calc_price(counted, provider)
        stated = cost.model_price
        if stated.input_mtok is None or (usage.tokens and stated.output_mtok is None):
            return None
        return cost.total_price

    @property
    def window(self) -> int | None:
        """The context window that the table states, in tokens."""
        return None if self.free or self._row is None else self._row[1].context_window
