"""How much a model takes: the window, what of it is kept for the answer, and how far a count can be trusted."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic_ai.messages import ModelMessage
from pydantic_ai.tools import ToolDefinition

from ..conversation.messages import index

Grade = Literal["exact", "calibrated", "estimated"]
MARGIN = {"exact": 0.0, "calibrated": 0.05, "estimated": 0.15}  # share of the window
IMAGE_TOKENS, AUDIO_TOKENS_PER_SECOND = 1500, 50
MESSAGE_TOKENS = 4  # what a template puts around a message
_BYTES_PER_SECOND = 32_000  # 16 kHz, 16 bit: what speech comes in


@dataclass(frozen=True, slots=True)
class Payload:
    """The messages and the tools that one call sends."""

    messages: tuple[ModelMessage, ...]
    tools: tuple[ToolDefinition, ...] = ()


Count = Callable[[Payload], int]  # tokens of a whole rendered payload, the opened answer included


@dataclass(frozen=True, slots=True)
class Window:
    """`tokens` is what the serving process accepts, input and output; `reserve` of them are kept for the answer.

    `system_role` and `alternate` tell what the chat template takes: a system message, two of one role in a row.
    """

    tokens: int
    reserve: int
    grade: Grade = "exact"
    system_role: bool = True
    alternate: bool = False

    @property
    def margin(self) -> int:
        """Tokens left free because the count may err."""
        return max(16, math.ceil(MARGIN[self.grade] * self.tokens)) if self.grade != "exact" else 0

    @property
    def budget(self) -> int:
        """Tokens of input at most."""
        return self.tokens - self.reserve - self.margin


def reserve_for(window: int, max_tokens: int | None = None, reasoning: bool = False) -> int:
    """Tokens to keep for the answer: what was asked for, else a share of the window."""
    return max_tokens or (window // 3 if reasoning else min(1024, window // 4))


def estimate_text(text: str) -> int:
    """Tokens of a text where there is no tokenizer: errs high for English, is close for most other scripts."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / 3)


def estimate(payload: Payload) -> int:
    """Tokens of a payload where there is no tokenizer."""
    parts = [part for message in payload.messages for part in index(message)]
    total = sum(estimate_text(part.text) for part in parts) + MESSAGE_TOKENS * (len(payload.messages) + 1)
    total += sum(estimate_text(json.dumps(part.more["args"])) for part in parts if part.kind == "tool_call")
    total += IMAGE_TOKENS * sum(part.kind == "image" for part in parts)
    sizes = [part.more.get("bytes") for part in parts if part.kind == "audio"]
    seconds = sum(math.ceil(size / _BYTES_PER_SECOND) for size in sizes if isinstance(size, int))
    return total + seconds * AUDIO_TOKENS_PER_SECOND + estimate_text(schemas(payload.tools))


def schemas(tools: Sequence[ToolDefinition]) -> str:
    """The text that tools add to a payload."""
    return "".join(json.dumps([tool.name, tool.description, tool.parameters_json_schema]) for tool in tools)


class MessageSizes:
    """Tokens of single messages, each counted once. Guides a search; the whole payload decides."""

    def __init__(self, count: Count):
        self._count, self._known = count, dict[str, int]()

    def __call__(self, digest: str, message: ModelMessage) -> int:
        if digest not in self._known:
            self._known[digest] = self._count(Payload((message,)))
        return self._known[digest]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The average of reported / own token counts, per model and endpoint."""

    ratio: float = 1.0
    samples: int = 0

    def learn(self, reported: int, own: int) -> "Calibration":
        """With one more report; `own` is the count before any correction."""
        if reported <= 0 or own <= 0:
            return self
        seen = min(1.5, max(0.8, reported / own))
        ratio = seen if not self.samples else 0.8 * self.ratio + 0.2 * seen
        return Calibration(ratio, self.samples + 1)

    def apply(self, own: int) -> int:
        return math.ceil(own * self.ratio)


def was_truncated(reported: int, own: int, grade: Grade, samples: int = 0) -> bool:
    """Whether a server read clearly less than was sent: `reported` prompt tokens, cached ones included."""
    sure = grade == "exact" or (grade == "calibrated" and samples >= 3)
    return sure and 0 < reported < 0.9 * own - 32
