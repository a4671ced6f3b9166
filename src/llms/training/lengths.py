"""How many tokens the forward passes of a run have, from the lengths of its rows and the order they are trained in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy

from .recipe import TrainingRecipe

if TYPE_CHECKING:
    from datasets import Dataset

LOOKED_AT = 400  # steps of the first epoch, of which the largest pass is taken


@dataclass(frozen=True, slots=True)
class RowLengths:
    """Of the rows to be trained, in the order of the data set, (rows,) each: tokens, those trained, and those of a prefix that
    rows of one forward pass compute once. A pair counts as one row: its prompt once, both answers."""

    tokens: numpy.ndarray
    trained: numpy.ndarray
    prefix: numpy.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def longest(self) -> int:
        return int(self.tokens.max(initial=0))


@dataclass(frozen=True, slots=True)
class LargestPass:
    """Tokens of a forward pass and the trained ones among them."""

    tokens: int
    trained: int


def row_lengths(rows: "Dataset") -> RowLengths:
    """Of a data set of rows in token ids, or of pairs; reads lengths only where Arrow has them."""
    if "input_ids" in rows.column_names:
        tokens = _value_lengths(rows, "input_ids")
        columns = rows.select_columns(["trained", "prefix"]).with_format("numpy")
        trained = numpy.concatenate([[int(t.sum()) for t in part["trained"]] for part in columns.iter(1000)] or [[]])
        prefix = numpy.concatenate([part["prefix"] for part in columns.iter(1000)] or [[]])
        return RowLengths(tokens, trained.astype(int), prefix.astype(int))
    prompt, chosen, rejected = (_value_lengths(rows, name) for name in ("prompt", "chosen", "rejected"))
    return RowLengths(prompt + chosen + rejected, chosen + rejected, numpy.zeros_like(prompt))


def _value_lengths(rows: "Dataset", name: str) -> numpy.ndarray:
    """How many ids each row has in a column."""
    chunks = [chunk.value_lengths().to_numpy(zero_copy_only=False) for chunk in rows.data.column(name).chunks]
    lengths = numpy.concatenate(chunks).astype(int) if chunks else numpy.zeros(0, int)
    chosen = rows._indices  # of a data set that is a selection of another
    return lengths if chosen is None else lengths[chosen.column(0).to_numpy()]


def largest_passes(lengths: RowLengths, recipe: TrainingRecipe, processes: int = 1) -> tuple[LargestPass, LargestPass]:
    """(of the first step, of the first LOOKED_AT steps): the forward pass with the most tokens, cut as `feed.StepOrder` cuts."""
    order = numpy.random.default_rng([recipe.seed, 0]).permutation(len(lengths))
    parts = -(-recipe.rows_per_step // (recipe.rows_at_once * processes)) * processes
    steps = [order[start : start + recipe.rows_per_step] for start in range(0, len(order), recipe.rows_per_step)]
    largest = [_largest(lengths, step, parts) for step in steps[:LOOKED_AT]]
    if not largest:
        return LargestPass(0, 0), LargestPass(0, 0)
    return largest[0], max(largest, key=_tokens)


def _tokens(one: LargestPass) -> int:
    return one.tokens


def _largest(lengths: RowLengths, step: numpy.ndarray, parts: int) -> LargestPass:
    """Rows of a like prefix and length go together; a prefix is taken to be the same where it is as long."""
    step = step[numpy.lexsort((lengths.tokens[step], lengths.prefix[step]))]
    share = len(step) / parts
    passes = []
    for number in range(parts):
        rows = step[round(number * share) : round((number + 1) * share)]
        own = int((lengths.tokens[rows] - lengths.prefix[rows]).sum())
        shared = int(numpy.unique(lengths.prefix[rows]).sum())
        passes.append(LargestPass(own + shared, int(lengths.trained[rows].sum())))
    return max(passes, key=_tokens)
