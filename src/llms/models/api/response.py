"""Answers of a server as values. Servers differ and err: every field may be missing or of another type."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeGuard

from ...errors import ModelError
from ...tokens.count import fewest, impossible
from ...tokens.stop import cut_at_stop
from ...values import Completion, Failure, Finish, Json, JsonObject, LogLikelihood, Message, TokenChance, Usage
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
    calls: tuple[JsonObject, ...] = ()
    chances: tuple[TokenChance, ...] = ()
    field: str = ""
    reason: str = ""


def piece(data: Json) -> ResponseChunk | None:
    """The first choice of a chat answer, a completion, or an event of their streams; None if there is none."""
    choice = _first_choice(data)
    if choice is None:
        return None
    message = choice.get("message") or choice.get("delta")
    message = message if isinstance(message, Mapping) else {}
    refusal = _text(message.get("refusal"))
    text = _text(choice.get("text")) or _text(message.get("content")) or refusal
    field = next((name for name in REASONING if _text(message.get(name))), "")
    stated, error = choice.get("finish_reason") or choice.get("native_finish_reason"), choice.get("error")
    reason = stated if isinstance(stated, str) else ""
    broken = errors.message(error) or f"finish_reason is {reason}" if error or reason.lower() in BROKEN else ""
    listed = message.get("tool_calls")
    calls = tuple(call for call in listed if isinstance(call, Mapping)) if isinstance(listed, list) else ()
    if isinstance(function := message.get("function_call"), Mapping):  # the name that tool calls had before
        calls += ({"index": 0, "function": function},)
    finish: Finish | None = "refused" if refusal else _finish(reason)
    chances = tuple(_chances(choice.get("logprobs")))
    return ResponseChunk(text, _text(message.get(field)), finish, broken[:200], calls, chances, field, reason)


def _first_choice(data: Json) -> JsonObject | None:
    choices = data.get("choices") if isinstance(data, Mapping) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else None


def _chances(logprobs: Json) -> Iterator[TokenChance]:
    """Log-probabilities as chat gives them, or completions, up to the first token of which they cannot be read."""
    if not isinstance(logprobs, Mapping):
        return
    content = logprobs.get("content")
    if isinstance(content, list) and content:
        for entry in content:
            if not isinstance(entry, Mapping) or not isinstance(text := entry.get("token"), str):
                return
            tops = entry.get("top_logprobs") or ()
            others = [other for other in tops if isinstance(other, Mapping)] if isinstance(tops, list) else []
            known = _known((word, o.get("logprob")) for o in others if isinstance(word := o.get("token"), str))
            if _is_logprob(value := entry.get("logprob")):
                yield TokenChance(text, value, tuple(known))
        return
    columns = [logprobs.get(name) for name in ("tokens", "token_logprobs", "top_logprobs")]
    texts, values, alternatives = (column if isinstance(column, list) else [] for column in columns)
    for text, value, tops in zip(texts, values, alternatives, strict=False):
        known = _known(tops.items()) if isinstance(tops, Mapping) else []
        if _is_logprob(value):
            yield TokenChance(str(text), value, tuple(sorted(known, key=lambda pair: -pair[1])))


def _known(pairs: Iterable[tuple[str, Json]]) -> list[tuple[str, float]]:
    return [(text, value) for text, value in pairs if _is_logprob(value)]


def _text(part: Json) -> str:
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


def completion(data: Json, stop: tuple[str, ...], usage: Usage, seconds: float) -> Completion | Failure:
    """The answer to one prompt, cut at the first of `stop`: servers take only so many of them."""
    answer = piece(data)
    if answer is None:
        return Failure("infra", f"the answer has no choices: {errors.message(data)[:200] or data!r}")
    if answer.error:
        return Failure("infra", f"the answer broke off: {answer.error}")
    text = cut_at_stop(answer.text, stop)
    return Completion(text, usage.tokens, answer.finish or "stop", usage.prompt_tokens, 0, seconds)


def cut(prompt: str | Sequence[Message], usage: Usage) -> str:
    """The message where a server read fewer tokens than a prompt can be, and so cut it without a word; else empty.

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
    """Its log-probability of this text is null, NaN, a string or positive."""


def likelihood(data: Json, context: str, continuation: str, seconds: float) -> LogLikelihood:
    """log P(continuation | context) from an answer to `context + continuation` with echo and logprobs.

    The continuation's tokens are those that begin behind the context; one that begins before its end counts as
    context, as in lm-evaluation-harness 0.4.13 (`models/openai_completions.py`), which cuts at the number of tokens of
    the context alone. `greedy`: each was as likely as the most likely one. Raises NoEcho.
    """
    choice = _first_choice(data) or {}
    if not _text(choice.get("text")).startswith(context + continuation):
        raise NoEcho(f"it ignores `echo`: it gave back {_text(choice.get('text'))[:40]!r} instead of the prompt")
    stated = choice.get("logprobs")
    stated = stated if isinstance(stated, Mapping) else {}
    columns = [stated.get(name) for name in ("tokens", "token_logprobs", "top_logprobs")]
    tokens, values, tops = (column if isinstance(column, list) else [] for column in columns)
    if not tokens or not len(tokens) == len(values) == len(tops):
        raise NoEcho("it gives no log-probabilities of the prompt's tokens")
    indices = _continuation_indices([str(token) for token in tokens], stated.get("text_offset"), context, continuation)
    logprobs = [value for index in indices if _is_logprob(value := values[index])]
    if len(logprobs) < len(indices) or not logprobs:
        wrong = [value for index in indices if not _is_logprob(value := values[index])]
        detail = f", but {wrong[0]!r}" if wrong else ""
        raise NoNumber(f"it gives no log-probability of {continuation[:40]!r} behind its context{detail}")
    best = [
        max(filter(_is_logprob, top.values()), default=None) for p in indices if isinstance(top := tops[p], Mapping)
    ]
    if len(best) < len(indices) or None in best:
        raise NoEcho("it gives no top_logprobs")
    greedy = all(top is not None and value >= top for value, top in zip(logprobs, best, strict=True))
    return LogLikelihood(float(sum(logprobs)), greedy, len(indices), indices[0], 0, seconds)


def _is_logprob(value: Json) -> TypeGuard[float]:
    """Whether it is a finite number, not positive but for rounding."""
    return isinstance(value, int | float) and isfinite(value) and value < 1e-6


def _continuation_indices(tokens: Sequence[str], offsets: Json, context: str, continuation: str) -> range:
    """The indices of the tokens that are the continuation's; offsets count characters, in some servers bytes. Raises NoEcho."""
    starts = [offset for offset in offsets if isinstance(offset, int)] if isinstance(offsets, list) else []
    if not isinstance(offsets, list) or not len(offsets) == len(starts) == len(tokens):
        raise NoEcho("it does not say where each token begins (text_offset)")
    for begin, end in (
        (len(context), len(context) + len(continuation)),
        (len(context.encode()), len((context + continuation).encode())),
    ):
        inside = [index for index, offset in enumerate(starts) if begin <= offset < end]
        indices = range(inside[0], inside[-1] + 1) if inside else range(0)
        text = "".join(tokens[index] for index in indices)
        split = any(mark in text for mark in ("\ufffd", "bytes:"))  # tokens that are parts of a character
        if text and (continuation.endswith(text) or (split and starts[indices[0]] == begin)):
            return indices
    raise NoEcho(f"its tokens do not make up {continuation[:40]!r}")
