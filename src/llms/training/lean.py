"""Layers in fewer passes over memory that keep less for the gradient: low-rank adapters, RMS norms, gated units.

They take the places of the forwards of peft and transformers on one network, as long as it trains; `passes` proves the results
equal there first. Which modules are meant is seen by what they have, so that most families of networks gain.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

import torch
from peft.tuners.lora import LoraLayer
from torch.nn.functional import silu


class _Context(Protocol):
    saved_tensors: tuple[torch.Tensor, ...]
    needs_input_grad: tuple[bool, ...]
    factor: float

    def save_for_backward(self, *tensors: torch.Tensor) -> None: ...

    def mark_dirty(self, *tensors: torch.Tensor) -> None: ...


class AddLowRank(torch.autograd.Function):
    """outputs += factor · inputs @ first.T @ second.T, in place. Computed in the dtype of the inputs, which alone are kept."""

    @staticmethod
    def forward(
        context: _Context,
        outputs: torch.Tensor,
        inputs: torch.Tensor,
        first: torch.Tensor,
        second: torch.Tensor,
        factor: float,
    ) -> torch.Tensor:
        low = inputs.flatten(0, -2) @ first.to(inputs.dtype).T
        outputs.flatten(0, -2).addmm_(low, second.to(inputs.dtype).T, alpha=factor)
        context.mark_dirty(outputs)
        context.save_for_backward(inputs, first, second)
        context.factor = factor
        return outputs

    @staticmethod
    def backward(
        context: _Context, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor, None]:
        inputs, first, second = context.saved_tensors
        rows, flat = inputs.flatten(0, -2), gradient.flatten(0, -2)
        narrow, wide = first.to(rows.dtype), second.to(rows.dtype)
        low = (flat @ wide).mul_(context.factor)
        to_inputs = (low @ narrow).view_as(inputs) if context.needs_input_grad[1] else None
        to_second = flat.T @ (rows @ narrow.T).mul_(context.factor)
        return gradient, to_inputs, (low.T @ rows).to(first.dtype), to_second.to(second.dtype), None


class LeanNorm(torch.autograd.Function):
    """weight · x / sqrt(mean(x²) + epsilon) over the last dimension (Zhang and Sennrich 2019), in float32 within."""

    @staticmethod
    def forward(context: _Context, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        wide = x.float()
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = length.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        context.save_for_backward(x, weight, inverse)
        normed: torch.Tensor = weight * (wide * inverse).to(x.dtype)
        return normed

    @staticmethod
    def backward(context: _Context, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        x, weight, inverse = context.saved_tensors
        normal = x.float() * inverse
        to_x = to_weight = None
        if context.needs_input_grad[1]:
            to_weight = (gradient.float() * normal).flatten(0, -2).sum(0).to(weight.dtype)
        if context.needs_input_grad[0]:
            inner = (gradient * weight).float()
            along = (inner * normal).mean(-1, keepdim=True)
            to_x = inner.addcmul_(normal, along, value=-1.0).mul_(inverse).to(x.dtype)
        return to_x, to_weight, None


class GatedProduct(torch.autograd.Function):
    """silu(gate) · up (Shazeer 2020); keeps no more than the two."""

    @staticmethod
    def forward(context: _Context, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(context: _Context, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = context.saved_tensors
        to_gate: torch.Tensor = torch.ops.aten.silu_backward(gradient * up, gate)
        return to_gate, silu(gate).mul_(gradient)


def make_lean(model: torch.nn.Module) -> Callable[[], None]:
    """Put lean forwards in place of those of `model`'s modules; what takes them out again."""
    changed = []
    for module in model.modules():
        if (forward := _lean_forward(module)) is not None:
            module.forward = forward
            changed.append(module)

    def undo() -> None:
        for module in changed:
            vars(module).pop("forward", None)

    return undo


def _lean_forward(module: torch.nn.Module) -> Callable[..., torch.Tensor] | None:
    if isinstance(module, LoraLayer):
        adapters = list(module.lora_A)
        plain = len(adapters) == 1 and type(module.lora_dropout[adapters[0]]) is torch.nn.Identity
        linear = plain and type(module.lora_A[adapters[0]]) is torch.nn.Linear and not module.use_dora[adapters[0]]
        return partial(_low_rank, module, module.forward, adapters[0]) if linear else None
    if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
        return partial(_norm, module)
    if all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn")):
        act = module.act_fn
        return partial(_gated, module) if type(act).__name__ in ("SiLU", "SiLUActivation") else None
    return None


def _low_rank(
    module: LoraLayer,
    original: Callable[..., torch.Tensor],
    adapter: str,
    x: torch.Tensor,
    *rest: object,
    **options: object,
) -> torch.Tensor:
    if module.disable_adapters or module.merged:
        return original(x, *rest, **options)
    outputs = module.base_layer(x, *rest, **options)
    first, second = module.lora_A[adapter].weight, module.lora_B[adapter].weight
    return cast("torch.Tensor", AddLowRank.apply(outputs, x, first, second, module.scaling[adapter]))  # type: ignore[no-untyped-call]  # of torch


def _norm(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return cast("torch.Tensor", LeanNorm.apply(x, module.weight, module.variance_epsilon))  # type: ignore[no-untyped-call]  # of torch


def _gated(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    product = GatedProduct.apply(module.gate_proj(x), module.up_proj(x))  # type: ignore[no-untyped-call, operator]  # of torch
    return cast("torch.Tensor", module.down_proj(product))  # type: ignore[operator]  # a module
