"""Quantiles of Student's t distribution, without scipy: a report needs one number, not a library to load."""

from math import erfc, exp, lgamma, log, log1p, pi, sqrt

Z = 1.959963984540054  # the normal quantile that leaves 2.5 % above it


def t_quantile(df: float) -> float:
    """The value that a t variable with `df` > 0 degrees of freedom (not only whole ones) exceeds with 2.5 %.

    Newton's method on the upper tail, which is convex right of 0: from the normal quantile, always left of the
    root, it never overshoots. Within 1e-9 relative of the exact value up to df = 1e6, the normal beyond.
    """
    if df <= 0:
        raise ValueError(f"df is {df}; degrees of freedom must be positive")
    if df > 1e6:
        return Z
    t, step = Z, 1.0
    while abs(step) > 1e-12 * t:
        step = (t_tail(t, df) - 0.025) / _density(t, df)
        t += step
        if step <= 0:
            break
    return t


def _density(t: float, df: float) -> float:
    return exp(lgamma((df + 1) / 2) - lgamma(df / 2) - (df + 1) / 2 * log1p(t * t / df)) / sqrt(df * pi)


def normal_tail(z: float) -> float:
    """P(Z > z) of the standard normal."""
    return erfc(z / sqrt(2)) / 2


def t_tail(t: float, df: float) -> float:
    """P(T > t) for t > 0 and `df` > 0 degrees of freedom: half the regularized incomplete beta function at df/(df + t²) with df/2 and 1/2."""
    x = df / (df + t * t)
    a, b = df / 2, 0.5
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a / 2
    return (1 - front * _fraction(1 - x, b, a) / b) / 2


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), evaluated forwards by Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value, m = d, 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / (1 + even * d), 1 + even / c
        value *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / (1 + odd * d), 1 + odd / c
        value *= c * d
        if abs(c * d - 1) < 1e-15 or m > 10_000:
            return value
