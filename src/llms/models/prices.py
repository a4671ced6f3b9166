"""Prices and context windows of models behind endpoints, from genai-prices' offline table. Unknown is None, never 0."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ..lazy import lazy
from ..values import Usage
from .api.endpoints import Endpoint

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

ZERO = Decimal(0)


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
