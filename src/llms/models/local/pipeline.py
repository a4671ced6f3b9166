"""A diffusers pipeline in a folder or on the hub: several models beside each other, listed in model_index.json."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError, UnsafeCheckpoint
from ...lazy import lazy
from ...values import JsonObject
from ..digest import digest_files
from ..hub import hub
from .checkpoint import PICKLED, Checkpoint, is_folder, read_json

INDEX = "model_index.json"
WANTED = (INDEX, "*/*.json", "*/*.safetensors", "*/*.txt", "*/*.model", "*/*.jinja", "README.md")


@dataclass(frozen=True)
class PipelineCheckpoint(Checkpoint):
    """The folder of a pipeline. Weights are those of all its parts."""

    @lazy
    def config(self) -> JsonObject:
        return read_json(self.folder / INDEX)

    @lazy
    def weight_files(self) -> list[str]:
        names = sorted(str(file.relative_to(self.folder)) for file in self._files())
        return [n for n in names if n.endswith(".safetensors")] or [n for n in names if n.endswith(PICKLED)]

    @property
    def weights_digest(self) -> str:
        return digest_files(self.folder, [*self.weight_files, INDEX])

    @property
    def tokenizer_digest(self) -> str:
        """Of the small files of all parts: tokenizers, schedulers, configurations."""
        names = [
            str(file.relative_to(self.folder)) for file in self._files() if file.suffix in (".json", ".txt", ".model")
        ]
        return digest_files(self.folder, sorted(names))

    def _files(self) -> Iterator[Path]:
        """The files of its parts, those alone that the index names."""
        return (file for part in self.config if not part.startswith("_") for file in (self.folder / part).glob("*"))

    def check(self) -> "PipelineCheckpoint":
        """Raise ModelError or UnsafeCheckpoint if this cannot, or must not, be loaded."""
        if not self.weight_files:
            raise ModelError(
                f"{self.folder} holds no weights; expected *.safetensors in the folders that {INDEX} names"
            )
        if self.weight_files[0].endswith(PICKLED) and "pickle" not in self.allow:
            raise UnsafeCheckpoint(
                f"{self.folder / self.weight_files[0]} is pickled: loading it can run any code of its author. "
                "If you trust it, add the option allow=pickle"
            )
        return self


def find_pipeline(model: str, revision: str | None, allow: frozenset[str]) -> PipelineCheckpoint:
    """The pipeline of a folder, or of a hub name: from the cache, else downloaded."""
    if not is_folder(model):
        return PipelineCheckpoint(hub.snapshot(model, revision, WANTED), allow).check()
    folder = Path(model).expanduser()
    if not (folder / INDEX).is_file():
        what = f"has no {INDEX}" if folder.is_dir() else "does not exist"
        raise ModelError(f"the pipeline folder {model} {what}; expected one as diffusers saves it")
    return PipelineCheckpoint(folder.resolve(), allow).check()
