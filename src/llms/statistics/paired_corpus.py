"""Two systems by a metric of the whole corpus, on the same items: difference, interval, p-value.

The interval is a paired bootstrap (BCa), the p-value that of approximate randomization, which swaps the two answers to an
item (Noreen 1989; Riezler and Maxwell 2005). Both are seeded, and go by whole clusters.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from .corpus import AT_ONCE, METRICS, RESAMPLES, SEED, Counts, as_array, bca, contributions, resampled, units_of
from .intervals import mean
from .paired import FLIPS, Paired

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compare_corpus(metric: str, a: Counts, b: Counts, clusters: Sequence[Hashable]) -> Paired:
    """A minus B by `metric`, of counts of the same items in the same order. Raises ValueError for fewer than two items."""
    import numpy as np

    n = len(a)
    if n != len(b) or n < 2:
        raise ValueError(f"{n} and {len(b)} items; a paired comparison needs two or more, the same on both sides")
    each = METRICS[metric]
    parts = each.parts(np.concatenate([as_array(a), as_array(b)]))  # together: both must be split by the same labels
    width = parts.shape[1]
    units = units_of(np.concatenate([parts[:n], parts[n:]], axis=1), clusters)

    def difference(sums: "NDArray[np.float64]") -> "NDArray[np.float64]":
        return each.value(sums[:, :width]) - each.value(sums[:, width:])

    total = units.sum(axis=0)
    seen = float(difference(total[None])[0])
    count, grouped = len(units), " of clusters" if len(units) < n else ""
    p, test = _randomized(units, width, difference, abs(seen)), f"approximate randomization{grouped}"
    correlation = _correlation(contributions(metric, a), contributions(metric, b))
    draws = np.concatenate([difference(sums) for sums in resampled(units)])
    if count == 1 or float(draws.std()) < 1e-12:
        why = "one cluster" if count == 1 else "no resample differs"
        return Paired(n, count, seen, None, None, None, None, p, f"no interval: {why}", test, correlation, None, None)
    left_out = difference(total - units)
    low, high = bca(draws, seen, left_out)
    inner = bca(draws, seen, left_out, 0.90)
    method = f"paired bootstrap (BCa, {RESAMPLES:,} resamples{grouped})"
    return Paired(n, count, seen, float(draws.std()), low, high, inner, p, method, test, correlation, None, None)


def _randomized(
    units: "NDArray[np.float64]",
    width: int,
    difference: "Callable[[NDArray[np.float64]], NDArray[np.float64]]",
    seen: float,
) -> float:
    """The share of swaps, FLIPS in all, that make as great a difference."""
    import numpy as np

    changing = units[(units[:, :width] != units[:, width:]).any(axis=1)]
    if not len(changing):
        return 1.0
    generator, extreme, total = np.random.default_rng(SEED), 0, units.sum(axis=0)
    swapped = np.concatenate([changing[:, width:], changing[:, :width]], axis=1) - changing
    rows = max(1, min(FLIPS, AT_ONCE // len(changing)))
    for start in range(0, FLIPS, rows):
        size = min(rows, FLIPS - start)
        swaps = generator.integers(2, size=(size, len(changing))).astype(float)
        extreme += int((abs(difference(total + swaps @ swapped)) >= seen - 1e-12).sum())
    return (1 + extreme) / (FLIPS + 1)


def _correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Pearson's; None if one side does not vary."""
    centre_a, centre_b = mean(a), mean(b)
    spread = sum((x - centre_a) ** 2 for x in a) * sum((y - centre_b) ** 2 for y in b)
    if spread < 1e-12:
        return None
    return sum((x - centre_a) * (y - centre_b) for x, y in zip(a, b, strict=True)) / float(spread**0.5)
