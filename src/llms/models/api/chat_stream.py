"""A chat answer read event by event: text, reasoning and tool calls apart, keys hidden where they run over events.

Reasoning stands in a field of its own, or in the text between tags, or in both.

A whole answer is read as the one event of a stream.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

from ...tokens.stream import Thinking
from ...values import Finish, Json, JsonObject, TokenChance, ToolCall
from .errors import BadAnswer
from .redaction import RedactedStream, Redactor
from .response import ResponseChunk, piece


@dataclass(frozen=True, slots=True)
class Read:
    """The additions of one event. `thought` is reasoning that stood in the text. `calls` are (number of the call, what is
    new of it): the first of each has its id and name."""

    text: str = ""
    reasoning: str = ""
    thought: str = ""
    calls: tuple[tuple[int, ToolCall], ...] = ()
    chances: tuple[TokenChance, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text or self.reasoning or self.thought or self.calls or self.chances)


class ChatStreamReader:
    """`push` every event, then `flush`. `finish` is how the answer ended, None while it has not; `reason` the server's own
    word for it, `refusal` why its filter refused the request, `field` where its reasoning stood, `model` what the server
    calls itself. `raw`: the answer continues a text, in which tags are text. Calls get ids that are not `taken`."""

    def __init__(self, redactor: Redactor, raw: bool = False, taken: Collection[str] = ()):
        self._text, self._reasoning = redactor.stream(), redactor.stream()
        self._thinking = None if raw else Thinking()
        self._calls = Calls(redactor, taken)
        self.begun = False
        self.finish: Finish | None = None
        self.reason = self.refusal = self.field = self.model = ""

    def push(self, event: Json) -> Read:
        """Raises BadAnswer where the server says that the answer broke off."""
        chunk = piece(event)
        if isinstance(event, Mapping) and isinstance(model := event.get("model"), str):
            self.model = model or self.model
        if chunk is None:
            return Read()
        if self.finish != "refused":  # the end of a refusal says "stop"
            self.finish, self.reason = chunk.finish or self.finish, chunk.reason or self.reason
        self.field = chunk.field or self.field
        if chunk.error:
            raise BadAnswer(f"the answer broke off: {chunk.error}")
        return self._read(chunk)

    def flush(self) -> Read:
        """The rest, which was held back until the answer has ended."""
        thought, text = self._split(self._text.flush())
        if self._thinking:
            more, rest = self._thinking.flush()
            thought, text = thought + more, text + rest
        return Read(text, self._reasoning.flush(), thought, self._calls.flush())

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """All tool calls, whole once the answer has ended."""
        return self._calls.whole

    def _read(self, chunk: ResponseChunk) -> Read:
        self.begun = self.begun or bool(chunk.text or chunk.reasoning or chunk.calls)
        thought, text = self._split(self._text.push(chunk.text)) if chunk.text else ("", "")
        reasoning = self._reasoning.push(chunk.reasoning) if chunk.reasoning else ""
        return Read(text, reasoning, thought, self._calls.push(chunk.calls), chunk.chances)

    def _split(self, text: str) -> tuple[str, str]:
        """(thought, answer)"""
        return self._thinking.push(text) if self._thinking else ("", text)


@dataclass
class _Call:
    """A call as far as it has come. It is `announced` once its arguments begin, for only then its name is whole."""

    index: int | None
    server_id: str  # as the server wrote it
    id: str
    hidden: RedactedStream
    name: str = ""
    arguments: str = ""
    extra: JsonObject | None = None
    ready: str = ""
    announced: bool = False
    shown: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        try:
            return isinstance(json.loads(self.arguments), dict)
        except (ValueError, RecursionError):
            return False


class Calls:
    """Tool calls put together from their pieces, by id, or by index, or by neither: each server does it in its own way."""

    def __init__(self, redactor: Redactor, taken: Collection[str] = ()) -> None:
        self._taken = taken  # some servers count from 0 in every answer
        self._redactor, self._open = redactor, list[_Call]()

    @property
    def whole(self) -> tuple[ToolCall, ...]:
        return tuple(ToolCall(call.id, call.name, "".join(call.shown), call.extra) for call in self._open)

    def push(self, pieces: tuple[JsonObject, ...]) -> tuple[tuple[int, ToolCall], ...]:
        """The additions, by the number of the call."""
        new: list[tuple[int, ToolCall]] = []
        for part in pieces:
            function = part.get("function")
            function = function if isinstance(function, Mapping) else {}
            name, stated = function.get("name"), function.get("arguments")
            name = name if isinstance(name, str) else ""
            arguments = stated if isinstance(stated, str) else "" if stated is None else json.dumps(stated)
            number = self._number(part, name)
            call = self._open[number]
            if isinstance(signature := part.get("extra_content"), Mapping):  # Gemini's, of a thought; it wants it back
                call.extra = {"extra_content": signature}
            if not call.announced and name != call.name:
                call.name = name if call.name and name.startswith(call.name) else call.name + name
            call.arguments += arguments
            call.ready += call.hidden.push(arguments)
            if call.arguments and call.name and (call.ready or not call.announced):
                new.append((number, self._tell(call)))
        return tuple(new)

    def flush(self) -> tuple[tuple[int, ToolCall], ...]:
        new = []
        for number, call in enumerate(self._open):
            call.ready += call.hidden.flush()
            if call.ready or not call.announced:
                new.append((number, self._tell(call)))
        return tuple(new)

    def _tell(self, call: _Call) -> ToolCall:
        arguments, call.ready = call.ready, ""
        call.shown.append(arguments)
        if call.announced:
            return ToolCall("", "", arguments)
        call.announced = True
        call.name = self._redactor.clean(call.name)
        return ToolCall(call.id, call.name, arguments, call.extra)

    def _number(self, part: JsonObject, name: str) -> int:
        """Which call a piece belongs to; a new one where it belongs to none."""
        index, id = part.get("index"), part.get("id")
        index = index if isinstance(index, int) else None
        id = id if isinstance(id, str) else ""
        for number in range(len(self._open) - 1, -1, -1):
            call = self._open[number]
            if index is not None and call.index is not None and index != call.index:
                continue
            if (id and id == call.server_id) or (
                (index is not None or call is self._open[-1]) and _goes_on(call, id, name, index)
            ):
                return number
        known = {call.id for call in self._open}.union(self._taken)
        own = self._redactor.clean(id) if id and id not in known else f"call_{token_hex(6)}"
        self._open.append(_Call(index, id, own, self._redactor.stream()))
        return len(self._open) - 1


def _goes_on(call: _Call, id: str, name: str, index: int | None) -> bool:
    """Whether a piece with this id and name goes on with `call`, whose index it has, or which is the last one."""
    if id and call.server_id:
        return not name and not call.complete  # another id for every piece of one call
    if name and call.arguments:
        return not call.name or (name == call.name and not call.complete)  # its name again with every piece
    if name and call.name and index is None:
        return name == call.name
    call.server_id = call.server_id or id
    return True
