"""The verb `published`: results of others, taken in from files, the hub and a table of reference figures, and their place
on the leaderboard."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .. import settings
from ..arena.board import BoardCell, BoardColumn
from ..arena.evidence import MEANING, Evidence
from ..arena.published.every_eval_ever import read_file
from ..arena.published.grading import grade, rank, recipe
from ..arena.published.hub_results import HubUnit, read_hub
from ..arena.published.names import system_name
from ..arena.published.placing import PublishedCell
from ..arena.published.reference_scores import reference_results
from ..arena.published.result import PublishedReading, PublishedResult, Refusal
from ..errors import DataError, ModelError
from ..models.hub.hub import HubResult, dataset_results, model_results
from ..store.published import Published
from ..store.runs import Runs


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The outcome of taking results in: how many were `new`, how many `known` before, and what was `refused`."""

    new: int
    known: int
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def take_files(paths: Sequence[Path]) -> TakenIn:
    """Take in files of Every Eval Ever, or all .json files of folders. What is refused is named, the rest is stored.

    Raises DataError for a path that is not there, or a folder without such files.
    """
    readings = [read_file(path, source) for path, source in _files(paths)]
    return _store(readings)


def take_hub(name: str, unit: HubUnit | None = None) -> TakenIn:
    """Take in what the hub shows of a model (owner/name) or on the leaderboard of a dataset (also datasets/owner/name)."""
    name = name.removeprefix("hf:")
    dataset = name.removeprefix("datasets/")
    ask: list[tuple[str, Callable[[], list[HubResult]]]] = [
        (f"hub:{name}", partial(model_results, name)),
        (f"hub:datasets/{dataset}", partial(dataset_results, dataset)),
    ]
    problem: ModelError | None = None
    for source, fetch in ask[name.startswith("datasets/") :]:
        try:
            entries = fetch()
        except ModelError as error:
            problem = problem or error
            continue
        if entries:
            return _store([read_hub(entries, source, unit)])
    raise ModelError(f"the hub shows no results of {name}, as a model or as a dataset") from problem


def take_reference() -> TakenIn:
    """Take in the table of reference figures that llms ships."""
    return _store([PublishedReading(reference_results())])


def unit_of(word: str | None) -> HubUnit | None:
    """The unit that a word of the command line means."""
    units: tuple[HubUnit, ...] = ("percent", "share", "points")
    return next((unit for unit in units if unit == word), None)


def remove(source: str) -> int:
    """Remove a source; how many results it had."""
    with Published(settings.database()) as store:
        return store.remove(source)


def all_results() -> list[tuple[PublishedResult, Evidence]]:
    """Every published result with its evidence, which depends on what was measured here."""
    with Published(settings.database()) as store, Runs(settings.database()) as runs:
        reports = runs.reports()
        recipes = {recipe(r.key, metric) for r in reports for metric in r.scores}
        recipes |= {
            recipe(r.key, metric, part) for r in reports for part, scores in r.subsets.items() for metric in scores
        }
        return [(result, grade(result, recipes)) for result in store.all()]


def cells(
    columns: Mapping[str, str], systems: Collection[str] = ()
) -> tuple[tuple[BoardColumn, ...], tuple[PublishedCell, ...]]:
    """(new columns, cells) of all published results, for a board that shows them greyed.

    `columns` maps the recipe of each column that was measured here, `arena.published.grading.recipe(key, metric, part)`, to
    the column's id: a published result stands in it only if it states that recipe. All others stand in columns of the group
    `published`, one for each way of asking. `systems` are the names in the first column of the board; a published name that
    means one of them (owner/model: hf:owner/model) gets that row, others rows of their own. Of several results for one cell
    the one of the best evidence counts, then the one that came last. The evidence of no such cell decides anything.
    """
    with Published(settings.database()) as store:
        results = store.all()
    new: dict[str, BoardColumn] = {}
    best: dict[tuple[str, str], BoardCell] = {}
    for result in results:
        evidence = grade(result, columns)
        column = columns[result.recipe] if evidence == "same recipe" else _own_column(result, new)
        where = system_name(result.system, systems), column
        if where not in best or rank(evidence) < rank(best[where].evidence):
            best[where] = _cell(result, evidence)
    return tuple(new.values()), tuple(PublishedCell(system, column, cell) for (system, column), cell in best.items())


def names() -> tuple[set[str], set[str]]:
    """The benchmarks and the systems of all published results."""
    with Published(settings.database()) as store:
        results = store.all()
    return {result.benchmark for result in results}, {result.system for result in results}


def _own_column(result: PublishedResult, columns: dict[str, BoardColumn]) -> str:
    """The id of the column of results that were asked as this one: where nothing is said of how, those of one source."""
    setup = result.setup or f"as in {result.source}"
    alike = (result.benchmark, result.part, result.metric, setup, result.scale, str(result.higher_is_better))
    id = f"published-{_digest(*alike)}"
    if id not in columns:
        whole = f"published-{_digest(*alike[:1], '', *alike[2:])}" if result.part else ""
        title = f"{result.benchmark} {result.part}".strip()
        details = {"metric": result.metric, "asked": setup}
        columns[id] = BoardColumn(id, "published", title, result.scale, result.higher_is_better, details, whole)
    return id


def _cell(result: PublishedResult, evidence: Evidence) -> BoardCell:
    marks = (
        MEANING[evidence],
        *([f"measured of {result.base}"] if result.base else []),
        *([f"comparable: {result.comparable}"] if result.comparable else []),
        *([result.method] if result.low is None else []),
    )
    source = f"{result.publisher} ({result.source})" if result.publisher else result.source
    return BoardCell(
        value=result.value,
        low=result.low,
        high=result.high,
        n=result.n or 0,
        evidence=evidence,
        method=result.method,
        stderr=result.stderr,
        marks=marks,
        source=source,
    )


def _store(readings: Iterable[PublishedReading]) -> TakenIn:
    readings = list(readings)
    results = {result.id: result for reading in readings for result in reading.results}
    with Published(settings.database()) as store:
        new = store.add(results.values())
    refused = tuple(refusal for reading in readings for refusal in reading.refused)
    notes = tuple(dict.fromkeys(note for reading in readings for note in reading.notes))
    return TakenIn(new, len(results) - new, refused, notes)


def _files(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """(file, its name as a source) of files and of what lies in folders. No source names a folder above the one given."""
    files = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*.json*") if file.name.endswith((".json", ".json.gz")))
            if not inside:
                raise DataError(f"{path} holds no .json file; expected files of Every Eval Ever")
            files += [(file, f"{path.resolve().name}/{file.relative_to(path).as_posix()}") for file in inside]
        elif path.is_file():
            files.append((path, path.name))
        else:
            raise DataError(f"there is no {path}; expected a file of Every Eval Ever, or a folder of such")
    return files


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]
