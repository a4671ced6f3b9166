"""A share of rows set apart, so that nothing on one side gives away the other: rows of one group, and rows that are alike, stay
together. It works on keys of rows, not on rows: 24 bytes of each, and while it chooses some 150 more.
"""

import hashlib
import json
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from .dataset import Row

if TYPE_CHECKING:
    import numpy as np

NAMES_OF_ROWS = frozenset(
    {"id", "idx", "index", "uid", "guid", "__index_level_0__"}
)  # columns that say which row, not what it is


def key(value: object) -> int:
    """64 bits of a digest of a value: the same for equal JSON values in any process."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


class RowKeys:
    """Keys of rows, of one row after another. `by` is the column of groups, `stratify` the one whose values both sides have alike often."""

    def __init__(self, by: str = "", stratify: str = "", alike: Sequence[str] = ()):
        self.by, self.stratify, self.alike = by, stratify, alike
        self._apart = {*NAMES_OF_ROWS, by, stratify}
        self.groups, self.contents, self.strata = array("q"), array("q"), array("q")

    def add(self, row: Row) -> None:
        """Remember the row. Rows are alike where their columns `alike` are; without such, all but names of rows, the group and
        the stratum."""
        names = self.alike or [name for name in row if name not in self._apart]
        content = {name: row.get(name) for name in names}
        self.contents.append(key(content or dict(row)))
        self.groups.append(key(row.get(self.by)) if self.by else len(self.groups))
        self.strata.append(key(row.get(self.stratify)) if self.stratify else 0)

    def __len__(self) -> int:
        return len(self.contents)


def split_rows(keys: RowKeys, share: float, seed: int = 0) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Of each row whether it is set apart: about `share` of all, and of each stratum, as near as whole groups allow.

    The same for the same rows and `seed`. Raises UsageError where a side would be empty.
    """
    import numpy as np

    if not 0 < share < 1:
        raise UsageError(f"a share of {share:g}; expected one between 0 and 1, such as --test 0.2")
    if len(keys) < 2:
        raise UsageError(f"{len(keys)} rows cannot be split; expected at least 2")
    units = _units(np.frombuffer(keys.groups, np.int64), np.frombuffer(keys.contents, np.int64))
    strata = np.unique(np.frombuffer(keys.strata, np.int64), return_inverse=True)[1].reshape(-1)
    apart = _chosen(units, strata, share, seed)
    if apart.all() or not apart.any():
        raise UsageError(
            f"{len(keys):,} rows in {int(units.max()) + 1:,} groups that must stay together: no share near {share:g} can be "
            "set apart; give more rows, another --by or another share"
        )
    return apart


def count_units(keys: RowKeys) -> tuple[int, int]:
    """(how many groups must stay together, how many rows are alike to an earlier one)."""
    import numpy as np

    contents = np.frombuffer(keys.contents, np.int64)
    units = _units(np.frombuffer(keys.groups, np.int64), contents)
    return int(units.max()) + 1 if len(units) else 0, len(contents) - len(np.unique(contents))


def _units(groups: "np.ndarray", contents: "np.ndarray") -> "np.ndarray":
    """The number of the unit of each row: rows with an equal key of either kind are in one, and so is what hangs together
    by others."""
    import numpy as np

    sides = [np.unique(side, return_inverse=True)[1].reshape(-1) for side in (groups, contents)]
    label = np.arange(len(groups))
    while True:
        before = label
        for side in sides:
            least = np.full(int(side.max()) + 1 if len(side) else 0, len(label))
            np.minimum.at(least, side, label)
            label = least[side]
        label = label[label]  # a step further along what hangs together
        if (label == before).all():
            return np.unique(label, return_inverse=True)[1].reshape(-1)


def _chosen(units: "np.ndarray", strata: "np.ndarray", share: float, seed: int) -> "np.ndarray":
    """Units in an order drawn by `seed`, each set apart where that brings the strata nearer to their share."""
    import numpy as np

    order = np.lexsort((strata, units))
    starts = np.searchsorted(units[order], np.arange(int(units.max()) + 2))
    missing = (share * np.bincount(strata)).tolist()
    chosen = np.zeros(len(starts) - 1, bool)
    sorted_strata: Sequence[int] = strata[order].tolist()
    bounds: Sequence[int] = starts.tolist()
    for unit in np.random.default_rng(seed).permutation(len(chosen)).tolist():
        counts: dict[int, int] = {}
        for stratum in sorted_strata[bounds[unit] : bounds[unit + 1]]:
            counts[stratum] = counts.get(stratum, 0) + 1
        if sum(abs(missing[s]) - abs(missing[s] - count) for s, count in counts.items()) > 0:
            chosen[unit] = True
            for stratum, count in counts.items():
                missing[stratum] -= count
    apart: np.ndarray = chosen[units]
    return apart
