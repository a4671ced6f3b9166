"""Embeddings: a text as one vector by the recipe in its checkpoint, and the similarity of two texts as the cosine of theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint
from ..models.local.embedding import Recipe, pool, read_recipe
from ..models.name import Name
from ..models.task_model import TaskInput, TaskOptions, TaskOutput
from .catalogue import HubTask
from .encoder import Encoder, Row, fault_of, flags_of, weighted

if TYPE_CHECKING:
    from transformers.utils.generic import ModelOutput

PAIR = "similarity"


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> TextEmbedder:
    """Raises ModelError where the checkpoint's recipe asks for what is not known."""
    read_recipe(checkpoint)
    return TextEmbedder(task, name, checkpoint, options)


class TextEmbedder(Encoder):
    """A TaskModel over texts, or pairs of them for similarity. The vector of a text that is longer than the model reads is
    the mean of its windows' by their tokens, of length 1 where the recipe normalizes."""

    auto = "AutoModel"
    spare = "pooler"

    @lazy
    def recipe(self) -> Recipe:
        return read_recipe(self.checkpoint)

    @property
    def window(self) -> int:
        window = super().window
        return min(window, self.recipe.longest or window)

    def fault(self, each: TaskInput) -> str:
        first = fault_of(each.text, "text")
        return first or (fault_of(each.other, "other text of the pair") if self.task == PAIR else "")

    def rows(self, numbered: Sequence[tuple[int, TaskInput]]) -> list[Row]:
        texts = [(number, 0, each.text) for number, each in numbered]
        if self.task == PAIR:
            texts += [(number, 1, each.other) for number, each in numbered]
        cased = [(number, part, self._cased(text)) for number, part, text in texts]
        prompt = self.recipe.prompt
        rows = self.tokenize([(number, part, prompt + text) for number, part, text in cased], self.cut(self.room()))
        return self._prompted(rows, cased) if prompt and len(rows) > len(cased) else rows

    def _cased(self, text: str) -> str:
        return text.lower() if self.recipe.lower else text

    def _prompted(self, rows: Sequence[Row], texts: Sequence[tuple[int, int, str]]) -> list[Row]:
        """The rows; those of texts that took several are cut anew, so that the prompt stands at the head of each window."""
        windows = Counter((row.source, row.part) for row in rows)
        prompt: list[int] = self._tokenizer(self.recipe.prompt, add_special_tokens=False, verbose=False)["input_ids"]
        long = [(source, part, text) for source, part, text in texts if windows[source, part] > 1]
        cut = self.cut(self.room() - len(prompt))
        again = self.tokenize(long, replace(cut, longest=self.window - len(prompt)))
        whole = [row for row in rows if windows[row.source, row.part] == 1]
        return whole + [_with_prompt(row, prompt) for row in again]

    def read(self, output: ModelOutput, mask: torch.Tensor, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        vectors = pool(output["last_hidden_state"].float(), mask.long(), self.recipe.pooling)
        return self._scaled(vectors).cpu().unbind(0)

    def _scaled(self, vectors: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(vectors, dim=-1) if self.recipe.normalize else vectors

    def merge(self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> TaskOutput:
        vectors = [self._vector(part, rows, values) for part in range(2 if self.task == PAIR else 1)]
        if self.task == PAIR:
            cosine = torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=0)
            return TaskOutput(f"{float(cosine):.6f}", flags=flags_of(rows))
        vector = tuple(vectors[0].tolist())
        return TaskOutput(f"{len(vector)} dimensions", vector=vector, flags=flags_of(rows))

    def _vector(self, part: int, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> torch.Tensor:
        own = [number for number, row in enumerate(rows) if row.part == part]
        mean = weighted([rows[number] for number in own], [values[number] for number in own])
        return self._scaled(mean) if len(own) > 1 else mean


def _with_prompt(row: Row, prompt: list[int]) -> Row:
    """The row with the tokens of the prompt behind the special ones at its head."""
    special = row.encoding.special_tokens_mask if row.encoding else []
    head = next((position for position, kind in enumerate(special) if not kind), 0)
    types = [*row.types[:head], *[0] * len(prompt), *row.types[head:]] if row.types else []
    return replace(row, ids=[*row.ids[:head], *prompt, *row.ids[head:]], types=types, encoding=None)
