"""A policy file of `llms gate`: TOML read into rules; every key has a type and a meaning, and a wrong one is named."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ..errors import UnknownName, UsageError
from .gate import (
    LEVELS,
    MEASURES,
    OF_ONE_SYSTEM,
    REQUIREMENTS,
    GatePolicy,
    GateRule,
    Measure,
    Undecided,
)

Kind = Literal["text", "text or texts", "number", "whole number"]


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """A key of the policy: its type, the words it may have (empty: any), what holds where it is absent, what it means."""

    name: str
    kind: Kind
    default: str
    meaning: str
    choices: tuple[str, ...] = ()


UNDECIDED: tuple[Undecided, ...] = ("go", "no-go")
POLICY_KEYS = (
    PolicyKey("candidate", "text or texts", "", "the system to be decided on, or its runs; --candidate replaces it"),
    PolicyKey(
        "baseline", "text or texts", "", "the system, or the runs, that it is compared with; --baseline replaces it"
    ),
    PolicyKey("undecided", "text", "no-go", "of critical rules that are undecided or not comparable", UNDECIDED),
    PolicyKey("limit", "whole number", "all", "items of each benchmark that --run asks"),
)
RULE_KEYS = (
    PolicyKey("name", "text", "its number", "how the rule is called in tables and in the answer"),
    PolicyKey(
        "level", "text", "critical", "critical must be shown to hold, supporting must not be shown to fail", LEVELS
    ),
    PolicyKey("benchmark", "text", "that of the runs", "the benchmark that both sides were asked"),
    PolicyKey("data", "text", "any", "sample, hub, folder or fresh; or your own file, which is the benchmark then"),
    PolicyKey("view", "text", "any", "the view that it was asked in"),
    PolicyKey("shots", "whole number", "any", "the number of few-shot examples"),
    PolicyKey("limit", "whole number", "the policy's", "items that --run asks for this rule"),
    PolicyKey("metric", "text", "the headline", "the metric of the score"),
    PolicyKey("subset", "text", "all", "one subset of the benchmark"),
    PolicyKey("group", "text", "all", "rows of your own file with column=value"),
    PolicyKey("measure", "text", "score", "score; or time, money, memory, speed of a task", MEASURES),
    PolicyKey("require", "text", "not worse", "the requirement", REQUIREMENTS),
    PolicyKey(
        "margin", "number", "0.01; 0.1", "for not worse and equivalent: a share of 1 for scores, of the baseline else"
    ),
    PolicyKey("by", "number", "0", "for better: by more than this, in the same units"),
    PolicyKey("value", "number", "", "for at least and at most: a share of 1, seconds, dollars, bytes or tokens/s"),
    PolicyKey("undecided", "text", "by level", "what an undecided or not comparable rule does", UNDECIDED),
)
SOURCES = ("sample", "hub", "folder", "fresh")
Values = Mapping[str, object]
Word = TypeVar("Word", bound=str)


def read_policy(text: str, source: str) -> GatePolicy:
    """The policy of a TOML text; `source` names its file. Raises UsageError, which names the key and what was expected."""
    try:
        values = tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"cannot read {source}: {error}") from error
    rows = values.pop("rules", None)
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{source} has no rules; each begins with [[rules]]")
    _check(values, POLICY_KEYS, source)
    rules: list[GateRule] = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UsageError(f"rule {number} in {source} is {row!r:.40}; each begins with [[rules]]")
        where = f"rule {number} in {source}"
        _check(row, RULE_KEYS, where)
        rules.append(_rule(row, number, where, values))
    names = [rule.name for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{source} has two rules called {twice!r}; give each a name of its own")
    return GatePolicy(tuple(rules), _texts(values, "candidate"), _texts(values, "baseline"))


def _rule(row: Values, number: int, where: str, policy: Values) -> GateRule:
    """A rule of checked values, with what belongs together checked."""
    require = _word(row, "require", REQUIREMENTS)
    measure, level = _word(row, "measure", MEASURES), _word(row, "level", LEVELS)
    needed = {"margin": ("not worse", "equivalent"), "by": ("better",), "value": ("at least", "at most")}
    for key, requirements in needed.items():
        if key in row and require not in requirements:
            raise UsageError(f"{where}: {key} is for {' and '.join(requirements)}; it requires {require!r}")
    if require in OF_ONE_SYSTEM and "value" not in row:
        raise UsageError(f"{where}: {require} needs a value")
    if measure != "score" and (mistaken := next((key for key in ("metric", "subset", "group") if key in row), None)):
        raise UsageError(f"{where}: {mistaken} is for the score; it measures {measure}")
    _check_numbers(row, measure, where)
    data, group = _text(row, "data"), _text(row, "group")
    if data and data not in SOURCES and row.get("benchmark"):
        raise UsageError(f"{where}: the file {data} is a benchmark of its own; leave out benchmark")
    if group and (not data or data in SOURCES or not all(part.strip() for part in group.partition("="))):
        raise UsageError(f"{where}: group = {group!r}; write column=value, of your own file in data")
    default: Undecided = "go" if level == "supporting" else _word(policy, "undecided", ("no-go", "go"))
    return GateRule(
        name=_text(row, "name") or f"rule {number}",
        level=level,
        benchmark=_text(row, "benchmark"),
        data=data,
        view=_text(row, "view"),
        shots=_whole(row, "shots"),
        limit=_whole(row, "limit") or _whole(policy, "limit"),
        metric=_text(row, "metric"),
        subset=_text(row, "subset"),
        group=group,
        measure=measure,
        require=require,
        margin=_number(row, "margin", 0.01 if measure == "score" else 0.1),
        by=_number(row, "by", 0.0),
        value=_number(row, "value", 0.0),
        undecided=_word(row, "undecided", ("go", "no-go")) if "undecided" in row else default,
    )


def _check(values: Values, keys: Sequence[PolicyKey], where: str) -> None:
    """Raise for a key that is none, or a value that is not of its type or words."""
    known = {key.name: key for key in keys}
    for name, value in values.items():
        if name not in known:
            raise UnknownName(f"key of {where}", name, [*known, "rules"] if keys is POLICY_KEYS else known)
        key = known[name]
        right = {
            "text": isinstance(value, str),
            "text or texts": isinstance(value, str)
            or (isinstance(value, list) and all(isinstance(one, str) for one in value)),
            "number": isinstance(value, int | float) and not isinstance(value, bool),
            "whole number": isinstance(value, int) and not isinstance(value, bool),
        }[key.kind]
        if not right:
            raise UsageError(f"{where}: {name} is {value!r:.60}; expected a {key.kind}")
        if key.choices and value not in key.choices:
            raise UnknownName(f"{name} of {where}", str(value), key.choices)


def _check_numbers(row: Values, measure: Measure, where: str) -> None:
    """Raise for a number that is none, or out of range: a percentage where a share of 1 is meant."""
    for name in ("margin", "by", "value", "shots", "limit"):
        if name in row and not 0 <= _number(row, name, 0.0) < float("inf"):
            raise UsageError(f"{where}: {name} is {row[name]!r}; expected a number from 0 on")
    points = _text(row, "metric").startswith(("bleu", "rouge"))  # on a scale up to 100
    for name in ("margin", "by", "value") if measure == "score" and not points else ():
        if (size := _number(row, name, 0.0)) > 1 or (size == 1 and name != "value"):
            raise UsageError(f"{where}: {name} is {size:g}; scores are shares of 1, so that one point is 0.01")
    for name in ("margin", "by") if measure != "score" else ():
        if (size := _number(row, name, 0.0)) >= 1 and name == "margin":
            raise UsageError(
                f"{where}: margin is {size:g}; it is a share of the baseline's {measure}, so that 10 % is 0.1"
            )


def _text(values: Values, name: str) -> str:
    value = values.get(name)
    return value.strip() if isinstance(value, str) else ""


def _texts(values: Values, name: str) -> tuple[str, ...]:
    value = values.get(name)
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()


def _whole(values: Values, name: str) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) else None


def _number(values: Values, name: str, default: float) -> float:
    value = values.get(name, default)
    return float(value) if isinstance(value, int | float) else default


def _word(values: Values, name: str, words: Sequence[Word]) -> Word:
    """The one of `words` that a checked value is; the first where there is none."""
    return next((word for word in words if word == values.get(name)), words[0])
