"""Checkpoints that a run can go on from: sealed by a manifest when they are whole, looked at before they are trusted.

`checkpoints/checkpoint-N` holds what transformers' Trainer wrote after step N, and `manifest.json`: size and SHA-256 of each
file. It is written last, at once, so that a checkpoint without it was being written when its process ended. Knows no torch.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import DiskFull
from ..values import JsonObject

CHECKPOINTS = "checkpoints"
MANIFEST = "manifest.json"
NEEDED = ("trainer_state.json", "optimizer.pt", "scheduler.pt")  # without which a resumed run is another one
KEEP = 2  # newest intact checkpoints; one may still tear, by a disk that lies
MARGIN = 16 << 20  # bytes that stay free beside a checkpoint: the log, what others write meanwhile
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# how writers that are not Python say that: safetensors (Rust) by the error's number, PyTorch's zip writer by its place
FULL_SIGNS = ("os error 28", "os error 122", "os error 27", "No space left", "PytorchStreamWriter", "inline_container")


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A file as the manifest has it."""

    name: str
    bytes: int
    sha256: str


def folder_of(folder: Path, step: int) -> Path:
    """Where the run in `folder` keeps its checkpoint of `step`; the name is transformers'."""
    return folder / CHECKPOINTS / f"checkpoint-{step}"


def steps(folder: Path) -> list[int]:
    """Steps of which there is a checkpoint, whole or not, the newest first."""
    names = [path.name for path in (folder / CHECKPOINTS).glob("checkpoint-*") if path.is_dir()]
    return sorted((int(match[1]) for name in names if (match := re.fullmatch(r"checkpoint-(\d+)", name))), reverse=True)


def seal(checkpoint: Path) -> int:
    """Write the manifest of a checkpoint whose files are all there, in one move; its bytes. Raises OSError."""
    files = [_describe(checkpoint, path) for path in sorted(checkpoint.rglob("*")) if path.is_file()]
    files = [file for file in files if file.name != MANIFEST]
    begun = checkpoint / f".{MANIFEST}"
    with begun.open("w", encoding="utf-8") as file:
        json.dump({each.name: {"bytes": each.bytes, "sha256": each.sha256} for each in files}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    begun.replace(checkpoint / MANIFEST)
    return sum(file.bytes for file in files)


def torn(checkpoint: Path) -> str:
    """Why a checkpoint cannot be gone on from; empty where every file is as it was written."""
    path = checkpoint / MANIFEST
    if not path.is_file():
        return "it has no manifest: the process ended while it was being written"
    try:
        manifest: dict[str, JsonObject] = json.loads(path.read_text(encoding="utf-8"))
        described = [CheckpointFile(name, int(str(e["bytes"])), str(e["sha256"])) for name, e in manifest.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its manifest cannot be read: {error}"
    names = {file.name for file in described}
    if missing := [name for name in NEEDED if name not in names]:
        return f"it was written without {', '.join(missing)}"
    for file in described:
        stored = checkpoint / file.name
        if not stored.is_file():
            return f"{file.name} is missing"
        if (size := stored.stat().st_size) != file.bytes:
            return f"{file.name} has {size:,} bytes; {file.bytes:,} were written"
    for file in described:  # only then what takes reading
        if _digest(checkpoint / file.name) != file.sha256:
            return f"{file.name} is not what was written: its SHA-256 differs"
    return ""


def newest_intact(folder: Path) -> tuple[tuple[int, Path] | None, list[str]]:
    """((step, path) of the newest checkpoint that is whole, or None; a sentence for each newer one that is not)."""
    reasons: list[str] = []
    for step in steps(folder):
        path = folder_of(folder, step)
        if not (reason := torn(path)):
            return (step, path), reasons
        reasons.append(f"the checkpoint of step {step:,} is torn and was passed over: {reason}")
    return None, reasons


def thin(folder: Path, best: int | None = None) -> list[int]:
    """Delete all but the KEEP newest whole checkpoints and that of step `best`, torn ones too; the steps deleted.

    Sizes are looked at and not digests: this is done after each checkpoint.
    """
    whole = [step for step in steps(folder) if (folder_of(folder, step) / MANIFEST).is_file()]
    staying = {*whole[:KEEP], best}
    removed = [step for step in steps(folder) if step not in staying]
    for step in removed:
        discard(folder_of(folder, step))
    return removed


def discard(checkpoint: Path) -> None:
    """Remove a checkpoint: its manifest first, so that what is left, if the process ends here, is none."""
    (checkpoint / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def refuse_without_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise DiskFull unless `needed` bytes, and a margin, are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN:
        raise DiskFull(
            f"{purpose} needs about {needed:,} bytes, and {free:,} are free in {folder} ({MARGIN:,} of them are left for "
            f"others). Free at least {needed + MARGIN - free:,} bytes; the checkpoints before it are whole"
        )


def make_space(folder: Path, step: int, needed: int) -> Path:
    """Where the checkpoint of `step`, of about `needed` bytes, is to be written: what an earlier attempt left there is removed.
    Raises DiskFull."""
    checkpoint = folder_of(folder, step)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    discard(checkpoint)
    refuse_without_space(checkpoint.parent, needed, f"the checkpoint of step {step:,}")
    return checkpoint


@contextmanager
def removed_if_full(checkpoint: Path, needed: int) -> Iterator[None]:
    """Within it a checkpoint is written. Where the disk is full before it is whole, what there is of it is removed and DiskFull
    raised; whichever library wrote."""
    from safetensors import SafetensorError  # of the extra `local`; derived from none of Python's own

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _means_full(error):
            raise
        written = sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file())
        discard(checkpoint)
        free = shutil.disk_usage(checkpoint.parent).free
        raise DiskFull(
            f"the disk was full after {written:,} bytes of {checkpoint.name}, which needs about {needed:,}; without it {free:,} "
            f"bytes are free in {checkpoint.parent}. It was removed and the run stopped; the checkpoints before it are whole. "
            f"Free {max(needed + MARGIN - free, 0):,} bytes or more, or raise what a file may have, and resume the run ({error})"
        ) from error


def _means_full(error: BaseException) -> bool:
    """Whether the disk, or what a user may write, was full, whichever library wrote."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return any(sign in str(error) for sign in FULL_SIGNS)


def _describe(checkpoint: Path, path: Path) -> CheckpointFile:
    return CheckpointFile(path.relative_to(checkpoint).as_posix(), path.stat().st_size, _digest(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
