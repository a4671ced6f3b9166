"""A prompt with pictures, read by a model that sees, and continued token by token."""

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import torch
from torch import Tensor

from .network import Network

if TYPE_CHECKING:
    from .request import Array, Seen

Inputs: TypeAlias = dict[str, object]


class _Outputs(Protocol):
    """Of a forward pass, (1, T, V)."""

    logits: Tensor


class _Generating(Protocol):
    """The steps of transformers' own loop (`GenerationMixin._sample`), by which each model prepares what it needs:
    positions, masks, pictures in the first step alone."""

    def forward(self, **inputs: object) -> _Outputs: ...

    def _prepare_position_ids_for_generation(self, ids: Tensor, inputs: Inputs, /) -> Tensor: ...

    def prepare_inputs_for_generation(self, ids: Tensor, /, **inputs: object) -> Inputs: ...

    def __call__(self, **inputs: object) -> _Outputs: ...

    def _update_model_kwargs_for_generation(self, outputs: _Outputs, inputs: Inputs, /) -> Inputs: ...


class SeenPrompt:
    """`tokens` with the pictures `seen`: their placeholders are among the tokens, their pixels are floats of any width."""

    def __init__(self, network: Network, tokens: Sequence[int], seen: "Seen"):
        self._network, self._device = network, network.device
        self._model = cast("_Generating", network.model)
        self._prompt = tuple(tokens)
        self._inputs: Inputs = {
            "use_cache": True,
            "attention_mask": torch.ones(1, len(tokens), device=self._device).long(),
        }
        self._inputs |= {name: self._placed(value) for name, value in seen.items()}
        if "position_ids" in signature(self._model.forward).parameters:
            ids = torch.tensor([self._prompt], device=self._device)
            self._inputs["position_ids"] = self._model._prepare_position_ids_for_generation(ids, self._inputs)
            del self._inputs["attention_mask"]  # all ones: nothing is padded, as generate sees it too
        self._begun = False

    @torch.inference_mode()
    def next_logits(self, new: Sequence[int]) -> Tensor:
        """Logits (V,) after `new`, which grows by one token from call to call. The model attends as it was made to."""
        with self._network.own_attention():
            ids = torch.tensor([[*self._prompt, *new]], device=self._device)
            step: Inputs = {"next_sequence_length": 1} if self._begun else {"is_first_iteration": True}
            inputs = self._model.prepare_inputs_for_generation(ids, **step, **self._inputs)
            outputs = self._model(**inputs)
        self._inputs = self._model._update_model_kwargs_for_generation(outputs, self._inputs)
        self._begun = True
        return outputs.logits[0, -1]

    def _placed(self, array: "Array") -> Tensor:
        value = torch.from_numpy(array).to(self._device)
        return value.to(self._network.dtype) if value.is_floating_point() else value
