"""Hard limits: who keeps to them, who does not and by how much, and the nearest where nobody does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from .job import ChoiceLimits


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """Facts about a system that limits ask for; None is unknown. `has_bytes` is the memory `where` it would run, `seconds`
    and `dollars` are per task. `verify` are the commands that measure what is unknown, by the limit."""

    fits: bool | None = None
    needs_bytes: int | None = None
    has_bytes: int | None = None
    where: str = ""
    first_token_seconds: float | None = None
    seconds: float | None = None
    dollars: float | None = None
    licence: str | None = None
    local: bool | None = None
    verify: Mapping[str, str] | None = None
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LimitMiss:
    """A limit that a system does not keep, or of which it is unknown whether it does (`known` False). `excess` is how far
    beyond it is, as a share of the limit; infinite where there is no amount."""

    limit: str
    sentence: str
    excess: float = inf
    known: bool = True


def misses(limits: ChoiceLimits, facts: SystemFacts) -> tuple[LimitMiss, ...]:
    """The limits that speak against a system."""
    checks = (
        _memory(limits, facts),
        _window(limits, facts),
        _amount("--first-token", limits.first_token_seconds, facts.first_token_seconds, "the first token takes", seconds, facts),
        _amount("--seconds-per-task", limits.seconds_per_task, facts.seconds, "a task takes", seconds, facts),
        _amount("--dollars-per-task", limits.dollars_per_task, facts.dollars, "a task costs", dollars, facts),
        _licence(limits, facts),
        _local(limits, facts),
    )  # fmt: skip
    return tuple(miss for miss in checks if miss)


def nobody(of: Mapping[str, Sequence[LimitMiss]]) -> str:
    """The sentence for a job whose limits no system keeps: which limit, and the nearest candidate with what it misses."""
    by_limit: dict[str, list[str]] = {}
    for system, each in of.items():
        for miss in each:
            by_limit.setdefault(miss.limit, []).append(system)
    alone = [limit for limit, systems in by_limit.items() if len(systems) == len(of)]
    nearest = min(of, key=lambda system: (len(of[system]), sum(miss.excess for miss in of[system])))
    which = f"no candidate keeps {' and '.join(alone)}" if alone else "no candidate keeps all limits at once"
    what = "; ".join(f"{miss.limit}: {miss.sentence}" for miss in of[nearest])
    return f"{which}; the nearest is {nearest} ({what})"


def _memory(limits: ChoiceLimits, facts: SystemFacts) -> LimitMiss | None:
    if (limits.memory_bytes is None and not limits.gpu) or facts.local is False or facts.fits:
        return None
    limit = f"--gpu {limits.gpu}" if limits.gpu else "--memory"
    bound = limits.memory_bytes if limits.memory_bytes is not None else facts.has_bytes
    needs = facts.needs_bytes
    if needs is not None and bound is not None:
        if needs <= bound:
            return None
        sentence = f"needs {size(needs)}, which is {size(needs - bound)} more than {size(bound)}"
        return LimitMiss(limit, sentence, needs / bound - 1 if bound else inf)
    if facts.fits is False:
        return LimitMiss(limit, f"does not fit {facts.where or 'there'}")
    return _unknown(limit, "memory that it needs", facts)


def _window(limits: ChoiceLimits, facts: SystemFacts) -> LimitMiss | None:
    """A window that is unknown is taken to be long enough: endpoints say it when a request is too long."""
    if limits.context is None or facts.window_tokens is None or facts.window_tokens >= limits.context:
        return None
    sentence = f"its window is {facts.window_tokens:,} tokens, {limits.context - facts.window_tokens:,} fewer than {limits.context:,}"
    return LimitMiss("--context", sentence, 1 - facts.window_tokens / limits.context)


def _amount(
    limit: str, bound: float | None, amount: float | None, words: str, shown: Callable[[float], str], facts: SystemFacts
) -> LimitMiss | None:
    if bound is None:
        return None
    if amount is None:
        return _unknown(limit, f"how long {words}" if shown is seconds else "price", facts)
    if amount <= bound:
        return None
    sentence = f"{words} {shown(amount)}, which is {shown(amount - bound)} more than {shown(bound)}"
    return LimitMiss(limit, sentence, amount / bound - 1 if bound else inf)


def _licence(limits: ChoiceLimits, facts: SystemFacts) -> LimitMiss | None:
    if not limits.licences:
        return None
    if not facts.licence:
        return _unknown("--licence", "licence", facts)
    accepted = {licence.casefold() for licence in limits.licences}
    if facts.licence.casefold() in accepted:
        return None
    return LimitMiss("--licence", f"its licence is {facts.licence}, not {' or '.join(limits.licences)}")


def _local(limits: ChoiceLimits, facts: SystemFacts) -> LimitMiss | None:
    if not limits.local_only or facts.local:
        return None
    if facts.local is None:
        return _unknown("--local-only", "place where it runs", facts)
    return LimitMiss("--local-only", "it is asked over the network")


def _unknown(limit: str, what: str, facts: SystemFacts) -> LimitMiss:
    command = (facts.verify or {}).get(limit.split()[0])
    return LimitMiss(limit, f"{what} is unknown" + (f"; measure it: {command}" if command else ""), known=False)


def size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 100 else f"{value / 60:.1f} min"


def dollars(value: float) -> str:
    return f"${value:.2f}" if value >= 1 else f"${value:.6f}".rstrip("0").rstrip(".")
