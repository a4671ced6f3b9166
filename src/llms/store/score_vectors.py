"""Scores of runs as compact vectors: the headline score of each item that has one, read without its prompts and answers.

A vector is made when it is first read, and anew whenever its run has changed since.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..statistics.corpus import METRICS, contributions
from .runs import Runs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = "updated, metric, items, clusters, scores"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreVector:
    """The scores of a run by item, in the order of their names: `scores[i]` (float64) is that of `items[i]`, which belongs
    to `clusters[i]`. A failed item, and one without the metric, is absent. `metric` is the headline of the run's report; of a
    metric of all items together a score is what the item contributes, so that the mean is the metric."""

    run: str
    metric: str
    items: tuple[str, ...]
    clusters: tuple[str, ...]
    scores: "NDArray[np.float64]"


def score_vectors(store: Runs, runs: Iterable[str]) -> dict[str, ScoreVector]:
    """The vectors of `runs` by the run's name; without those that have no report yet, whose headline is unknown."""
    import numpy as np

    vectors: dict[str, ScoreVector] = {}
    for run in dict.fromkeys(runs):
        row = next(
            store.read("SELECT updated, json_extract(report, '$.headline') FROM runs WHERE run = ?", (run,)), None
        )
        if row is None or row[1] is None:
            continue
        stamp, metric = f"{row[0]} {_progress(store, run)}", str(row[1])
        kept_row = next(store.read(f"SELECT {COLUMNS} FROM score_vectors WHERE run = ?", (run,)), None)
        if kept_row and kept_row[:2] == (stamp, metric):
            items, clusters = _names(kept_row[2]), _names(kept_row[3])
            scores = np.frombuffer(kept_row[4], dtype="<f8").astype(np.float64, copy=False)
            vectors[run] = ScoreVector(run, metric, items, clusters or items, scores)
        else:
            vectors[run] = _gathered(store, run, metric)
            if not store.note:  # a database that is opened for reading only is read anew each time
                _keep(store, vectors[run], stamp)
    return vectors


def _progress(store: Runs, run: str) -> str:
    """A text that is another one as soon as an outcome is added or replaced: `runs.updated` tells only of beginnings and ends."""
    statement = (
        "SELECT (SELECT COUNT(*) FROM outcomes WHERE run = ?1), (SELECT COUNT(*) FROM attempts WHERE run = ?1), "
        "(SELECT TOTAL(seconds) FROM attempts WHERE run = ?1)"
    )
    count, attempts, seconds = next(store.read(statement, (run,)))
    return f"{count} {attempts} {seconds!r}"


def _gathered(store: Runs, run: str, metric: str) -> ScoreVector:
    """The vector from the outcomes. SQLite takes the three values out of each outcome, of which the rest is not read."""
    import numpy as np

    path = f"$.{'counts' if metric in METRICS else 'scored[4]'}.{json.dumps(metric)}"
    rows = list(
        store.read(
            "SELECT item, json_extract(outcome, '$.scored[2]'), json_extract(outcome, ?2) FROM outcomes "
            "WHERE run = ?1 AND status NOT IN ('infra', 'timeout') ORDER BY item",
            (run, path),
        )
    )
    if metric in METRICS:
        rows = _contributed(rows, metric)
    having = [(str(item), str(cluster), float(score)) for item, cluster, score in rows if score is not None]
    items, clusters = tuple(item for item, _, _ in having), tuple(cluster for _, cluster, _ in having)
    return ScoreVector(run, metric, items, clusters, np.array([score for _, _, score in having], dtype=np.float64))


def _contributed(rows: Sequence[tuple[str, str, str | None]], metric: str) -> list[tuple[str, str, float]]:
    """Items with their counts (JSON) as items with what each contributes to the metric of all."""
    having = [(item, cluster, json.loads(counts)) for item, cluster, counts in rows if counts is not None]
    scores = contributions(metric, [counts for *_, counts in having]) if having else []
    return [(item, cluster, score) for (item, cluster, _), score in zip(having, scores, strict=True)]


def _keep(store: Runs, vector: ScoreVector, stamp: str) -> None:
    """Clusters that are the items themselves are stored as nothing."""
    clusters = b"" if vector.clusters == vector.items else _bytes(vector.clusters)
    fields = (stamp, vector.metric, _bytes(vector.items), clusters, vector.scores.astype("<f8").tobytes())
    with store.transaction() as db:
        # a run that was deleted meanwhile gets no vector
        db.execute(
            f"INSERT OR REPLACE INTO score_vectors (run, {COLUMNS}) SELECT run, ?, ?, ?, ?, ? FROM runs WHERE run = ?",
            (*fields, vector.run),
        )


def _bytes(names: tuple[str, ...]) -> bytes:
    return zlib.compress(json.dumps(names).encode("ascii"), 1)


def _names(stored: bytes) -> tuple[str, ...]:
    return tuple(json.loads(zlib.decompress(stored))) if stored else ()
