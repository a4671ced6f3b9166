"""Carries out a Build: weights read, an adapter merged, quantized, under an engine. Runs where the engine runs."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

import torch
from safetensors import SafetensorError, safe_open

from ...engine import Engine, single_thread
from ...engine.allocator import give_back
from ...engine.llama import CLASSES, Llama, read_sizes
from ...engine.proof import prove_llama
from ...errors import MissingExtra, ModelError
from ...lazy import load_library
from ...values import JsonObject
from .adapter import Adapter
from .build import Build
from .checkpoint import Checkpoint, end_ids, first_line, indexed_files, read_json
from .int8 import to_int8
from .lora import with_adapter

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel

    Loader: TypeAlias = Callable[..., tuple[PreTrainedModel, Mapping[str, Collection[str]]]]


def construct(build: Build) -> Engine:
    """The Engine of `build`. Raises ModelError if weights are missing or do not fit."""
    if build.device == "cpu":
        single_thread()
    config = read_json(Path(build.folder) / "config.json")
    if (llama := _llama(build, config)) is not None:
        if build.quantize == "int8":
            _round(llama, build)
        engine = Engine(llama, Checkpoint(Path(build.folder)).ends, build.single)
        if engine.verdict.supports_tree_attention:
            return engine
    model = by_transformers(build)
    ends = model.generation_config.eos_token_id if model.generation_config else None
    return Engine(model, end_ids(model.config.get_text_config().eos_token_id if ends is None else ends), build.single)


def by_transformers(build: Build, attention: str | None = None) -> "PreTrainedModel":
    """The model in transformers' class, on its device; `attention` is which implementation, its own choice if None."""
    try:
        load_library("transformers")
        import transformers
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "a local model", "local") from error
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    quantization = _quantization(build)
    model = _load(build, None if build.adapter else quantization, attention)
    if build.adapter:
        model = Adapter(Path(build.adapter)).merged(model)
    if build.adapter and quantization is not None:  # four bits are made of the sum
        again = cast(
            "Callable[..., PreTrainedModel]", type(model).from_pretrained
        )  # takes a configuration in its place
        weights = model.state_dict()
        model = again(
            None,
            quantization_config=quantization,
            config=model.config,
            state_dict=weights,
            dtype=model.dtype,
            **_placement(build),
        )
    if build.quantize == "int8":
        _round(model, build)
    _compute_as_asked(model, build)
    if quantization is not None and build.device == "cpu":
        _let_go(model)
    if getattr(model, "hf_quantizer", None) is None:  # a quantized one is in its place
        torch.nn.Module.to(model, torch.device(build.device))
    return model


def _llama(build: Build, config: JsonObject) -> Llama | None:
    """The model without transformers, its weights mapped from the files; None where only transformers knows how."""
    files, ends = _safetensors(Path(build.folder)), Checkpoint(Path(build.folder)).ends
    other = build.device != "cpu" or build.sees or build.quantize not in ("", "int8") or "auto_map" in config
    if other or not files or not ends or find_spec("transformers") is None:
        return None
    sizes = read_sizes(config)
    if sizes is None or config.get("architectures") != [CLASSES[sizes.kind]]:
        return None
    if not prove_llama(sizes, config).supports_tree_attention:
        return None
    weights: dict[str, torch.Tensor] = {}
    try:
        for path in files:
            with safe_open(path, framework="pt") as file:
                weights |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot load {build.folder}: {first_line(error)}") from error
    if build.adapter:
        changed = with_adapter(weights, Adapter(Path(build.adapter)))
        if changed is None:
            return None
        weights = changed
    try:
        return Llama(sizes, {name: tensor.to(_dtype(build)) for name, tensor in weights.items()})
    except (KeyError, ValueError):  # transformers knows more names, or says what is missing
        return None


def _load(build: Build, quantization: "BitsAndBytesConfig | None", attention: str | None) -> "PreTrainedModel":
    import transformers

    # its annotation knows one result only; with output_loading_info there are two
    auto = transformers.AutoModelForImageTextToText if build.sees else transformers.AutoModelForCausalLM
    load = cast("Loader", auto.from_pretrained)
    options = {} if quantization is None else {"quantization_config": quantization}
    try:
        model, loading = load(
            build.folder,
            dtype=_dtype(build),
            trust_remote_code=build.remote_code,
            use_safetensors=None if build.pickle else True,
            output_loading_info=True,
            **({} if attention is None else {"attn_implementation": attention}),
            **options,
            **_placement(build),
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"cannot load {build.folder}: {first_line(error)}") from error
    missing = sorted(loading["missing_keys"])
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise ModelError(f"{build.folder} lacks the tensors {shown}; the checkpoint is incomplete, fetch it again")
    return model


class _Placement(TypedDict, total=False):
    device_map: dict[str, str]


def _placement(build: Build) -> _Placement:
    """Quantized weights are put where they will be used at once; others are moved there later."""
    stored = "quantization_config" in read_json(Path(build.folder) / "config.json")
    return {"device_map": {"": build.device}} if build.quantize == "nf4" or stored else {}


def _quantization(build: Build) -> "BitsAndBytesConfig | None":
    """bitsandbytes' 4-bit NormalFloat (Dettmers et al. 2023), computing in `dtype`; None if it is not asked for."""
    if build.quantize != "nf4":
        return None
    import transformers

    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=_dtype(build)
    )


def _round(model: "PreTrainedModel | Llama", build: Build) -> None:
    if not to_int8(model):
        raise ModelError(f"{build.folder} has no linear layers that int8 could round; leave quantize= out")


def _let_go(model: torch.nn.Module) -> None:
    """Give back what four bits were made of: weights that stay as they are would keep their whole file in memory."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.clone()
    give_back()


def _compute_as_asked(model: torch.nn.Module, build: Build) -> None:
    """Keep layers of bitsandbytes from bfloat16 where another dtype is asked for, and from shapes that its kernel for
    AVX512-BF16 cannot pack: it takes both from the processor alone (bitsandbytes 0.50, functional.py)."""
    layers: Iterator[Any] = model.modules()  # of a library that is not always there
    for layer in layers:
        if getattr(layer, "support_avx512bf16_for_cpu", False):
            state = layer.weight.quant_state
            rows, columns = state.shape
            fits = rows % 32 == 0 and columns % state.blocksize == 0
            layer.support_avx512bf16_for_cpu = build.dtype == "bfloat16" and fits


def _dtype(build: Build) -> torch.dtype:
    dtype = getattr(torch, build.dtype)
    assert isinstance(dtype, torch.dtype)
    return dtype


def _safetensors(folder: Path) -> list[Path]:
    """The files that hold the model, as transformers chooses them; empty if there are none of this kind."""
    index, whole = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if whole.is_file():
        return [whole]
    return [folder / name for name in indexed_files(index)] if index.is_file() else []
