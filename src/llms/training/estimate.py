"""The needs of a run, by arithmetic before it starts: memory, disk, time, and the most rows at once that fit. Loads no torch.

The tensors that a forward pass leaves for the backward pass were counted (by hooks on what autograd saves) over ten shapes of
networks, and follow the formula of `saved_numbers` exactly; `benchmarks/training_memory.py` holds the sum against processes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import UsageError
from ..models.footprint import FAMILIES, WIDTHS, NetworkShape, weight_bytes
from .arithmetic import emulates
from .checkpoints import KEEP
from .lengths import LargestPass, RowLengths, largest_passes
from .recipe import TrainingRecipe

PROCESS_BYTES = 575 << 20  # of Python with torch, transformers, peft, trl and datasets: measured, resident
CUDA_BYTES = 1 << 29  # a CUDA context with its libraries, about: not of what PyTorch allocates
PROVED_ROWS, PROVED_TOKENS = 4, 128  # `passes`: rows on which the ways of computing are compared before the first step
LOGIT_COPIES = (
    5  # of a proof by the network's own logits: themselves, the trained, log-softmax, its gradient and theirs
)
LEAN = ("llama", "mistral", "qwen2", "qwen3", "smollm3")  # RMS norms and gates by SiLU, with the names `lean` looks for
HEAD_TOKENS = 256  # trained tokens whose logits lie in memory at once: `head`
FREE_SHARE = 0.9  # of the free memory that is planned with
SLACK = 1.05  # what the allocator loses between tensors
EFFICIENCY = {"cpu": 0.5, "cuda": 0.3}  # of the FLOP/s of square matrix products that training reaches, about


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """`memory_bytes` is the peak of one process (or of the GPU), `first_step_bytes` that until the first step is done; `parts`
    are what it is made of. `free_bytes` is there for all `processes`. `most_rows_at_once` fits in it, more than a step has or not; 0
    if not even one does.
    `disk_bytes` are checkpoints, while one is written, and the result. `seconds` is rough, None without a rate."""

    steps: int
    rows_at_once: int
    memory_bytes: int
    first_step_bytes: int
    parts: Mapping[str, int]
    free_bytes: int
    most_rows_at_once: int
    checkpoint_bytes: int
    disk_bytes: int
    seconds: float | None
    processes: int = 1

    @property
    def fits(self) -> bool:
        return self.memory_bytes * self.processes <= self.free_bytes


def estimate(
    recipe: TrainingRecipe,
    shape: NetworkShape,
    lengths: RowLengths,
    free_bytes: int,
    flops_per_second: float | None = None,
    processes: int = 1,
    stored_dtype: str = "",
) -> TrainingEstimate:
    """Of a run of `recipe` on rows of such lengths. `stored_dtype` is the checkpoint's where it is not the recipe's."""
    first, largest = largest_passes(lengths, recipe, processes)
    proof = _proof(lengths)
    stored = stored_dtype or recipe.dtype
    parts = memory_parts(recipe, shape, largest, proof, stored)
    early = memory_parts(recipe, shape, first, proof, stored)
    checkpoint = checkpoint_bytes(recipe, shape)
    best = 1 if recipe.validation else 0
    return TrainingEstimate(
        steps=recipe.max_steps or math.ceil(recipe.epochs * math.ceil(len(lengths) / recipe.rows_per_step)),
        rows_at_once=recipe.rows_at_once,
        memory_bytes=peak(parts),
        first_step_bytes=peak(early, first_step=True),
        parts=parts,
        free_bytes=free_bytes,
        most_rows_at_once=most_rows_at_once(recipe, shape, lengths, free_bytes, processes, stored),
        checkpoint_bytes=checkpoint,
        disk_bytes=(KEEP + 1 + best) * checkpoint + saved_bytes(recipe, shape),
        seconds=_seconds(recipe, shape, lengths, flops_per_second, processes),
        processes=processes,
    )


def refuse_too_large(estimate: TrainingEstimate, recipe: TrainingRecipe) -> None:
    """Raise UsageError where the run does not fit, with what would."""
    if estimate.fits:
        return
    needs = f"{estimate.memory_bytes * estimate.processes / 1e9:.2f} GB"
    free = f"{estimate.free_bytes / 1e9:.2f} GB are free"
    if most := min(estimate.most_rows_at_once, rows_of_process(recipe, estimate.processes)):
        raise UsageError(
            f"{recipe.rows_at_once} rows at once need about {needs} and {free}; "
            f"--rows-at-once {most} fits, with the same result"
        )
    advice = [
        *(["--processes 1"] if estimate.processes > 1 else []),
        *(["--method lora, which trains an adapter"] if recipe.method == "full" else []),
        *(["--method qlora, with the weights in four bits"] if recipe.method == "lora" else []),
        *(
            ["dtype=bfloat16 in the model's name"]
            if recipe.dtype == "float32" and not emulates("bfloat16", recipe.device)
            else []
        ),
        f"a --window below {recipe.window:,}",
        "a smaller model",
    ]
    raise UsageError(
        f"training {recipe.model or 'this model'} by {recipe.method} needs about {needs} with one row at once, and {free}; try "
        f"{', or '.join(advice)}"
    )


def most_rows_at_once(
    recipe: TrainingRecipe, shape: NetworkShape, lengths: RowLengths, free_bytes: int, processes: int, stored: str
) -> int:
    """The most rows at once, up to all, that fit in FREE_SHARE of what is free; 0 if one row does not. Steps grow with them."""
    proof, fitting = _proof(lengths), 0
    low, high = 1, max(1, rows_of_process(recipe, processes), math.ceil(len(lengths) / processes))
    while low <= high:
        middle = (low + high) // 2
        per_step = max(recipe.rows_per_step, middle * processes)
        _, largest = largest_passes(lengths, replace(recipe, rows_at_once=middle, rows_per_step=per_step), processes)
        needs = processes * peak(memory_parts(recipe, shape, largest, proof, stored))
        if needs <= FREE_SHARE * free_bytes:
            fitting, low = middle, middle + 1
        else:
            high = middle - 1
    return fitting


def rows_of_process(recipe: TrainingRecipe, processes: int) -> int:
    """Rows of a step that each process has: more are never computed at once."""
    return math.ceil(recipe.rows_per_step / processes)


def memory_parts(
    recipe: TrainingRecipe, shape: NetworkShape, largest: LargestPass, proof: LargestPass, stored: str
) -> dict[str, int]:
    """Bytes by name. Not all are there at the same time: see `peak`."""
    width, gpu = WIDTHS[recipe.dtype], recipe.device.startswith("cuda")
    weights = weight_bytes(shape, recipe.dtype, "nf4" if recipe.method == "qlora" else "")
    reference = weights if recipe.method == "dpo" and not recipe.adapts else 0
    converted = recipe.method == "qlora" or stored != recipe.dtype
    file = 0 if gpu or not converted else weight_bytes(shape, stored)
    trained_bytes = trainable(recipe, shape) * (4 if recipe.adapts else width)
    head = 2 * 4 * min(HEAD_TOKENS, max(largest.trained, 1)) * shape.vocabulary
    if not recipe.adapts:
        head += width * shape.embedding  # the gradient of the last layer's weights, before it is added
    passes = largest.tokens * saved_numbers(recipe, shape, packed=recipe.packing, lean=True) * width
    return {
        "process": CUDA_BYTES if gpu else PROCESS_BYTES,
        "weights": weights + reference,
        "file while loading": file,
        "adapter": trained_bytes if recipe.adapts else 0,
        "gradients": trained_bytes,
        "optimizer": 2 * trained_bytes,
        "activations": int(passes + 2 * largest.trained * shape.hidden * width),
        "logits": head,
        "proof": int(
            proof.tokens
            * (saved_numbers(recipe, shape, packed=False, lean=False) * width + LOGIT_COPIES * shape.vocabulary * width)
        ),
    }


def peak(parts: Mapping[str, int], first_step: bool = False) -> int:
    """The most bytes at one time: while loading, in the proof, in a step (in the first, the optimizer has its moments only once
    activations are gone)."""
    lasting = parts["process"] + parts["weights"] + parts["adapter"]
    loading = lasting + parts["file while loading"]
    proof = lasting + parts["proof"] + 2 * parts["gradients"]  # of two ways
    computing = parts["activations"] + parts["logits"]
    if first_step:
        step = lasting + parts["gradients"] + max(computing, parts["optimizer"])
    else:
        step = lasting + parts["gradients"] + parts["optimizer"] + computing
    return int(max(loading, lasting + SLACK * (max(proof, step) - lasting)))


def saved_numbers(recipe: TrainingRecipe, shape: NetworkShape, packed: bool, lean: bool) -> int:
    """Numbers that a forward pass leaves, per token, for the backward pass: of a Llama-shaped network in PyTorch 2.13.

    An adapter over frozen layers needs no input of theirs twice; packed attention has its output once more. `lean` are the
    layers of `lean`, which networks of other kinds than LEAN do without.
    """
    lean = lean and shape.kind in LEAN
    query, stored = shape.heads * shape.width, shape.kv_heads * shape.width
    gated = FAMILIES[shape.kind].matrices == 3
    thin = lean or recipe.adapts
    layer = (4 if thin else 6) * shape.hidden + (3 if lean or not gated else 4) * shape.inner + 2 * stored
    layer += (3 if packed else 2) * query + 2
    if recipe.adapts and not (lean and not recipe.dropout):
        layer += (7 if gated else 6) * recipe.rank
        if recipe.dropout:  # each adapted layer has an input and a mask of its own
            layer += 2 * (3 * shape.hidden + query + (2 if gated else 1) * shape.hidden + shape.inner)
    return shape.layers * layer + (1 if thin else 3) * shape.hidden


def trainable(recipe: TrainingRecipe, shape: NetworkShape) -> int:
    """Parameters that are trained: of an adapter on every linear layer but the last, or all."""
    if not recipe.adapts:
        return shape.parameters
    query, stored = shape.heads * shape.width, shape.kv_heads * shape.width
    matrices = FAMILIES[shape.kind].matrices
    sides = 2 * (shape.hidden + query) + 2 * (shape.hidden + stored) + matrices * (shape.hidden + shape.inner)
    return recipe.rank * shape.layers * sides


def saved_bytes(recipe: TrainingRecipe, shape: NetworkShape) -> int:
    """Bytes of the result."""
    if recipe.adapts:
        return 4 * trainable(recipe, shape)
    return weight_bytes(shape, recipe.dtype)


def checkpoint_bytes(recipe: TrainingRecipe, shape: NetworkShape) -> int:
    """Bytes of a checkpoint: what the result has, and two moments of each trained parameter."""
    width = 4 if recipe.adapts else WIDTHS[recipe.dtype]
    return saved_bytes(recipe, shape) + 2 * width * trainable(recipe, shape)


def training_flops(recipe: TrainingRecipe, shape: NetworkShape, tokens: int, trained: int) -> float:
    """Of one epoch of so many tokens: 2 a weight forward, 2 for the gradients of inputs, 2 for those of weights that are trained
    (Kaplan et al. 2020, 2.1); the last layer for trained tokens alone. A reference is one more forward pass."""
    passes = (4 if recipe.adapts else 6) + (2 if recipe.method == "dpo" else 0)
    return passes * (tokens * float(shape.linear) + trained * float(shape.embedding))


def _seconds(
    recipe: TrainingRecipe, shape: NetworkShape, lengths: RowLengths, rate: float | None, processes: int
) -> float | None:
    if rate is None:
        return None
    epochs = recipe.max_steps * recipe.rows_per_step / max(1, len(lengths)) if recipe.max_steps else recipe.epochs
    flops = training_flops(recipe, shape, int(lengths.tokens.sum()), int(lengths.trained.sum()))
    kind = "cuda" if recipe.device.startswith("cuda") else "cpu"
    speed = rate * EFFICIENCY[kind] * (processes if kind == "cuda" else 1)
    return epochs * flops / speed


def _proof(lengths: RowLengths) -> LargestPass:
    rows = lengths.tokens[:PROVED_ROWS]
    longest = int(min(rows.max(initial=0), PROVED_TOKENS))
    return LargestPass(len(rows) * longest, len(rows) * longest)  # padded
