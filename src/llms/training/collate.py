"""The rows of one forward pass as tensors: packed in one sequence, none seeing another, or padded side by side.

Rows whose untrained prefix is the same compute it once: it stands in the sequence once, and each of them sees it and itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .encoded import EncodedRow


@dataclass(frozen=True)
class PackedSpan:
    """Tokens `start` to `end` of a packed sequence: each sees those of `prefix_start` to `prefix_end`, and its span up to itself."""

    start: int
    end: int
    prefix_start: int = 0
    prefix_end: int = 0


@dataclass(frozen=True)
class TrainingBatch:
    """The rows of one forward pass.

    `input_ids` is (1, T) with `position_ids` and `spans` if packed, else (rows, T) with `attention_mask`. `predicting` are the positions
    in the flattened sequences whose next token is trained, `targets` those tokens, `owners` the number of the row of each.
    """

    input_ids: torch.Tensor
    predicting: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor
    sources: tuple[str, ...]
    tokens: int  # of the rows, a shared prefix counted for each
    attention_mask: torch.Tensor | None = None
    position_ids: torch.Tensor | None = None
    spans: tuple[PackedSpan, ...] = ()

    @property
    def trained_tokens(self) -> int:
        return self.targets.numel()

    def to(self, device: torch.device | str) -> "TrainingBatch":
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return TrainingBatch(**{**vars(self), **tensors})


def pack(rows: Sequence[EncodedRow]) -> TrainingBatch:
    """`rows` in one sequence, those with a common prefix behind it. Without rows: one untrained token."""
    ids: list[int] = []
    positions: list[int] = []
    spans: list[PackedSpan] = []
    predicting: list[tuple[int, int, int]] = []  # position, target, row
    for prefix, members in _groups(rows):
        start = len(ids)
        if len(members) > 1 and prefix:
            ids += prefix
            positions += range(len(prefix))
            spans.append(PackedSpan(start, len(ids)))
        shared = len(ids) - start
        for number in members:
            row, own = rows[number], len(ids)
            ids += row.ids[shared:]
            positions += range(shared, len(row.ids))
            spans.append(PackedSpan(own, len(ids), start, start + shared))
            offset = own - shared
            for index, trained in enumerate(row.trained):
                if trained and index:
                    position = start + index - 1 if index <= shared else offset + index - 1
                    predicting.append((position, row.ids[index], number))
    if not ids:
        ids, positions, spans = [0], [0], [PackedSpan(0, 1)]
    return TrainingBatch(
        input_ids=torch.tensor([ids]),
        **_trained(predicting),
        sources=tuple(row.source for row in rows),
        tokens=sum(len(row.ids) for row in rows),
        position_ids=torch.tensor([positions]),
        spans=tuple(spans),
    )


def pad(rows: Sequence[EncodedRow]) -> TrainingBatch:
    """`rows` side by side, filled up at the right to the longest. Without rows: one untrained token."""
    longest = max((len(row.ids) for row in rows), default=1)
    ids = torch.zeros(max(len(rows), 1), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    predicting = []
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
        trained = (index for index, one in enumerate(row.trained) if one and index)
        predicting += [(number * longest + index - 1, row.ids[index], number) for index in trained]
    if not rows:
        mask[0, 0] = 1
    sources = tuple(row.source for row in rows)
    return TrainingBatch(
        ids,
        **_trained(predicting),  # type: ignore[arg-type]  # its tensors alone
        sources=sources,
        tokens=sum(len(row.ids) for row in rows),
        attention_mask=mask,
    )


def _trained(predicting: Sequence[tuple[int, int, int]]) -> dict[str, torch.Tensor]:
    where, targets, owners = torch.tensor(predicting, dtype=torch.long).reshape(-1, 3).unbind(1)
    return {"predicting": where.contiguous(), "targets": targets.contiguous(), "owners": owners.contiguous()}


def _groups(rows: Sequence[EncodedRow]) -> list[tuple[tuple[int, ...], list[int]]]:
    """The numbers of the rows by common prefix, in order of first appearance.

    A row that is nothing but its prefix keeps one token of its own out of it.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        if row.ids:
            length = min(row.prefix, len(row.ids) - 1)
            groups.setdefault(row.ids[:length], []).append(number)
    return list(groups.items())
