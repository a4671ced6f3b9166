"""/v1/completions: raw text continued, and, with `echo` and `logprobs`, scored token by token."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from ..engine import Event, Traced
from ..models.local.reply import Prompt, Reply
from ..models.system import Generate
from ..tokens.pair import encode_texts
from ..values import Delta, Usage
from . import answers
from .chat import LEAST_LOGPROB, usage
from .refusal import RequestRefused, too_long
from .requests import CompletionRequest
from .served import ServedModel

Entry = tuple[int, str, float | None, dict[str, float] | None]  # offset, token, its log-probability, the likeliest


@dataclass(frozen=True, slots=True)
class EchoedPrompt:
    """A prompt: its ids, and, if it is echoed, its text and where in that each token begins."""

    ids: tuple[int, ...]
    text: str
    starts: tuple[int, ...]


async def complete(served: ServedModel, asked: CompletionRequest) -> AsyncGenerator[dict[str, object], None]:
    """The answer as one object, or as the chunks of a stream. Raises RequestRefused."""
    count = asked.n or 1
    with served.room(len(asked.prompt) * count, "prompt" if len(asked.prompt) > 1 else "n"):
        prompts = await asyncio.to_thread(lambda: [_read(served, asked, prompt) for prompt in asked.prompt])
        new, echoed = asked.max_tokens or 0, sum(len(prompt.ids) for prompt in prompts) if asked.echo else 0
        served.weigh(count * (new * len(prompts) + echoed), asked.logprobs, "logprobs")
        traces = [await _trace(served, asked, prompt) for prompt in prompts]
        replies = await asyncio.to_thread(_replies, served, asked, prompts)
        forming = _CompletionChunks(served, asked, prompts, replies)
        for index, trace in enumerate(traces):
            for row in range(index * count, (index + 1) * count) if asked.echo else ():
                for chunk in forming.echo(row, prompts[index], trace):
                    yield chunk
        async with aclosing(_events(served, asked, traces, replies)) as rows:
            async for row, event, delta in rows:
                for chunk in forming.add(row, event, delta):
                    yield chunk
        for chunk in forming.end(sum(len(prompt.ids) for prompt in prompts)):
            yield chunk


def _read(served: ServedModel, asked: CompletionRequest, prompt: str | tuple[int, ...]) -> EchoedPrompt:
    """Raises RequestRefused if the prompt is too long, or holds ids that the model does not know."""
    tokenizer, window, new = served.model.tokenizer, served.model.context_window, asked.max_tokens or 0
    if isinstance(prompt, str):
        ids = tuple(encode_texts(tokenizer, [prompt])[0]) or (tokenizer.start,)
    else:
        ids = prompt
    if ids and max(ids) >= served.engine_loop.vocabulary:
        raise RequestRefused(
            f"token id {max(ids)} is beyond the vocabulary of {served.engine_loop.vocabulary}",
            "prompt",
            "invalid_value",
        )
    if len(ids) + new > window + (new == 0):  # what is only scored ends one token later: that one is not read
        raise too_long(window, len(ids), new, "prompt")
    if not asked.echo:
        return EchoedPrompt(ids, "", ())
    if isinstance(prompt, str):
        special = not (tokenizer.start_text and prompt.startswith(tokenizer.start_text))
        return EchoedPrompt(ids, prompt, tuple(tokenizer.starts(prompt, special)) or (0,))
    starts, data = [], b""
    for token in ids:
        starts.append(len(data.decode(errors="ignore")))
        data += served.data(token)
    return EchoedPrompt(ids, data.decode(errors="replace"), tuple(starts))


async def _trace(served: ServedModel, asked: CompletionRequest, prompt: EchoedPrompt) -> list[Traced]:
    """Scores of every token of the prompt but the first, and of what would come next; empty if they are not asked for."""
    if not asked.echo or asked.logprobs is None:
        return []
    return await served.trace((*prompt.ids, 0) if _one_greedy(asked) else prompt.ids, max(1, asked.logprobs))


def _one_greedy(asked: CompletionRequest) -> bool:
    """Whether the trace of the prompt gives the answer too."""
    return bool(asked.echo) and asked.logprobs is not None and asked.max_tokens == 1 and asked.chooses_the_best


def _replies(served: ServedModel, asked: CompletionRequest, prompts: Sequence[EchoedPrompt]) -> list[Reply]:
    if not asked.max_tokens:
        return []
    seed = secrets.randbits(62) if asked.seed is None else asked.seed
    sampling = asked.sampling(served.engine_loop.vocabulary)
    return [
        served.model.reply(
            Generate(
                "",
                asked.max_tokens,
                tuple(asked.stop),
                seed=seed + row,
                top=asked.logprobs,
                **sampling,
            ),
            Prompt(prompt.ids, raw=True),
        )
        for prompt in prompts
        for row in range(asked.n or 1)
    ]


async def _events(
    served: ServedModel, asked: CompletionRequest, traces: Sequence[list[Traced]], replies: Sequence[Reply]
) -> AsyncGenerator[answers.Row, None]:
    if not _one_greedy(asked):
        if replies:
            async with aclosing(answers.rows(served.engine_loop, replies)) as rows:
                async for event_row in rows:
                    yield event_row
        return
    for row, reply in enumerate(replies):
        top = traces[row // (asked.n or 1)][-1].top
        token, logprob = top[0]
        finish: Literal["stop", "length"] = "stop" if token in served.engine_loop.ends else "length"
        event = Event(0, token, finish, logprob, top)
        yield row, event, reply.push(event)
        yield row, None, reply.last()


@dataclass
class _CompletionRow:
    base: int = 0  # characters of the echoed prompt
    shown: int = 0  # characters of the answer that were shown
    text: str = ""
    entries: list[Entry] = field(default_factory=list)
    pending: list[Entry] = field(default_factory=list)  # of text that is held back
    finish: str | None = None


class _CompletionChunks:
    """Puts what rows bring into the form of the protocol: chunks of a stream, or one object at the end."""

    def __init__(
        self, served: ServedModel, asked: CompletionRequest, prompts: Sequence[EchoedPrompt], replies: Sequence[Reply]
    ):
        self._served, self._asked, self._replies = served, asked, replies
        self._rows = [_CompletionRow() for _ in range(len(prompts) * (asked.n or 1))]
        self._used: list[Usage] = []
        self._base: dict[str, object] = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": asked.model,
        }
        if asked.stream and asked.usage_wanted:
            self._base["usage"] = None

    def echo(self, row: int, prompt: EchoedPrompt, trace: Sequence[Traced]) -> list[dict[str, object]]:
        self._rows[row].base = len(prompt.text)
        entries: list[Entry] = []
        if self._asked.logprobs is not None:
            entries.append((prompt.starts[0], self._served.name(prompt.ids[0]), None, None))
            for start, token, traced in zip(prompt.starts[1:], prompt.ids[1:], trace, strict=False):
                entries.append(self._entry(start, token, traced.logprob, traced.top))
        return self._take(row, prompt.text, entries, None)

    def add(self, row: int, event: Event | None, delta: Delta | None) -> list[dict[str, object]]:
        here, reply = self._rows[row], self._replies[row]
        if event is not None and event.logprob is not None:
            here.pending.append(self._entry(here.base + reply.begins, event.token, event.logprob, event.top))
        if delta is None:
            return []
        here.shown += len(delta.text)
        last = delta.finish is not None and not reply.stopped  # else what lies behind the stop string is not shown
        ready = [entry for entry in here.pending if last or entry[0] < here.base + here.shown]
        here.pending = here.pending[len(ready) :]
        if delta.usage is not None:
            self._used.append(delta.usage)
        return self._take(row, delta.text, ready, delta.finish)

    def end(self, prompt_tokens: int) -> list[dict[str, object]]:
        spent = usage(prompt_tokens, self._used)
        if self._asked.stream:
            ended = [] if self._replies else [self._chunk(row, "", [], "length") for row in range(len(self._rows))]
            return [*ended, {**self._base, "choices": [], "usage": spent}] if self._asked.usage_wanted else ended
        choices = [self._choice(i, row.text, row.entries, row.finish or "length") for i, row in enumerate(self._rows)]
        return [{**self._base, "choices": choices, "usage": spent}]

    def _take(self, row: int, text: str, entries: list[Entry], finish: str | None) -> list[dict[str, object]]:
        here = self._rows[row]
        if self._asked.stream:
            return [self._chunk(row, text, entries, finish)] if text or entries or finish else []
        here.text += text
        here.entries += entries
        here.finish = finish
        return []

    def _entry(self, start: int, token: int, logprob: float, top: Sequence[tuple[int, float]]) -> Entry:
        """With the likeliest tokens stands the one that came, even if it is none of them."""
        name = self._served.name(token)
        likeliest = {name: logprob}
        for other, value in list(top)[: self._asked.logprobs]:
            other_name = self._served.name(other)
            likeliest[other_name] = max(value, likeliest.get(other_name, value))
        return start, name, max(logprob, LEAST_LOGPROB), {k: max(v, LEAST_LOGPROB) for k, v in likeliest.items()}

    def _chunk(self, row: int, text: str, entries: list[Entry], finish: str | None) -> dict[str, object]:
        return {**self._base, "choices": [self._choice(row, text, entries, finish)]}

    def _choice(self, row: int, text: str, entries: list[Entry], finish: str | None) -> dict[str, object]:
        scores = None
        if self._asked.logprobs is not None:
            starts, tokens, values, tops = zip(*entries, strict=True) if entries else ((), (), (), ())
            scores = {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": starts}
        return {"index": row, "text": text, "logprobs": scores, "finish_reason": finish}
