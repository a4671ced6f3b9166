"""A causal language model as the engine sees it: a chunk of token ids in, logits of the wanted rows out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .attention import NAME, laid_out, register
from .fast_decode import FastDecode
from .layout import Layout, TokenSpan, Tree

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Network:
    """An unmodified transformers model whose attention follows a Layout; decoding steps go through `fast_decode` if it is set."""

    fast_decode: FastDecode | None = None
    sees = False  # whether it takes pictures beside the tokens

    def __init__(self, model: "PreTrainedModel"):
        self.model: nn.Module = model.eval()
        self._transformer = model
        self.kind: str = model.config.model_type
        config = model.config.get_text_config()
        self.sees = getattr(model.config, "vision_config", None) is not None
        self.vocabulary: int = config.vocab_size
        self.hidden: int = config.hidden_size
        self._own: str = model.config._attn_implementation
        layers = getattr(config, "num_hidden_layers", None) or 1
        heads = getattr(config, "num_attention_heads", None) or 1
        kv_heads = getattr(config, "num_key_value_heads", None) or heads
        width = getattr(config, "head_dim", None) or config.hidden_size // heads
        self.bytes_per_position: int = 2 * layers * kv_heads * width * torch.finfo(self.dtype).bits // 8

    @property
    def device(self) -> torch.device:
        return embedding_of(self._transformer).device

    @property
    def dtype(self) -> torch.dtype:
        return embedding_of(self._transformer).dtype

    def follow_layouts(self) -> None:
        """From now on attention is the engine's."""
        register()
        self._transformer.set_attn_implementation(NAME)

    def forget_layouts(self) -> None:
        """Attention is the model's own again."""
        self.fast_decode = None
        self._transformer.set_attn_implementation(self._own)

    @contextmanager
    def own_attention(self) -> Iterator[None]:
        """Within this context attention is the model's own, as pictures want it; layouts are followed again afterwards."""
        following = self._transformer.config._attn_implementation == NAME
        if following:
            self._transformer.set_attn_implementation(self._own)
        try:
            yield
        finally:
            if following:
                self._transformer.set_attn_implementation(NAME)

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], layout: Layout, rows: Sequence[int]) -> Tensor:
        """Logits (len(rows), V), in the model's dtype, after the tokens at `rows` of the chunk (of a step: all)."""
        if self.fast_decode is not None and layout.step is not None:
            return self.fast_decode.forward(tokens, layout)
        with laid_out(layout):
            return self._run(tokens, layout.positions, rows)

    @torch.inference_mode()
    def forward_alone(self, tokens: Sequence[int], rows: Sequence[int]) -> Tensor:
        """The same for one ordinary sequence, with whatever attention the model has set."""
        single = Layout(tuple(range(len(tokens))), (Tree((TokenSpan(0, len(tokens), 0),)),))
        with laid_out(single):
            return self._run(tokens, single.positions, rows)

    def _run(self, tokens: Sequence[int], positions: Sequence[int], rows: Sequence[int]) -> Tensor:
        logits: Tensor = self.model(
            input_ids=torch.tensor([tokens], device=self.device),
            position_ids=torch.tensor([positions], device=self.device),
            use_cache=False,
            logits_to_keep=torch.tensor(rows, dtype=torch.long, device=self.device),
        ).logits[0]
        return logits


def embedding_of(model: "PreTrainedModel") -> Tensor:
    """The weight of the input embedding, whose device and dtype stand for the model's."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, Tensor)
    return weight
