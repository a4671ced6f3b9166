"""Causal attention of a batch on processors, forward and backward, without the half of the products that the mask would hide.

Queries go in blocks of 64, each against the keys up to its own end; the chances are held for the backward pass, which takes
`rows heads T² / 2` numbers a layer. PyTorch's own kernel for processors computes them again, and takes half as long again.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

BLOCK = 64  # queries
LONGEST = 2048  # tokens; beyond, PyTorch's own, whose memory grows with T alone


class BlockwiseAttention(torch.autograd.Function):
    """softmax(query keyᵀ / √D, none after its own position) value; all (H, T, D), contiguous, rows and heads in H."""

    @staticmethod
    def forward(ctx: FunctionCtx, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        length = query.shape[1]
        query = query * query.shape[2] ** -0.5
        future = query.new_full((BLOCK, BLOCK), -torch.inf).triu_(1)
        result = torch.empty_like(query)
        chances = []
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            scores = torch.bmm(query[:, start:end], key[:, :end].transpose(1, 2))
            scores[:, :, start:] += future[: end - start, : end - start]
            chances.append(torch.softmax(scores, -1))
            result[:, start:end] = torch.bmm(chances[-1], value[:, :end])
        ctx.save_for_backward(query, key, value, result, *chances)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value, result, *chances = ctx.saved_tensors  # type: ignore[attr-defined]  # which torch adds
        to_query, to_key, to_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        along = (grad * result).sum(-1, keepdim=True)
        for chance, start in zip(chances, range(0, query.shape[1], BLOCK), strict=True):
            end = start + chance.shape[1]
            outer = grad[:, start:end]
            to_value[:, :end] += torch.bmm(chance.transpose(1, 2), outer)
            to_scores = torch.bmm(outer, value[:, :end].transpose(1, 2)).sub_(along[:, start:end]).mul_(chance)
            to_query[:, start:end] = torch.bmm(to_scores, key[:, :end])
            to_key[:, :end] += torch.bmm(to_scores.transpose(1, 2), query[:, start:end])
        return to_query.mul_(query.shape[2] ** -0.5), to_key, to_value
