"""Files that tools made, written where a person finds them; none that is there is replaced."""

import re
from pathlib import Path

from .. import settings

ODD = re.compile(r"[^\w.-]+")


def folder() -> Path:
    """`files` of LLMS_HOME, made if need be, for its owner alone."""
    return settings.private_directory(settings.home() / "files")


def write(directory: Path, name: str, data: bytes) -> Path:
    """Write to the first of name, name-2, … that is free; what a tool calls a file leads nowhere else."""
    safe = ODD.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip("._")[-100:] or "file"
    stem, dot, suffix = safe.rpartition(".")
    stem, suffix = (stem, f".{suffix}") if dot else (suffix, "")
    number = 1
    while True:
        path = directory / f"{stem}{'' if number == 1 else f'-{number}'}{suffix}"
        try:
            with path.open("xb") as file:
                file.write(data)
            return path
        except FileExistsError:
            number += 1
