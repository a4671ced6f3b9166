"""The rows that a training run never trained on, made into a benchmark's."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from ..benchmarks.held_out import HeldOut, HeldOutRow, ScoredPart, held_out
from ..errors import DataError
from ..models.local.tokenizing_model import ModelTokenizer

ValidationRow: TypeAlias = Mapping[str, Sequence[int] | int | str]


def held_out_source(name: str, validation: Iterable[ValidationRow], tokenizer: ModelTokenizer) -> HeldOut:
    """The source of `validation`, rows as `training.rows` encodes them: `input_ids` and `trained`, or of preference pairs
    `prompt`, `chosen` and `rejected`, and `source`. Raises DataError where no row has a trained token."""
    rows: list[HeldOutRow] = []
    pairs = False
    for row in validation:
        pairs = "chosen" in row
        parts = _of_pair(row, tokenizer) if pairs else _trained(_ids(row, "input_ids"), _ids(row, "trained"), tokenizer)
        if parts:
            rows.append(HeldOutRow(parts, str(row["source"])))
    if not rows:
        raise DataError(f"{name} has no held-out row with a trained token; expected at least two to compare by")
    return held_out(name, rows, pairs)


def _trained(ids: tuple[int, ...], trained: tuple[int, ...], tokenizer: ModelTokenizer) -> tuple[ScoredPart, ...]:
    """Each stretch of trained tokens. The first token of a row follows nothing and cannot be predicted."""
    marks = (0, *trained[1:])
    edges = [index for index, (mark, following) in enumerate(pairwise((0, *marks, 0))) if bool(mark) != bool(following)]
    return tuple(
        _part(ids[:start], ids[start:end], tokenizer) for start, end in zip(edges[::2], edges[1::2], strict=True)
    )


def _of_pair(row: ValidationRow, tokenizer: ModelTokenizer) -> tuple[ScoredPart, ...]:
    prompt = _ids(row, "prompt")
    return tuple(_part(prompt, _ids(row, name), tokenizer) for name in ("chosen", "rejected"))


def _part(context: tuple[int, ...], scored: tuple[int, ...], tokenizer: ModelTokenizer) -> ScoredPart:
    return ScoredPart(
        (*context, *scored),
        len(scored),
        tokenizer.with_special(context),
        tokenizer.with_special(scored),
        len(tokenizer.decode(scored).encode()),
    )


def _ids(row: ValidationRow, name: str) -> tuple[int, ...]:
    values = row[name]
    assert not isinstance(values, int | str)
    return tuple(values)
