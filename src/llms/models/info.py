"""Facts of a model without loading it: of a checkpoint on this machine, or of one on the hub before a download."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from ..errors import ModelError, UnsafeCheckpoint
from ..values import Json
from .hub import hub
from .local import embedded
from .local.checkpoint import Checkpoint, find, is_folder
from .name import Name

if TYPE_CHECKING:
    from typing import Unpack


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """`bytes` lie on the disk, or would be fetched; `pickled` bytes come only with consent. None is unknown.

    `parameters` counts stored numbers: of a checkpoint that is quantized in its file, packed ones.
    """

    name: str
    place: Literal["here", "hub"]
    path: str
    revision: str | None
    bytes: int
    pickled: int
    parameters: int | None
    dtype: str | None
    context_window: int
    licence: str | None
    gated: bool
    chat_template: bool
    tokenizer: str | None
    architecture: str | None


def about_here(name: Name, checkpoint: Checkpoint) -> ModelInfo:
    """Of a checkpoint on this machine."""
    return _about(
        name,
        checkpoint,
        place="here",
        path=str(checkpoint.folder),
        revision=checkpoint.folder.name if checkpoint.folder.parent.name == "snapshots" else None,
        bytes=sum(file.stat().st_size for file in checkpoint.folder.rglob("*") if file.is_file()),
        pickled=0,
        parameters=_parameters(checkpoint),
        licence=embedded.LICENCE if name.provider == "smollm2" else licence(checkpoint.folder),
        gated=False,
    )


def about_hub(name: Name) -> ModelInfo:
    """Of a model on the hub; asks for its description only. Raises HubUnreachable or ModelError."""
    with tempfile.TemporaryDirectory(prefix="llms-") as folder:
        offer = hub.ask(name.model, name.revision, Path(folder))
        if not (Path(folder) / "config.json").is_file():
            raise ModelError(
                f"hf:{name.model} has no config.json, so it is not a model that llms can load{_gguf(offer)}"
            )
        return _about(
            name,
            Checkpoint(Path(folder), name.allow),
            place="hub",
            path=f"hf:{name.model}",
            revision=offer.commit,
            bytes=offer.bytes(hub.patterns(name.allow)),
            pickled=0 if "pickle" in name.allow or offer.bytes(hub.WEIGHTS) else offer.bytes(hub.PICKLED),
            parameters=offer.parameters,
            licence=licence(Path(folder)),
            gated=offer.gated,
        )


def about(name: Name) -> ModelInfo:
    """Of a model on this machine, else on the hub."""
    if name.provider == "smollm2":
        return about_here(name, find(str(embedded.checkpoint()), None, frozenset()))
    if is_folder(name.model):
        return about_here(name, find(name.model, None, name.allow))
    here = hub.local_snapshot(name.model, name.revision, hub.patterns(name.allow))
    return about_hub(name) if here is None else about_here(name, Checkpoint(here, name.allow))


def check_offer(info: ModelInfo) -> None:
    """Raise UnsafeCheckpoint if a model on the hub has nothing but pickled weights, to which the user has not consented."""
    if info.pickled:
        raise UnsafeCheckpoint(
            f"{info.path} has only pickled weights: loading them can run any code of their author. "
            "If you trust it, add the option allow=pickle"
        )


def licence(folder: Path) -> str | None:
    """As the model card in `folder` states it."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    from huggingface_hub import ModelCard

    try:
        data = ModelCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
    except ValueError:
        return None
    named = data.get("license_name") or data.get("license")
    return None if named is None else str(named)


class _Source(TypedDict):
    """Facts that come from where a model lies rather than from its configuration."""

    place: Literal["here", "hub"]
    path: str
    revision: str | None
    bytes: int
    pickled: int
    licence: str | None
    gated: bool


def _about(name: Name, checkpoint: Checkpoint, *, parameters: dict[str, int], **source: Unpack[_Source]) -> ModelInfo:
    config, text_config = checkpoint.config, checkpoint.text_config
    stated = text_config.get("dtype") or text_config.get("torch_dtype") or config.get("torch_dtype")
    largest = max(parameters, key=lambda kind: parameters[kind], default=None)
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else config.get("model_type")
    return ModelInfo(
        name=name.text,
        parameters=sum(parameters.values()) or None,
        dtype=_DTYPES.get(largest or "", largest) or _text(stated),
        context_window=checkpoint.context_window,
        chat_template=checkpoint.chat_template is not None,
        tokenizer=_text(checkpoint.tokenizer_config.get("tokenizer_class")),
        architecture=_text(named),
        **source,
    )


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "I8": "int8", "U8": "uint8"}


def _parameters(checkpoint: Checkpoint) -> dict[str, int]:
    """Numbers by data type, from the headers of the weight files."""
    from huggingface_hub import get_local_safetensors_metadata
    from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

    try:
        return {str(kind): n for kind, n in get_local_safetensors_metadata(checkpoint.folder).parameter_count.items()}
    except (NotASafetensorsRepoError, SafetensorsParsingError, OSError):
        return {}


def _gguf(offer: hub.HubSnapshot) -> str:
    files = [name for name in offer.files if name.endswith(".gguf")]
    return f"; it has GGUF files such as {files[0]}: download one and name it gguf:./{files[0]}" if files else ""
