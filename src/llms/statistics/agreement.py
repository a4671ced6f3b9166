"""How far raters agree beyond chance: Cohen's kappa for two, Krippendorff's alpha for any number with gaps. Nominal labels."""

from collections import Counter
from collections.abc import Hashable, Sequence


def cohen_kappa(a: Sequence[Hashable], b: Sequence[Hashable]) -> float | None:
    """(observed - expected)/(1 - expected) agreement of two raters (Cohen 1960); None where both always gave the same one
    label, so that chance explains everything. Raises ValueError for lists of unequal length and empty ones."""
    if len(a) != len(b) or not a:
        raise ValueError(f"{len(a)} and {len(b)} labels; kappa needs the same items, one or more, of both raters")
    n = len(a)
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    of_a, of_b = Counter(a), Counter(b)
    expected = sum(of_a[label] * of_b[label] for label in of_a) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def krippendorff_alpha(units: Sequence[Sequence[Hashable | None]]) -> float | None:
    """1 - observed/expected disagreement for nominal labels (Krippendorff 2011, section C).

    `units[i]` are the labels that item i got, None for a gap; items with fewer than two are left out. None where all labels
    are the same or none can be compared.
    """
    rated = [labels for unit in units if len(labels := [x for x in unit if x is not None]) > 1]
    counts: Counter[Hashable] = Counter()
    observed = 0.0
    for labels in rated:
        here = Counter(labels)
        counts += here
        m = len(labels)
        observed += (m * m - sum(count * count for count in here.values())) / (m - 1)
    n = counts.total()
    expected = (n * n - sum(count * count for count in counts.values())) / (n - 1) if n > 1 else 0.0
    return 1 - observed / expected if expected else None
