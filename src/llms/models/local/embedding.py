"""Embedding models: a checkpoint that turns a text into one vector, as sentence-transformers would.

Its files `modules.json`, `sentence_bert_config.json`, `1_Pooling/config.json` and `config_sentence_transformers.json` say
how, where they are present; without them the mean over all tokens is taken.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ContextOverflow, MissingExtra, ModelError, UsageError
from ...lazy import lazy, load_library
from ...values import Json, JsonObject
from ..loading import loading
from ..name import Name, parse
from .checkpoint import Checkpoint, as_object, find, whole_number

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH_TOKENS = 4096  # of one forward pass, padding included
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How token states become a vector. `longest` counts tokens; `prompt` is set before every text."""

    pooling: str = "mean"
    normalize: bool = False
    longest: int | None = None
    lower: bool = False
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Vectors:
    """`rows` are (n, D) as nested lists, `tokens` how many the texts had together."""

    rows: list[list[float]]
    tokens: int


def open_embedding(text: str) -> EmbeddingModel:
    """The embedding model that `text` names; weights are not yet loaded. Raises as `models.load` does."""
    name = parse(text)
    if name.provider != "hf":
        raise UsageError(f"{text} makes no embeddings; name a checkpoint that does, as hf:./folder or hf:owner/name")
    allow = frozenset(filter(None, name.options.get("allow", "").split(",")))
    return EmbeddingModel(name, find(name.model, name.revision, allow))


class EmbeddingModel:
    """Texts to vectors. May be called from several threads; they take turns."""

    def __init__(self, name: Name, checkpoint: Checkpoint):
        self.name, self.checkpoint = name, checkpoint
        self.recipe = read_recipe(checkpoint)
        self._lock = threading.Lock()

    @property
    def context_window(self) -> int:
        """The longest text, in tokens with those that the tokenizer adds."""
        window = self.checkpoint.encoder_window
        return min(window, self.recipe.longest or window)

    @lazy
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        try:
            load_library("transformers")
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "an embedding model", "local") from error
        return AutoTokenizer.from_pretrained(
            str(self.checkpoint.folder), trust_remote_code="remote-code" in self.checkpoint.allow
        )

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            return self._load()

    def _load(self) -> PreTrainedModel:
        """Raises ModelError if weights are missing or do not fit."""
        try:
            from .auto import load_auto  # torch and transformers, four seconds
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "an embedding model", "local") from error
        return load_auto("AutoModel", self.checkpoint, self.name.options, spare="pooler")

    def prepare(self) -> None:
        """Load the weights now, if they are not."""
        with self._lock:
            _ = self._network

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        texts = [self.recipe.prompt + (text.lower() if self.recipe.lower else text) for text in texts]
        ids: list[list[int]] = self._tokenizer(texts, verbose=False)["input_ids"] if texts else []
        return ids

    def embed(self, inputs: Sequence[str | Sequence[int]]) -> Vectors:
        """One vector per text, or per list of token ids, which are taken as they are. Raises
        ContextOverflow and ModelError."""
        encoded = iter(self.tokens([text for text in inputs if isinstance(text, str)]))
        rows = [next(encoded) if isinstance(item, str) else list(item) for item in inputs]
        for index, row in enumerate(rows):
            if not row or len(row) > self.context_window:
                raise ContextOverflow(
                    f"input {index} is {len(row)} tokens; {self.name.text} takes 1 to {self.context_window}"
                )
            if max(row) >= self.checkpoint.vocabulary:
                raise ModelError(
                    f"input {index} has token id {max(row)}; the vocabulary has {self.checkpoint.vocabulary}"
                )
        vectors: list[list[float]] = [[] for _ in rows]
        order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        while order:
            batch = order[: max(1, BATCH_TOKENS // len(rows[order[0]]))]
            order = order[len(batch) :]
            with self._lock:
                computed = self._run([rows[index] for index in batch])
            for index, vector in zip(batch, computed, strict=True):
                vectors[index] = vector
        return Vectors(vectors, sum(map(len, rows)))

    def _run(self, rows: list[list[int]]) -> list[list[float]]:
        """Rows of falling length -> their vectors."""
        import torch

        device = self._network.device
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [pad] * (len(rows[0]) - len(row)) for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (len(rows[0]) - len(row)) for row in rows], device=device)
        with torch.inference_mode():
            states = self._network(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            vectors = pool(states, mask, self.recipe.pooling)
            if self.recipe.normalize:
                vectors = torch.nn.functional.normalize(vectors, dim=-1)
        nested: list[list[float]] = vectors.tolist()
        return nested

    def close(self) -> None:
        """Let go of the weights."""
        self.__dict__.pop("_network", None)


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """states (B, T, D), mask (B, T) of right-padded rows -> (B, D)."""
    import torch

    if pooling == "cls":
        return states[:, 0]
    if pooling == "lasttoken":
        return states[torch.arange(len(states)), mask.sum(1) - 1]
    weights = mask.unsqueeze(-1).float()
    if pooling == "max":
        return states.masked_fill(weights == 0, float("-inf")).amax(1)
    if pooling == "weightedmean":
        weights = weights * torch.arange(1, states.shape[1] + 1, device=states.device)[None, :, None]
    total = weights.sum(1)
    return (states * weights).sum(1) / (total.sqrt() if pooling == "mean_sqrt_len_tokens" else total)


def read_recipe(checkpoint: Checkpoint) -> Recipe:
    """The recipe in sentence-transformers' files in the folder. Raises ModelError where they ask for what is not known."""
    folder = checkpoint.folder
    if not (folder / "modules.json").is_file():
        listed = checkpoint.config.get("architectures")
        architectures = [str(name) for name in listed] if isinstance(listed, list) else []
        if any("CausalLM" in name or "LMHeadModel" in name for name in architectures):
            raise ModelError(f"{folder} is {architectures[0]}: it generates text and was not made for embeddings")
        return Recipe()
    listed = _json(folder / "modules.json")
    entries = [as_object(module) for module in listed] if isinstance(listed, list) else []
    modules = {str(entry["type"]).rpartition(".")[2]: folder / str(entry["path"]) for entry in entries}
    if unknown := sorted(set(modules) - {"Transformer", "Pooling", "Normalize"}):
        raise ModelError(f"{folder} has the module {unknown[0]}; only Transformer, Pooling and Normalize are known")
    inner = as_object(_json(modules.get("Transformer", folder) / "sentence_bert_config.json"))
    prompts = as_object(_json(folder / "config_sentence_transformers.json"))
    default = prompts.get("default_prompt_name") or ""
    return Recipe(
        _pooling(as_object(_json(modules["Pooling"] / "config.json"))) if "Pooling" in modules else "mean",
        "Normalize" in modules,
        whole_number(inner.get("max_seq_length"), 0) or None,
        bool(inner.get("do_lower_case")),
        str(as_object(prompts.get("prompts")).get(str(default)) or ""),
    )


def _pooling(config: JsonObject) -> str:
    """The one way that a pooling configuration asks for."""
    prefix = "pooling_mode_"
    asked = {key.removeprefix(prefix) for key, value in config.items() if key.startswith(prefix) and value is True}
    stated = config.get("pooling_mode")
    asked |= {stated} if isinstance(stated, str) else set()
    named = {{"cls_token": "cls", "max_tokens": "max", "mean_tokens": "mean", "weightedmean_tokens": "weightedmean"}.get(
        name, name) for name in asked}  # fmt: skip
    if len(named) != 1 or not named <= set(POOLINGS):
        raise ModelError(
            f"pooling by {' and '.join(sorted(named)) or 'nothing'} is not known; known: {', '.join(POOLINGS)}"
        )
    return named.pop()


def _json(path: Path) -> Json:
    """The JSON in a file; None where there is none."""
    try:
        content: Json = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    return content
