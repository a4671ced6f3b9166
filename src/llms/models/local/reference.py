"""A checkpoint as transformers computes it, its attention written out: for looking inside, not for speed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ...errors import ModelError
from ..trace import ForwardPass
from .build import Build
from .construct import by_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def reference(build: Build) -> "Reference":
    """Raises as `construct` does."""
    model = by_transformers(build, attention="eager")
    model.eval()
    return Reference(model)


class Reference:
    """`forward` for one sequence at a time."""

    def __init__(self, model: "PreTrainedModel"):
        self._model = model

    @torch.inference_mode()
    def forward(self, ids: Sequence[int]) -> ForwardPass:
        """Raises ModelError where the model shows no attentions, as one without attention."""
        outputs = self._model(
            input_ids=torch.tensor([list(ids)], device=self._model.device),
            use_cache=False,
            output_hidden_states=True,
            output_attentions=True,
        )
        attentions = outputs.get("attentions")
        if not attentions or any(layer is None for layer in attentions):
            raise ModelError(f"{type(self._model).__name__} shows no attentions; it has none, or keeps them to itself")
        arrays = (outputs.logits, torch.stack(outputs.hidden_states)[:, 0], torch.stack(attentions)[:, 0])
        logits, hidden_states, weights = (array.float().cpu().numpy() for array in arrays)
        return ForwardPass(logits[0], hidden_states, weights)
