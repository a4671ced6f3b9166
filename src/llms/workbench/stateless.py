"""The lesson that models remember nothing: three requests side by side, and how what is sent again grows."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from ..models.load import load
from ..models.system import Generate, Model
from ..values import Completion, Failure, Message, Usage

TURNS = (5, 10, 20, 40)


@dataclass(frozen=True, slots=True)
class Request:
    """`sent` is everything that left for the model; `rendered` the text that a local model reads, where that is known.

    `cost` is in US dollars, None if the price is not known.
    """

    name: Literal["A", "B", "C"]
    what: str
    sent: tuple[Message, ...]
    rendered: str | None
    answer: str
    prompt_tokens: int
    tokens: int
    seconds: float
    cost: Decimal | None
    knows: bool  # whether the name is in what was sent


@dataclass(frozen=True, slots=True)
class Growth:
    """Input tokens of all requests together after so many turns: with the whole history each time, and cut to a window."""

    turns: int
    tokens: int
    in_window: int


def lesson(model: str | Model, name: str = "Ada", max_tokens: int = 48) -> Iterator[Request]:
    """Tell a name; ask for it in a new request; ask again with the first exchange sent along.

    Only what is sent is judged: a small model may guess the name, or fail to find it.
    """
    own = isinstance(model, str)
    model = load(model) if isinstance(model, str) else model
    statement, question = (
        Message("user", f"My name is {name}. Please remember it."),
        Message("user", "What is my name?"),
    )
    try:
        first = _ask(model, "A", "the user says a name", (statement,), name, max_tokens)
        yield first
        yield _ask(model, "B", "a new request asks for it", (question,), name, max_tokens)
        history = (statement, Message("assistant", first.answer), question)
        yield _ask(model, "C", "the same, with the first exchange sent along", history, name, max_tokens)
    finally:
        if own:
            model.close()


def growth(per_exchange: int = 200, window: int = 2048, turns: tuple[int, ...] = TURNS) -> list[Growth]:
    """Tokens sent for exchanges of `per_exchange` tokens, half question and half answer.

    The request of turn i holds i - 1 exchanges and a question, so that the sum is quadratic; in a window it is linear
    once that is full.
    """
    question = per_exchange // 2
    rows = []
    for count in turns:
        sizes = [before * per_exchange + question for before in range(count)]
        rows.append(Growth(count, sum(sizes), sum(min(size, window) for size in sizes)))
    return rows


def _ask(
    model: Model, name: Literal["A", "B", "C"], what: str, sent: tuple[Message, ...], secret: str, most: int
) -> Request:
    answer: Completion | Failure = next(iter(model.complete([Generate(sent, max_tokens=most)])))[1]
    text = answer.text if isinstance(answer, Completion) else f"[no answer: {answer.reason}]"
    used = answer if isinstance(answer, Completion) else Completion("", 0, "stop")
    rendered = model.render(sent) if model.capabilities.renders else None
    return Request(
        name, what, sent, rendered, text.strip(), used.prompt_tokens, used.tokens, used.seconds,
        model.price(Usage(used.prompt_tokens, used.tokens)), any(secret in message.content for message in sent),
    )  # fmt: skip
