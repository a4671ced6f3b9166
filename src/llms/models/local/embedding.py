"""Embedding models: a checkpoint that turns a text into one vector, as sentence-transformers would.

Its files `modules.json`, `sentence_bert_config.json`, `1_Pooling/config.json` and `config_sentence_transformers.json` say
how, where they are present; without them the mean over all tokens is taken.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ContextOverflow, MissingExtra, ModelError, UsageError
from ...lazy import lazy
from ..loading import loading
from ..name import Name, parse
from .checkpoint import Checkpoint, find

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


def open_embedding(text: str) -> "EmbeddingModel":
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
        window = self.checkpoint.context_window
        config = self.checkpoint.config
        if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
            window = min(window, config["max_position_embeddings"] - (config.get("pad_token_id") or 1) - 1)
        return min(window, self.recipe.longest or window)

    @property
    def _vocabulary(self) -> int:
        return self.checkpoint.text_config["vocab_size"]

    @lazy
    def _tokenizer(self) -> Any:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "an embedding model", "local") from error
        return AutoTokenizer.from_pretrained(
            str(self.checkpoint.folder), trust_remote_code="remote-code" in self.checkpoint.allow
        )

    @lazy
    def _network(self) -> Any:
        with loading("loading", self.name.text):
            return self._load()

    def _load(self) -> Any:
        """Raises ModelError if weights are missing or do not fit."""
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "an embedding model", "local") from error
        from ...engine import single_thread

        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        single_thread()
        folder, options = str(self.checkpoint.folder), self.name.options
        try:
            loaded: Any = transformers.AutoModel.from_pretrained(
                folder,
                dtype=getattr(torch, options.get("dtype", "float32")),
                trust_remote_code="remote-code" in self.checkpoint.allow,
                use_safetensors=None if "pickle" in self.checkpoint.allow else True,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise ModelError(f"cannot load {folder}: {str(error).strip().splitlines()[0]}") from error
        network, found = loaded
        missing = sorted(key for key in found["missing_keys"] if "pooler" not in key)
        if missing:
            raise ModelError(f"{folder} lacks the tensors {', '.join(missing[:3])}; the checkpoint is incomplete")
        return network.eval().to(options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu"))

    def prepare(self) -> None:
        """Load the weights now, if they are not."""
        with self._lock:
            _ = self._network

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        texts = [self.recipe.prompt + (text.lower() if self.recipe.lower else text) for text in texts]
        return self._tokenizer(texts, verbose=False)["input_ids"] if texts else []

    def embed(self, inputs: Sequence[str | Sequence[int]]) -> Vectors:
        """One vector per text, or per list of token ids, which are taken as they are. Raises
        ContextOverflow and ModelError."""
        texts = [given for given in inputs if isinstance(given, str)]
        encoded = iter(self.tokens(texts))
        rows = [next(encoded) if isinstance(given, str) else list(given) for given in inputs]
        for place, row in enumerate(rows):
            if not row or len(row) > self.context_window:
                raise ContextOverflow(
                    f"input {place} is {len(row)} tokens; {self.name.text} takes 1 to {self.context_window}"
                )
            if max(row) >= self._vocabulary:
                raise ModelError(f"input {place} has token id {max(row)}; the vocabulary has {self._vocabulary}")
        vectors: list[list[float]] = [[] for _ in rows]
        order = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
        while order:
            batch = order[: max(1, BATCH_TOKENS // len(rows[order[0]]))]
            order = order[len(batch) :]
            with self._lock:
                made = self._run([rows[place] for place in batch])
            for place, vector in zip(batch, made, strict=True):
                vectors[place] = vector
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
            vectors = _pool(states, mask, self.recipe.pooling)
            if self.recipe.normalize:
                vectors = torch.nn.functional.normalize(vectors, dim=-1)
        return vectors.tolist()

    def close(self) -> None:
        """Let go of the weights."""
        self.__dict__.pop("_network", None)


def _pool(states: Any, mask: Any, pooling: str) -> Any:
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
    """What sentence-transformers' files in the folder say. Raises ModelError where they ask for what is not known."""
    folder = checkpoint.folder
    if not (folder / "modules.json").is_file():
        architectures = checkpoint.config.get("architectures") or ["an unnamed class"]
        if any("CausalLM" in name or "LMHeadModel" in name for name in architectures):
            raise ModelError(f"{folder} is {architectures[0]}: it generates text and was not made for embeddings")
        return Recipe()
    modules = {
        module["type"].rpartition(".")[2]: folder / module["path"] for module in _json(folder / "modules.json", [])
    }
    if unknown := sorted(set(modules) - {"Transformer", "Pooling", "Normalize"}):
        raise ModelError(f"{folder} has the module {unknown[0]}; only Transformer, Pooling and Normalize are known")
    inner = _json(modules.get("Transformer", folder) / "sentence_bert_config.json", {})
    prompts = _json(folder / "config_sentence_transformers.json", {})
    return Recipe(
        _pooling(_json(modules["Pooling"] / "config.json", {})) if "Pooling" in modules else "mean",
        "Normalize" in modules,
        inner.get("max_seq_length"),
        bool(inner.get("do_lower_case")),
        (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name") or "", ""),
    )


def _pooling(config: dict[str, Any]) -> str:
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


def _json(path: Path, default: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default
    except ValueError as error:
        raise ModelError(f"cannot read {path}: {error}") from error
