"""An adapter merged into its model as a checkpoint of its own, with proof: what is read back computes as both together do.

Loads torch, transformers and PEFT. The sum is made in float32, never in weights of few bits.
"""

import gc
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from peft import PeftModel
from torch import Tensor

from ..errors import ModelError, UsageError
from ..models.load import load
from ..models.loading import loading
from ..models.local.adapter import Adapter
from ..models.local.checkpoint import first_line
from ..models.local.construct import by_transformers
from ..models.local.model import LocalModel
from ..models.name import parse
from ..values import JsonObject, Message
from .merge_prompts import PROMPTS
from .side_files import restore_side_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_NATS = 1e-3  # that a log-probability may be off, in float32
FILE = "merge.json"
WIDTHS = {"float32": 4, "bfloat16": 2}
SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class MergeProof:
    """The parts that were merged, and how far the checkpoint that was read back is from model and adapter together.

    `largest_difference` is over all next-token log-probabilities at all positions of `prompts` prompts, in nats, float32.
    `rounding` is the same of the weights rounded to `dtype` against those in float32; 0 in float32.
    """

    base: str
    weights: str
    adapter: str
    adapter_digest: str
    prompts: int
    positions: int
    largest_difference: float
    dtype: str
    rounding: float
    bytes: int
    seconds: float

    def to_json(self) -> JsonObject:
        return asdict(self)


def merge_adapter(text: str, out: Path, dtype: str = "float32") -> MergeProof:
    """Write the model named `text`, with its adapter, into the new folder `out` as a checkpoint without one.

    The folder appears only when the proof held. Raises UsageError for a name that has nothing to merge, ModelError where an
    adapter cannot be merged without loss or the proof fails, with the difference that was measured.
    """
    started = perf_counter()
    model, adapter = _check(text, out, dtype)
    base = parse(text)
    with (
        loading("merging", text),
        tempfile.TemporaryDirectory(prefix=f".{out.name}-draft-", dir=out.parent) as scratch,
        torch.inference_mode(),
    ):
        draft = Path(scratch) / out.name
        prompts = list(_prompts(model))
        worst, rounding = _proved(model, adapter, draft, dtype, prompts)
        restore_side_files(draft, model.checkpoint)
        proof = MergeProof(
            base.text.partition("?")[0] if base.provider == "smollm2" else f"{base.provider}:{base.model}",
            model.checkpoint.weights_digest,
            str(adapter.folder),
            adapter.digest,
            len(prompts),
            sum(map(len, prompts)),
            worst,
            dtype,
            rounding,
            sum(file.stat().st_size for file in draft.rglob("*") if file.is_file()),
            perf_counter() - started,
        )
        (draft / FILE).write_text(json.dumps(proof.to_json(), indent=1) + "\n", encoding="utf-8")
        draft.rename(out)
    return proof


def _check(text: str, out: Path, dtype: str) -> tuple[LocalModel, Adapter]:
    """The model and its adapter. Raises what can be known before anything is loaded."""
    if dtype not in WIDTHS:
        raise UsageError(f"a merged model is stored in {' or '.join(WIDTHS)}, not in {dtype}")
    name = parse(text)
    if "adapter" not in name.options:
        raise UsageError(
            f"{text} names no adapter to merge; write it as {text}{'&' if name.options else '?'}adapter=FOLDER"
        )
    if name.provider == "gguf":
        raise UsageError(f"{text}: a GGUF file cannot be merged into; name the checkpoint that it was made of")
    if quantize := name.options.get("quantize"):
        raise UsageError(
            f"{text}: merging into {quantize} would round the sum and lose what was trained; leave quantize= out here, and "
            "name the merged model with it afterwards"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already; name a folder that does not")
    if not out.parent.is_dir():
        raise UsageError(f"the folder {out.parent} does not exist; make it, or name another for the merged model")
    model = load(text)
    if not isinstance(model, LocalModel) or model.adapter is None or model.checkpoint.sees:
        raise UsageError(f"{text}: adapters are merged into language models of which a checkpoint is here")
    model.check()
    check_tied(model, model.adapter)
    needed = model.checkpoint.weight_bytes * WIDTHS[dtype] // WIDTHS.get(model.checkpoint.dtype, 2) + SPARE_BYTES
    if (free := shutil.disk_usage(out.parent).free) < needed:
        raise ModelError(f"the merged model takes {needed / 1e9:.1f} GB in {out.parent}; {free / 1e9:.1f} GB are free")
    return model, model.adapter


def check_tied(model: LocalModel, adapter: Adapter) -> None:
    """Raise ModelError if the adapter changes one of two matrices that the model stores as one.

    Saved and read back, the changed one is lost: the other's values are read in its place.
    """
    if not model.checkpoint.text_config.get("tie_word_embeddings"):
        return
    names = ("embed_tokens", "lm_head", "wte", "embed_in", "embed_out")
    touched = sorted({part for key in adapter.shapes for part in key.split(".") if part in names})
    if touched:
        raise ModelError(
            f"the adapter {adapter.folder} changes {' and '.join(touched)}, and {model.name.text} stores embedding and head "
            "as one matrix: merged and read back, one of the two would be lost. Use it as an adapter, or train it on other "
            "layers (target_modules all-linear leaves both out)"
        )


def _proved(
    model: LocalModel, adapter: Adapter, draft: Path, dtype: str, prompts: Sequence[Sequence[int]]
) -> tuple[float, float]:
    """Save the sum in `draft`; the largest difference in nats, and what rounding added. Raises ModelError if it is too large."""
    build = replace(model.build(), adapter="", dtype="float32", quantize="")
    network = by_transformers(build).eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what PEFT asks transformers for
            adapted = PeftModel.from_pretrained(network, str(adapter.folder)).eval()
            expected = [logprobs(adapted, ids) for ids in prompts]
            merged: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"the adapter {adapter.folder} cannot be merged: {first_line(error)}") from error
    exact = [logprobs(merged, ids) for ids in prompts] if dtype != "float32" else []
    merged.to(getattr(torch, dtype)).save_pretrained(draft)
    stored = {name: tensor.clone() for name, tensor in merged.state_dict().items()} if exact else {}
    del network, adapted, merged
    gc.collect()
    back = by_transformers(replace(build, folder=str(draft), dtype=dtype, remote_code=build.remote_code)).eval()
    if exact:
        state = back.state_dict()
        if lost := [
            name for name, tensor in stored.items() if name not in state or not torch.equal(tensor, state[name])
        ]:
            raise ModelError(f"the merged model was not read back as it was saved: {lost[0]} differs; nothing was kept")
        worst = max(map(_apart, exact, expected))
        rounding = max(map(_apart, exact, (logprobs(back.float(), ids) for ids in prompts)))
    else:
        worst, rounding = max(map(_apart, expected, (logprobs(back, ids) for ids in prompts))), 0.0
    if not worst <= MOST_NATS:
        raise ModelError(
            f"the merged model is off from model and adapter by {worst:.2g} nats; at most {MOST_NATS:g} are allowed, so "
            "nothing was kept. Use the adapter as it is"
        )
    return worst, rounding


def logprobs(network: torch.nn.Module, ids: Sequence[int]) -> Tensor:
    """(T, V) log-probabilities of the next token at each position, float32, on the processor."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits: Tensor = network(input_ids=torch.tensor([list(ids)], device=device), use_cache=False).logits[0]
        return logits.float().log_softmax(-1).cpu()


def _apart(one: Tensor, other: Tensor) -> float:
    if one.shape != other.shape:
        return float("inf")
    difference = (one - other).abs()
    return float(difference[~(one == other)].max()) if bool((one != other).any()) else 0.0


def _prompts(model: LocalModel) -> Iterator[list[int]]:
    """As text, and every second one as a chat where the model has a template."""
    for index, prompt in enumerate(PROMPTS):
        chat = index % 2 and model.template is not None
        text = model.render([Message("user", prompt)]) if chat else prompt
        ids = model.tokenizer.encode([text], special=not chat)[0][: min(128, model.context_window)]
        model.check_tokens(ids)
        yield ids
