"""A curve of losses in characters: for the terminal while it grows, and for a model's card."""

from collections.abc import Sequence

DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # of a Braille sign: left and right column, from below
BRAILLE = 0x2800


def loss_text(loss: float, places: int = 4) -> str:
    """`loss` with so many decimal places, or with two significant digits where these would show one or none."""
    small = 0 < abs(loss) < 10 ** (1 - places)
    return f"{loss:.2g}" if small else f"{loss:.{places}f}"


def draw_curve(points: Sequence[tuple[int, float]], width: int = 60, height: int = 6) -> list[str]:
    """The mean of `points` (step, value) in each column, as `height` lines with the highest and lowest mean beside them.

    Empty without a finite point.
    """
    finite = [(step, value) for step, value in points if value - value == 0]
    if not finite:
        return []
    first, last = finite[0][0], max(step for step, _ in finite)
    columns, rows = 2 * width, 4 * height
    sums: dict[int, list[float]] = {}
    for step, value in finite:
        sums.setdefault((step - first) * (columns - 1) // max(1, last - first), []).append(value)
    means = {column: sum(values) / len(values) for column, values in sums.items()}
    low, high = min(means.values()), max(means.values())
    signs = [[0] * width for _ in range(height)]
    before: int | None = None
    for column in range(max(means) + 1):
        if column in means:
            level = round((means[column] - low) / (high - low) * (rows - 1)) if high > low else 0
            before = level
        elif before is not None:
            level = before  # until the next point
        else:
            continue
        signs[height - 1 - level // 4][column // 2] |= DOTS[column % 2][level % 4]
    top, foot = loss_text(high, 3), loss_text(low, 3)
    labels = [top, *[""] * (height - 2), foot] if height > 1 else [foot]
    space = max(map(len, labels))
    lines = ("".join(chr(BRAILLE + sign) for sign in row) for row in signs)
    return [f"{label:>{space}} ┤{line}" for label, line in zip(labels, lines, strict=True)]
