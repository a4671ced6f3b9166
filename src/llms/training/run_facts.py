"""The facts that identify a training run beside its recipe: the base model's files, the data's, versions, machine. One file, `run.json`."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Self

from .. import __version__
from ..errors import DataError
from ..models.local.adapter import AdapterBase
from ..values import JsonObject

FILE = "run.json"
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "bitsandbytes")


@dataclass(frozen=True)
class RunFacts:
    """`data_sha256` is of the whole file; `left_out` counts rows by reason; `marks` say what a reader must know of the run, such
    as an overlap with a benchmark."""

    base: AdapterBase
    licence: str
    repository: str  # of the base on the hub; empty where it is none
    data_name: str
    data_sha256: str
    data_bytes: int
    rows: int
    validation_rows: int
    tokens: int
    trained_tokens: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    processes: int = 1
    command: str = ""
    begun: str = ""  # ISO 8601, UTC

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Of a run's folder. Raises DataError."""
        path = folder / FILE
        try:
            stored: JsonObject = json.loads(path.read_text(encoding="utf-8"))
            base, marks = stored["base"], stored["marks"]
            if not isinstance(base, dict) or not isinstance(marks, list):
                raise TypeError("base or marks")
            return cls(**{**stored, "base": AdapterBase(**base), "marks": tuple(marks)})  # type: ignore[arg-type]  # as `write` stored it
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"cannot read {path}: {error}") from error


def versions() -> dict[str, str]:
    """Of llms, Python and the libraries that train, as far as they are installed."""
    result = {"llms": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            result[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return result


def sha256_of(path: Path) -> str:
    """Of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
