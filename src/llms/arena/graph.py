"""Who can be compared with whom: the graph in which an edge leads from each model to those it beat or tied.

The maximum of the likelihood is finite exactly within its strongly connected components (Ford 1957; Hunter 2004, Ann. Stat.
32(1), assumption 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .vote_table import LOSS, WIN, Ints, VoteTable

Mask: TypeAlias = npt.NDArray[np.bool_]

Unbounded = Literal["", "above", "below", "both"]


@dataclass(frozen=True, slots=True)
class Connections:
    """Of each model (M,): `strong`, its strongly connected component; `component`, the part within which ratings compare;
    `unbounded`, in which direction the votes do not bound its rating within that part, empty where they do."""

    strong: Ints
    component: Ints
    unbounded: tuple[Unbounded, ...]
    notes: tuple[str, ...]


def connections(table: VoteTable) -> Connections:
    """Parts by descending size. A part that is separable is rated in its largest strong component of two models or more;
    single models around that are unbounded, and further strong components are parts of their own."""
    m = len(table.models)
    beat = np.zeros((m, m), bool)
    beat[table.first[table.outcome != LOSS], table.second[table.outcome != LOSS]] = True
    beat[table.second[table.outcome != WIN], table.first[table.outcome != WIN]] = True
    reach = _closure(beat)
    strong, weak = _labels(reach & reach.T), _labels(_closure(beat | beat.T))
    unbounded: list[Unbounded] = [""] * m
    parts: list[Ints] = []
    notes: list[str] = []
    for part in _members(weak):
        blocks = [block for block in _members(strong) if weak[block[0]] == weak[part[0]]]
        core = next((block for block in blocks if len(block) > 1), part)
        alone = np.array([block[0] for block in blocks if len(block) == 1], np.int64)
        for index in alone if len(part) > 1 else ():
            others = core[core != index]
            unbounded[index] = _direction(reach[index, others], reach[others, index])
        parts.append(np.union1d(alone, core))
        for block in blocks:
            if len(block) > 1 and block is not core:
                parts.append(block)
                where = _direction(reach[block[:1], core], reach[core, block[:1]])
                notes.append(_apart([table.models[i] for i in block], table.models[core[0]], where))
    component = np.zeros(m, np.int64)
    for number, members in enumerate(sorted(parts, key=len, reverse=True)):
        component[members] = number
    parts_note = [_unconnected(table.models, _members(weak))] if weak.max() > 0 else []
    return Connections(strong, component, tuple(unbounded), (*parts_note, *_names(table.models, unbounded), *notes))


def _direction(down: Mask, up: Mask) -> Unbounded:
    """Where a model stands that has a path `down` to others and none back, or one `up` from them and none to them."""
    if down.any() != up.any():
        return "above" if down.any() else "below"
    return "both"


def _closure(edges: Mask) -> Mask:
    """Which model reaches which by one edge or more, or is itself: by squaring, log2(M) products of matrices."""
    reach = edges | np.eye(len(edges), dtype=bool)
    while True:
        further = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
        if (further == reach).all():
            return reach
        reach = further


def _labels(same: Mask) -> Ints:
    """Numbers from 0 for the classes of an equivalence relation."""
    return np.unique(same.argmax(1), return_inverse=True)[1].astype(np.int64)


def _members(labels: Ints) -> list[Ints]:
    """The members of each class, the largest class first."""
    return sorted((np.flatnonzero(labels == label) for label in range(labels.max() + 1)), key=len, reverse=True)


def listed(names: Sequence[str], most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _unconnected(models: Sequence[str], parts: list[Ints]) -> str:
    groups = " | ".join(listed([models[i] for i in part]) for part in parts[:4])
    return f"{len(parts)} groups of models never met, so ratings compare within each only: {groups}"


def _names(models: Sequence[str], unbounded: Sequence[Unbounded]) -> list[str]:
    sentences = {
        "above": "never lost or tied against the others, so nothing bounds the rating from above",
        "below": "never won or tied against the others, so nothing bounds the rating from below",
        "both": "has no chain of results in both directions, so nothing bounds the rating",
    }
    result = []
    for direction, sentence in sentences.items():
        names = [model for model, one in zip(models, unbounded, strict=True) if one == direction]
        result += [f"{listed(names)}: {sentence}"] if names else []
    return result


def _apart(names: Sequence[str], other: str, where: Unbounded) -> str:
    how = {"above": "lost no", "below": "won no"}.get(where, "has no chain of results to and from any")
    battle = "battle against the group" if where != "both" else "of the group"
    return f"the group {listed(names)} is rated by itself: it {how} {battle} of {other}"
