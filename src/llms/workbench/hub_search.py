"""The verb `hub search`: models and data sets of the hub, by what their listing says; nothing more is asked for any of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal

from ..data.hub import asking_hub, cached_datasets
from ..errors import UnknownName, UsageError
from ..models.hub.hub import cached
from ..tasks.catalogue import TASKS, find_task
from .fit import weights_fit

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, HfApi, ModelInfo

Kind = Literal["models", "datasets"]
Order = Literal["downloads", "likes", "updated"]
Unit = Literal["parameters", "bytes"]
LOOKED_AT = 2000  # entries of the hub's list at most, where some are left out here
NO_BUSINESS = ("-nc", "noncommercial", "non-commercial", "research", "academic")  # in names of licences
STORED = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search. `largest` counts `unit`s; None: of any size."""

    words: str = ""
    kind: Kind = "models"
    task: str = ""
    licence: str = ""
    language: str = ""
    largest: int | None = None
    unit: Unit = "parameters"
    order: Order = "downloads"
    limit: int = 20


@dataclass(frozen=True, slots=True)
class HubEntry:
    """A model or a data set as the hub lists it; None is what the listing does not say.

    `bytes` are of a model's weights as they are stored, of a data set's files. `commercial`: False where the licence
    forbids business use, None where it is not known. `fits`: whether the weights alone fit into this machine's memory as
    they are computed with here. `next` is the command that shows more of it.
    """

    name: str
    kind: Kind
    task: str
    parameters: int | None
    bytes: int | None
    licence: str
    commercial: bool | None
    languages: tuple[str, ...]
    downloads: int | None
    likes: int | None
    updated: str
    gated: bool
    fits: bool | None
    next: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries, how many were left out because they are too large or do not say their size, and what was asked for as a
    task."""

    entries: tuple[HubEntry, ...]
    too_large: int
    unknown_size: int
    task: str
    hint: str = ""


def search(wanted: Wanted) -> Listing:
    """The hub's list for `wanted`, in its order. Raises HubUnreachable, which names what is in the cache instead."""
    from huggingface_hub import HfApi

    if wanted.unit == "parameters" and wanted.largest is not None and wanted.kind == "datasets":
        raise UsageError("--largest of data sets counts bytes, as in 500MB")
    task, hint = _task(wanted.task)
    with asking_hub("a search", partial(_beside, wanted)) as (endpoint, token):
        api = HfApi(endpoint, token=token)
        listed: Iterable[HubEntry] = (
            map(_model, _models(api, wanted, task))
            if wanted.kind == "models"
            else map(_dataset, _datasets(api, wanted, task))
        )
        entries: list[HubEntry] = []
        too_large = unknown = 0
        for entry in listed if wanted.largest is None else islice(listed, LOOKED_AT):
            size = entry.parameters if wanted.unit == "parameters" else entry.bytes
            if wanted.largest is not None and size is None:
                unknown += 1
            elif wanted.largest is not None and size is not None and size > wanted.largest:
                too_large += 1
            else:
                entries.append(entry)
            if len(entries) >= wanted.limit:
                break
    return Listing(tuple(entries), too_large, unknown, task, "" if entries else hint)


def _task(name: str) -> tuple[str, str]:
    """The hub's name of a task, and what to say if nothing is there for it."""
    if not name:
        return "", ""
    try:
        return find_task(name).hub, ""
    except UnknownName as error:
        if name in {task.hub for task in TASKS.values()}:
            return name, ""
        near = f"Did you mean {' or '.join(error.near)}? " if error.near else ""
        return name, f"{name} is no task of llms; it was passed on as it is. {near}"


def _models(api: "HfApi", wanted: Wanted, task: str) -> Iterator["ModelInfo"]:
    most = f"max:{_short(wanted.largest)}" if wanted.largest is not None and wanted.unit == "parameters" else None
    yield from api.list_models(
        search=wanted.words or None,
        pipeline_tag=task or None,
        filter=[
            *([f"license:{wanted.licence}"] if wanted.licence else ()),
            *([wanted.language] if wanted.language else ()),
        ],
        num_parameters=most,
        sort="last_modified" if wanted.order == "updated" else wanted.order,
        limit=None if wanted.largest is not None else wanted.limit,
        expand=["downloads", "likes", "lastModified", "gated", "pipeline_tag", "safetensors", "gguf", "tags"],
    )


def _short(count: int) -> str:
    """A count as the hub takes it: 500M, 7B."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)


def _datasets(api: "HfApi", wanted: Wanted, task: str) -> Iterator["DatasetInfo"]:
    facets = {"task_categories": task, "license": wanted.licence, "language": wanted.language}
    yield from api.list_datasets(
        search=wanted.words or None,
        filter=[f"{facet}:{value}" for facet, value in facets.items() if value],
        sort="last_modified" if wanted.order == "updated" else wanted.order,
        limit=None if wanted.largest is not None else wanted.limit,
        expand=["downloads", "likes", "lastModified", "gated", "mainSize", "tags"],
    )


def _model(info: "ModelInfo") -> HubEntry:
    stored = dict(info.safetensors.parameters) if info.safetensors else {}
    numbers = (info.safetensors.total if info.safetensors else None) or sum(stored.values()) or None
    if numbers is None and isinstance(info.gguf, dict) and isinstance(total := info.gguf.get("total"), int):
        numbers = total
    tags = info.tags or []
    licence = _tagged(tags, "license")
    bytes_ = sum(count * STORED.get(dtype, 4) for dtype, count in stored.items()) or None
    return HubEntry(
        name=info.id, kind="models", task=info.pipeline_tag or "", parameters=numbers, bytes=bytes_, licence=licence,
        commercial=_commercial(licence), languages=tuple(tag for tag in tags if tag.isalpha() and tag.islower() and len(tag) == 2),
        downloads=info.downloads, likes=info.likes, updated=str(info.last_modified or "")[:10], gated=bool(info.gated),
        fits=weights_fit(numbers, bytes_) if stored else None, next=f"llms models show hf:{info.id}",
    )  # fmt: skip


def _dataset(info: "DatasetInfo") -> HubEntry:
    tags = info.tags or []
    licence = _tagged(tags, "license")
    return HubEntry(
        name=info.id, kind="datasets", task=_tagged(tags, "task_categories"), parameters=None, bytes=info.main_size,
        licence=licence, commercial=_commercial(licence),
        languages=tuple(tag.partition(":")[2] for tag in tags if tag.startswith("language:")),
        downloads=info.downloads, likes=info.likes, updated=str(info.last_modified or "")[:10], gated=bool(info.gated),
        fits=None, next=f"llms data head {info.id}",
    )  # fmt: skip


def _tagged(tags: list[str], facet: str) -> str:
    return next((tag.partition(":")[2] for tag in tags if tag.startswith(f"{facet}:")), "")


def _commercial(licence: str) -> bool | None:
    """Whether business use is free, as far as the licence's name says."""
    if not licence or licence in ("other", "unknown"):
        return None
    return not any(part in licence.casefold() for part in NO_BUSINESS)


def _beside(wanted: Wanted) -> str:
    """The end of the message that the hub is not there: what of that kind is in the cache and matches the words."""
    every = [model.model for model in cached()] if wanted.kind == "models" else cached_datasets()
    words = wanted.words.casefold().split()
    near = [name for name in every if all(word in name.casefold() for word in words)]
    noun = "models" if wanted.kind == "models" else "data sets"
    if near:
        command = "llms models show hf:" if wanted.kind == "models" else "llms data head "
        return f"; of the {noun} in the cache, {len(near)} match: {', '.join(near[:10])} ({command}{near[0]})"
    return f"; none of the {len(every)} {noun} in the cache matches" if every else f"; no {noun} are in the cache"
