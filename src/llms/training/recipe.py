"""All that a training run is to do, as one value: stored in its folder, part of what identifies what it makes."""

import json
from dataclasses import asdict, dataclass, fields, replace
from math import ceil
from pathlib import Path
from typing import Literal, Self

from ..errors import DataError
from ..values import JsonObject

Method = Literal["lora", "qlora", "full", "dpo", "pretrain"]
FILE = "recipe.json"


@dataclass(frozen=True)
class ModelShape:
    """A Llama-shaped network: `layers` blocks of `width`, `heads` of attention, a gated MLP of `inner`, tied embeddings."""

    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """All weights, the embedding once: attention 4 w², MLP 3 w inner, two norms a layer, one at the end."""
        layer = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        return self.layers * layer + self.width + self.vocabulary * self.width

    def flops_per_token(self, window: int) -> float:
        """Of the forward and backward pass over a token: 6 N, and 12 layers width window of attention, half of which is masked.

        Source: Chowdhery et al. 2022 (PaLM), appendix B, which counts attention whole.
        """
        return 6.0 * self.parameters + 6.0 * self.layers * self.width * window


@dataclass(frozen=True)
class TrainingRecipe:
    """One training run. Everything that changes its result is here; where it runs is not.

    `rows_per_step` rows make one optimizer step, `rows_at_once` of them one forward pass of one process; the loss of a step is
    the mean over its trained tokens, however they are cut. `window` is the longest row in tokens, prompt and answer. For
    `method` dpo, `rank` 0 trains all weights. For pretrain a row is a window of text, whose every token is trained; `shape` is
    the network's, and `dtype` bfloat16 computes in it with weights in float32.
    """

    model: str  # a name as everywhere, without adapter; for pretrain empty
    data: str  # a file
    method: Method = "lora"
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    learning_rate: float = 2e-4
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.03  # share of all steps
    least_rate: float = 0.0  # share of the learning rate that the schedule ends at
    beta2: float = 0.999  # of AdamW, whose beta1 is 0.9
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    epochs: float = 1.0
    max_steps: int = 0  # 0: as many as `epochs` take
    rows_per_step: int = 16
    rows_at_once: int = 4
    window: int = 1024
    train_on: Literal["answers", "all"] = "answers"
    packing: bool = True  # rows of one forward pass in one sequence, none seeing another
    validation: float = 0.05  # share of the rows, at least one, never trained
    patience: int = 0  # validations without improvement before it stops; 0: never
    validate_every: int = 0  # steps; 0: twenty times in a run
    save_every: int = 0  # steps; 0: ten times in a run
    beta: float = 0.1  # of DPO (Rafailov et al. 2023, eq. 7)
    dtype: str = "float32"
    device: str = "cpu"
    seed: int = 0
    shape: ModelShape | None = None  # of pretrain

    @property
    def adapts(self) -> bool:
        """Whether it trains an adapter, and not the model's own weights."""
        return self.method in ("lora", "qlora") or (self.method == "dpo" and self.rank > 0)

    def rows_used(self, processes: int) -> int:
        """The rows of one forward pass: no more than `rows_at_once`, and all passes of a step alike."""
        passes = ceil(self.rows_per_step / (self.rows_at_once * processes))
        return ceil(self.rows_per_step / (passes * processes))

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The recipe of a run's folder. Raises DataError."""
        path = folder / FILE
        try:
            stored: JsonObject = json.loads(path.read_text(encoding="utf-8"))
            shape = stored.get("shape")
            network = ModelShape(**shape) if isinstance(shape, dict) else None
            known = {field.name for field in fields(cls)} - {"shape"}
            settings = {key: value for key, value in stored.items() if key in known}
            return replace(cls("", ""), **settings, shape=network)  # type: ignore[arg-type]  # of the types that `write` stored
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"cannot read the recipe {path}: {error}") from error
