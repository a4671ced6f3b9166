"""Reports as one HTML page that needs nothing else: scores with their intervals drawn, and what stands behind them."""

from collections.abc import Sequence
from pathlib import Path

from ..evaluation.report import Report


def page(reports: Sequence[Report]) -> str:
    """The page of `reports`, in their order; no script, no outside resource."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    template = environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    systems = list(dict.fromkeys(report.key.system.name for report in reports))
    return template.render(reports=reports, systems=systems)
