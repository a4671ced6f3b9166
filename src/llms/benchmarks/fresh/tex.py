"""Numbers, roots and polynomials as MATH writes them."""

from fractions import Fraction

Made = tuple[str, str, str]  # problem, solution without the box, answer


def tex(value: Fraction | int) -> str:
    r"""As MATH writes it: \frac{a}{b} in lowest terms, the sign in front."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def root(square: int) -> str:
    r"""\sqrt of a whole number, square factors taken out."""
    outside = max(k for k in range(1, square + 1) if k * k <= square and square % (k * k) == 0)
    inside = square // outside**2
    return str(outside) if inside == 1 else f"{'' if outside == 1 else outside}\\sqrt{{{inside}}}"


def terms(*coefficients: int) -> str:
    """A polynomial in x, the highest power first."""
    text = ""
    for power, c in zip(range(len(coefficients) - 1, -1, -1), coefficients, strict=True):
        if c:
            number = "" if abs(c) == 1 and power else str(abs(c))
            variable = "" if power == 0 else "x" if power == 1 else f"x^{power}"
            text += (" - " if c < 0 else " + ") + number + variable
    return text[3:] if text.startswith(" + ") else "-" + text[3:]
