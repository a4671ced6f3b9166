"""What a server sent, as values. Servers differ and err: every field may be missing or of another type."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ...errors import ModelError
from ...tokens.count import fewest, impossible
from ...tokens.stop import cut_at_stop
from ...values import Completion, Failure, Finish, LogLikelihood, Message, TokenChance, Usage
from . import errors

REASONING = ("reasoning_content", "reasoning")  # fields of a message that hold its reasoning
LENGTH = ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "incomplete")
REFUSED = ("content_filter", "safety", "refusal", "prohibited_content", "blocklist", "recitation", "spii", "guardrail")
BROKEN = ("error", "abort", "aborted", "cancelled", "malformed_function_call")


@dataclass(frozen=True, slots=True)
class ResponseChunk:
    """One choice of an answer, or what one event adds to it. `calls` are pieces of tool calls as they came; `error` is
    what broke the answer off, in the server's words. `field` is where the reasoning stood, `reason` why it says it ended.
    """

    text: str = ""
    reasoning: str = ""
    finish: Finish | None = None
    error: str = ""
    calls: tuple[Mapping[str, Any], ...] = ()
    chances: tuple[TokenChance, ...] = ()
    field: str = ""
    reason: str = ""


def piece(data: Any) -> ResponseChunk | None:
    """The first choice of a chat answer, a completion, or an event of their streams; None if there is none."""
    choices = data.get("choices") if isinstance(data, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return None
    choice = choices[0]
    message = choice.get("message") or choice.get("delta") or {}
    message = message if isinstance(message, Mapping) else {}
    refusal = _text(message.get("refusal"))
    text = _text(choice.get("text")) or _text(message.get("content")) or refusal
    field = next((name for name in REASONING if _text(message.get(name))), "")
    said, error = choice.get("finish_reason") or choice.get("native_finish_reason"), choice.get("error")
    reason = said if isinstance(said, str) else ""
    broken = errors.message(error) or f"finish_reason is {reason}" if error or reason.lower() in BROKEN else ""
    given = message.get("tool_calls")
    calls = tuple(call for call in given if isinstance(call, Mapping)) if isinstance(given, list) else ()
    if isinstance(message.get("function_call"), Mapping):  # the name that tool calls had before
        calls += ({"index": 0, "function": message["function_call"]},)
    finish: Finish | None = "refused" if refusal else _finish(reason)
    chances = tuple(_chances(choice.get("logprobs")))
    return ResponseChunk(text, _text(message.get(field)), finish, broken[:200], calls, chances, field, reason)


def _chances(given: Any) -> Iterator[TokenChance]:
    """Log-probabilities as chat gives them, or completions."""
    try:
        if given and given.get("content"):
            for token in given["content"]:
                top = [(other["token"], other["logprob"]) for other in token.get("top_logprobs") or ()]
                if _is_logprob(token["logprob"]):
                    yield TokenChance(token["token"], token["logprob"], tuple(t for t in top if _is_logprob(t[1])))
        elif given and given.get("tokens"):
            for text, value, tops in zip(given["tokens"], given["token_logprobs"], given["top_logprobs"], strict=True):
                known = [pair for pair in (tops or {}).items() if _is_logprob(pair[1])]
                if _is_logprob(value):
                    yield TokenChance(text, value, tuple(sorted(known, key=lambda pair: -pair[1])))
    except (KeyError, TypeError, AttributeError, ValueError):
        return


def _text(part: Any) -> str:
    """A string, or the texts of a list of parts; half a character, which no file or request can hold, becomes U+FFFD."""
    if isinstance(part, list):
        return "".join(_text(item.get("text")) for item in part if isinstance(item, Mapping))
    return part.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if isinstance(part, str) else ""


def _finish(reason: str) -> Finish | None:
    """Servers have words of their own; one that is not known ends the answer as it should end."""
    word = reason.lower()
    if not word:
        return None
    return "length" if word in LENGTH else "refused" if word in REFUSED else "stop"


def completion(data: Any, stop: tuple[str, ...], usage: Usage, seconds: float) -> Completion | Failure:
    """The answer to one prompt, cut at the first of `stop`: servers take only so many of them."""
    found = piece(data)
    if found is None:
        return Failure("infra", f"the answer has no choices: {errors.message(data)[:200] or data!r}")
    if found.error:
        return Failure("infra", f"the answer broke off: {found.error}")
    text = cut_at_stop(found.text, stop)
    return Completion(text, usage.tokens, found.finish or "stop", usage.prompt_tokens, 0, seconds)


def cut(prompt: str | Sequence[Message], usage: Usage) -> str:
    """What to say where a server read fewer tokens than a prompt can be, and so cut it without a word; else empty.

    Servers on one's own machines do that.
    """
    texts = [prompt] if isinstance(prompt, str) else [message.content for message in prompt]
    if not usage.reported or not impossible(usage.prompt_tokens, texts):
        return ""
    return (
        f"the server read {usage.prompt_tokens} tokens of a prompt that has {fewest(texts)} or more: it cut the prompt without "
        "saying so. Give it a larger window (num_ctx of Ollama, --ctx-size of llama.cpp), or shorten the prompt"
    )


class NoEcho(ModelError):
    """The server does not score the text it is given, so nothing can be said about choices."""


class NoNumber(NoEcho):
    """What it gives as log-probability of this text is null, NaN, a string or positive."""


def likelihood(data: Any, context: str, continuation: str, seconds: float) -> LogLikelihood:
    """log P(continuation | context) from an answer to `context + continuation` with echo and logprobs.

    The continuation's tokens are those that begin behind the context; one that begins before its end counts as
    context, as in lm-evaluation-harness 0.4.13 (`models/openai_completions.py`), which cuts at the number of tokens of
    the context alone. `greedy`: each was as likely as the most likely one. Raises NoEcho.
    """
    choices = data.get("choices") if isinstance(data, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}
    if not _text(choice.get("text")).startswith(context + continuation):
        raise NoEcho(f"it ignores `echo`: it gave back {_text(choice.get('text'))[:40]!r} instead of the prompt")
    given = choice.get("logprobs")
    given = given if isinstance(given, Mapping) else {}
    tokens, values, tops = (given.get(name) or () for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not tokens or not len(tokens) == len(values) == len(tops):
        raise NoEcho("it gives no log-probabilities of the prompt's tokens")
    places = _places(tokens, given.get("text_offset"), context, continuation)
    logprobs = [values[place] for place in places]
    wrong = [value for value in logprobs if not _is_logprob(value)]
    if wrong or not logprobs:
        what = f", but {wrong[0]!r}" if wrong else ""
        raise NoNumber(f"it gives no log-probability of {continuation[:40]!r} behind its context{what}")
    best = [
        max(filter(_is_logprob, top.values()), default=None) if isinstance(top, Mapping) else None
        for top in (tops[p] for p in places)
    ]
    if None in best:
        raise NoEcho("it gives no top_logprobs")
    greedy = all(top is not None and value >= top for value, top in zip(logprobs, best, strict=True))
    return LogLikelihood(float(sum(logprobs)), greedy, len(places), places[0], 0, seconds)


def _is_logprob(value: Any) -> bool:
    """Whether it is a finite number, not positive but for rounding."""
    return isinstance(value, int | float) and isfinite(value) and value < 1e-6


def _places(tokens: list[Any], offsets: Any, context: str, continuation: str) -> range:
    """Which tokens are the continuation's; offsets count characters, in some servers bytes. Raises NoEcho."""
    if not isinstance(offsets, list) or len(offsets) != len(tokens) or not all(isinstance(o, int) for o in offsets):
        raise NoEcho("it does not say where each token begins (text_offset)")
    for begin, end in (
        (len(context), len(context) + len(continuation)),
        (len(context.encode()), len((context + continuation).encode())),
    ):
        inside = [place for place, offset in enumerate(offsets) if begin <= offset < end]
        places = range(inside[0], inside[-1] + 1) if inside else range(0)
        text = "".join(str(tokens[place]) for place in places)
        split = any(mark in text for mark in ("\ufffd", "bytes:"))  # tokens that are parts of a character
        if text and (continuation.endswith(text) or (split and offsets[places[0]] == begin)):
            return places
    raise NoEcho(f"its tokens do not make up {continuation[:40]!r}")
