"""Whether the device that a recipe names is there, and what numbers it is best trained in."""

import torch

from ..errors import UsageError


def refuse_missing(device: str) -> None:
    """Raise UsageError unless this machine has `device` (cpu, cuda, cuda:N); before anything is loaded onto it."""
    try:
        asked = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"the device {device!r} is none that PyTorch knows; expected cpu, cuda or cuda:N") from error
    if asked.type == "cpu":
        return
    if asked.type != "cuda":
        raise UsageError(f"training runs on cpu or cuda, not on {device}")
    if not torch.cuda.is_available():
        built = "PyTorch was built without CUDA" if torch.version.cuda is None else "PyTorch sees no GPU and no driver"
        raise UsageError(
            f"the device {device} was asked for and is not there: {built}. Train with --device cpu, or install the PyTorch "
            "of your CUDA version (https://pytorch.org/get-started)"
        )
    count = torch.cuda.device_count()
    if (asked.index or 0) >= count:
        raise UsageError(
            f"the device {device} was asked for; this machine has {count}, from cuda:0 to cuda:{count - 1}"
        )


def training_dtype(device: str) -> str:
    """The dtype that is trained in where the user names none: bfloat16 on a GPU that computes in it, else float32."""
    return "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"
