"""Many requests to generate, made ready for the engine: rendered, tokenized and fitted to the window, a few at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from ...engine.request import DecodeRequest
from ...errors import LlmsError
from ...tokens.pair import encode_texts
from ...tokens.stop import StopText
from ..system import Generate
from .reply import Prompt
from .tokenizing_model import TokenizingModel, media_of

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
        plain = [r for _, r in block if isinstance(r.prompt, str) or not media_of(r.prompt)]
        texts = [r.prompt if isinstance(r.prompt, str) else model.render(r.prompt) for r in plain]
        read = iter(encode_texts(model.tokenizer, texts))
        for index, request in block:
            if isinstance(request.prompt, str) or not media_of(request.prompt):
                held[index] = _prepare(model, index, request, Prompt(tuple(next(read)), raw=True))
            else:
                held[index] = _with_media(model, index, request)
            yield held[index].decode


def _with_media(model: TokenizingModel, index: int, request: Generate) -> Prepared:
    """A request with pictures, read by itself; one that cannot be read fails alone."""
    try:
        return _prepare(model, index, request, model.read(request))
    except LlmsError as error:
        return Prepared(DecodeRequest(index, (model.tokenizer.start,), 0), request.stop, 0, str(error))


def _prepare(model: TokenizingModel, index: int, request: Generate, prompt: Prompt) -> Prepared:
    reason = no_room(model, request, prompt)
    if request.schema is not None and model.workers > 1:  # a constraint holds memory that no other process has
        reason = reason or f"an answer that obeys a schema is made in one process, not in {model.workers}"
    if reason:
        return Prepared(DecodeRequest(index, (model.tokenizer.start,), 0), request.stop, 0, reason)
    ids = prompt.ids
    model.check_tokens(ids)
    room = model.context_window - request.max_tokens
    stop = StopText(model.tokenizer.with_special, request.stop) if any(request.stop) else None
    constraint = model.constraint(request) if request.schema is not None else None
    context = ids[-room:] or (model.tokenizer.start,)
    decode = DecodeRequest(index, context, request.max_tokens, request.sampling, stop, constraint, seen=prompt.seen)
    return Prepared(decode, request.stop, max(0, len(ids) - room), "")


def no_room(model: TokenizingModel, request: Generate, prompt: Prompt) -> str:
    """Why an answer of so many tokens to `prompt` cannot be had of `model`; empty if it can. Pictures cannot be cut."""
    if 0 < request.max_tokens < model.context_window:
        if prompt.seen is None or len(prompt.ids) + request.max_tokens <= model.context_window:
            return ""
        return (
            f"the prompt with its pictures is {len(prompt.ids)} tokens and {request.max_tokens} are to follow; the context "
            f"window of {model.name.text} is {model.context_window}. Send fewer pictures, or shorten the text"
        )
    return f"max_tokens is {request.max_tokens}; the context window of {model.name.text} is {model.context_window}"
