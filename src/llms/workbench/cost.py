"""Estimates of a run before it begins: its tokens, and an upper bound of their price."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..evaluation.items import Item
from ..evaluation.plan import Plan
from ..models.system import Model
from ..values import ChoicePrompt, Usage

LOOKED_AT = 16  # items from which the rest is guessed before a run


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Tokens of prompts and answers, about, judging by `counted` items; `cost` in US dollars is what they cost at most,
    None if unknown."""

    tokens: int
    cost: Decimal | None
    counted: int = 0

    def words(self, benchmark: str) -> str:
        """One line for the user."""
        price = "at a price that is unknown" if self.cost is None else f"${self.cost:.2f} at most"
        return f"{benchmark}: about {self.tokens:,} tokens, {price}"


def about(model: Model, questions: Plan, items: Sequence[Item], most: int = LOOKED_AT) -> CostEstimate:
    """Estimate the tokens and the price of `items` from up to `most` of them spread over all, each answer as long as it may be."""
    chosen = list(items[:: max(1, len(items) // most)][:most])
    if not chosen:
        return CostEstimate(0, Decimal(0))
    requests = [usage for item in chosen for usage in _requests(model, questions, item)]
    tokens = sum(usage.prompt_tokens + usage.tokens for usage in requests)
    costs = [model.price(usage) for usage in requests]
    share = Decimal(len(items)) / len(chosen)
    known = [cost for cost in costs if cost is not None]
    cost = sum(known, Decimal(0)) * share if len(known) == len(costs) else None
    return CostEstimate(round(tokens * share), cost, len(chosen))


def _requests(model: Model, questions: Plan, item: Item) -> Iterator[Usage]:
    """A local model computes what prompts share once; an endpoint is sent it each time."""
    prompt, samples = item.prompt, questions.config.samples
    if isinstance(prompt, ChoicePrompt) and model.name.local:
        texts = [prompt.pairs[0][0], *prompt.continuations]
        yield Usage(sum(map(model.count_tokens, texts)))
    elif isinstance(prompt, ChoicePrompt):
        for context, continuation in prompt.pairs:
            yield Usage(model.count_tokens(context + continuation), 1)
    else:
        asked = Usage(model.count_tokens(prompt.context), prompt.max_tokens + questions.key.thinking)
        if model.name.local:
            yield Usage(asked.prompt_tokens, asked.tokens * samples)
        else:
            yield from [asked] * samples
