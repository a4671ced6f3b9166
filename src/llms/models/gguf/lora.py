"""A LoRA adapter (Hu et al. 2022) as PEFT saves it, for a GGUF model: the same matrices as llama.cpp names and orders them.

As llama.cpp's convert_lora_to_gguf.py does, for architectures whose linear layers GGUF has one by one.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy

from ...errors import MissingExtra, ModelError
from ..headers import gguf_metadata
from ..local.adapter import WEIGHTS, Adapter

LAYERS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
HEADS = {"attn_q": "attention.head_count", "attn_k": "attention.head_count_kv"}
INTERLEAVED = {"llama": True, "qwen2": False, "qwen3": False}  # whether rotary pairs lie side by side in q and k
NUMBERS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def write_lora(adapter: Adapter, model: Path, target: Path) -> None:
    """Write `adapter` as a GGUF file for the GGUF model `model`. Raises ModelError if it does not fit it, or is more than plain LoRA."""
    try:
        import gguf
    except ImportError as error:
        raise MissingExtra("gguf", f"the adapter {adapter.folder}", "local") from error
    metadata, shapes = gguf_metadata(model)
    kind = str(metadata.get("general.architecture"))
    if kind not in INTERLEAVED:
        raise ModelError(
            f"the adapter {adapter.folder} cannot be added to {model.name}, a model of the kind {kind}; it can to those of the kinds "
            f"{', '.join(INTERLEAVED)}. `llms models merge` adds it to a checkpoint"
        )
    if adapter.scale is None:
        raise ModelError(
            f"the adapter {adapter.folder} is more than plain LoRA, which is all that a GGUF model takes; `llms models merge` makes a "
            "model of it"
        )
    writer = gguf.GGUFWriter(target, kind)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", adapter.scale * int(str(adapter.config["r"])))
    for key, matrix in _matrices(adapter.folder / WEIGHTS):
        layer, _, side = key.removeprefix("base_model.model.model.layers.").rpartition(".lora_")
        number, _, name = layer.partition(".")
        stored = f"blk.{number}.{LAYERS.get(name, name)}"
        size = shapes.get(f"{stored}.weight")  # (inputs, outputs)
        reads = side == "A.weight"
        if size is None or side not in ("A.weight", "B.weight") or matrix.shape[reads] != size[not reads]:
            own = "has no such layer" if size is None else f"has one of {size[1]} x {size[0]}"
            raise ModelError(
                f"the adapter {adapter.folder} is for another model ({adapter.config.get('base_model_name_or_path')}): it changes "
                f"{key} by a matrix of {' x '.join(map(str, matrix.shape))}, and {model.name} {own}"
            )
        heads = HEADS.get(stored.rpartition(".")[2])
        if not reads and heads and INTERLEAVED[kind]:
            matrix = _interleaved(matrix, int(str(metadata[f"{kind}.{heads}"])))
        writer.add_tensor(f"{stored}.weight.lora_{side[0].lower()}", numpy.ascontiguousarray(matrix))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _interleaved(matrix: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows (outputs, rank) of each head, whose rotary pairs are its halves, with each pair side by side."""
    outputs, rank = matrix.shape
    return matrix.reshape(heads, 2, outputs // heads // 2, rank).swapaxes(1, 2).reshape(outputs, rank)


def _matrices(path: Path) -> Iterator[tuple[str, numpy.ndarray]]:
    """(name, matrix in float32) of a safetensors file; read here, as numpy knows no bfloat16 and torch takes seconds to import."""
    with path.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            if entry["dtype"] not in NUMBERS:
                raise ModelError(f"{path}: {name} is stored as {entry['dtype']}; expected {', '.join(NUMBERS)}")
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            numbers = numpy.frombuffer(file.read(end - begin), NUMBERS[entry["dtype"]])
            if entry["dtype"] == "BF16":  # the upper half of a float32
                numbers = (numbers.astype("<u4") << 16).view("<f4")
            yield name, numbers.astype(numpy.float32).reshape(entry["shape"])
