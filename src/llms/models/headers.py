"""The first bytes of files of weights: tensors of safetensors and GGUF files. Reads no weights."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from ..errors import ModelError
from ..values import Json, JsonObject

LONGEST = 100_000_000  # bytes of a header, as the safetensors library allows them
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}  # GGUF's value types
TEXT, ARRAY = 8, 9
DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16", "I8": "int8", "U8": "uint8"}


@dataclass(frozen=True, slots=True)
class TensorBytes:
    """Bytes and numbers of all tensors; `dtype` is that of most of the bytes."""

    bytes: int
    numbers: int
    dtype: str


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as the header of a safetensors file has it; `dtype` as it is written there, F32."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


def safetensors_bytes(files: Sequence[Path]) -> TensorBytes:
    """Of the headers of safetensors files (https://github.com/huggingface/safetensors#format): eight bytes of length, then
    JSON. Raises ModelError if one is none."""
    total = numbers = 0
    kinds: dict[str, int] = {}
    for path in files:
        for tensor in _stored_tensors(path):
            total, numbers = total + tensor.bytes, numbers + prod(tensor.shape)
            kinds[tensor.dtype] = kinds.get(tensor.dtype, 0) + tensor.bytes
    kind = max(kinds, key=lambda name: kinds[name], default="F32")
    return TensorBytes(total, numbers, DTYPES.get(kind, kind))


def safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a safetensors file, by its name. Raises ModelError if it is none."""
    return {tensor.name: tensor.shape for tensor in _stored_tensors(path)}


def _stored_tensors(path: Path) -> list[StoredTensor]:
    try:
        with path.open("rb") as file:
            header = json.loads(_read(file, struct.unpack("<Q", file.read(8))[0]))
        tensors = [(name, tensor) for name, tensor in header.items() if name != "__metadata__"]
        return [
            StoredTensor(name, tuple(each["shape"]), each["dtype"], each["data_offsets"][1] - each["data_offsets"][0])
            for name, each in tensors
        ]
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError, OverflowError, IndexError) as error:
        raise ModelError(f"{path} does not begin with a safetensors header: {error}; fetch it again") from error


def gguf_metadata(path: Path) -> tuple[JsonObject, dict[str, tuple[int, ...]]]:
    """The metadata of a GGUF file but its arrays, and the shapes of its tensors, as
    https://github.com/ggml-org/ggml/blob/master/docs/gguf.md lays them out. Raises ModelError."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelError(f"{path} is not a GGUF file: it does not begin with GGUF")
            _, tensors, pairs = struct.unpack("<IQQ", file.read(20))
            metadata = {_text(file): _value(file, *struct.unpack("<I", file.read(4))) for _ in range(pairs)}
            shapes = dict(_tensor(file) for _ in range(tensors))
    except (OSError, struct.error, KeyError, UnicodeDecodeError, MemoryError, OverflowError) as error:
        raise ModelError(
            f"the header of the GGUF file {path} cannot be read: {error!r}; the file may be cut"
        ) from error
    return metadata, shapes


def gguf_config(path: Path) -> JsonObject:
    """The sizes that a GGUF file states, under the names of a `config.json` of a Llama. Raises ModelError."""
    metadata, shapes = gguf_metadata(path)
    kind = str(metadata.get("general.architecture"))
    config: dict[str, Json] = {
        "model_type": kind if kind in ("llama", "qwen2", "qwen3", "gemma", "gemma2") else "llama"
    }
    for name, key in (
        ("num_hidden_layers", "block_count"),
        ("hidden_size", "embedding_length"),
        ("intermediate_size", "feed_forward_length"),
        ("num_attention_heads", "attention.head_count"),
        ("num_key_value_heads", "attention.head_count_kv"),
        ("head_dim", "attention.key_length"),
        ("sliding_window", "attention.sliding_window"),
        ("max_position_embeddings", "context_length"),
    ):
        if (value := metadata.get(f"{kind}.{key}")) is not None:
            config[name] = value
    if "token_embd.weight" in shapes:
        config["vocab_size"] = shapes["token_embd.weight"][-1]
    return {**config, "tie_word_embeddings": "output.weight" not in shapes}


def _text(file: BinaryIO) -> str:
    return _read(file, struct.unpack("<Q", file.read(8))[0]).decode()


def _read(file: BinaryIO, length: int) -> bytes:
    if length > LONGEST:
        raise OverflowError(f"a text of {length} bytes")
    return file.read(length)


def _value(file: BinaryIO, kind: int) -> Json:
    """A value of metadata; an array is passed over, and None."""
    if kind == TEXT:
        return _text(file)
    if kind != ARRAY:
        form = f"<{SCALARS[kind]}"
        value: Json = struct.unpack(form, file.read(struct.calcsize(form)))[0]
        return value
    inner, count = struct.unpack("<IQ", file.read(12))
    if inner in (TEXT, ARRAY):
        for _ in range(count):
            _value(file, inner)
    else:
        file.seek(count * struct.calcsize(f"<{SCALARS[inner]}"), 1)
    return None


def _tensor(file: BinaryIO) -> tuple[str, tuple[int, ...]]:
    name = _text(file)
    (dimensions,) = struct.unpack("<I", file.read(4))
    shape = struct.unpack(f"<{dimensions}Q", file.read(8 * dimensions))
    file.read(12)  # type and offset
    return name, shape
