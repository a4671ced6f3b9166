"""The facts about a model's weights that its memory follows from: of files here, or of the hub's description of them."""

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import ModelError
from .default import FAST
from .digest import digest_files
from .footprint import WIDTHS, NetworkShape, read_shape
from .headers import DTYPES, TensorBytes, gguf_config, safetensors_bytes
from .hub import hub
from .info import licence
from .local import embedded
from .local.checkpoint import Checkpoint, as_object, is_folder, whole_number
from .name import Name


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """`shape` is None, and `problem` says why, where the configuration is not understood. `stored` is what the headers of
    the files say, None where there are none; `dtype` is that of the checkpoint, `window` counts the tokens it was made for.
    `engine` computes it. `source` says where all
    this was read; `quantized` is set for weights of few bits in their files, which are held as they are stored. `files` hold the
    weights, as far as they are here."""

    engine: Literal["llms", "llama.cpp"]
    shape: NetworkShape | None
    stored: TensorBytes | None
    file_bytes: int | None
    dtype: str
    licence: str | None
    source: str
    quantized: bool = False
    problem: str = ""
    files: tuple[Path, ...] = ()
    window: int | None = None

    @property
    def digest(self) -> str:
        """Of the files here, remembered once it was computed; empty where there are none."""
        return digest_files(self.files[0].parent, [path.name for path in self.files]) if self.files else ""


def weight_facts(name: Name) -> WeightFacts:
    """Of a local name. Asks the hub, for a description only, where the name says hf: and it is not here.

    Raises ModelError or HubUnreachable.
    """
    if name.provider == "gguf":
        return _of_gguf(name)
    if name.provider == "smollm2":
        if not (embedded.folder() / "config.json").is_file():
            return _unconverted()
        return _of_checkpoint(Checkpoint(embedded.folder(), name.allow), embedded.LICENCE)
    if is_folder(name.model):
        folder = Path(name.model).expanduser()
        if not (folder / "config.json").is_file():
            raise ModelError(f"{name.model} has no config.json; expected the folder of a checkpoint")
        return _of_checkpoint(Checkpoint(folder.resolve(), name.allow), licence(folder))
    if (here := hub.local_snapshot(name.model, name.revision, hub.patterns(name.allow))) is not None:
        return _of_checkpoint(Checkpoint(here, name.allow), licence(here))
    return _of_hub(name)


def _of_gguf(name: Name) -> WeightFacts:
    path, terms = Path(name.model).expanduser(), None
    if name.text.partition("?")[0] == FAST and not path.exists():
        path, terms = embedded.installed(), embedded.LICENCE
    if not path.is_file():
        raise ModelError(f"the GGUF file {path} does not exist; expected a file, or smollm2 for the embedded model")
    parts = tuple(_parts(path))
    size, (shape, window) = sum(part.stat().st_size for part in parts), _gguf_shape(path)
    return WeightFacts("llama.cpp", shape, None, size, "float16", terms, str(path), True, files=parts, window=window)


def _parts(path: Path) -> list[Path]:
    """All files of a GGUF model that was split, else the one."""
    match = re.fullmatch(r"(.*-)\d{5}(-of-\d{5}\.gguf)", path.name)
    return sorted(path.parent.glob(f"{match[1]}?????{match[2]}")) if match else [path]


def _unconverted() -> WeightFacts:
    """The embedded model before its checkpoint is there: what its conversion will give."""
    path = embedded.installed()
    shape, window = _gguf_shape(path)
    size = 4 * shape.parameters
    return WeightFacts("llms", shape, None, size, "float32", embedded.LICENCE, str(path), window=window)


def _gguf_shape(path: Path) -> tuple[NetworkShape, int | None]:
    """The network of a GGUF file, and its window where the file says it."""
    config = gguf_config(path)
    return read_shape(config), whole_number(config.get("max_position_embeddings"), 0) or None


def _of_checkpoint(checkpoint: Checkpoint, terms: str | None) -> WeightFacts:
    files = tuple(checkpoint.folder / file for file in checkpoint.weight_files)
    headers = [path for path in files if path.suffix == ".safetensors"]
    facts = _facts(
        checkpoint,
        safetensors_bytes(headers) if headers else None,
        checkpoint.weight_bytes or None,
        terms,
        str(checkpoint.folder),
    )
    return replace(facts, files=files)


def _of_hub(name: Name) -> WeightFacts:
    with tempfile.TemporaryDirectory(prefix="llms-") as folder:
        offer = hub.ask(name.model, name.revision, Path(folder))
        if not (Path(folder) / "config.json").is_file():
            raise ModelError(f"hf:{name.model} has no config.json, so it is not a model that llms can load")
        checkpoint = Checkpoint(Path(folder), name.allow)
        size = offer.bytes(hub.WEIGHTS) or offer.bytes(hub.PICKLED) or None
        return _facts(
            checkpoint, _offered(offer.parameters), size, licence(Path(folder)), f"hf:{name.model} on the hub"
        )


def _offered(parameters: dict[str, int]) -> TensorBytes | None:
    """Numbers by data type, as the hub read them in the headers."""
    if not parameters or not parameters.keys() <= DTYPES.keys():
        return None
    sizes = {DTYPES[kind]: WIDTHS[DTYPES[kind]] * count for kind, count in parameters.items()}
    return TensorBytes(sum(sizes.values()), sum(parameters.values()), max(sizes, key=lambda kind: sizes[kind]))


def _facts(
    checkpoint: Checkpoint, stored: TensorBytes | None, size: int | None, terms: str | None, source: str
) -> WeightFacts:
    quantized = bool(as_object(checkpoint.config.get("quantization_config")))
    dtype = stored.dtype if stored is not None and not quantized else checkpoint.dtype.removeprefix("torch.")
    try:
        shape, problem = read_shape(checkpoint.config), ""
    except ModelError as error:
        shape, problem = None, str(error)
    window = checkpoint.stated_window
    return WeightFacts("llms", shape, stored, size, dtype, terms, source, quantized, problem, window=window)
