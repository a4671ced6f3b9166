"""One answer of a local model: from a request to what the engine decodes, and from its events to what callers see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING

from ...engine.request import DecodeRequest, Event
from ...tokens.pair import encode_texts
from ...tokens.stop import StopText
from ...tokens.stream import Detokenizer, StopFilter, Thinking, opened
from ...tokens.tokenizer import Tokenizer
from ...values import Delta, Finish, TokenChance, ToolCall, Usage
from ..system import Generate
from .constrain import Constraint
from .toolcalls import ToolCallReader

if TYPE_CHECKING:
    from ...engine.request import Seen


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as token ids. Raw text has no thinking and no calls; `closing` ends the thinking that its last words began.
    `seen` are its pictures, as its model reads them."""

    ids: tuple[int, ...]
    raw: bool
    closing: str = ""
    seen: "Seen | None" = field(default=None, compare=False)


def read(request: Generate, render: Callable[..., str], tokenizer: Tokenizer) -> Prompt:
    """The whole prompt of `request`; `render(messages, tools)` makes text of messages."""
    raw = isinstance(request.prompt, str)
    offered = request.tools if request.tool_choice != "none" else ()
    text = request.prompt if isinstance(request.prompt, str) else render(request.prompt, offered)
    ids = encode_texts(tokenizer, [text])[0] or [tokenizer.start]
    return Prompt(tuple(ids), raw, "" if raw else opened(text))


def chance(event: Event, word: Callable[[Sequence[int]], str]) -> TokenChance | None:
    """How likely the token of `event` was, if that was asked for; `word` writes tokens."""
    if event.logprob is None:
        return None
    return TokenChance(word([event.token]), event.logprob, tuple((word([id]), value) for id, value in event.top))


class Reply:
    """Give `decode` to the engine and each Event to `push` until `ended`; `last` is the rest, with finish and usage.

    `ends` are tokens that are never shown.
    """

    def __init__(
        self,
        request: Generate,
        prompt: Prompt,
        tokenizer: Tokenizer,
        ends: frozenset[int],
        constraint: Constraint | None = None,
    ):
        self._ends, self._tokenizer = ends, tokenizer
        self.unenforced = constraint.unenforced if constraint else ()
        self._reader = ReplyReader(request, prompt.closing, f"call_{token_hex(6)}_")
        decode: Callable[[Sequence[int]], str] = tokenizer.decode if prompt.raw else self._visible
        self._words = Detokenizer(decode)
        self._prompt_tokens, self._tokens = len(prompt.ids), 0
        self._finish: Finish | None = None
        self.begins = self._read = 0  # characters before the last token, and before the next one
        stops = prompt.raw and any(request.stop)  # raw text stops at special tokens' names too, which are not shown
        self.decode = DecodeRequest(
            0,
            prompt.ids,
            request.max_tokens,
            request.sampling,
            StopText(lambda ids: tokenizer.decode(ids, special=True), request.stop) if stops else None,
            constraint,
            request.top,
            prompt.seen,
        )

    @property
    def stopped(self) -> bool:
        """Whether a stop string came, so that the engine need not go on."""
        return self._reader.stopped

    @property
    def ended(self) -> bool:
        return self._finish is not None

    def push(self, event: Event, chance: TokenChance | None = None) -> Delta | None:
        """The addition of `event`; None if nothing may be shown yet."""
        assert event.finish != "nan"  # is raised before it comes here
        end = event.token in self._ends
        self._tokens += 1
        self.begins = self._read
        text = "" if end else self._words.push(event.token)
        self._read += len(text)
        delta = self._reader.push(text, None if end else chance)
        self._finish = "stop" if self.stopped else event.finish
        return delta

    def last(self) -> Delta:
        held = None if self.stopped else self._reader.push(self._words.flush())
        rest = self._reader.flush()
        usage = Usage(self._prompt_tokens, self._tokens, reasoning_tokens=self._reader.reasoning_tokens)
        return Delta(
            (held.text if held else "") + rest.text,
            (held.reasoning if held else "") + rest.reasoning,
            (*(held.tool_calls if held else ()), *rest.tool_calls),
            (*(held.chances if held else ()), *rest.chances),
            self._finish or "stop",
            usage,
        )

    def _visible(self, ids: Sequence[int]) -> str:
        """Special tokens are shown, since some models mark thinking and tool calls by them; the ends are not."""
        return self._tokenizer.decode([id for id in ids if id not in self._ends], special=True)


class ReplyReader:
    """`push` what is new, get a Delta or None; `stopped` once a stop string came; `flush` gives the rest.

    Raw text (a `request` whose prompt is a string) has neither thinking nor calls. `closing` ends
    the thinking that the prompt's last words began.
    """

    def __init__(self, request: Generate, closing: str = "", prefix: str = "call_"):
        chat = not isinstance(request.prompt, str)
        names = [tool["name"] for tool in request.tools] if chat and request.tool_choice != "none" else []
        self._stop = StopFilter(request.stop)
        self._thinking = Thinking(closing) if chat else None
        self._calls = ToolCallReader(names, prefix)
        self._chances: list[TokenChance] = []
        self.reasoning_tokens = 0

    @property
    def stopped(self) -> bool:
        return self._stop.stopped

    def push(self, text: str, chance: TokenChance | None = None) -> Delta | None:
        """The addition of one token's `text`; None if nothing may be shown yet."""
        if chance is not None:
            self._chances.append(chance)
        reasoning, answer = self._split(text)
        self.reasoning_tokens += self._thinking is not None and bool(reasoning) and not answer
        shown, calls = self._calls.push(self._stop.push(answer))
        return self._delta(shown, reasoning, calls)

    def flush(self) -> Delta:
        """The rest, which was held back until the text ended."""
        reasoning, answer = self._thinking.flush() if self._thinking else ("", "")
        first, calls = self._calls.push(self._stop.push(answer) + self._stop.flush())
        last, more = self._calls.flush()
        return self._delta(first + last, reasoning, (*calls, *more)) or Delta()

    def _split(self, text: str) -> tuple[str, str]:
        return self._thinking.push(text) if self._thinking else ("", text)

    def _delta(self, text: str, reasoning: str, calls: Sequence[ToolCall]) -> Delta | None:
        if not (text or reasoning or calls):
            return None
        chances, self._chances = tuple(self._chances), []
        return Delta(text, reasoning, tuple(calls), chances)
