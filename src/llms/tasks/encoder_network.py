"""Texts through BERT and its kin without padding, and no further than a classifier looks.

Rows stand behind each other as one matrix (tokens, D) in all that is computed token by token; each attends to itself alone. In
the last layer only the first token of a row is computed, all that the head reads. Equal to transformers' own network but
for rounding, which is tried once on a few rows of any tokens; where it differs, that network is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

ATTENDED = 128  # tokens of short rows that attend in one call, a mask between them: benchmarks/LOG.md
CLOSE = 1e-5  # how far logits may lie apart, relative to the greatest where it is above 1


class TokenRow(Protocol):
    """The token ids of a text, and their types, empty where the tokenizer knows none."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def types(self) -> list[int]: ...


Compute: TypeAlias = Callable[[Tensor], Tensor]
BERT = (
    *(f"attention.{name}" for name in ("self.query", "self.key", "self.value", "output.dense", "output.LayerNorm")),
    *("intermediate.dense", "intermediate.intermediate_act_fn", "output.dense", "output.LayerNorm"),
)
DISTILBERT = (
    *("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm"),
    *("ffn.lin1", "ffn.activation", "ffn.lin2", "output_layer_norm"),
)


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """One layer, its parts in the order of BERT and DISTILBERT. `whole` (3 D, D) are the weights of query, key and value,
    which the network's own are views of."""

    whole: Tensor
    bias: Tensor
    out: nn.Module
    norm: nn.Module
    up: nn.Module
    act: Compute
    down: nn.Module
    last_norm: nn.Module


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that attend in one call: tokens `start` to `end` of a batch, rows `first` to `last`; `mask` (T, T) is -inf between
    rows, `heads` where each row begins in it."""

    start: int
    end: int
    first: int
    last: int
    mask: Tensor | None
    heads: list[int]


class FirstTokenNetwork:
    """The logits (B, labels) of a network whose head reads the first token of each row."""

    def __init__(self, network: PreTrainedModel):
        config, base = network.config, network.base_model
        distilled = config.model_type == "distilbert"
        self._embed, self._head = base.get_submodule("embeddings"), HEADS[config.model_type](network)
        self._project = base.get_submodule("embeddings_project") if hasattr(base, "embeddings_project") else None
        paths = DISTILBERT if distilled else BERT
        gelu = (config.activation if distilled else config.hidden_act) == "gelu"
        layers = base.get_submodule("transformer.layer" if distilled else "encoder.layer").children()
        self._layers = [_layer(layer, paths, gelu) for layer in layers]
        self._heads, self._pad = config.num_attention_heads, config.pad_token_id
        self._scale = (self._layers[0].whole.shape[1] // self._heads) ** -0.5
        # RoBERTa counts positions from behind the padding token's number
        self._offset = self._pad + 1 if hasattr(self._embed, "create_position_ids_from_input_ids") else 0
        self._positions = torch.arange(self._offset, config.max_position_embeddings)
        self.typed = hasattr(self._embed, "token_type_embeddings")

    @torch.inference_mode()
    def logits(self, rows: Sequence[TokenRow], together: int = ATTENDED) -> Tensor | None:
        """(B, labels), or None where these rows are not for it: a token for padding in the text, a value that is not
        finite, which would spread to its neighbours."""
        ids = [token for row in rows for token in row.ids]
        if self._offset and self._pad in ids:
            return None
        lengths = [len(row.ids) for row in rows]
        groups = list(_groups(lengths, together))
        arguments = {"position_ids": torch.cat([self._positions[:length] for length in lengths])[None]}
        if self.typed and rows[0].types:
            arguments["token_type_ids"] = torch.tensor([[kind for row in rows for kind in row.types]])
        x: Tensor = self._embed(input_ids=torch.tensor([ids]), **arguments)
        if self._project is not None:
            x = self._project(x)
        x = x[0]
        for layer in self._layers[:-1]:
            x = _feed(layer, self._attend(layer, x, groups), x)
        logits: Tensor = self._head(self._last(self._layers[-1], x, groups))
        return logits if bool(logits.isfinite().all()) else None

    def _attend(self, layer: EncoderLayer, x: Tensor, groups: Sequence[RowGroup]) -> Tensor:
        """(T, D) -> (T, D)."""
        whole, attended = nn.functional.linear(x, layer.whole, layer.bias), torch.empty_like(x)
        for group in groups:
            part = whole[group.start : group.end].view(1, group.end - group.start, 3, self._heads, -1)
            query, key, value = part.permute(2, 0, 3, 1, 4)
            result = nn.functional.scaled_dot_product_attention(query, key, value, group.mask, scale=self._scale)
            attended[group.start : group.end] = result[0].transpose(0, 1).reshape(-1, x.shape[1])
        return attended

    def _last(self, layer: EncoderLayer, x: Tensor, groups: Sequence[RowGroup]) -> Tensor:
        """(T, D) -> (B, D), the first tokens behind the last layer.

        Since q · (K x) = (Kᵀ q) · x, and the mean of V x is V times the mean of x, keys and values need not be computed;
        a key's bias adds the same to all scores, which the softmax does not see.
        """
        starts = [group.start + head for group in groups for head in group.heads]
        first, (rows, width) = x[starts], (len(starts), x.shape[1])
        query, key, value = layer.whole.view(3, self._heads, -1, width)
        biases = layer.bias.view(3, self._heads, 1, -1)
        asked = torch.matmul(torch.matmul(first, query.transpose(1, 2)) + biases[0], key).transpose(0, 1)
        means = x.new_empty(rows, self._heads, width)
        for group in groups:
            part = x[None, None, group.start : group.end]
            mask = None if group.mask is None else group.mask[group.heads].repeat_interleave(self._heads, 0)
            own = asked[group.first : group.last].reshape(1, 1, -1, width)
            result = nn.functional.scaled_dot_product_attention(own, part, part, mask, scale=self._scale)
            means[group.first : group.last] = result.view(-1, self._heads, width)
        attended = torch.matmul(means.transpose(0, 1), value.transpose(1, 2)) + biases[2]
        return _feed(layer, attended.transpose(0, 1).reshape(rows, width), first)


def first_token_network(network: PreTrainedModel) -> FirstTokenNetwork | None:
    """The same network in this form, where it is known, is computed in float32 on the processor, and gives the same."""
    config = network.config
    if config.model_type not in HEADS or not type(network).__module__.startswith("transformers."):
        return None
    if network.device.type != "cpu" or network.dtype != torch.float32 or getattr(config, "is_decoder", False):
        return None
    try:
        fast = FirstTokenNetwork(network)
        same = _gives_the_same(fast, network)
    except (AttributeError, TypeError, RuntimeError, IndexError):
        return None
    return fast if same else None


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """A row of any tokens."""

    ids: list[int]
    types: list[int]


@torch.inference_mode()
def _gives_the_same(fast: FirstTokenNetwork, network: PreTrainedModel) -> bool:
    config, draw = network.config, torch.Generator().manual_seed(0)
    most, types = config.max_position_embeddings - 2, getattr(config, "type_vocab_size", 1)
    rows = []
    for length in (min(9, most), min(5, most), 2, 1):
        ids = torch.randint(0, config.vocab_size, (length,), generator=draw)
        ids[ids == config.pad_token_id] = (config.pad_token_id + 1) % config.vocab_size
        kinds = torch.arange(length) * types // length
        rows.append(ProbeRow(ids.tolist(), kinds.tolist() if types else []))
    logits = fast.logits(rows, together=7)
    if logits is None:
        return False
    named = {} if not fast.typed else {"token_type_ids": [torch.tensor([row.types]) for row in rows]}
    for number, row in enumerate(rows):
        expected = network(torch.tensor([row.ids]), **{name: parts[number] for name, parts in named.items()})["logits"][
            0
        ]
        if not bool((logits[number] - expected).abs().max() <= CLOSE * expected.abs().max().clamp_min(1)):
            return False
    return True


def _feed(layer: EncoderLayer, attended: Tensor, x: Tensor) -> Tensor:
    """The rest of a layer, behind attention: (T, D) and (T, D) -> (T, D)."""
    x = layer.norm(layer.out(attended) + x)
    result: Tensor = layer.last_norm(layer.down(layer.act(layer.up(x))) + x)
    return result


def _groups(lengths: Sequence[int], together: int) -> Iterator[RowGroup]:
    """Neighbours of at most `together` tokens; a longer row stands alone."""
    start = first = 0
    while first < len(lengths):
        heads, end = [0], lengths[first]
        while first + len(heads) < len(lengths) and end + lengths[first + len(heads)] <= together:
            heads.append(end)
            end += lengths[first + len(heads) - 1]
        last, mask = first + len(heads), None
        if len(heads) > 1:
            owner = torch.arange(len(heads)).repeat_interleave(torch.tensor(lengths[first:last]))
            mask = torch.zeros(end, end).masked_fill(owner[:, None] != owner, -torch.inf)
        yield RowGroup(start, start + end, first, last, mask, heads)
        start, first = start + end, last


def _joined(parts: Sequence[nn.Module]) -> tuple[Tensor, Tensor]:
    """Weights and biases as one; each layer keeps a view of its own part."""
    linear = [part for part in parts if isinstance(part, nn.Linear)]
    weight = torch.cat([part.weight.detach() for part in linear])
    bias = torch.cat([part.bias.detach() for part in linear])
    for part, own_weight, own_bias in zip(linear, weight.chunk(3), bias.chunk(3), strict=True):
        part.weight.data, part.bias.data = own_weight, own_bias
    return weight, bias


def _layer(module: nn.Module, paths: Sequence[str], gelu: bool) -> EncoderLayer:
    parts = [module.get_submodule(path) for path in paths]
    whole, bias = _joined(parts[:3])
    out, norm, up, act, down, last_norm = parts[3:]
    return EncoderLayer(whole, bias, out, norm, up, torch.ops.aten.gelu_ if gelu else act, down, last_norm)


def _pooled(network: PreTrainedModel) -> Compute:
    classifier, pooler = network.get_submodule("classifier"), network.base_model.get_submodule("pooler")
    return lambda first: classifier(pooler(first[:, None]))


def _direct(network: PreTrainedModel) -> Compute:
    classifier = network.get_submodule("classifier")
    return lambda first: classifier(first[:, None])


def _twice(network: PreTrainedModel) -> Compute:
    classifier, before = network.get_submodule("classifier"), network.get_submodule("pre_classifier")
    return lambda first: classifier(before(first).relu())


HEADS = {
    "bert": _pooled,
    "distilbert": _twice,
    "roberta": _direct,
    "xlm-roberta": _direct,
    "camembert": _direct,
    "electra": _direct,
}
