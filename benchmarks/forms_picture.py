"""The picture of `model_forms.py`: bits per byte and right answers of every form, against memory and speed, as SVG."""

from collections.abc import Callable, Sequence
from math import floor, log10

WIDTH, HEIGHT = 940, 760
LEFT, TOP, GAP_X, GAP_Y = 78, 118, 92, 84
PANEL_W, PANEL_H = 356, 236
MARKS = {"float32": "circle", "bfloat16": "square", "int8": "diamond", "nf4": "triangle", "GGUF": "hexagon"}
LIGHT = {"float32": "#1f4e9c", "bfloat16": "#0b7a5a", "int8": "#a65a00", "nf4": "#a3195b", "GGUF": "#5b3fa8"}
DARK = {"float32": "#8ab4f8", "bfloat16": "#7fd6a0", "int8": "#f0c674", "nf4": "#ff9cc8", "GGUF": "#c3a6ff"}
ADAPTER = " + adapter"
Span = tuple[float, float]


def draw(rows: Sequence[dict], characters: int, items: int) -> str:
    """Four panels that share their axes; bars are 95 % intervals of the paired difference to float32."""
    columns = (
        ("peak memory, MB (less is better)", lambda row: row["peak_bytes"] / 1e6),
        ("speed of writing, tokens/s (more is better)", lambda row: row["tokens_per_second"]),
    )
    measures = (
        ("bits per byte (less is better)", "bits_per_byte", "bits", 1.0),
        ("right answers, % (more is better)", "right", "points", 100.0),
    )
    first = next(row for row in rows if row["form"] == "float32")
    parts = [_style(), _legend(rows), _caption(characters, items)]
    for down, (title, value, difference, scale) in enumerate(measures):
        spans = {row["form"]: _bounds(row, first, value, difference, scale) for row in rows}
        for across, (axis, place) in enumerate(columns):
            left, top = LEFT + across * (PANEL_W + GAP_X), TOP + down * (PANEL_H + GAP_Y)
            points = [(row["form"], place(row), scale * row[value], spans[row["form"]]) for row in rows]
            parts.append(_panel(left, top, axis, title, points))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="Every form of the embedded model: bits per byte and right answers against memory and speed">\n{body}\n</svg>\n'
    )


def _bounds(row: dict, first: dict, value: str, difference: str, scale: float) -> Span | None:
    """The interval of the difference, about float32's own value."""
    _, low, high = row[difference]
    if row is first or low is None or high is None:
        return None
    return scale * (first[value] + low), scale * (first[value] + high)


def _style() -> str:
    def rules(colours: dict[str, str]) -> str:
        return "".join(f".{form}{{color:{colour}}}" for form, colour in colours.items())

    return (
        "<style>text{font:13px system-ui,sans-serif;fill:var(--ink)}.small{font-size:11.5px;fill:var(--soft)}"
        ".title{font-size:16px;font-weight:600}.axis,.tick{stroke:var(--soft);fill:none}.grid{stroke:var(--line)}"
        ".mark{stroke:currentColor;fill:currentColor;stroke-width:2}.hollow{fill:var(--ground)}.bar{stroke:currentColor;stroke-width:1.5}"
        "svg{--ink:#1b1f27;--soft:#596070;--line:#e2e5ea;--ground:#ffffff}.ground{fill:var(--ground)}"
        f"{rules(LIGHT)}@media (prefers-color-scheme: dark){{svg{{--ink:#e8eaee;--soft:#a4abba;--line:#343a46;--ground:#16181d}}{rules(DARK)}}}"
        f'</style><rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>'
    )


def _legend(rows: Sequence[dict]) -> str:
    parts = [
        f'<text class="title" x="{LEFT}" y="30">Every form of the embedded model, on the same text and items</text>'
    ]
    x = LEFT
    for form in MARKS:
        if any(row["form"] == form for row in rows):
            parts.append(f'<g class="{form}">{_mark(form, x + 6, 56)}</g><text x="{x + 20}" y="60">{form}</text>')
            x += 38 + 8 * len(form)
    if any(row["form"].endswith(ADAPTER) for row in rows):
        parts.append(
            f'<g class="float32">{_mark("float32", x + 6, 56, True)}</g><text x="{x + 20}" y="60">hollow: with adapter</text>'
        )
    return "\n".join(parts)


def _caption(characters: int, items: int) -> str:
    text = (
        f"{characters:,} characters of prose, {items} questions with four answers; one thread. Bars: 95 % interval of the paired "
        "difference to float32, about its value."
    )
    return f'<text class="small" x="{LEFT}" y="84">{text}</text>'


def _panel(
    left: float, top: float, axis: str, title: str, points: Sequence[tuple[str, float, float, Span | None]]
) -> str:
    low_x, high_x = _room([x for _, x, _, _ in points])
    low_y, high_y = _room([y for _, _, y, span in points] + [bound for *_, span in points if span for bound in span])

    def at_x(value: float) -> float:
        return left + PANEL_W * (value - low_x) / (high_x - low_x)

    def at_y(value: float) -> float:
        return top + PANEL_H * (1 - (value - low_y) / (high_y - low_y))

    parts = [_axes(left, top, (low_x, high_x), (low_y, high_y), at_x, at_y)]
    parts.append(f'<text class="small" x="{left}" y="{top - 10}">{title}</text>')
    parts.append(f'<text class="small" x="{left + PANEL_W}" y="{top + PANEL_H + 38}" text-anchor="end">{axis}</text>')
    for form, x, y, span in points:
        base, hollow = form.removesuffix(ADAPTER), form.endswith(ADAPTER)
        bar = ""
        if span:
            bar = f'<line class="bar" x1="{at_x(x):.1f}" x2="{at_x(x):.1f}" y1="{at_y(span[0]):.1f}" y2="{at_y(span[1]):.1f}"/>'
        parts.append(
            f'<g class="{base}"><title>{form}: {y:.4g} at {x:.4g}</title>{bar}{_mark(base, at_x(x), at_y(y), hollow)}</g>'
        )
    return "\n".join(parts)


def _axes(
    left: float, top: float, across: Span, up: Span, at_x: Callable[[float], float], at_y: Callable[[float], float]
) -> str:
    bottom, right = top + PANEL_H, left + PANEL_W
    parts = []
    for value in _ticks(*up):
        y = at_y(value)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="small" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    for value in _ticks(*across):
        x = at_x(value)
        parts.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{_short(value)}</text>')
    parts.append(f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>')
    return "\n".join(parts)


def _mark(form: str, x: float, y: float, hollow: bool = False) -> str:
    style = 'class="mark hollow"' if hollow else 'class="mark"'
    kind = MARKS[form]
    if kind == "circle":
        return f'<circle {style} cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    paths = {
        "square": f"M{x - 5:.1f} {y - 5:.1f}h10v10h-10z",
        "diamond": f"M{x:.1f} {y - 6.5:.1f}l6.5 6.5l-6.5 6.5l-6.5 -6.5z",
        "triangle": f"M{x:.1f} {y - 6:.1f}l6 11h-12z",
        "hexagon": f"M{x - 6:.1f} {y:.1f}l3 -5.2h6l3 5.2l-3 5.2h-6z",
    }
    return f'<path {style} d="{paths[kind]}"/>'


def _room(values: Sequence[float]) -> Span:
    """The least and the largest value with some room about them."""
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1.0) * 0.12
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round values between."""
    size = 10 ** floor(log10((high - low) / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (size * factor) <= 7)
    start = floor(low / step) + 1
    return [step * number for number in range(start, floor(high / step) + 1)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
