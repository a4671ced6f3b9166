"""A LoRA adapter (Hu et al. 2022) as PEFT saves it: found by folder or by name, checked, merged into its model."""

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ...errors import MissingExtra, ModelError, UnknownName, UnsafeCheckpoint
from ...lazy import lazy
from ...values import JsonObject
from ..digest import digest_files
from ..headers import safetensors_shapes
from .checkpoint import Checkpoint, first_line, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "base.json"
SHIPPED = Path(__file__).parents[1] / "adapters"  # those that come with llms, one folder each
ANOTHER_BASE = "another-base"
Shape = tuple[int, ...]
PLAIN: tuple[object, ...] = ("none", None, False, "", {}, [])  # of fields that would make it more than W + scale * B A
BEYOND = (
    "bias", "modules_to_save", "rank_pattern", "alpha_pattern", "use_dora", "use_qalora", "use_bdlora", "layer_replication",
    "lora_bias", "trainable_token_indices", "alora_invocation_tokens", "target_parameters", "fan_in_fan_out", "arrow_config",
    "kasa_config", "monteclora_config", "velora_config", "loftq_config", "corda_config", "eva_config", "lora_ga_config",
)  # fmt: skip


@dataclass(frozen=True)
class AdapterBase:
    """The model that an adapter was trained on: its name, and the digests of its weights, tokenizer and chat template."""

    model: str
    weights: str
    tokenizer: str = ""
    template: str = ""

    def write(self, folder: Path) -> None:
        (folder / BASE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Of an adapter's folder; None where whoever made the adapter did not say."""
        if not (folder / BASE).is_file():
            return None
        stored = read_json(folder / BASE)
        return cls(*(str(stored.get(field, "")) for field in ("model", "weights", "tokenizer", "template")))


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder."""

    folder: Path

    @lazy
    def config(self) -> JsonObject:
        return read_json(self.folder / CONFIG)

    @lazy
    def scale(self) -> float | None:
        """By which the product of its matrices is multiplied; None if it is more than W + scale * B A, which only PEFT can merge."""
        rank, alpha = self.config.get("r"), self.config.get("lora_alpha")
        if any(self.config.get(field) not in PLAIN for field in BEYOND):
            return None
        if self.config.get("init_lora_weights", True) not in (True, False, "gaussian"):  # others change the base, too
            return None
        if not isinstance(rank, int) or not isinstance(alpha, int | float) or rank < 1:
            return None
        return alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank)

    @property
    def digest(self) -> str:
        return digest_files(self.folder, [CONFIG, WEIGHTS])

    @lazy
    def shapes(self) -> Mapping[str, Shape]:
        """Of its tensors, from the header of their file. Raises ModelError."""
        return safetensors_shapes(self.folder / WEIGHTS)

    def check_base(self, checkpoint: Checkpoint, embedded: bool) -> None:
        """Raise ModelError if it was made for another model, as far as files say so: nothing is loaded.

        `embedded`: the model comes with llms. Its conversion may differ in bytes from one version of transformers to the
        next, so that there the name says which it is.
        """
        files = [checkpoint.folder / name for name in checkpoint.weight_files if name.endswith(".safetensors")]
        sizes = {name: shape for file in files for name, shape in safetensors_shapes(file).items()}
        if any(f"{layer}.weight" in sizes for layer, _ in self._layers()):  # else transformers renames what is stored
            self._fits(sizes)
        base = AdapterBase.read(self.folder)
        if base is None or ANOTHER_BASE in checkpoint.allow or (embedded and base.model.partition("?")[0] == "smollm2"):
            return
        if base.weights and base.weights != checkpoint.weights_digest:
            raise ModelError(
                f"the adapter {self.folder} was trained on {base.model} (weights {base.weights}); those of "
                f"{checkpoint.folder} are {checkpoint.weights_digest}. If these are the same model in another form, add "
                f"the option allow={ANOTHER_BASE}"
            )

    def merged(self, model: "PreTrainedModel") -> "PreTrainedModel":
        """`model` with the adapter's products added to its weights, at no cost when it computes.

        Raises ModelError if the adapter was trained on a model of another shape, MissingExtra without PEFT.
        """
        if find_spec("peft") is None:
            raise MissingExtra("peft", f"the adapter {self.folder}", "train")
        from peft import PeftModel

        self._fits({name: tuple(parameter.shape) for name, parameter in model.named_parameters()})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of what PEFT asks transformers for
                merged: PreTrainedModel = PeftModel.from_pretrained(model, str(self.folder)).merge_and_unload(
                    safe_merge=True
                )
                return merged
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(f"the adapter {self.folder} cannot be merged: {first_line(error)}") from error

    def _layers(self) -> list[tuple[str, Shape]]:
        """(layer, shape) of each of its plain matrices, A and B."""
        names = [
            (key.removeprefix("base_model.model.").rpartition(".lora_"), shape) for key, shape in self.shapes.items()
        ]
        return [(name[0], shape) for name, shape in names if name[2] in ("A.weight", "B.weight")]

    def _fits(self, sizes: Mapping[str, Shape]) -> None:
        """PEFT ignores matrices that fit no layer, so each is looked up first."""
        base = self.config.get("base_model_name_or_path")
        turned = bool(self.config.get("fan_in_fan_out"))
        for key, shape in self.shapes.items():
            layer, _, kind = key.removeprefix("base_model.model.").rpartition(".lora_")
            if kind not in ("A.weight", "B.weight"):
                continue
            size = sizes.get(f"{layer}.weight")
            if size is None and layer == "lm_head":  # tied to the embedding, and stored once
                continue
            reads = kind == "A.weight"
            if size is None or len(size) < 2 or size[reads ^ turned] != shape[reads]:
                own = "has no such layer" if size is None else f"has one of {' x '.join(map(str, size))}"
                raise ModelError(
                    f"the adapter {self.folder} is for another model ({base}): it changes {layer} by a matrix of "
                    f"{shape[0]} x {shape[1]}, and this model {own}"
                )


def shipped_adapters() -> list[str]:
    """The names of the adapters that come with llms."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))


def find_adapter(text: str) -> Adapter:
    """The adapter in a folder, or one that comes with llms by its name alone; `./name` is always a folder.

    Raises ModelError or UnknownName with what is wrong.
    """
    if text in shipped_adapters():
        return Adapter(SHIPPED / text)
    folder = Path(text).expanduser()
    if not folder.exists() and text and "/" not in text and shipped_adapters():
        raise UnknownName("adapter", text, [*shipped_adapters(), "./FOLDER"])
    if not (folder / CONFIG).is_file():
        what = f"has no {CONFIG}" if folder.is_dir() else "does not exist"
        raise ModelError(f"the adapter folder {text} {what}; expected {CONFIG} and {WEIGHTS}, as PEFT saves them")
    if not (folder / WEIGHTS).is_file():
        if (folder / "adapter_model.bin").is_file():
            raise UnsafeCheckpoint(f"{folder / 'adapter_model.bin'} is pickled; save the adapter as {WEIGHTS}")
        raise ModelError(f"the adapter folder {text} has no {WEIGHTS}")
    adapter = Adapter(folder.resolve())
    kind = adapter.config.get("peft_type")
    if kind != "LORA":
        raise ModelError(f"the adapter {text} is of type {kind}; only LORA can be merged into a model")
    return adapter
