"""The base of models with weights at hand: they tokenize, render and constrain exactly as they compute."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ...engine.request import DecodeRequest, Event
from ...errors import ModelError
from ...tokens.count import TokenCount, exact
from ...tokens.pair import encode_texts, has_start
from ...tokens.render import knows_tools, render
from ...tokens.tokenizer import Tokenizer
from ...tokens.views import TokenView
from ...values import Media, Message, NextToken
from ..system import Generate, Model, ToolSchema
from .constrain import Constraint, Grammars
from .reply import Prompt, read
from .toolcalls import instructions, with_instructions

if TYPE_CHECKING:
    from .chat_model import LocalChatModel


class ModelTokenizer(Tokenizer, Protocol):
    """A tokenizer that also shows its tokens to people."""

    def with_special(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens by name."""
        ...

    def pieces(self, text: str, special: bool = True) -> list[TokenView]:
        """The tokens of `text` and the part of it that each stands for."""
        ...

    def entry(self, token: int) -> TokenView:
        """The vocabulary's entry of a token id, as if it were a text of its own."""
        ...


def media_of(messages: Sequence[Message]) -> list[Media]:
    """The pictures, sounds and documents of messages, in their order."""
    return [part for message in messages for part in message.parts if isinstance(part, Media)]


class TokenizingModel(Model):
    """A model whose tokenizer, template and next token are at hand: checkpoints and GGUF files."""

    @property
    def tokenizer(self) -> ModelTokenizer:
        raise NotImplementedError

    @property
    def template(self) -> str | None:
        """The chat template, a Jinja text."""
        raise NotImplementedError

    @property
    def special_tokens(self) -> Mapping[str, str]:
        """bos_token and the like, as chat templates call them."""
        raise NotImplementedError

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer; loads what says so."""
        raise NotImplementedError

    @property
    def grammars(self) -> Grammars:
        """Makes constraints of answers, over the tokenizer."""
        raise NotImplementedError

    def events(self, request: DecodeRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
        """A token at a time; ends early if cancelled."""
        raise NotImplementedError

    def check_tokens(self, ids: Sequence[int]) -> None:
        """Raise ModelError for a token id that the network does not know; a file that holds both has none."""

    def count(self, prompt: str | Sequence[Message]) -> TokenCount:
        text = prompt if isinstance(prompt, str) else self.render(prompt)
        return exact(len(encode_texts(self.tokenizer, [text])[0]))

    def tokenize(self, text: str) -> list[TokenView]:
        return self.tokenizer.pieces(text, special=not has_start(self.tokenizer, text))

    def next_tokens(self, prompt: str | Sequence[int], top: int = 10) -> list[NextToken]:
        ids = encode_texts(self.tokenizer, [prompt])[0] if isinstance(prompt, str) else prompt
        context = tuple(ids[-self.context_window :]) or (self.tokenizer.start,)
        (event,) = self.events(DecodeRequest(0, context, 1, top=top))
        shown, ends = self.tokenizer.entry, self.ends
        return [NextToken(id, shown(id).shown, logprob, id in ends) for id, logprob in event.top]

    def render(self, messages: Sequence[Message], tools: Sequence[ToolSchema] = (), reply: bool = True) -> str:
        """The text of `messages` as the model reads it; `reply` opens its own turn behind them."""
        if self.template is None:
            raise ModelError(f"{self.name.text} has no chat template; give it raw text")
        if media := media_of(messages):
            raise ModelError(f"{self.name.text} reads text only; it cannot be sent {media[0].media_type or 'a file'}")
        if tools and not knows_tools(self.template):
            messages, tools = with_instructions(messages, instructions(tools)), ()
        return render(self.template, messages, self.special_tokens, reply, tools)

    def read(self, request: Generate) -> Prompt:
        """The whole prompt of `request` as the model reads it."""
        return read(request, self.render, self.tokenizer)

    def constraint(self, request: Generate, lenient: bool = False) -> Constraint | None:
        """Holds an answer to the form that `request` asks for, if `lenient` as far as it can; None if it may have any."""
        tools = request.tools if request.tool_choice != "none" else ()
        if request.schema is None and not tools:
            return None
        return self.grammars.following(request.schema, tools, request.tool_choice, request.parallel_calls, lenient)

    def chat_model(self) -> LocalChatModel:
        from .chat_model import LocalChatModel  # pydantic-ai, half a second

        return LocalChatModel(self)
