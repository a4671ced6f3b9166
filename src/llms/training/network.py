"""A Llama network for training from nothing: the mathematics of transformers' LlamaForCausalLM with fewer passes over memory.

Query, key and value are one matrix product, gate and up another; a norm's weight is multiplied into the matrix behind it; the
gradient of the loss is taken while the logits of a few hundred tokens are still in the cache, so that the logits of a batch are
never held. Its weights leave as those of a LlamaForCausalLM, and come back from them.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import embedding, scaled_dot_product_attention

from .blockwise import LONGEST, BlockwiseAttention
from .recipe import ModelShape

ROTARY_BASE = 10_000.0
EPSILON = 1e-5  # of the norms
SPREAD = 0.02  # standard deviation of the weights at the start
CHUNK = 1 << 20  # logits that are computed together


class Normalize(torch.autograd.Function):
    """x over its root mean square, (N, C); the norm's weight is the caller's."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        inverse = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(EPSILON).rsqrt_()
        y: Tensor = x * inverse
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        y, inverse = ctx.saved_tensors  # type: ignore[attr-defined]  # which torch adds
        along = (grad * y).mean(-1, keepdim=True)
        result: Tensor = torch.addcmul(grad, y, along, value=-1.0).mul_(inverse)
        return result


class Gated(torch.autograd.Function):
    """silu(gate) * up of (N, 2 I), gate before up: (N, I)."""

    @staticmethod
    def forward(ctx: FunctionCtx, both: Tensor) -> Tensor:
        gate, up = both.chunk(2, -1)
        ctx.save_for_backward(both)
        gated: Tensor = nn.functional.silu(gate).mul_(up)
        return gated

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors  # type: ignore[attr-defined]  # which torch adds
        gate, up = both.chunk(2, -1)
        result = torch.empty_like(both)
        to_gate, to_up = result.chunk(2, -1)
        torch.mul(grad, nn.functional.silu(gate), out=to_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=to_gate)
        return result


class HeadLoss(torch.autograd.Function):
    """The mean cross entropy of targets (N,) under the logits x (N, C) @ weight.T (V, C), in nats."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        count, rows = x.shape[0], max(1, CHUNK // weight.shape[0])
        to_x, to_weight = torch.empty_like(x), torch.zeros_like(weight, dtype=torch.float32)
        total = x.new_zeros((), dtype=torch.float32)
        for start in range(0, count, rows):
            chunk, wanted = x[start : start + rows], targets[start : start + rows, None]
            chances = torch.softmax(chunk @ weight.t(), -1, dtype=torch.float32)  # of this chunk alone
            total -= chances.gather(1, wanted).clamp_(min=1e-38).log_().sum()
            chances.scatter_add_(1, wanted, chances.new_full((1, 1), -1.0).expand(len(wanted), 1))
            chances = chances.to(x.dtype)
            torch.mm(chances, weight, out=to_x[start : start + rows])
            if x.dtype == torch.float32:
                to_weight.addmm_(chances.t(), chunk)
            else:  # a sum in bfloat16 would lose what is small
                to_weight += chances.t() @ chunk
        ctx.save_for_backward(to_x.div_(count), to_weight.div_(count))
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        to_x, to_weight = ctx.saved_tensors  # type: ignore[attr-defined]  # which torch adds
        return to_x * grad, (to_weight * grad).to(to_x.dtype), None


class TrainedLayer(nn.Module):
    """Attention and gated MLP, each behind a norm and added to what entered."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        width, inner = shape.width, shape.inner
        self.heads = shape.heads
        self.attention_norm = nn.Parameter(torch.ones(width))
        self.qkv = nn.Parameter(torch.empty(3 * width, width))
        self.output = nn.Parameter(torch.empty(width, width))
        self.mlp_norm = nn.Parameter(torch.ones(width))
        self.gate_up = nn.Parameter(torch.empty(2 * inner, width))
        self.down = nn.Parameter(torch.empty(width, inner))

    def forward(self, x: Tensor, rows: int, turns: tuple[Tensor, Tensor]) -> Tensor:
        """x is (rows T, C), float32; products are in the dtype of `turns`, the cosines and sines of the positions."""
        width, dtype = x.shape[-1], turns[0].dtype
        qkv = product(normalized(x), self.qkv * self.attention_norm, dtype)
        qkv = qkv.view(rows, -1, 3, self.heads, width // self.heads)
        query, key = Rotate.apply(qkv[:, :, :2], *turns).unbind(2)  # type: ignore[no-untyped-call]  # of torch
        mixed = attend(query, key, qkv[:, :, 2])
        x = added(x, mixed, self.output)
        both = product(normalized(x), self.gate_up * self.mlp_norm, dtype)
        return added(x, Gated.apply(both), self.down)  # type: ignore[no-untyped-call]  # of torch


def normalized(x: Tensor) -> Tensor:
    result: Tensor = Normalize.apply(x)  # type: ignore[no-untyped-call]  # of torch
    return result


def product(x: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype) @ weight.to(dtype).t()


def added(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """x + y @ weight.T, in the dtype of x."""
    return torch.addmm(x, y, weight.t()) if y.dtype == x.dtype else x + y @ weight.to(y.dtype).t()


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention of (rows, T, heads, D); (rows T, heads D)."""
    rows, length, heads, depth = query.shape
    moved = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    if query.device.type != "cpu" or query.dtype != torch.float32 or length > LONGEST:
        mixed = scaled_dot_product_attention(*moved, is_causal=True)
    else:
        mixed = BlockwiseAttention.apply(*(one.reshape(rows * heads, length, depth) for one in moved))  # type: ignore[no-untyped-call]  # of torch
    return mixed.view(rows, heads, length, depth).transpose(1, 2).reshape(rows * length, heads * depth)


class Rotate(torch.autograd.Function):
    """(first, second) halves of D to (first cos - second sin, second cos + first sin), as transformers' Llama pairs them.

    x is (..., T, n, heads, D), cosines and sines (T, 1, 1, D / 2).
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        ctx.save_for_backward(cosines, sines)
        return turn(x, cosines, sines)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None]:
        cosines, sines = ctx.saved_tensors  # type: ignore[attr-defined]  # which torch adds
        return turn(grad, cosines, -sines), None, None


def turn(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    result = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    low, high = result.chunk(2, -1)
    torch.mul(first, cosines, out=low).addcmul_(second, sines, value=-1.0)
    torch.mul(second, cosines, out=high).addcmul_(first, sines)
    return result


class TrainedNetwork(nn.Module):
    """`forward(input_ids (B, T), labels (B, T))`: the mean loss of predicting each label, which is the token that follows."""

    def __init__(self, shape: ModelShape, seed: int = 0, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.shape, self.dtype = shape, dtype  # of matrix products; weights, norms and sums are float32
        self.embedding = nn.Parameter(torch.empty(shape.vocabulary, shape.width))
        self.blocks = nn.ModuleList(TrainedLayer(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        self._turns: dict[int, tuple[Tensor, Tensor]] = {}
        self._draw(seed)

    def _draw(self, seed: int) -> None:
        """Normal weights of 0.02, those that add to the residual stream narrower by the root of their number.

        Source: Radford et al. 2019 (GPT-2), section 2.3.
        """
        source = torch.Generator().manual_seed(seed)
        narrow = SPREAD / (2 * self.shape.layers) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                spread = narrow if name.endswith(("output", "down")) else SPREAD
                nn.init.normal_(parameter, 0.0, spread, generator=source)

    def _table(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of `length` positions, (T, 1, 1, D / 2)."""
        if length not in self._turns:
            half = self.shape.width // self.shape.heads // 2
            speeds = ROTARY_BASE ** (-torch.arange(half, dtype=torch.float32) / half)
            angles = torch.outer(torch.arange(length, dtype=torch.float32), speeds)[:, None, None, :].to(like.device)
            self._turns = {length: (angles.cos().to(self.dtype), angles.sin().to(self.dtype))}
        return self._turns[length]

    def hidden(self, input_ids: Tensor) -> Tensor:
        """The last layer's output before its norm's weight, (B T, C)."""
        rows, length = input_ids.shape
        x = embedding(input_ids.reshape(-1), self.embedding)
        turns = self._table(length, x)
        for block in self.blocks:
            x = block(x, rows, turns)
        return normalized(x)

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        weight = (self.embedding * self.norm).to(self.dtype)
        loss: Tensor = HeadLoss.apply(self.hidden(input_ids).to(self.dtype), weight, labels.reshape(-1))  # type: ignore[no-untyped-call]  # of torch
        return {"loss": loss}

    def logits(self, input_ids: Tensor) -> Tensor:
        """(B, T, V)."""
        return product(self.hidden(input_ids), self.embedding * self.norm, self.dtype).view(*input_ids.shape, -1)

    def _layers(self) -> list[TrainedLayer]:
        return [block for block in self.blocks if isinstance(block, TrainedLayer)]

    def llama_state(self) -> dict[str, Tensor]:
        """The weights under the names and in the shapes of LlamaForCausalLM."""
        state: dict[str, Tensor] = {"model.embed_tokens.weight": self.embedding, "model.norm.weight": self.norm}
        for index, block in enumerate(self._layers()):
            state |= {f"model.layers.{index}.{name}": weight for name, weight in _parts(block).items()}
        return {name: weight.detach().clone() for name, weight in state.items()}

    @torch.no_grad()
    def load_llama(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of a LlamaForCausalLM of this shape."""
        self.embedding.copy_(state["model.embed_tokens.weight"])
        self.norm.copy_(state["model.norm.weight"])
        for index, block in enumerate(self._layers()):
            for name, weight in _parts(block).items():
                weight.copy_(state[f"model.layers.{index}.{name}"])


def _parts(block: TrainedLayer) -> dict[str, Tensor]:
    query, key, value = block.qkv.chunk(3)
    gate, up = block.gate_up.chunk(2)
    return {
        "input_layernorm.weight": block.attention_norm,
        "self_attn.q_proj.weight": query,
        "self_attn.k_proj.weight": key,
        "self_attn.v_proj.weight": value,
        "self_attn.o_proj.weight": block.output,
        "post_attention_layernorm.weight": block.mlp_norm,
        "mlp.gate_proj.weight": gate,
        "mlp.up_proj.weight": up,
        "mlp.down_proj.weight": block.down,
    }
