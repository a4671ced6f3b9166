"""Checkpoints that see: a prompt may hold pictures. Text alone is computed as every local model computes it.

A prompt with pictures is computed by itself, step by step as transformers' `generate` prepares its model's inputs
(engine.seen), and shares no beginning with another; sampling, stop strings, schemas, tools and cancelling are those of all
local models. Its pictures cannot be cut off: one that does not fit the window fails.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ...errors import ModelError
from ...lazy import lazy
from ...tokens.count import TokenCount, exact
from ...tokens.pair import has_start
from ...tokens.render import knows_tools, parts_of, render, text_of
from ...tokens.stream import opened
from ...values import Json, Media, Message
from ..system import Capabilities, Generate, ToolSchema
from .build import Build
from .model import LocalModel
from .pictures import open_pictures
from .processor import PictureProcessor
from .reply import Prompt
from .tokenizing_model import media_of
from .toolcalls import instructions, with_instructions

RECENT = 4  # prompts that are kept as they were read: a prompt is counted before it is sent
WORD, DOT = "word", Media("image/png", b"")


class SeeingModel(LocalModel):
    """A System over a checkpoint that sees. Log-probabilities are of text, as of every LocalModel."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, vision=True)

    def build(self, single: bool = False) -> Build:
        return replace(super().build(single), sees=True)

    @lazy
    def processor(self) -> PictureProcessor:
        return PictureProcessor(self.checkpoint)

    @lazy
    def special_tokens(self) -> Mapping[str, str]:
        """With those that stand for pictures and their ends."""
        config = self.checkpoint.tokenizer_config
        more = config.get("extra_special_tokens")
        named = {**config, **(more if isinstance(more, Mapping) else {})}
        tokens = {name: value for name, value in named.items() if name.endswith("_token") and isinstance(value, str)}
        return {**tokens, **self.checkpoint.special_tokens}

    @lazy
    def _takes_text(self) -> bool:
        """Whether the template takes a content that is a text; else it takes lists only."""
        try:
            return WORD in self._rendered([Message("user", WORD)], text_of)
        except ModelError:
            return False

    @lazy
    def _takes_parts(self) -> bool:
        """Whether the template has a place for pictures; else they stand in the text by their placeholder."""
        try:
            seen = self._rendered([Message("user", WORD, parts=(DOT, WORD))], parts_of)
            blind = self._rendered([Message("user", WORD, parts=(WORD,))], parts_of)
        except ModelError:
            return False
        return WORD in seen and len(seen) > len(blind) and "'type'" not in seen

    def _rendered(
        self,
        messages: Sequence[Message],
        content: Callable[[Message], Json],
        tools: Sequence[ToolSchema] = (),
        reply: bool = True,
    ) -> str:
        return render(self.template or "", messages, self.special_tokens, reply, tools, content)

    def _content(self, message: Message) -> Json:
        """The content of a message in the form that the template takes."""
        if message.parts and not self._takes_parts:
            mark = self.processor.placeholder
            return "\n".join(part if isinstance(part, str) else mark for part in message.parts)
        return parts_of(message) if message.parts or not self._takes_text else message.content

    def render(self, messages: Sequence[Message], tools: Sequence[ToolSchema] = (), reply: bool = True) -> str:
        """The text, in which each picture has its place."""
        if other := [
            media for media in media_of(messages) if media.media_type.partition("/")[0] in ("audio", "video", "text")
        ]:
            raise ModelError(f"{self.name.text} reads text and sees pictures; it cannot be sent {other[0].media_type}")
        if self.template is None:
            raise ModelError(f"{self.name.text} has no chat template; give it raw text")
        if tools and not knows_tools(self.template):
            messages, tools = with_instructions(messages, instructions(tools)), ()
        return self._rendered(messages, self._content, tools, reply)

    @lazy
    def _recent(self) -> dict[str, Prompt]:
        return {}

    @lazy
    def _reading(self) -> threading.Lock:
        return threading.Lock()

    def read(self, request: Generate) -> Prompt:
        """The whole prompt of `request`. Raises ModelError for what is no picture, or too many of them."""
        if isinstance(request.prompt, str) or not (media := media_of(request.prompt)):
            return super().read(request)
        text = self.render(request.prompt, request.tools if request.tool_choice != "none" else ())
        key = hashlib.sha256(text.encode("utf-8", "replace"))
        for one in media:
            key.update(hashlib.sha256(one.data or one.url.encode()).digest())
        with self._reading:  # one at a time: pictures are large while they are pixels
            prompt = self._recent.pop(key.hexdigest(), None)
            if prompt is None:
                special = not has_start(self.tokenizer, text)
                ids, seen = self.processor.read(text, open_pictures(media), special)
                prompt = Prompt(ids, False, opened(text), seen)
            self._recent[key.hexdigest()] = prompt
            for old in list(self._recent)[:-RECENT]:
                del self._recent[old]
        return prompt

    def count(self, prompt: str | Sequence[Message]) -> TokenCount:
        """As Model.count, with every token that a picture becomes."""
        if isinstance(prompt, str) or not media_of(prompt):
            return super().count(prompt)
        return exact(len(self.read(Generate(tuple(prompt))).ids))

    def close(self) -> None:
        super().close()
        self._recent.clear()
