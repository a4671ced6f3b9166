"""The verb `speed`: seconds to the first token, tokens per second alone and together, and memory, measured here."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from .. import settings
from ..arena.board_speed import SpeedSetup, SystemSpeed
from ..errors import ModelError, UsageError
from ..models.prices import stated_price
from ..models.spending import SpendingLedger
from ..models.system import Generate, Model
from ..statistics import open_scale
from ..store.speeds import Speeds
from ..values import Completion, Message, Score, Usage
from .machine import gpus, processor
from .system import load

NETWORK = "over the network"
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "il", "or", "us")]


@dataclass(frozen=True, slots=True)
class SpeedConfig:
    """`prompt_tokens` are about as many as a prompt has, `tokens` as an answer may have; `budget` is US dollars for all
    systems, `price` theirs where it is not known."""

    concurrency: int = 4
    prompt_tokens: int = 256
    tokens: int = 64
    repeat: int = 5
    budget: float | None = None
    price: str | None = None


def measure(names: Sequence[str], config: SpeedConfig) -> Iterator[SystemSpeed]:
    """The speed of each system, stored. Names, keys and budget are checked before the first is loaded.

    Raises UsageError where a system that costs money is asked without a budget, BudgetExceeded when it is used up.
    """
    ledger = SpendingLedger(None if config.budget is None else Decimal(str(config.budget)), stated_price(config.price))
    with ExitStack() as opened, Speeds(settings.database()) as store:
        models = [opened.enter_context(load(name)) for name in dict.fromkeys(names)]
        for model in models:
            model.pay_from(ledger)
            _check(model, config)
        for model in models:
            speed = _speed(model, config)
            model.close()
            store.save(speed)
            yield speed


def _check(model: Model, config: SpeedConfig) -> None:
    """Raise UsageError for a model that cannot be asked so, or may not."""
    model.check()
    if config.prompt_tokens + config.tokens > model.context_window:
        raise UsageError(
            f"a prompt of {config.prompt_tokens:,} tokens and an answer of {config.tokens:,} are more than the "
            f"{model.context_window:,} tokens of the window of {model.name.text}; take a smaller --prompt-tokens"
        )
    if config.budget is None and model.price(Usage(1, 1)) != 0:
        raise UsageError(
            f"{model.name.text} is asked {_requests(config)} times and costs money; say how much it may: --budget DOLLARS"
        )


def _requests(config: SpeedConfig) -> int:
    return 1 + config.repeat * (1 + config.concurrency)


def _speed(model: Model, config: SpeedConfig) -> SystemSpeed:
    """One answer unmeasured, which loads the model, then each repeat alone and together."""
    before, local = model.ledger.tally, model.name.local
    model.prepare()
    requests = iter([_request(model, config, number) for number in range(_requests(config))])
    _alone(model, next(requests))
    firsts, alone, together = [], [], []
    for _ in range(config.repeat):
        first, rate = _alone(model, next(requests))
        firsts.append(first)
        alone += [rate] if rate else []
        together.append(_together(model, [next(requests) for _ in range(config.concurrency)]))
    spent = (model.ledger.tally - before).total
    machine = (
        ", ".join([f"{processor()}, {settings.cores()} cores", *(gpu.name for gpu in gpus())]) if local else NETWORK
    )
    return SystemSpeed(
        model.identity,
        SpeedSetup(machine, config.prompt_tokens, config.tokens, config.concurrency, config.repeat),
        datetime.now(UTC).isoformat(timespec="seconds"),
        _mean(firsts),
        _mean(alone),
        _mean(together),
        model.peak_memory_bytes,
        None if spent is None else float(spent),
        () if local else ("times include the network, and whatever else the server had to do",),
    )


def _request(model: Model, config: SpeedConfig, number: int) -> Generate:
    """A prompt of random words, the same for every system and time, that begins unlike all others, so that no cache of
    shared beginnings answers for it."""
    words = random.Random(f"speed {number}")
    text, missing = f"{number}", config.prompt_tokens
    while missing > 0:
        text += "".join(" " + "".join(words.choices(SYLLABLES, k=2)) for _ in range(max(1, missing // 4)))
        missing = config.prompt_tokens - model.count_tokens(text)
    prompt = text if model.capabilities.raw_text else (Message("user", text),)
    return Generate(prompt, config.tokens, seed=number)


def _alone(model: Model, request: Generate) -> tuple[float, float | None]:
    """(seconds to the first token, tokens per second after it) of one answer; no rate for one of a single token."""
    started = time.perf_counter()
    first, tokens, pieces = None, 0, 0
    for delta in model.stream(request):
        if delta.failure:
            raise ModelError(f"{model.name.text} gave no answer whose speed could be measured: {delta.failure.reason}")
        if first is None and (delta.text or delta.reasoning or delta.tool_calls):
            first = time.perf_counter() - started
        pieces += bool(delta.text or delta.reasoning)
        tokens = delta.usage.tokens if delta.usage else tokens
    ended = time.perf_counter() - started
    if first is None:  # the answer is empty: its end is all that came
        return ended, None
    count = (tokens or pieces) - 1
    return first, count / (ended - first) if count > 0 and ended > first else None


def _together(model: Model, requests: Sequence[Generate]) -> float:
    """Tokens per second of answers that are asked for at once, in sum."""
    started, tokens = time.perf_counter(), 0
    for _, answer in model.complete(requests):
        if not isinstance(answer, Completion):
            raise ModelError(f"{model.name.text} gave no answer whose speed could be measured: {answer.reason}")
        tokens += answer.tokens
    return tokens / (time.perf_counter() - started)


def _mean(values: Sequence[float]) -> Score | None:
    return open_scale(values, range(len(values))) if values else None
