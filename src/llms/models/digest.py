"""SHA-256 of files, remembered by path, size and time of change, so that a large checkpoint is read once."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from .. import settings


def digest_files(folder: Path, names: Iterable[str]) -> str:
    """One digest over the named files of a folder, by name and content; 16 hex digits."""
    total = hashlib.sha256()
    known = _load()
    for name in sorted(names):
        path = (folder / name).resolve()
        stat = path.stat()
        key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in known:
            with path.open("rb") as file:
                known[key] = hashlib.file_digest(file, "sha256").hexdigest()
            _save(known)
        total.update(f"{name}\0{known[key]}\n".encode())
    return total.hexdigest()[:16]


def digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _path() -> Path:
    return settings.home() / "digests.json"


def _load() -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(_path().read_text())
    except (OSError, ValueError):
        return {}
    return known


def _save(known: dict[str, str]) -> None:
    """Written beside and renamed; two writers may lose each other's entries, never the file."""
    path = _path()
    draft = settings.private(path.with_name(f"{path.name}.{os.getpid()}"))
    draft.write_text(json.dumps(known))
    draft.replace(path)
