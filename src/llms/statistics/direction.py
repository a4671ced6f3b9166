"""In which direction a metric is better, and on which scale it stands."""

from collections.abc import Mapping

LESS_IS_BETTER = frozenset(["nats_per_token", "bits_per_byte", "wer", "wer_normalized", "cer"])
NO_SHARES: Mapping[str, str] = {"nats_per_token": "nats per token", "bits_per_byte": "bits per byte"}  # and their units


def more_is_better(metric: str) -> bool:
    """Whether a higher value of `metric` is the better one; so it is of all but error rates and losses."""
    return metric not in LESS_IS_BETTER


def in_nats(metric: str) -> bool:
    """Whether `metric` is a loss, in nats or bits; all others are shares, shown in percent."""
    return metric in NO_SHARES


def worded(metric: str, value: float, sign: str = "") -> str:
    """A value of `metric`, or a difference, without its unit: percent, or nats; `sign` as format knows it."""
    return f"{value:{sign}.3f}" if in_nats(metric) else f"{100 * value:{sign}.1f}"


def unit_of(metric: str) -> str:
    """The unit of a difference."""
    return NO_SHARES.get(metric, "points")
