"""A model without weights, whose answers are a function of the text it is asked."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from threading import Event

from pydantic_ai.models import Model as PydanticModel

from ..models.local.chat_model import LocalChatModel
from ..models.name import Name
from ..models.system import Capabilities, Generate, Model
from ..values import Completion, Delta, Failure, Identity, Json, LogLikelihood, Message, ToolCall, Usage

Reply = str | Sequence[ToolCall]
_numbers = count(1)


def call(tool: str, **arguments: Json) -> ToolCall:
    """A call of `tool`, as a model would write it; every one has an id of its own."""
    return ToolCall(f"call-{next(_numbers)}", tool, json.dumps(arguments))


def in_turn(*replies: Reply) -> Callable[[object], Reply]:
    """A script, for a model or an endpoint, that gives its replies one after the other and repeats the last one.

    >>> script = in_turn("first", "last")
    >>> [script(""), script(""), script("")]
    ['first', 'last', 'last']
    """
    numbers = count()

    def reply(request: object) -> Reply:
        return replies[min(next(numbers), len(replies) - 1)]

    return reply


class ScriptedModel(Model):
    """Answers `reply(text of the prompt)`: a text, or tool calls in a chat. Tokens are words.

    Messages are rendered as `<role>content` each. `likelihood(context, continuation)` is the log-probability of a
    continuation in nats; without it the model scores nothing. All that was asked is in `requests`, in order.

    >>> model = ScriptedModel(likelihood=lambda context, continuation: -float(len(continuation)))
    >>> [score.logprob for score in model.loglikelihood([("2+2=", "4"), ("2+2=", "four")])]
    [-1.0, -4.0]
    >>> model.requests
    [('2+2=', '4'), ('2+2=', 'four')]
    """

    def __init__(
        self,
        reply: Callable[[str], Reply] = lambda text: "",
        name: str = "scripted",
        likelihood: Callable[[str, str], float] | None = None,
        context_window: int = 4096,
    ):
        self.reply, self.likelihood = reply, likelihood
        self.requests: list[Generate | tuple[str, str]] = []
        self.name = Name(name, "hf", name)
        self._capabilities = Capabilities(likelihood is not None, True, True, context_window)

    @property
    def identity(self) -> Identity:
        return Identity(self.name.text, f"weights of {self.name.text}")

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        assert self.likelihood is not None, "this model was given no likelihood"
        for index, pair in enumerate(pairs):
            self.requests.append(pair)
            yield index, LogLikelihood(self.likelihood(*pair), greedy=False, tokens=1, context_tokens=10)

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        for index, request in enumerate(requests):
            reply = self._answer(request)
            text = reply if isinstance(reply, str) else ""
            yield index, Completion(text, len(text.split()), "stop", prompt_tokens=10)

    def stream(self, request: Generate, cancel: Event | None = None) -> Iterator[Delta]:
        reply = self._answer(request)
        pieces = words(reply) if isinstance(reply, str) else []
        for piece in pieces:
            if cancel is not None and cancel.is_set():
                return
            yield Delta(piece)
        calls = () if isinstance(reply, str) else tuple(reply)
        usage = Usage(self.count_tokens(request.prompt), len(pieces) or 1)
        yield Delta(tool_calls=calls, finish="stop", usage=usage)

    def render(self, messages: Sequence[Message]) -> str:
        return "".join(f"<{message.role}>{message.content}" for message in messages)

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        return len(self._text(prompt).split())

    def chat_model(self) -> PydanticModel:
        """This model for `llms.Chat` and agents, which stream it."""
        return LocalChatModel(self)

    def _answer(self, request: Generate) -> Reply:
        self.requests.append(request)
        return self.reply(self._text(request.prompt))

    def _text(self, prompt: str | Sequence[Message]) -> str:
        return prompt if isinstance(prompt, str) else self.render(prompt)


def words(text: str) -> list[str]:
    """The words of a text, each with the spaces before it; together they are the text.

    >>> words("one  two")
    ['one', '  two']
    """
    pieces, start = [], 0
    for end in range(1, len(text) + 1):
        if end == len(text) or (text[end] == " " and text[end - 1] != " "):
            pieces.append(text[start:end])
            start = end
    return pieces
