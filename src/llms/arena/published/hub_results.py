"""The hub's community results as published results: they state no unit and no metric, so a number is taken only where one
reading of it is left."""

from collections.abc import Iterable
from typing import Literal

from ...models.hub.hub import HubResult
from .names import benchmark_name, is_known
from .result import PublishedReading, PublishedResult, Refusal, Relationship
from .scale import StatedScale, Unusable, number

HubUnit = Literal["percent", "share", "points"]
_SCALES = {
    "percent": StatedScale("share", 0.01, 0, 100),
    "share": StatedScale("share", 1, 0, 1),
    "points": StatedScale("points", 1, float("-inf"), float("inf")),
}
_WHOLE_TASKS = ("default", "all", "test", "main")


def read_hub(entries: Iterable[HubResult], source: str, unit: HubUnit | None = None) -> PublishedReading:
    """The results of `entries`; `unit` is that of their values, where the user knows it.

    Without one, a value above 1 on a benchmark known here, whose scores are shares, is a percentage, and any other value is
    refused, as it can be read in two ways.
    """
    results, refused = [], []
    for entry in entries:
        try:
            results.append(_read(entry, source, unit))
        except Unusable as error:
            refused.append(Refusal(source, f"{entry.model} on {entry.dataset} {entry.task}".strip(), str(error)))
    return PublishedReading(tuple(results), tuple(refused))


def _read(entry: HubResult, source: str, unit: HubUnit | None) -> PublishedResult:
    value = entry.value
    stated = number(value if isinstance(value, int | float | str) else str(value), "value")
    if stated is None:
        raise Unusable("it has no value")
    name = f"{entry.dataset}/{entry.task}"
    known = next((each for each in (name, entry.task, entry.dataset) if is_known(each)), "")
    if unit is None:
        if not known or 0 < stated <= 1:
            raise Unusable(f"the hub says no unit, and {stated:g} may be a share or a percentage; say --unit")
        unit = "percent"
    scale = _SCALES[unit]
    whole = known != entry.dataset or entry.task in _WHOLE_TASKS or is_known(entry.task)
    owner = (entry.base or entry.model).partition("/")[0]
    relationship: Relationship = "first_party" if entry.author in ("", owner) else "third_party"
    return PublishedResult(
        system=entry.model,
        benchmark=benchmark_name(known or name),
        part="" if whole else entry.task,
        metric="score",
        value=scale.read(stated, "value"),
        scale=scale.scale,
        source=source,
        method="no interval was published",
        publisher=entry.author or owner,
        relationship=relationship,
        setup=entry.notes,
        base=entry.base,
        url=entry.url,
        date=entry.date,
    )
