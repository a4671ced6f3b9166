"""From raw text as a model writes it to what callers see: answer, thinking and tool calls apart, stopped where asked."""

from collections.abc import Sequence

from ...tokens.stream import StopFilter, Thinking
from ...values import Delta, TokenChance, ToolCall
from ..system import Generate
from .toolcalls import ToolCallReader


class ReplyReader:
    """`push` what is new, get a Delta or None; `stopped` once a stop string came; `flush` gives the rest.

    Raw text (a `request` whose prompt is a string) has neither thinking nor calls. `opened`: the prompt's last words
    opened the thinking tag.
    """

    def __init__(self, request: Generate, opened: bool = False, prefix: str = "call_"):
        chat = not isinstance(request.prompt, str)
        names = [tool["name"] for tool in request.tools] if chat and request.tool_choice != "none" else []
        self._stop = StopFilter(request.stop)
        self._thinking = Thinking(opened) if chat else None
        self._calls = ToolCallReader(names, prefix)
        self._chances: list[TokenChance] = []
        self.reasoning_tokens = 0

    @property
    def stopped(self) -> bool:
        return self._stop.stopped

    def push(self, text: str, chance: TokenChance | None = None) -> Delta | None:
        """What one token's `text` adds; None if nothing may be shown yet."""
        if chance is not None:
            self._chances.append(chance)
        reasoning, answer = self._split(text)
        self.reasoning_tokens += self._thinking is not None and bool(reasoning) and not answer
        shown, calls = self._calls.push(self._stop.push(answer))
        return self._delta(shown, reasoning, calls)

    def flush(self) -> Delta:
        """What was held back, once the text has ended."""
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
