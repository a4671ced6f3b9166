"""Fill-mask: the words that a masked language model expects where a text has `{mask}`, [MASK] or <mask>."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ..errors import ModelError
from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint
from ..models.name import Name
from ..models.task_model import LabelScore, TaskInput, TaskOptions, TaskOutput
from .catalogue import HubTask
from .encoder import Encoder, Row, fault_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.utils.generic import ModelOutput

MASK = re.compile(r"\{mask\}|\[MASK\]|<mask>")


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> MaskFiller:
    return MaskFiller(task, name, checkpoint, options)


class MaskFiller(Encoder):
    """A TaskModel over texts with one mask. `scores` are the `options.top` likeliest words, or `options.labels`, whose
    probabilities are those among all tokens. Of a long text the window is read in which most stands around the mask."""

    auto = "AutoModelForMaskedLM"
    _places: torch.Tensor | None = None  # of the mask in each row of the batch that is being computed

    @lazy
    def _mask(self) -> tuple[str, int]:
        """The tokenizer's own mask and its id. Raises ModelError."""
        token, number = self._tokenizer.mask_token, self._tokenizer.mask_token_id
        if not isinstance(token, str) or not isinstance(number, int):
            raise ModelError(
                f"the tokenizer of {self.name.text} has no mask token; fill-mask needs a masked language model"
            )
        return token, number

    def prepared(self, network: PreTrainedModel) -> PreTrainedModel:
        """As ever; its last layer, as wide as the vocabulary, computes the masks alone: all else would be thrown away."""
        network = super().prepared(network)
        head = network.get_output_embeddings()
        if isinstance(head, torch.nn.Module):
            head.register_forward_pre_hook(self._only_masks)
        return network

    def _only_masks(self, layer: torch.nn.Module, states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """(B, T, D) -> (B, 1, D)."""
        if self._places is None or states[0].dim() != 3 or len(states[0]) != len(self._places):
            return states
        return (states[0][torch.arange(len(self._places)), self._places][:, None], *states[1:])

    def _own(self, text: str) -> str:
        """The text with the tokenizer's own mask."""
        token, _ = self._mask
        return MASK.sub(lambda _: token, text)

    def fault(self, each: TaskInput) -> str:
        if fault := fault_of(each.text, "text"):
            return fault
        count = self._own(each.text).count(self._mask[0])
        return "" if count == 1 else f"the text has {count} masks; expected one {{mask}}, where the word is missing"

    def rows(self, numbered: Sequence[tuple[int, TaskInput]]) -> list[Row]:
        texts = [(number, 0, self._own(each.text)) for number, each in numbered]
        windows: dict[int, list[Row]] = {}
        for row in self.tokenize(texts, self.cut(self.room())):
            windows.setdefault(row.source, []).append(row)
        best = {source: max(own, key=self._around) for source, own in windows.items()}
        return [replace(row, skipped=row.skipped or len(windows[source]) > 1) for source, row in best.items()]

    def _around(self, row: Row) -> int:
        """Tokens on the shorter side of the mask; -1 without one."""
        if self._mask[1] not in row.ids:
            return -1
        return min(self._place(row), len(row.ids) - 1 - self._place(row))

    def _place(self, row: Row) -> int:
        return row.ids.index(self._mask[1])

    def _forward(self, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        self._places = torch.tensor([self._place(row) for row in rows], device=self._network.device)
        try:
            return super()._forward(rows)
        finally:
            self._places = None

    @lazy
    def _targets(self) -> dict[str, int]:
        """The ids of `options.labels`; of one that is several tokens the first. Raises ModelError for one without a token."""
        known, ids = self._tokenizer.get_vocab(), {}
        for label in self.options.labels:
            number = known.get(label)
            if number is None:
                tokens: list[int] = self._tokenizer(label, add_special_tokens=False, verbose=False)["input_ids"]
                if not tokens:
                    raise ModelError(
                        f"{label!r} is no token of {self.name.text}; name words of its vocabulary as labels"
                    )
                number = tokens[0]
            ids[label] = number
        return ids

    def read(self, output: ModelOutput, mask: torch.Tensor, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        """(2, n) of each mask: probabilities and token ids, the likeliest first; or those of the targets, in their order."""
        logits: torch.Tensor = output["logits"]
        assert self._places is not None
        whole = logits.shape[1] > 1  # the last layer was not where it is looked for
        chosen = logits[torch.arange(len(rows)), self._places] if whole else logits[:, 0]
        chances = chosen.float().softmax(-1)
        if self._targets:
            ids = torch.tensor(list(self._targets.values()), device=chances.device)
            return torch.stack([chances[:, ids], ids.float().expand(len(rows), -1)], 1).cpu().unbind(0)
        values, words = chances.topk(min(max(1, self.options.top), chances.shape[-1]))
        return torch.stack([values, words.float()], 1).cpu().unbind(0)

    def merge(self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> TaskOutput:
        chances, ids = values[0].tolist()
        words = list(self._targets) or [self._word(int(number)) for number in ids]
        scores = sorted(map(LabelScore, words, chances), key=lambda one: -one.score)
        several = [word for word in self._targets if self._tokenizer.get_vocab().get(word) is None]
        flags = (f"scored by its first token: {', '.join(several)}",) if several else ()
        return TaskOutput(scores[0].label, tuple(scores), flags=flags)

    def _word(self, number: int) -> str:
        return str(self._tokenizer.decode([number])).strip()
