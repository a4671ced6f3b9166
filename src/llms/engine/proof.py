"""Proofs about the models of one configuration, made on its twin and kept between runs.

The key holds what the proof rests on: class and small configuration of the twin, the device, and the versions of torch,
transformers and llms. Not in it are what the twin does not have: size, weights, their dtype and quantization, adapters.
What these could change is seen by the look at the weights that each load takes (`probe.check`).
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .. import __version__, settings
from ..lazy import load_library
from ..values import JsonObject
from .llama import CLASSES, Llama, LlamaNetwork, LlamaShape, read_sizes
from .network import Network, embedding_of
from .prepack import Packed
from .probe import probe
from .twin import NoTwin, make_twin, shrink

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

PROOF = 2  # raised when what is proved, or how, changes


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether models of a configuration follow layouts; `error` as in ProbeVerdict.

    `packs`: also when their linear weights are laid out and the originals freed. `fast_decode`: FastDecode decodes as they do.
    """

    supports_tree_attention: bool
    error: float | str
    packs: bool = False
    fast_decode: bool = False


def proof_of(model: "PreTrainedModel | Llama") -> Proof:
    """The proof for a transformers model, from an earlier run or by its twin; without a twin, by the model itself."""
    if isinstance(model, Llama):
        return Proof(True, 0.0, packs=True)  # or it would not have been made: see prove_llama
    kind = type(model)
    if kind.__module__.startswith("transformers_modules."):
        return Proof(False, "its code comes with the checkpoint, and nothing is proved of that")
    try:
        config = shrink(model.config)
    except NoTwin:
        return _try(model)
    device = embedding_of(model).device
    about = {"class": f"{kind.__module__}.{kind.__qualname__}", "config": config.to_dict()}
    try:
        return _stored_or_proved(about, device, lambda: _try(make_twin(kind, config, device)))
    except NoTwin:
        return _try(model)


def prove_llama(sizes: LlamaShape, config: JsonObject) -> Proof:
    """Whether Llama scores the twin of a `config.json` as transformers' class does."""

    def prove() -> Proof:
        load_library("transformers")
        import transformers

        transformers.utils.logging.set_verbosity_error()
        kind = getattr(transformers, CLASSES[sizes.kind])
        try:
            small = shrink(kind.config_class.from_dict(dict(config)))
            twin = make_twin(kind, small)
            weights = dict(twin.state_dict())
            if sizes.tied:
                del weights["lm_head.weight"]
            verdict = probe(LlamaNetwork(Llama(_small(small), weights)), Network(twin))
        except (NoTwin, KeyError, ValueError) as error:
            return Proof(False, f"{type(error).__name__}: {error}"[:200])
        return Proof(verdict.supports_tree_attention, verdict.error, packs=True)

    return _stored_or_proved({"llama": asdict(sizes)}, torch.device("cpu"), prove)


def _small(config: "PreTrainedConfig") -> LlamaShape:
    sizes = read_sizes(config.to_dict())
    if sizes is None:
        raise NoTwin("its small configuration says something else than it")
    return sizes


def _try(model: "PreTrainedModel") -> Proof:
    """By `model` itself, which is left as it was."""
    packed, network = Packed(model), Network(model)
    packed.free()
    verdict = probe(network)
    packs = verdict.supports_tree_attention
    if not packs and packed.layers:  # perhaps because the class reads the freed weights
        packed.undo()
        network = Network(model)
        verdict = probe(network)
    fast_decode = network.fast_decode is not None
    packed.undo()
    network.forget_layouts()
    return Proof(verdict.supports_tree_attention, verdict.error, packs, fast_decode)


def _stored_or_proved(about: Mapping[str, object], device: torch.device, prove: Callable[[], Proof]) -> Proof:
    """The proof that was stored for `about`, else the result of `prove`, stored."""
    key = json.dumps([about, _machine(device), PROOF], sort_keys=True, default=str)
    path = settings.home() / "proofs" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        return Proof(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError):
        proof = prove()
    _store(path, json.dumps(asdict(proof)))
    return proof


@cache
def _machine(device: torch.device) -> list[str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return [device.type, name, torch.__version__, metadata.version("transformers"), __version__]


def _store(path: Path, text: str) -> None:
    """Written beside, for the owner alone, and renamed. Where nothing can be written, the next run proves it again."""
    try:
        settings.private_directory(settings.home())
        path.parent.mkdir(exist_ok=True)
        number, draft = tempfile.mkstemp(dir=path.parent, prefix=".")  # mode 0600
        with os.fdopen(number, "w") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError:
        return
