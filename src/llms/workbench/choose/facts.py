"""Facts about a candidate besides its score: whether it fits, where it runs, and money, time and memory per task."""

from collections.abc import Sequence
from contextlib import suppress
from shlex import quote
from urllib.parse import urlsplit

from ... import settings
from ...arena.choose.job import ChoiceJob
from ...arena.choose.limits import SystemFacts
from ...errors import LlmsError, UsageError
from ...evaluation.report import Report
from ...models.api.endpoints import endpoint
from ...models.gpus import gpu_named
from ...models.name import parse
from ..fit import Fit, fit
from ..task_system import bare_name
from .evidence import Evidence


def facts_of(
    job: ChoiceJob, system: str, reports: Sequence[tuple[float, Report]], first_token: float | None = None
) -> tuple[SystemFacts, Fit | None]:
    """The facts of a system from its weighted reports (none: it was not measured), and its estimate of memory. Raises UnknownName for
    a GPU that is none."""
    estimate = _fit(job, system)
    measured = max((report.usage.peak_memory_bytes for _, report in reports), default=0)
    needs = estimate.needs_bytes if estimate else None
    local = is_local(system)
    licence = estimate.licence if estimate else None
    verify = {"--memory": estimate.verify, "--gpu": estimate.verify} if estimate and estimate.verify else {}
    verify["--first-token"] = f"llms speed {quote(system)}"
    return SystemFacts(
        fits=estimate.fits if estimate else (None if local is not False else True),
        needs_bytes=needs if needs is not None else (measured or None),
        has_bytes=estimate.has_bytes if estimate else None,
        where=estimate.where if estimate else "",
        first_token_seconds=first_token,
        seconds=_per_task([(weight, report.usage.seconds, _asked(report)) for weight, report in reports]),
        dollars=_per_task([(weight, report.usage.cost, _asked(report)) for weight, report in reports]),
        licence=licence,
        local=local,
        verify=verify,
        window_tokens=estimate.window_tokens if estimate else None,
    ), estimate


def weighted_reports(evidence: Evidence, system: str) -> list[tuple[float, Report]]:
    """(weight, report) of a system on each benchmark of the job."""
    return [(each.weight, each.reports[system]) for each in evidence.benchmarks if system in each.reports]


def is_local(system: str) -> bool | None:
    """Whether all that is sent to a system stays on this machine; None where its name does not tell."""
    try:
        name = parse(bare_name(system))
        if name.local:
            return True
        if name.provider == "team":
            return is_local(name.options["model"]) if "model" in name.options else None
        return (urlsplit(endpoint(name.provider, name.address).base_url).hostname or "") in settings.LOOPBACK
    except UsageError:
        return None


def _asked(report: Report) -> int:
    return report.n + report.failed


def _per_task(parts: Sequence[tuple[float, float | None, int]]) -> float | None:
    """The weighted mean of amounts per task; None where one is unknown, or nothing was asked."""
    if not parts:
        return None
    total = 0.0
    for weight, amount, asked in parts:
        if amount is None or not asked:
            return None
        total += weight * amount / asked
    return total / sum(weight for weight, _, _ in parts)


def _fit(job: ChoiceJob, system: str) -> Fit | None:
    limits = job.limits
    if limits.gpu:
        gpu_named(limits.gpu)  # a name that is none is no fact about the system
    with suppress(LlmsError, NotImplementedError):
        return fit(bare_name(system), limits.context, limits.batch, limits.memory_bytes, limits.gpu)
    return None
