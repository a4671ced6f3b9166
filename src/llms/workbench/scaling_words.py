"""Large numbers as people say them."""

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def brief(count: float) -> str:
    """A count of parameters or tokens in three digits: 72.2B, 1.33T, 413k."""
    for unit, letter in _UNITS:
        if count >= unit:
            scaled = count / unit
            return f"{scaled:.3g}{letter}" if scaled < 999.5 else f"{scaled:,.0f}{letter}"
    return f"{count:.3g}"


def exponential(count: float) -> str:
    """1.05e+22 as 1.05e22."""
    return f"{count:.3g}".replace("e+", "e")
