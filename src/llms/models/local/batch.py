"""Many requests to generate, made ready for the engine: rendered, tokenized and fitted to the window, a few at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from ...engine.request import DecodeRequest
from ...tokens.pair import encode_texts
from ...tokens.stop import StopText
from ..system import Generate
from .tokenizing_model import TokenizingModel

TOKENIZED_TOGETHER = 64  # prompts; a tokenizer is quicker with some at once


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as the engine takes it: `cut` tokens of its prompt were dropped; `no_room` says why it can only fail."""

    decode: DecodeRequest
    stop: tuple[str, ...]
    cut: int
    no_room: str


def decode_requests(
    model: TokenizingModel, requests: Iterable[Generate], held: dict[int, Prepared]
) -> Iterator[DecodeRequest]:
    """The requests for the engine, in order, each put into `held` by its index; one without room asks for no tokens."""
    numbered = enumerate(requests)
    while block := list(islice(numbered, TOKENIZED_TOGETHER)):
        texts = [r.prompt if isinstance(r.prompt, str) else model.render(r.prompt) for _, r in block]
        for (index, request), ids in zip(block, encode_texts(model.tokenizer, texts), strict=True):
            held[index] = _prepare(model, index, request, ids)
            yield held[index].decode


def _prepare(model: TokenizingModel, index: int, request: Generate, ids: list[int]) -> Prepared:
    reason = no_room(model, request)
    if request.schema is not None and model.workers > 1:  # a constraint holds memory that no other process has
        reason = reason or f"an answer that obeys a schema is made in one process, not in {model.workers}"
    if reason:
        return Prepared(DecodeRequest(index, (model.tokenizer.start,), 0), request.stop, 0, reason)
    room = model.context_window - request.max_tokens
    stop = StopText(model.tokenizer.with_special, request.stop) if any(request.stop) else None
    constraint = model.constraint(request) if request.schema is not None else None
    context = tuple(ids[-room:]) or (model.tokenizer.start,)
    decode = DecodeRequest(index, context, request.max_tokens, request.sampling, stop, constraint)
    return Prepared(decode, request.stop, max(0, len(ids) - room), "")


def no_room(model: TokenizingModel, request: Generate) -> str:
    """Why an answer of so many tokens cannot be had of `model`; empty if it can."""
    if 0 < request.max_tokens < model.context_window:
        return ""
    return f"max_tokens is {request.max_tokens}; the context window of {model.name.text} is {model.context_window}"
