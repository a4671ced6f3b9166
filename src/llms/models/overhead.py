"""The memory beside weights and KV cache: here by what the engine allocates, on a GPU by rule of thumb."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..values import Json
from .footprint import WIDTHS, NetworkShape, kv_cache_bytes, position_bytes, weight_bytes
from .weights import WeightFacts

CHUNK_TOKENS = 1024  # of prompts that are read at once: engine.scorer's
CACHE_BYTES = 1 << 30  # of keys and values on a processor: engine.decoder's
MOST_ROWS = 32  # requests decoded at once: engine.decoder's
SMALLEST = 4096  # tokens that a context of llama.cpp has room for, at least: gguf.model's
SLICE = 64  # tokens that llama.cpp reads at once: gguf.llama's
TOKEN_BYTES = 600  # of an entry of the vocabulary, with its merges, in the tokenizers of both engines: measured
SLACK = 0.5  # of the KV cache: what the allocator keeps between its tensors and those of a chunk: measured
CUDA_BYTES = 1 << 29  # a CUDA context with its libraries, about


@dataclass(frozen=True, slots=True)
class Overhead:
    """`parts` by name, bytes each; `positions` is how many tokens there is room for where that is more than the window.
    `reclaimable` bytes, of all that the model takes, are pages of a file, which the system drops where memory is short."""

    bytes: int
    parts: Mapping[str, Json]
    positions: int | None = None
    reclaimable: int = 0


def rows_at_once(facts: WeightFacts, shape: NetworkShape, dtype: str, context: int, batch: int) -> int:
    """How many of `batch` requests the engine holds at once on a processor; the others wait."""
    if facts.engine == "llama.cpp":
        return 1  # it works a batch off one by one
    return max(1, min(batch, MOST_ROWS, CACHE_BYTES // (context * position_bytes(shape, dtype))))


def host_overhead(
    facts: WeightFacts, shape: NetworkShape, dtype: str, quantize: str, context: int, rows: int
) -> Overhead:
    """On a processor."""
    if facts.engine == "llama.cpp":
        return _llama_cpp(shape, context)
    return _engine(facts, shape, dtype, quantize, context, rows)


def gpu_overhead(shape: NetworkShape, dtype: str, rows: int) -> Overhead:
    """On a GPU: CUDA's own memory, activations of a chunk of 1024 tokens, logits of a row each in float32."""
    activations = CHUNK_TOKENS * (3 * shape.inner + 8 * shape.hidden) * WIDTHS[dtype]
    logits = 4 * max(1, rows) * shape.vocabulary
    parts = {"CUDA, bytes": CUDA_BYTES, "activations, bytes": activations, "logits, bytes": logits}
    return Overhead(sum(parts.values()), parts)


def _llama_cpp(shape: NetworkShape, context: int) -> Overhead:
    positions = max(SMALLEST, 1 << (context - 1).bit_length())
    parts = {
        "logits as computed and as handed out, bytes": 2 * 4 * SLICE * shape.vocabulary,
        "tokenizer, bytes": TOKEN_BYTES * shape.vocabulary,
    }
    return Overhead(sum(parts.values()), parts, positions)


def _engine(facts: WeightFacts, shape: NetworkShape, dtype: str, quantize: str, context: int, rows: int) -> Overhead:
    """The most of two moments: while the file is mapped and converted, and while a chunk of prompts is computed.

    Where the file has the dtype that is computed in, tensors are views of its pages, which stay mapped beside the linear
    layers that were laid out anew (engine.prepack). Where not, all tensors are converted, and the allocator keeps for the
    KV cache what laying them out set free.
    """
    width = WIDTHS[dtype]
    whole, linear, head = (count * width for count in (shape.parameters, shape.linear, shape.embedding))
    file = facts.stored.bytes if facts.stored is not None else facts.file_bytes or whole
    held, kv = weight_bytes(shape, dtype, quantize), kv_cache_bytes(shape, dtype, context, rows)
    packed = head if quantize else head + linear
    parts: dict[str, Json] = {
        "tokenizer, bytes": TOKEN_BYTES * shape.vocabulary,
        "activations, bytes": (work := min(CHUNK_TOKENS, context) * (3 * shape.inner + 8 * shape.hidden) * width),
        "slack of the allocator, bytes": (slack := int(SLACK * kv)),
        "layers laid out anew, bytes": packed,
    }
    total = TOKEN_BYTES * shape.vocabulary + work + slack + packed
    if facts.dtype == dtype:
        pages = linear if quantize else 0  # the rest of the file is the weights themselves
        parts["pages of the file, bytes"] = pages
        return Overhead(total + pages, parts, reclaimable=linear)
    rounded = held - (whole - linear) if quantize else 0
    computing = whole + rounded + packed + max(0, kv + work + slack - linear)
    most = max(file + whole, computing) + TOKEN_BYTES * shape.vocabulary
    parts["conversion, bytes"] = most - held - kv - total
    return Overhead(most - held - kv, parts, reclaimable=max(0, file + whole - computing))
