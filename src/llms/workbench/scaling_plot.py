"""The picture of a scaling law: loss against compute, as SVG or PNG."""

from pathlib import Path

from ..errors import MissingExtra, UsageError
from ..training.scaling.curves import curves_of
from ..training.scaling.fit import ScalingFit
from .scaling_words import brief

SUFFIXES = (".svg", ".png")
GREY = "#999999"


def write_plot(fit: ScalingFit, path: Path, until: float | None = None) -> None:
    """Write runs, curves of equal size, and the frontier with its band, grey where it is extrapolated, up to `until` FLOPs.

    Raises UsageError for a name that ends in neither .svg nor .png, MissingExtra without matplotlib.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot draw {path}: expected a name that ends in {' or '.join(SUFFIXES)}")
    try:
        from matplotlib import colormaps, rc_context
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, NullLocator
    except ImportError as error:
        raise MissingExtra("matplotlib", "drawing a scaling law", "notebooks") from error
    curves, runs = curves_of(fit, until), fit.runs.rows
    with rc_context({"svg.hashsalt": "llms", "font.size": 9}):  # the same fit gives the same bytes
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        colours = colormaps["viridis"].resampled(len(curves.sizes))
        for number, curve in enumerate(curves.sizes):
            axes.plot(
                curve.flops, curve.losses, color=colours(number), lw=1, label=f"{brief(curve.parameters)} parameters"
            )
        nearest = [
            min(range(len(curves.sizes)), key=lambda i: abs(curves.sizes[i].parameters / run.parameters - 1))
            for run in runs
        ]
        axes.scatter(
            [run.flops for run in runs],
            [run.loss for run in runs],
            s=10,
            c=[colours(number) for number in nearest],
            zorder=3,
        )
        inside = [point for point in curves.frontier if not point.extrapolated]
        outside = [inside[-1], *(point for point in curves.frontier if point.extrapolated)]
        for points, colour, label in (
            (inside, "black", "compute-optimal, 95 % band"),
            (outside, GREY, "beyond ten times the largest run"),
        ):
            flops = [point.flops for point in points]
            axes.plot(flops, [point.loss for point in points], color=colour, lw=2, label=label)
            axes.fill_between(flops, [p.low for p in points], [p.high for p in points], color=colour, alpha=0.2, lw=0)
        axes.set(
            xscale="log", yscale="log", xlabel="training compute C = 6 N D (FLOPs)", ylabel=f"loss ({fit.runs.unit})"
        )
        axes.yaxis.set_major_formatter(lambda value, position: f"{value:.3g}")
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.legend(fontsize=7, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
