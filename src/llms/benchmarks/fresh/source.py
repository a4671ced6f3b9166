"""The generators as a Source of tables: GSM8K, MATH by subject, BIG-Bench Hard by task."""

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

from ...data import Dataset, Row, Table
from ...data.source import Kind
from ...errors import DataError, UsageError
from . import bbh, gsm8k, mathematics

ITEMS, SHOTS = 100, 10


def is_fresh(spec: str) -> bool:
    return spec == "fresh" or spec.startswith("fresh:")


def rows(folder: str, config: str, random: Random) -> Iterator[Row] | None:
    """Endless new rows of a benchmark's configuration, all different; None if there is no generator."""
    makers: dict[str, Callable[[Random], Iterator[Row]] | None] = {
        "gsm8k": gsm8k.rows if config == "main" else None,
        "math": mathematics.rows(config),
        "bbh": bbh.rows(config),
    }
    make = makers.get(folder)
    return None if make is None else _different(make(random))


def _different(candidates: Iterator[Row]) -> Iterator[Row]:
    seen: set[str] = set()
    repeated = 0
    for row in candidates:
        question = str(next(iter(row.values())))
        if question not in seen:
            seen.add(question)
            repeated = 0
            yield row
        elif (repeated := repeated + 1) > 10_000:
            return  # the generator has no more to say


class Fresh:
    """100 items of each, and 10 few-shot rows, of one seed. The same seed makes the same rows."""

    def __init__(self, spec: str):
        _, _, seed = spec.partition(":")
        if seed and not seed.isdigit():
            raise UsageError(f"--data {spec}: the seed must be a number, as in fresh:7")
        self.seed = int(seed or 0)

    @property
    def kind(self) -> Kind:
        return "fresh"

    def has(self, dataset: Dataset, config: str, split: str) -> bool:
        return rows(dataset.folder, config, Random(0)) is not None

    def table(self, dataset: Dataset, config: str, split: str) -> Table:
        """Few-shot rows come from a seed of their own, so that they are the same whatever is tested."""
        shots = split in ("train", "fewshot", "dev")
        generator = rows(dataset.folder, config, Random(f"{'shots' if shots else self.seed} {config}"))
        if generator is None:
            raise DataError(f"there is no generator of fresh items for {dataset.folder} ({config})")
        items = list(islice(generator, SHOTS if shots else ITEMS))
        return Table(items, f"fresh:{self.seed} {dataset.folder}/{config}/{split}", f"fresh {self.seed} 2")
