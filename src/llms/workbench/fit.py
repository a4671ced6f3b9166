"""Does a model fit, and how fast: from its configuration, before any download; on this machine by measurement."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .. import settings
from ..errors import LlmsError, UsageError
from ..models.default import for_chats
from ..models.footprint import WIDTHS, kv_cache_bytes, position_bytes, weight_bytes
from ..models.gpus import gpu_named
from ..models.name import OF_SYSTEMS, Name, parse
from ..models.overhead import Overhead, gpu_overhead, host_overhead, rows_at_once
from ..models.weights import WeightFacts, weight_facts
from ..store.memory_use import MemoryUse
from ..values import Json
from . import machine
from .peak_memory import measure_memory

USUAL_WINDOW = 4096
MOST = 10**9  # tokens of a window, and requests at once, of which an estimate is made


@dataclass(frozen=True, slots=True)
class Fit:
    """The bytes a system needs: weights, KV cache of `context` tokens for `batch` requests, overhead. None is unknown.

    `has_bytes` is what there is: this machine's memory, or that of the GPU named. `inputs` are the numbers that the
    estimate was made of, `verify` is the command that measures it, `measured_bytes` what was measured here. `problem` says
    why nothing can be said. `reclaimable_bytes` of the need are pages of its files, which the system drops where memory is
    short: it fits without them. A window of `window_tokens` that is shorter than the `context_tokens` asked for does not fit.
    """

    system: str
    weights_bytes: int | None
    kv_bytes: int | None
    overhead_bytes: int | None
    has_bytes: int | None
    where: str
    inputs: Mapping[str, Json]
    verify: str
    measured_bytes: int | None = None
    tokens_per_second: float | None = None
    licence: str | None = None
    local: bool = True
    problem: str = ""
    reclaimable_bytes: int = 0
    window_tokens: int | None = None
    context_tokens: int | None = None

    @property
    def needs_bytes(self) -> int | None:
        parts = (self.weights_bytes, self.kv_bytes, self.overhead_bytes)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def too_long(self) -> bool:
        """Whether more tokens are asked for than the window holds."""
        return (self.context_tokens or 0) > (self.window_tokens or MOST)

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None where either side is unknown."""
        if self.too_long:
            return False
        if not self.local:
            return True
        if self.needs_bytes is None or self.has_bytes is None:
            return None
        return self.needs_bytes - self.reclaimable_bytes <= self.has_bytes

    def to_json(self) -> dict[str, Json]:
        """The documented object that `llms models fit --json` prints."""
        return {
            "system": self.system,
            "fits": self.fits,
            "needs_bytes": self.needs_bytes,
            "weights_bytes": self.weights_bytes,
            "kv_bytes": self.kv_bytes,
            "overhead_bytes": self.overhead_bytes,
            "reclaimable_bytes": self.reclaimable_bytes,
            "has_bytes": self.has_bytes,
            "where": self.where,
            "measured_bytes": self.measured_bytes,
            "tokens_per_second": self.tokens_per_second,
            "licence": self.licence,
            "local": self.local,
            "window_tokens": self.window_tokens,
            "context_tokens": self.context_tokens,
            "problem": self.problem,
            "inputs": dict(self.inputs),
            "verify": self.verify,
        }


@dataclass(frozen=True, slots=True)
class Room:
    """Where a model is to run: `bytes` of memory, read at `bandwidth` bytes per second; `gpu`: not on the processor."""

    where: str
    bytes: int | None
    bandwidth: int | None
    gpu: bool


def fit(system: str, context: int | None = None, batch: int = 1, memory_bytes: int | None = None, gpu: str = "") -> Fit:
    """The Fit of a system, by its name, at a window of `context` tokens (None: as `window_of`). Asks the hub for a description
    only where the name says hf: and it is not here.

    Raises UsageError for a name, a GPU or a size that is none; whatever else is in the way stands in `problem`.
    """
    for value, noun in ((context, "a window of tokens"), (batch, "a batch of requests")):
        if value is not None and not 1 <= value <= MOST:
            raise UsageError(f"{noun} must be from 1 to {MOST:,}, not {value}")
    room = _room(memory_bytes, gpu)
    name = _model(system)
    if not name.local:
        elsewhere = f"at {name.address or name.provider}"
        return Fit(system, 0, 0, 0, None, elsewhere, {}, f"llms models show {system}", local=False)
    asked = f" --context {context}" if context else ""
    verify = f"llms models fit '{system}'{asked} --batch {batch} --measure"
    try:
        facts = weight_facts(name)
    except LlmsError as error:
        return Fit(system, None, None, None, room.bytes, room.where, {}, verify, problem=str(error))
    tokens = context or window_of(facts)
    answer = _estimate(system, name, facts, tokens, batch, room, verify)
    measured = None if room.gpu else _measured(system, facts, tokens, batch)
    return replace(answer, measured_bytes=measured, window_tokens=facts.window, context_tokens=tokens)


def weights_fit(numbers: int | None, stored_bytes: int | None) -> bool | None:
    """Whether so many weights alone fit this machine's memory, held as they are computed with here: on a GPU as stored, on
    the processor as float32. None where that is unknown."""
    room = _room(None, "")
    needs = stored_bytes if room.gpu else numbers and numbers * WIDTHS["float32"]
    return None if room.bytes is None or not needs else needs <= room.bytes


def window_of(facts: WeightFacts) -> int:
    """The tokens of a request, with its answer, where nobody says how many: 4,096, or the model's window where it is shorter."""
    return min(USUAL_WINDOW, facts.window or USUAL_WINDOW)


def measure(system: str, context: int | None = None, batch: int = 1) -> int:
    """The bytes that `system` takes on this machine, measured by one worker process and kept. Raises LlmsError."""
    name = _model(system)
    if not name.local:
        raise UsageError(f"{system} computes elsewhere; only a model whose weights are here takes memory here")
    facts = weight_facts(name)
    context = context or window_of(facts)
    if facts.window and context > facts.window:
        raise UsageError(
            f"the window of {system} is {facts.window:,} tokens; --context {context} is more than it takes"
        )
    count = measure_memory(name.text, context, batch)
    with MemoryUse(settings.database()) as store:
        digest = weight_facts(name).digest  # the embedded model's files are there only now
        store.keep(system, digest, machine.processor(), context, batch, count)
    return count


def _measured(system: str, facts: WeightFacts, context: int, batch: int) -> int | None:
    """Bytes that were measured of these weights, with that window and batch, on this machine."""
    if not facts.files:
        return None
    with MemoryUse(settings.database()) as store:
        latest = store.latest(system, machine.processor(), context, batch)
    return latest[1] if latest is not None and latest[0] == facts.digest else None


def _model(system: str) -> Name:
    """The name of the model that a system consists of: a team's, an agent's, its own."""
    name = parse(system)
    if name.provider == "team":
        return _model(name.options.get("model") or for_chats())
    if OF_SYSTEMS.keys() & name.options.keys():
        bare, _, query = system.partition("?")
        left = "&".join(part for part in query.split("&") if part.partition("=")[0] not in OF_SYSTEMS)
        return parse(f"{bare}?{left}" if left else bare)
    return name


def _room(memory_bytes: int | None, gpu: str) -> Room:
    if memory_bytes is not None and memory_bytes <= 0:
        raise UsageError(f"a memory of {memory_bytes} bytes; expected more than 0")
    if gpu:
        card = gpu_named(gpu)
        return Room(card.name, min(card.memory, memory_bytes or card.memory), card.bandwidth, True)
    if memory_bytes is not None:
        return Room(f"{memory_bytes / 1e9:.3g} GB", memory_bytes, None, False)
    if here := machine.gpus():
        return Room(f"this machine's {here[0].name}", here[0].bytes, None, True)
    total = machine.memory()
    return Room("this machine", total[0] if total else None, None, False)


def _estimate(system: str, name: Name, facts: WeightFacts, context: int, batch: int, room: Room, verify: str) -> Fit:
    """By arithmetic; `verify` is the command that checks it."""
    quantize = name.options.get("quantize", "")
    dtype = name.options.get("dtype") or (facts.dtype if room.gpu or facts.engine == "llama.cpp" else "float32")
    inputs: dict[str, Json] = {"read": facts.source, "computed by": facts.engine, "dtype": dtype}
    if quantize:
        inputs["quantize"] = quantize
    weights = _weights(facts, dtype, quantize)
    shape = facts.shape
    if shape is None or weights is None:
        return Fit(
            system, weights, None, None, room.bytes, room.where, inputs, verify, licence=facts.licence,
            problem=facts.problem or "its files do not say how many bytes its weights take",
        )  # fmt: skip
    inputs |= {
        "parameters": shape.parameters,
        "layers": shape.layers,
        "KV heads": shape.kv_heads,
        "head dimension": shape.width,
        "context": context,
        "batch": batch,
        "bytes per token": position_bytes(shape, dtype),
    }
    rows = batch if room.gpu else rows_at_once(facts, shape, dtype, context, batch)
    if rows < batch:
        inputs["requests at once"] = rows
    if room.gpu:
        overhead: Overhead = gpu_overhead(shape, dtype, rows)
    else:
        overhead = host_overhead(facts, shape, dtype, quantize, context, rows)
    kv = kv_cache_bytes(shape, dtype, overhead.positions or context, rows)
    inputs |= overhead.parts
    return Fit(
        system, weights, kv, overhead.bytes, room.bytes, room.where, inputs, verify,
        tokens_per_second=_bound(weights, kv, room, inputs), licence=facts.licence,
        reclaimable_bytes=overhead.reclaimable,
    )  # fmt: skip


def _weights(facts: WeightFacts, dtype: str, quantize: str) -> int | None:
    """Bytes of the weights as held: as the headers say where they are held as stored, else by arithmetic."""
    if facts.engine == "llama.cpp":
        return facts.file_bytes
    stored = facts.stored
    if stored is not None and not quantize and (facts.quantized or stored.dtype == dtype):
        return stored.bytes
    if stored is not None and not quantize and dtype in WIDTHS:
        return stored.numbers * WIDTHS[dtype]
    if facts.shape is not None:
        return weight_bytes(facts.shape, dtype, quantize)
    return facts.file_bytes if not quantize else None


def _bound(weights: int, kv: int, room: Room, inputs: dict[str, Json]) -> float | None:
    """Tokens a second of one answer at most: each token reads all weights, and its keys and values, once."""
    if room.bandwidth is None:
        return None
    inputs["bandwidth, bytes/s"] = room.bandwidth
    return room.bandwidth / (weights + kv)
