"""What models with weights at hand have in common: they tokenize, render and constrain exactly as they compute."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...engine.request import DecodeRequest, Event
from ...errors import ModelError
from ...tokens.count import TokenCount, exact
from ...tokens.pair import encode_texts, has_start
from ...tokens.render import knows_tools, render
from ...tokens.views import TokenView
from ...values import Message, NextToken
from ..system import Generate, Model
from .toolcalls import instructions, with_instructions

if TYPE_CHECKING:
    from .reply import Prompt


class TokenizingModel(Model):
    """A model whose tokenizer, template and next token are at hand: checkpoints and GGUF files."""

    @property
    def tokenizer(self) -> Any:
        """A tokens.Tokenizer that also knows `pieces(text)` and `entry(token)`."""
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
    def grammars(self) -> Any:
        """constrain.Grammars over the tokenizer."""
        raise NotImplementedError

    def events(self, request: DecodeRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
        """A token at a time; ends early if cancelled."""
        raise NotImplementedError

    def count(self, prompt: str | Sequence[Message]) -> TokenCount:
        text = prompt if isinstance(prompt, str) else self.render(prompt)
        return exact(len(encode_texts(self.tokenizer, [text])[0]))

    def tokenize(self, text: str) -> list[TokenView]:
        return self.tokenizer.pieces(text, special=not has_start(self.tokenizer, text))

    def next_tokens(self, prompt: str | Sequence[int], top: int = 10) -> list[NextToken]:
        ids = encode_texts(self.tokenizer, [prompt])[0] if isinstance(prompt, str) else prompt
        kept = tuple(ids[-self.context_window :]) or (self.tokenizer.start,)
        (event,) = self.events(DecodeRequest(0, kept, 1, top=top))
        shown, ends = self.tokenizer.entry, self.ends
        return [NextToken(id, shown(id).shown, logprob, id in ends) for id, logprob in event.top]

    def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        if self.template is None:
            raise ModelError(f"{self.name.text} has no chat template; give it raw text")
        if tools and not knows_tools(self.template):
            messages, tools = with_instructions(messages, instructions(tools)), ()
        return render(self.template, messages, self.special_tokens, tools=tools)

    def read(self, request: Generate) -> "Prompt":
        """The whole prompt of `request` as the model reads it."""
        from .reply import read

        return read(request, self.render, self.tokenizer)

    def constraint(self, request: Generate) -> Any:
        """What holds an answer to the form that `request` asks for; None if it may have any."""
        tools = request.tools if request.tool_choice != "none" else ()
        if request.schema is None and not tools:
            return None
        return self.grammars.following(request.schema, tools, request.tool_choice, request.parallel_calls)

    def chat_model(self) -> Any:
        from .chat_model import LocalChatModel

        return LocalChatModel(self)
