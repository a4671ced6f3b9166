"""Tool calls in a local model's text: found as it comes, in the forms that open models write.

    <tool_call>{"name": …, "arguments": {…}}</tool_call>     Hermes, Qwen, and what llms itself asks for
    <|python_tag|>{"name": …, "parameters": {…}}              Llama 3; also the bare object as the whole answer
    [TOOL_CALLS][{"name": …, "arguments": {…}}, …]            Mistral

A call that cannot be read stays text, so that nothing is lost. One that is cut stays a call: its arguments end where it
was cut, as OpenAI's API has it; before its name is known, it is nothing.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from ...tokens.stream import beginning
from ...values import JsonObject, Message, ToolCall
from ..system import ToolSchema

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_TO_THE_END = ("<|python_tag|>", "[TOOL_CALLS]")
_MARKS = (OPEN, *_TO_THE_END)
LEAST_MARK = 3  # so many characters of a mark at the end of an answer are a call that was cut, fewer are text
_NAMED = re.compile(
    r'\[?\s*\{\s*"name"\s*:\s*"([^"\\]*)"\s*(?:,\s*(?:"(?:arguments|parameters)"\s*:\s*(.*))?)?', re.DOTALL
)
_UNNAMED = re.compile(r'\[?\s*(?:\{\s*(?:"[a-z]*(?:"\s*(?::\s*(?:"[^"]*)?)?)?)?)?')


def instructions(tools: Sequence[ToolSchema]) -> str:
    """How tools are described to a model whose chat template knows none."""
    lines = [json.dumps(tool, ensure_ascii=False) for tool in tools]
    return (
        "You can use these tools:\n"
        + "\n".join(lines)
        + f'\nTo use one, answer only with {OPEN}{{"name": "…", "arguments": {{…}}}}{CLOSE} and wait for its result.'
    )


def with_instructions(messages: Sequence[Message], text: str) -> list[Message]:
    """`text` at the end of the system message, which is made if there is none; tool messages become the user's."""
    plain = [_as_text(message) for message in messages]
    if plain and plain[0].role == "system":
        return [replace(plain[0], content=f"{plain[0].content}\n\n{text}"), *plain[1:]]
    return [Message("system", text), *plain]


def _as_text(message: Message) -> Message:
    """A message of a tool conversation in words, for templates that know no tools."""
    if message.role == "tool":
        return Message("user", f"Result of the tool:\n{message.content}")
    calls = "".join(f'{OPEN}{{"name": "{c.name}", "arguments": {c.arguments}}}{CLOSE}' for c in message.tool_calls)
    parts = (*message.parts, calls) if message.parts and calls else message.parts
    return Message(message.role, message.content + calls, parts=parts)


def schema(tools: Sequence[ToolSchema]) -> JsonObject:
    """JSON schema of one call of one of `tools`."""
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {"name": {"const": tool["name"]}, "arguments": tool.get("parameters") or {"type": "object"}},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
    }  # fmt: skip


class ToolCallReader:
    """`push` text, get (text to show, calls that are whole). `names` are the tools that exist."""

    def __init__(self, names: Sequence[str], prefix: str):
        self._names = frozenset(names)
        self._prefix = prefix  # of the ids that calls are given
        self._numbers = count()
        self._held = ""
        self._begun = False

    def push(self, text: str) -> tuple[str, tuple[ToolCall, ...]]:
        self._held += text
        shown = ""
        calls: list[ToolCall] = []
        while self._names:
            first = self._held.find(OPEN)
            if first >= 0:
                end = self._held.find(CLOSE, first)
                shown += self._held[:first]
                self._held = self._held[first:]
                if end < 0:
                    return self._show(shown), tuple(calls)
                read = self._read(self._held[len(OPEN) : end - first])
                shown += "" if read else self._held[: end - first + len(CLOSE)]
                calls += read
                self._held = self._held[end - first + len(CLOSE) :].lstrip("\n")
                continue
            if any(mark in self._held for mark in _TO_THE_END) or self._may_be_bare(shown):
                return self._show(shown), tuple(calls)
            break
        keep = max((beginning(self._held, mark) for mark in _MARKS), default=0) if self._names else 0
        shown += self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return self._show(shown), tuple(calls)

    def flush(self) -> tuple[str, tuple[ToolCall, ...]]:
        """The rest when the text ends: an unclosed or bare call, one that was cut, or text."""
        held, self._held = self._held, ""
        if not self._names or not held.strip():
            return held, ()
        first = min((held.find(mark) for mark in _MARKS if mark in held), default=None)
        before, bare = held[:first], held[first or 0 :]
        for mark in _MARKS:
            bare = bare.replace(mark, "")
        if calls := self._read(bare):
            return before if first else "", tuple(calls)
        if first is None:
            return "" if len(held) >= LEAST_MARK and any(mark.startswith(held) for mark in _MARKS) else held, ()
        cut = self._cut(bare.lstrip())
        return (held, ()) if cut is None else (before, cut)

    def _cut(self, text: str) -> tuple[ToolCall, ...] | None:
        """The call of which `text` is the beginning; empty before its name is known, None if it is the beginning of none."""
        if (named := _NAMED.match(text)) and named[1] in self._names:
            return (ToolCall(f"{self._prefix}{next(self._numbers)}", named[1], named[2] or ""),)
        return () if _UNNAMED.fullmatch(text) else None

    def _show(self, text: str) -> str:
        self._begun = self._begun or bool(text.strip())
        return text

    def _may_be_bare(self, shown: str) -> bool:
        """The whole answer could be one JSON object, which is known only at its end."""
        return not self._begun and not shown.strip() and self._held.lstrip()[:1] == "{"

    def _read(self, text: str) -> list[ToolCall]:
        try:
            content = json.loads(text)
        except ValueError:
            return []
        calls = []
        for one in content if isinstance(content, list) else [content]:
            if not isinstance(one, dict) or one.get("name") not in self._names:
                return []
            arguments = one.get("arguments", one.get("parameters", {}))
            written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            calls.append(ToolCall(f"{self._prefix}{next(self._numbers)}", one["name"], written))
        return calls
