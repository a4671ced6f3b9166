"""A LoRA adapter (Hu et al. 2022) as PEFT saves it: found, checked, merged into the model it was trained on."""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import MissingExtra, ModelError, UnsafeCheckpoint
from ...lazy import lazy
from ...values import JsonObject
from ..digest import digest_files
from .checkpoint import first_line, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder."""

    folder: Path

    @lazy
    def config(self) -> JsonObject:
        return read_json(self.folder / CONFIG)

    @property
    def digest(self) -> str:
        return digest_files(self.folder, [CONFIG, WEIGHTS])

    def merged(self, model: "PreTrainedModel") -> "PreTrainedModel":
        """`model` with the adapter's products added to its weights, at no cost when it computes.

        Raises ModelError if the adapter was trained on a model of another shape.
        """
        from peft import PeftModel

        self._fits(model)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of what PEFT asks transformers for
                merged: PreTrainedModel = PeftModel.from_pretrained(model, str(self.folder)).merge_and_unload(
                    safe_merge=True
                )
                return merged
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError(f"the adapter {self.folder} cannot be merged: {first_line(error)}") from error

    def _fits(self, model: "PreTrainedModel") -> None:
        """PEFT ignores matrices that fit no layer, so each is looked up first."""
        from safetensors import SafetensorError, safe_open

        sizes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        try:
            with safe_open(self.folder / WEIGHTS, framework="pt") as file:
                shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(f"cannot read {self.folder / WEIGHTS}: {error}") from error
        base = self.config.get("base_model_name_or_path")
        for key, shape in shapes.items():
            layer, _, kind = key.removeprefix("base_model.model.").rpartition(".lora_")
            if kind not in ("A.weight", "B.weight"):
                continue
            size = sizes.get(f"{layer}.weight")
            turned = bool(self.config.get("fan_in_fan_out"))
            reads = kind == "A.weight"
            if size is None or size[reads ^ turned] != shape[reads]:
                own = "has no such layer" if size is None else f"has one of {size[0]} x {size[1]}"
                raise ModelError(
                    f"the adapter {self.folder} is for another model ({base}): it changes {layer} by a matrix of "
                    f"{shape[0]} x {shape[1]}, and this model {own}"
                )


def find_adapter(text: str) -> Adapter:
    """The adapter in a folder. Raises ModelError or MissingExtra with what is wrong."""
    folder = Path(text).expanduser()
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
    if find_spec("peft") is None:
        raise MissingExtra("peft", f"the adapter {text}", "train")
    return adapter
