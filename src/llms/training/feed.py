"""The order in which rows are trained, and what carries them to the loop.

The rows of an optimizer step depend on the seed and the epoch alone, not on how many processes share them or in how many
forward passes they are cut.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy
from datasets import Dataset
from torch.utils.data import DataLoader

from .collate import TrainingBatch
from .encoded import EncodedPair, EncodedRow
from .recipe import TrainingRecipe

Collate = Callable[[Sequence[EncodedRow]], TrainingBatch]


class StepOrder:
    """The numbers of the rows of each forward pass of this process, epoch by epoch; as many passes in each step.

    A step is `rows_per_step` rows drawn without replacement, the last of an epoch what is left. Within it rows of one prefix
    and of like length go together. A pass may be empty where there are fewer rows than passes.
    """

    def __init__(self, rows: Dataset, recipe: TrainingRecipe, process: int = 0, processes: int = 1):
        self.rows, self.recipe, self.process, self.processes, self.epoch = rows, recipe, process, processes, 0
        self.passes = passes_per_step(recipe, processes)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.recipe.rows_per_step) * self.passes

    def __iter__(self) -> Iterator[list[int]]:
        order = numpy.random.default_rng([self.recipe.seed, self.epoch]).permutation(len(self.rows))
        for start in range(0, len(order), self.recipe.rows_per_step):
            step = self._sorted(order[start : start + self.recipe.rows_per_step].tolist())
            share = len(step) / (self.passes * self.processes)
            for number in range(self.process, self.passes * self.processes, self.processes):
                yield step[round(number * share) : round((number + 1) * share)]

    def _sorted(self, numbers: list[int]) -> list[int]:
        drawn = self.rows[numbers]
        if "prefix" in drawn:
            keys = [
                (tuple(ids[:prefix]), len(ids)) for ids, prefix in zip(drawn["input_ids"], drawn["prefix"], strict=True)
            ]
        else:
            keys = [((), len(prompt)) for prompt in drawn["prompt"]]
        return [number for _, number in sorted(zip(keys, numbers, strict=True))]


def passes_per_step(recipe: TrainingRecipe, processes: int) -> int:
    """Forward passes of each process in an optimizer step."""
    return math.ceil(recipe.rows_per_step / (recipe.rows_at_once * processes))


class RowLoader(DataLoader):  # type: ignore[type-arg]  # of index lists in, of batches out
    """Batches of a data set in a StepOrder; transformers skips in it what a resumed run has done."""

    def __init__(self, order: StepOrder, collate: Collate):
        super().__init__(Rows(order.rows), batch_sampler=order, collate_fn=collate)  # type: ignore[arg-type]  # which torch wants of its own type
        self.order = order

    def set_epoch(self, epoch: int) -> None:
        self.order.set_epoch(epoch)


class Rows:
    """The rows of a data set as EncodedRow, many at a time. A pair is two rows with its prompt as their prefix."""

    def __init__(self, rows: Dataset):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, numbers: list[int]) -> list[EncodedRow]:
        if not numbers:
            return []
        drawn = self.rows[numbers]
        if "input_ids" in drawn:
            columns = zip(drawn["input_ids"], drawn["trained"], drawn["prefix"], drawn["source"], strict=True)
            return [EncodedRow(tuple(ids), tuple(trained), prefix, source) for ids, trained, prefix, source in columns]
        columns = zip(drawn["prompt"], drawn["chosen"], drawn["rejected"], drawn["source"], strict=True)
        pairs = [EncodedPair(tuple(p), tuple(c), tuple(r), source) for p, c, r, source in columns]
        return [row for pair in pairs for row in as_rows(pair)]


def as_rows(pair: EncodedPair) -> tuple[EncodedRow, EncodedRow]:
    """The preferred answer and the other one behind their prompt, as rows whose answers are trained."""
    chosen, rejected = (
        EncodedRow(
            pair.prompt + answer,
            (0,) * len(pair.prompt) + (1,) * len(answer),
            max(len(pair.prompt) - 1, 0),
            pair.source,
        )
        for answer in (pair.chosen, pair.rejected)
    )
    return chosen, rejected
