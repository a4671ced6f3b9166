"""One published result: whose score it is, on what, how it was asked and by whom, and how sure it is."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from ...values import Json

Relationship = Literal["first_party", "third_party", "collaborative", "other"]  # of who measured to who made the model
RELATIONSHIPS: tuple[Relationship, ...] = ("first_party", "third_party", "collaborative", "other")
Scale = Literal["share", "points"]
UNSTABLE = ("source", "evaluation")  # what may differ between two copies of one result


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A score as it was published. On the scale `share` it lies in [0, 1], whatever it was printed in; `points` are kept as
    they are. `low` and `high` bound 95 %; all of `low`, `high`, `stderr`, `n` are None where nothing is said of them.

    `part` names the subset of the benchmark that it is of, empty for the whole. `recipe` is the digest of how it was asked,
    where the file says one (`grading.recipe`), `setup` the same in words. `base` is the model that was measured, where
    `system` was only made from it. `source` names the file or place that it was taken from, `evaluation` is the id it has there.
    """

    system: str
    benchmark: str
    metric: str
    value: float
    scale: Scale
    source: str
    higher_is_better: bool = True
    low: float | None = None
    high: float | None = None
    stderr: float | None = None
    method: str = ""
    n: int | None = None
    part: str = ""
    publisher: str = ""
    relationship: Relationship = "other"
    recipe: str = ""
    setup: str = ""
    base: str = ""
    comparable: str = ""
    url: str = ""
    date: str = ""
    evaluation: str = ""

    @property
    def id(self) -> str:
        """The digest of its content: another copy of the file, or another id in it, is the same result."""
        fields = {name: value for name, value in asdict(self).items() if name not in UNSTABLE}
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Json]:
        """Its fields as JSON values; `llms published list --json` adds the evidence."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Json]) -> "PublishedResult":
        """The result that `to_dict` gave. Raises TypeError for fields that it does not have."""
        return cls(**fields)  # type: ignore[arg-type]  # as `to_dict` wrote them


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that was not taken: the file, the entry in it, and why, with what would have to be added."""

    source: str
    entry: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}, {self.entry}: {self.reason}" if self.entry else f"{self.source}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PublishedReading:
    """The outcome of reading one file or place: `results`, what was refused of it, and `notes` for the user."""

    results: tuple[PublishedResult, ...]
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
