"""Percent or proportion: the scale of a published number, by what its file states and never by what it looks like."""

from dataclasses import dataclass
from math import inf, isfinite

from ...statistics.student import Z
from ...values import Json
from .result import Scale

_SHARE = ("proportion", "share", "fraction", "ratio", "probability", "0-1")
_PERCENT = ("percent", "percentage", "%", "pct", "0-100")


class Unusable(ValueError):
    """An entry cannot be taken; the message says why and what it would have to state."""


@dataclass(frozen=True, slots=True)
class StatedScale:
    """`factor` turns a stated number into ours; `low` and `high` bound what may be stated."""

    scale: Scale
    factor: float
    low: float
    high: float

    def read(self, value: float, name: str) -> float:
        """A stated number as ours. Raises Unusable where it lies outside of what was stated."""
        if not self.low <= value <= self.high:
            hint = (
                "; if it is a percentage, state metric_unit percent, min_score 0 and max_score 100"
                if self.factor == 1 and self.scale == "share" and value <= 100
                else ""
            )
            raise Unusable(f"{name} {value:g} is outside of its stated bounds {self.low:g} to {self.high:g}{hint}")
        return value * self.factor


@dataclass(frozen=True, slots=True)
class StatedScore:
    """A score with what is said of its uncertainty, on our scale; None where nothing is."""

    value: float
    scale: Scale
    higher_is_better: bool
    low: float | None = None
    high: float | None = None
    stderr: float | None = None
    n: int | None = None
    method: str = ""


def number(value: Json, name: str) -> float | None:
    """A finite number; None where there is none. Raises Unusable for text, NaN and infinity."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"{name} is {value!r:.60}, which is text and no number; write a finite number")
    try:
        result = float(value)
    except OverflowError:
        result = inf
    if not isfinite(result):
        raise Unusable(f"{name} is {result}, which is not finite; write a finite number")
    return result


def bound(value: Json, name: str) -> float | None:
    """A bound of a metric; "Infinity" and "-Infinity" say that there is none on that side. None where nothing is said."""
    if value in ("Infinity", "-Infinity"):
        return inf if value == "Infinity" else -inf
    if isinstance(value, float) and not isfinite(value) and value == value:
        return value
    return number(value, name)


def stated_scale(unit: str, low: float | None, high: float | None, binary: bool = False) -> StatedScale:
    """The scale that a unit and bounds state. Raises Unusable where they say nothing, or contradict one another."""
    known = unit.strip().lower()
    share, percent, either = known in _SHARE, known in _PERCENT, (low, high)
    stated = f"metric_unit {unit or 'absent'}, min_score {_shown(low)}, max_score {_shown(high)}"
    if low is not None and high is not None and low > high:
        raise Unusable(f"min_score {low:g} is above max_score {high:g}")
    if (share and either == (0, 100)) or (percent and either == (0, 1)):
        raise Unusable(f"{stated} contradict one another; state which it is, a proportion in 0 to 1 or a percentage")
    if (share and either in ((0, 1), (None, None))) or (not known and (either == (0, 1) or binary)):
        return StatedScale("share", 1, 0, 1)
    if (percent and either in ((0, 100), (None, None))) or (not known and either == (0, 100)):
        return StatedScale("share", 0.01, 0, 100)
    if share or percent or (not known and None in either):
        raise Unusable(
            f"{stated} do not say whether it is a proportion or a percentage; add metric_unit (proportion or percent), "
            "min_score and max_score"
        )
    return StatedScale("points", 1, -inf if low is None else low, inf if high is None else high)


def refuse_ambiguous(value: float, scale: StatedScale, unit: str, low: float | None, high: float | None) -> None:
    """Raise Unusable for a percentage of 1 or less, which is often a proportion, unless unit and bounds both say percent."""
    both = unit.strip().lower() in _PERCENT and (low, high) == (0, 100)
    if scale.factor != 1 and 0 < value <= 1 and not both:
        raise Unusable(
            f"{value:g} may be {value:g} % or {100 * value:g} %; state metric_unit percent and max_score 100 for the one, "
            "metric_unit proportion and max_score 1 for the other"
        )


def from_error(value: float, stderr: float, scale: Scale) -> tuple[float, float]:
    """The 95 % interval by the normal quantile from a stated standard error, within [0, 1] for a share."""
    low, high = value - Z * stderr, value + Z * stderr
    return (max(0.0, low), min(1.0, high)) if scale == "share" else (low, high)


def _shown(value: float | None) -> str:
    return "absent" if value is None else f"{value:g}"
