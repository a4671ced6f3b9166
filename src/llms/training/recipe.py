"""All that a training run is to do, as one value: stored in its folder, part of what identifies what it makes."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, Self

from ..errors import DataError
from ..values import JsonObject

Method = Literal["lora", "qlora", "full", "dpo", "pretrain"]
FILE = "recipe.json"


@dataclass(frozen=True)
class TrainingRecipe:
    """One training run. Everything that changes its result is here; where it runs is not.

    `rows_per_step` rows make one optimizer step, `rows_at_once` of them one forward pass of one process; the loss of a step is
    the mean over its trained tokens, however they are cut. `window` is the longest row in tokens, prompt and answer. For
    `method` dpo, `rank` 0 trains all weights.
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

    @property
    def adapts(self) -> bool:
        """Whether it trains an adapter, and not the model's own weights."""
        return self.method in ("lora", "qlora") or (self.method == "dpo" and self.rank > 0)

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The recipe of a run's folder. Raises DataError."""
        path = folder / FILE
        try:
            stored: JsonObject = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name for field in fields(cls)}
            return replace(cls("", ""), **{key: value for key, value in stored.items() if key in known})  # type: ignore[arg-type]  # of the types that `write` stored
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"cannot read the recipe {path}: {error}") from error
