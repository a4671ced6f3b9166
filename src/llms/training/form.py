"""The training form of a model's chat template: the very text that the model reads in use, and which of it is trained.

The template itself is never changed. Where an answer begins and ends is found by rendering the messages before it with the
opening of the model's turn, and those up to it without: both must be beginnings of the whole. Text and token ids are those of
use, by the same renderer and tokenizer; a token is trained if it lies wholly in an answer, its end token included.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..errors import ModelError
from ..lazy import lazy
from ..models.load import load_tokenizer
from ..models.local.model import LocalModel
from ..models.system import ToolSchema
from ..tokens.pair import encode_texts, has_start
from ..values import Message

CHECKED = 64  # texts whose ids are compared with those of use
HELD = 256  # beginnings of conversations that are remembered


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text as the model reads it. `spans` (start, end) of characters are trained; before character `prefix` stands nothing
    of the first user's words. `apart`: what comes after the first span's start is encoded by itself, as in use, where else a
    token would join prompt and answer."""

    text: str
    spans: tuple[tuple[int, int], ...]
    prefix: int = 0
    apart: bool = False


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """Token ids; `spans` (start, end) of them are trained, each ending with an end token unless the whole text is trained.
    `joined` answers share their first token with what stands before it, which is not trained."""

    ids: list[int]
    spans: tuple[tuple[int, int], ...]
    prefix: int
    joined: int = 0

    @property
    def trained(self) -> int:
        """How many tokens are trained."""
        return sum(end - start for start, end in self.spans)


def open_form(model: str) -> "TrainingForm":
    """The training form of the model of that name, whose weights are not loaded. Raises ModelError."""
    opened = load_tokenizer(model)
    if not isinstance(opened, LocalModel):
        raise ModelError(f"{model} cannot be trained here; name a checkpoint: a folder, hf:… or smollm2")
    return TrainingForm(opened)


class TrainingForm:
    """Makes token ids with their loss mask of messages and of raw text, for one model."""

    def __init__(self, model: LocalModel):
        self.model = model
        self.name = model.name.text
        self._checked = 0
        self._prefixes: dict[tuple[object, ...], str] = {}

    @property
    def chats(self) -> bool:
        """Whether the model has a chat template."""
        return self.model.template is not None

    @lazy
    def end_text(self) -> str:
        """The end-of-sequence token, which ends raw text. Raises ModelError if there is none."""
        text = self.model.special_tokens.get("eos_token", "")
        if not text:
            raise ModelError(
                f"the tokenizer of {self.name} has no eos_token; a model trained without one would never stop"
            )
        return text

    @lazy
    def ends(self) -> frozenset[int]:
        """The tokens at which an answer of the model ends in use; the tokenizer's own where no file states one."""
        return self.model.checkpoint.ends or frozenset(
            self.model.tokenizer.encode([self.end_text], special=False)[0][:1]
        )

    @lazy
    def end_names(self) -> tuple[str, ...]:
        """The texts of the end tokens."""
        return tuple(self.model.tokenizer.with_special([end]) for end in sorted(self.ends))

    @lazy
    def marks(self) -> tuple[str, ...]:
        """Those of them that a tokenizer reads as end tokens wherever they stand, also in a message."""
        entry = self.model.tokenizer.entry
        return tuple(
            name for end, name in zip(sorted(self.ends), self.end_names, strict=True) if entry(end).special and name
        )

    def conversation(
        self, messages: Sequence[Message], tools: Sequence[ToolSchema], answers: Sequence[int]
    ) -> list[MarkedText]:
        """The conversation with the `answers` (indices of messages) to be trained.

        It is one text, unless the template shows earlier answers otherwise than it shows the last one (without their thinking,
        say): then each answer has a text of its own, as it is in use. Raises ModelError where neither can be done.
        """
        last = len(messages) - 1
        whole = self.model.render(messages, tools, reply=False)
        spans, texts = [], {}
        for index in answers:
            before = self.model.render(messages[:index], tools)
            after = whole if index == last else self.model.render(messages[: index + 1], tools, reply=False)
            if not after.startswith(before) or len(after) == len(before):
                raise ModelError(self._no_form(before, after))
            spans.append((len(before), len(after)))
            texts[index] = after
        prefix = self._prefix(messages, tools)
        apart = all(end <= start for (_, end), (start, _) in pairwise(spans))
        if apart and all(whole.startswith(after) for after in texts.values()):
            return [MarkedText(whole, tuple(spans), self._length(prefix, whole))]
        return [
            MarkedText(after, (span,), self._length(prefix, after))
            for after, span in zip(texts.values(), spans, strict=True)
        ]

    def whole(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> MarkedText:
        """The conversation with every token trained, whoever speaks."""
        text = self.model.render(messages, tools, reply=False)
        return MarkedText(text, ((0, len(text)),))

    def completion(self, prompt: str, completion: str) -> MarkedText:
        """Raw text, of which the completion is trained, and the end token behind it."""
        text = prompt + completion
        text += "" if text.endswith((self.end_text, *self.end_names)) else self.end_text
        return MarkedText(text, ((len(prompt), len(text)),), apart=bool(prompt))

    def pair(
        self,
        prompt: Sequence[Message] | str,
        chosen: Message | str,
        rejected: Message | str,
        tools: Sequence[ToolSchema] = (),
    ) -> tuple[MarkedText, MarkedText]:
        """The prompt with each of its two answers; both texts begin with the same prompt, which is encoded by itself."""
        if isinstance(prompt, str) or isinstance(chosen, str) or isinstance(rejected, str):
            first, second = self.completion(str(prompt), str(chosen)), self.completion(str(prompt), str(rejected))
        else:
            (first,) = self.conversation((*prompt, chosen), tools, [len(prompt)])
            (second,) = self.conversation((*prompt, rejected), tools, [len(prompt)])
        return replace(first, prefix=0, apart=True), replace(second, prefix=0, apart=True)

    def tokenize(self, texts: Sequence[MarkedText]) -> Iterator[TokenizedText]:
        """The ids of each text as the model is given them in use, with what is trained, in their order.

        Raises ModelError instead of the first that has no end token in what is trained: a model trained so would never stop.
        """
        tokenizer = self.model.tokenizer
        starts = [has_start(tokenizer, marked.text) for marked in texts]
        groups = {
            start: iter(
                tokenizer.encode_spans(
                    [marked.text for marked, has in zip(texts, starts, strict=True) if has is start], special=not start
                )
            )
            for start in (True, False)
        }
        encoded = [next(groups[start]) for start in starts]
        if self._checked < CHECKED:
            self._check([marked.text for marked in texts[:CHECKED]], [ids for ids, _ in encoded[:CHECKED]])
        for marked, (ids, offsets) in zip(texts, encoded, strict=True):
            yield self._trained(marked, ids, offsets)

    def _trained(self, marked: MarkedText, ids: list[int], offsets: Sequence[tuple[int, int]]) -> TokenizedText:
        self.model.check_tokens(ids)
        begins, stops = bounds(offsets)
        spans, joined = [], 0
        for start, end in marked.spans:
            first, last = bisect_left(begins, start), bisect_right(stops, end)
            if first and stops[first - 1] > start:
                if marked.apart:
                    return self.apart(marked)
                joined += 1
            if (start, end) == (0, len(marked.text)):
                first, last = 0, len(ids)
                if not self.ends & set(ids):
                    raise ModelError(self._endless(marked.text))
                spans.append((first, last))
                continue
            while last > first and ids[last - 1] not in self.ends:
                last -= 1
            if last == first:
                raise ModelError(self._endless(marked.text[start:end]))
            spans.append((first, last))
        return TokenizedText(ids, tuple(spans), bisect_right(stops, marked.prefix) if marked.prefix else 0, joined)

    def apart(self, marked: MarkedText) -> TokenizedText:
        """Prompt and completion each by itself: the ids that the model has before it, and then chooses, in use."""
        ((start, _),) = marked.spans
        prompt = encode_texts(self.model.tokenizer, [marked.text[:start]])[0]
        answer = self.model.tokenizer.encode([marked.text[start:]], special=False)[0]
        last = len(answer)
        while last and answer[last - 1] not in self.ends:
            last -= 1
        if not last:
            raise ModelError(self._endless(marked.text[start:]))
        return TokenizedText(prompt + answer, ((len(prompt), len(prompt) + last),), 0)

    def _check(self, texts: Sequence[str], ids: Sequence[Sequence[int]]) -> None:
        """Compare with what the model reads in use."""
        self._checked += len(texts)
        for text, expected, got in zip(texts, encode_texts(self.model.tokenizer, texts), ids, strict=True):
            if list(expected) != list(got):
                raise ModelError(
                    f"the tokenizer of {self.name} gives other ids with the places of its tokens than without, for "
                    f"{text[:60]!r}; it cannot be told which tokens are an answer's. Use train_on all"
                )

    def _prefix(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> str:
        """The text before the words of the first user: system message and tools, as the template writes them."""
        head = tuple(message for message in messages[:1] if message.role == "system")
        key = (*head, *(repr(tool) for tool in tools))
        if key not in self._prefixes:
            if len(self._prefixes) >= HELD:
                self._prefixes.clear()
            try:
                probes = [
                    self.model.render([*head, Message("user", word)], tools, reply=False) for word in ("Aa", "Bb")
                ]
            except ModelError:
                probes = []
            self._prefixes[key] = probes[0][: _alike(*probes)] if probes else ""
        return self._prefixes[key]

    @staticmethod
    def _length(prefix: str, text: str) -> int:
        return len(prefix) if text.startswith(prefix) else 0

    def _no_form(self, before: str, after: str) -> str:
        same = _alike(before, after)
        return (
            f"the chat template of {self.name} has no training form: it opens an answer with "
            f"{before[max(0, same - 20) :][:60]!r}, and writes the same answer as {after[max(0, same - 20) :][:60]!r}. "
            "Train on all tokens (train_on all), or give rows of prompt and completion, which are raw text"
        )

    def _endless(self, answer: str) -> str:
        names = ", ".join(map(repr, self.end_names))
        return (
            f"no end token is trained: {self.name} stops at {names}, and the answer ends with {answer[-40:]!r}. A model trained "
            "so would never stop. Use a model whose template writes one, or add the template's own to eos_token_id in the "
            "model's generation_config.json"
        )


def bounds(offsets: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Where each token begins and ends in characters, neither ever going back; one without text lies where it stands.

    A character that is left to no token is the next one's.
    """
    begins, stops, seen = [], [], 0
    for start, end in offsets:
        begins.append(min(start, seen) if end > start else seen)
        if end > seen:
            seen = end
        stops.append(seen)
    return begins, stops


def _alike(one: str, other: str) -> int:
    """With how many equal characters two texts begin."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
