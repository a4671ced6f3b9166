"""The values that travel between packages: frozen, compared by content, knowing no storage and no model."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = Mapping[str, Json]


class NotFinite(ValueError):
    """NaN, Infinity or a number beyond all floats, which JSON does not have and Python's reader takes."""


def read_json(text: str) -> Json:
    """The value of a JSON text. Raises ValueError, and NotFinite for what other readers would not take."""

    def refuse(word: str) -> float:
        raise NotFinite(f"{word[:40]} is not a number that JSON has; write a finite number, or leave it out")

    def finite(number: str) -> float:
        return value if math.isfinite(value := float(number)) else refuse(number)

    value: Json = json.loads(text, parse_constant=refuse, parse_float=finite)
    return value


Status = Literal["ok", "unparsed", "truncated", "refused"]
FailureKind = Literal["infra", "timeout"]
Finish = Literal["stop", "length", "refused"]  # refused: the model, or its provider's filter, would not answer


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def several(count: int, one: str) -> str:
    """A count in words: 1 page, 2 pages."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"


# what models write around their thinking, before their answer: opening and closing, read in any case
THINKING_TAGS = (
    *(
        (f"<{word}>", f"</{word}>")
        for word in ("think", "thinking", "thought", "reasoning", "reflection", "seed:think", "longcat_think")
    ),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<unused94>thought", "<unused95>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """One dataset row: `index` is its position in the whole split of its `subset`, from 0."""

    subset: str
    index: int
    row: Mapping[str, Any]

    @property
    def item(self) -> str:
        """The item's name within its benchmark, stable over runs: `subset/index`."""
        return f"{self.subset}/{self.index}"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool called. `arguments` is JSON text as the model wrote it, perhaps broken. `extra` are
    fields that its endpoint wrote beside it and wants back."""

    id: str
    name: str
    arguments: str
    extra: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a sound or a document in a message: its bytes, or where they are fetched from. `options` are its
    endpoint's own, such as the detail in which a picture is looked at."""

    media_type: str
    data: bytes = b""
    url: str = ""
    name: str = ""
    options: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt. A tool's result has role tool and the id of the call it answers.

    `parts` is all it says, in order, where that is more than text; `content` is then its text alone. `extra` are fields
    that its endpoint wrote and wants back.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    parts: tuple[str | Media, ...] = ()
    extra: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class ChoicePrompt:
    """Score `continuations[i]` after `description + header + contexts[i]`.

    `description` is the benchmark's instruction, `header` the few-shot examples; both are shared by many
    items and stored once. `contexts` holds one entry per continuation (all the same, but for Winogrande).
    """

    description: str
    header: str
    contexts: tuple[str, ...]
    continuations: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(context, continuation) as the model sees them, one per choice."""
        head = self.description + self.header
        return [
            (head + context, continuation)
            for context, continuation in zip(self.contexts, self.continuations, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class GenerationPrompt:
    """Continue `description + header + text` until a stop string or `max_tokens` new tokens."""

    description: str
    header: str
    text: str
    stop: tuple[str, ...] = ()
    max_tokens: int = 256

    @property
    def context(self) -> str:
        return self.description + self.header + self.text


Prompt = ChoicePrompt | GenerationPrompt


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """log P(continuation | context) in nats; `greedy`: every token was the most likely one.

    `tokens` are the continuation's; `context_tokens` what was left of the context after `cut` tokens were
    dropped on the left; `seconds` is this request's share of the computation.
    """

    logprob: float
    greedy: bool
    tokens: int
    context_tokens: int = 0
    cut: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Completion:
    """Generated text, cut at the first stop string. `tokens` were generated after `prompt_tokens`, of which
    `cut` more had been dropped on the left; `thinking_tokens` of them are thinking that stands in the text."""

    text: str
    tokens: int
    finish: Finish
    prompt_tokens: int = 0
    cut: int = 0
    seconds: float = 0.0
    thinking_tokens: int = 0


@dataclass(frozen=True, slots=True)
class NextToken:
    """A token that may come next, and its log-probability in nats. `text` shows parts of characters as bytes, `end` says
    that the answer is over with it. `id` None: an endpoint does not tell."""

    id: int | None
    text: str
    logprob: float
    end: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` part of `tokens`.

    `reported` says that the server counted; otherwise the count is our own.
    """

    prompt_tokens: int = 0
    tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    reported: bool = False


@dataclass(frozen=True, slots=True)
class TokenChance:
    """One token of an answer: its text, log-probability in nats, and the likeliest in its position (text, nats)."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Billed:
    """Requests over the network and their tokens, retries and broken answers included, counted as `Usage` counts them."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Billed") -> "Billed":
        return Billed(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Billed") -> "Billed":
        return Billed(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer as it comes. The last one has `finish` and `usage`; `cut` prompt tokens did not fit.

    `reasoning` is text of the thinking channel; a tool call comes once it is whole. `chances` are there if the
    request asked for them. `failure` ends an answer that broke off.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    chances: tuple[TokenChance, ...] = ()
    finish: Finish | None = None
    usage: Usage | None = None
    cut: int = 0
    failure: "Failure | None" = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that got no answer: never a score."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A system's result on one item. `answers` has one LogLikelihood per choice, or one Completion per sample.

    `scores` of several samples are their means. `pooled` metrics have several values in one item. `judge` has a
    judge's reply on each sample, if one was asked. `counts` of metrics that belong to all items together are added up.
    """

    item: str
    subset: str
    cluster: str
    status: Status
    scores: Mapping[str, float]
    target: str
    extracted: str | None
    answers: tuple[LogLikelihood, ...] | tuple[Completion, ...]
    pooled: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    judge: tuple[str, ...] = ()
    counts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(a.seconds for a in self.answers)

    @property
    def tokens(self) -> int:
        """Tokens of the prompt, each distinct context once, and of what was scored or generated."""
        if self.completions:
            return self.completions[0].prompt_tokens + sum(completion.tokens for completion in self.completions)
        return max(a.context_tokens for a in self.choices) + sum(a.tokens for a in self.choices)

    @property
    def choices(self) -> list[LogLikelihood]:
        """The log-likelihood of each choice; empty where text was generated."""
        return [answer for answer in self.answers if isinstance(answer, LogLikelihood)]

    @property
    def completions(self) -> list[Completion]:
        """The texts that were generated, one per sample; empty where choices were scored."""
        return [answer for answer in self.answers if isinstance(answer, Completion)]

    @property
    def cut(self) -> int:
        """Tokens that did not fit the context window and were dropped on the left."""
        return max(a.cut for a in self.answers)

    @property
    def thinking_tokens(self) -> int:
        """Tokens that were thought before the answers were given."""
        return sum(completion.thinking_tokens for completion in self.completions)


@dataclass(frozen=True, slots=True)
class Failed:
    """An item without a score; left out of every mean, counted, and repeated by --retry-failed.

    `answers`, and the `target`, are there where only the grading failed, so that it can be graded again without being
    asked again.
    """

    item: str
    subset: str
    cluster: str
    kind: FailureKind
    reason: str
    answers: tuple[LogLikelihood, ...] | tuple[Completion, ...] = ()
    target: str = ""


Outcome = Scored | Failed


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that decides the answers of a system; equal identities share runs."""

    name: str
    weights: str
    dtype: str = ""
    quantization: str = ""
    adapter: str = ""
    tokenizer: str = ""
    template: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """A metric over n items with its 95 % interval; `method` names how the interval was made.

    `low`, `high` and `stderr` are all None where there is no interval (all items of one cluster); `method` says why.
    """

    value: float
    low: float | None
    high: float | None
    stderr: float | None
    n: int
    method: str
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Time, tokens, memory and money of a run, summed over attempts.

    `cost` is in US dollars: 0 for what ran on one's own machines, None where a price is unknown. `billed` is None
    where nothing went over the network.
    """

    seconds: float = 0.0
    tokens: int = 0
    peak_memory_bytes: int = 0
    cost: float | None = 0.0
    billed: Billed | None = None

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0
