"""The loss of trained tokens alone, chunk by chunk, so that no (T, vocabulary) lies in memory."""

from collections.abc import Callable
from typing import Protocol, cast

import torch
from transformers import PreTrainedModel

CHUNK = 256  # trained tokens


class _Saved(Protocol):
    saved_tensors: tuple[torch.Tensor, ...]
    needs_input_grad: tuple[bool, ...]

    def save_for_backward(self, *tensors: torch.Tensor) -> None: ...


class TokenLosses(torch.autograd.Function):
    """-log softmax(hidden @ weight.T + bias)[targets] in nats, (N,) float32.

    The gradient of a token's loss is a multiple of what is known when it is computed: it is kept, (N, width), and the logits
    are not. Only where the weights are trained, too, are they computed once more.
    """

    @staticmethod
    def forward(
        context: _Saved, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
    ) -> torch.Tensor:
        losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        wanted = context.needs_input_grad[0]
        slopes = torch.empty_like(hidden) if wanted else hidden.new_empty(0)
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            losses[part], shares, total = _exponentials(hidden[part], weight, bias, targets[part])
            if wanted:
                slopes[part] = (shares.to(weight.dtype) @ weight) / total.to(weight.dtype) - weight[targets[part]]
        context.save_for_backward(hidden, weight, torch.empty(0) if bias is None else bias, targets, slopes)
        return losses

    @staticmethod
    def backward(
        context: _Saved, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None, None]:
        hidden, weight, bias, targets, slopes = context.saved_tensors
        to_hidden = slopes * gradient[:, None].to(slopes.dtype) if context.needs_input_grad[0] else None
        to_weight = torch.zeros_like(weight) if context.needs_input_grad[1] else None
        to_bias = torch.zeros_like(bias) if context.needs_input_grad[2] else None
        if to_weight is None and to_bias is None:
            return to_hidden, None, None, None
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            _, shares, total = _exponentials(hidden[part], weight, bias if bias.numel() else None, targets[part])
            shares.mul_(gradient[part, None] / total)
            shares[range(len(shares)), targets[part]] -= gradient[part]
            if to_weight is not None:
                to_weight.addmm_(shares.T.to(weight.dtype), hidden[part])
            if to_bias is not None:
                to_bias.add_(shares.sum(0).to(bias.dtype))
        return to_hidden, to_weight, to_bias, None


def _exponentials(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(losses (n,), e to the logits above the highest (n, V), their sum (n, 1)), float32."""
    logits = torch.nn.functional.linear(hidden, weight, bias).float()
    logits.sub_(logits.max(1, keepdim=True).values)
    right = logits[range(len(targets)), targets]
    total = logits.exp_().sum(1, keepdim=True)
    return total.log()[:, 0] - right, logits, total


def install_head(network: PreTrainedModel) -> None:
    """Let `network(..., predicting=positions, targets=ids)` return the loss of each target, (N,), in place of logits.

    `positions` count in the flattened sequences. With `plain=True` the network's own logits are used, however it makes them.
    """
    original: Callable[..., object] = network.forward

    def forward(
        *arguments: object,
        predicting: torch.Tensor | None = None,
        targets: torch.Tensor | None = None,
        plain: bool = False,
        **options: object,
    ) -> object:
        if predicting is None or targets is None:
            return original(*arguments, **options)
        options = {name: value for name, value in options.items() if value is not None and name != "labels"}
        if plain:
            logits = cast("torch.Tensor", original(*arguments, use_cache=False, **options).logits)  # type: ignore[attr-defined]  # of every causal model
            return torch.nn.functional.cross_entropy(
                logits.flatten(0, 1)[predicting].float(), targets, reduction="none"
            )
        hidden = network.base_model(*arguments, use_cache=False, **options).last_hidden_state
        output = cast("torch.nn.Linear", network.get_output_embeddings())
        losses: torch.Tensor = TokenLosses.apply(hidden.flatten(0, 1)[predicting], output.weight, output.bias, targets)  # type: ignore[no-untyped-call]  # of torch
        return losses

    network.forward = forward  # as trl does with its own head
