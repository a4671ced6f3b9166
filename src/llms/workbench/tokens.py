"""The verbs `tokens` and `next`: how models cut a text, what sending it costs, and what they would say next."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..models.api.endpoints import endpoint
from ..models.api.model import open_api
from ..models.load import load, load_tokenizer
from ..models.name import Name, parse
from ..models.prices import Price
from ..tokens import tiktoken_cache
from ..tokens.count import MESSAGE_TOKENS, TokenCount, calibrated, estimate, exact
from ..tokens.views import Ratio, TokenView, ratio
from ..values import Message, NextToken, Usage


@dataclass(frozen=True, slots=True)
class Tokenization:
    """A text under one model. `message` counts it as a chat with this one message; None where the model has no chat template.

    `pieces` is None where the tokenizer is not at hand. `price` is that of sending the message, in US dollars: 0 for a
    local model, None if unknown.
    """

    model: str
    count: TokenCount
    message: TokenCount | None
    pieces: tuple[TokenView, ...] | None
    price: Decimal | None

    def ratio(self, text: str) -> Ratio:
        """How `text`, the one that was cut, became tokens; by the estimate where there is no more."""
        if self.pieces is None:
            return Ratio(self.count.tokens, 0, len(text), len(text.encode()), 0)
        return ratio(text, self.pieces)


@dataclass(frozen=True, slots=True)
class NextTokens:
    """Tokens that may come after `text`, the most likely first; `rest` is the probability of all other tokens together."""

    text: str
    tokens: tuple[NextToken, ...]
    rest: float


def cut(text: str, models: Sequence[str]) -> list[Tokenization]:
    """`text` under each model. No connection is made but to fetch the tokenizer of a hub model that is not here, and to
    ask a server that is named by its address."""
    names = [parse(model) for model in models]  # a name that is wrong stops before any work is done
    return [_local(text, name) if name.local else _remote(text, name) for name in names]


def _local(text: str, name: Name) -> Tokenization:
    with load_tokenizer(name.text) as model:
        message = model.count([Message("user", text)]) if model.capabilities.chat else None
        return Tokenization(name.text, model.count(text), message, tuple(model.tokenize(text)), Decimal(0))


def _remote(text: str, name: Name) -> Tokenization:
    pieces = tiktoken_cache.pieces(name.model, text) if name.provider == "openai" else None
    served = _served(text, name) if name.provider == "url" else None
    if served is not None:
        count, message = served
    elif pieces is None:
        count, message = estimate(text), estimate([Message("user", text)])
    else:
        count, message = calibrated(len(pieces)), calibrated(len(pieces) + MESSAGE_TOKENS)
    price = Price(endpoint(name.provider, name.address), name.model).of(Usage(prompt_tokens=message.tokens))
    return Tokenization(name.text, count, message, None if pieces is None else tuple(pieces), price)


def _served(text: str, name: Name) -> tuple[TokenCount, TokenCount] | None:
    """The counts of the server's own tokenizer; None where it does not say."""
    with open_api(name) as model:
        plain = model.served_count(text)
        chat = None if plain is None else model.served_count([Message("user", text)])
    if plain is None:
        return None
    return exact(plain), estimate([Message("user", text)]) if chat is None else exact(chat)


def follow(
    model_name: str, text: str, steps: int, top: int, pick: Callable[[NextTokens], int]
) -> Iterator[tuple[NextTokens, NextToken]]:
    """`steps` times the candidates for the next token and the one whose index `pick` returned. Ends after a token that ends
    the text."""
    with load(model_name) as model:
        ids = [piece.id for piece in model.tokenize(text)] if model.name.local else None
        for _ in range(steps):
            candidates = model.next_tokens(text if ids is None else ids, top)
            rest = max(0.0, 1 - sum(math.exp(token.logprob) for token in candidates))
            step = NextTokens(text, tuple(candidates), rest)
            taken = candidates[pick(step)]
            yield step, taken
            if taken.end:
                return
            if ids is not None and taken.id is not None:
                ids.append(taken.id)
            text += taken.text
