"""Models of other kinds than causal ones, by transformers' auto classes: whole, on their device, ready to compute."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
import transformers

from ...engine import single_thread
from ...errors import ModelError
from .checkpoint import Checkpoint, first_line

if TYPE_CHECKING:
    Loader: TypeAlias = Callable[..., tuple[transformers.PreTrainedModel, Mapping[str, Collection[str]]]]

Auto = Literal[
    "AutoModel",
    "AutoModelForAudioClassification",
    "AutoModelForCTC",
    "AutoModelForImageClassification",
    "AutoModelForImageTextToText",
    "AutoModelForMaskedLM",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForTextToSpectrogram",
    "AutoModelForTextToWaveform",
    "AutoModelForTokenClassification",
    "AutoModelForZeroShotImageClassification",
    "SpeechT5HifiGan",  # has no auto class
]


def load_auto(
    auto: Auto, checkpoint: Checkpoint, options: Mapping[str, str], spare: str = ""
) -> transformers.PreTrainedModel:
    """The checkpoint as the class `auto` chooses. `options` are those of its name: dtype, device. Tensors whose names
    hold `spare` may be missing. Raises ModelError if others are, or do not fit."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    single_thread()
    folder, load = str(checkpoint.folder), _loader(auto)
    try:
        network, info = load(
            folder,
            dtype=getattr(torch, options.get("dtype", "float32")),
            trust_remote_code="remote-code" in checkpoint.allow,
            use_safetensors=None if "pickle" in checkpoint.allow else True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"cannot load {folder}: {first_line(error)}") from error
    missing = sorted(key for key in info["missing_keys"] if not spare or spare not in key)
    if missing:
        raise ModelError(f"{folder} lacks the tensors {', '.join(missing[:3])}; the checkpoint is incomplete")
    network.eval()
    device = options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.nn.Module.to(network, torch.device(device))
    return network


def _loader(auto: Auto) -> "Loader":
    """`from_pretrained`, whose own annotation does not know that output_loading_info gives two results."""
    load: Loader = getattr(transformers, auto).from_pretrained
    return load
