"""Data sets on the hub: asked only for what a command names, described before they are read, sent there only when told to.

No code of a data set is ever run: `datasets` 5 reads files of rows, and nothing else.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .. import settings
from ..errors import DataError, HubUnreachable, UsageError
from ..values import Json

NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def hub_name(name: str) -> tuple[str, str]:
    """(`owner/name` of a data set, its revision or nothing): of owner/name@revision, with or without hf: before it. Raises
    UsageError."""
    bare, _, revision = name.removeprefix("hf:").partition("@")
    if not NAME.fullmatch(bare):
        raise UsageError(
            f"{name} is neither a file that is there nor a data set of the hub; expected a .csv, .tsv, .json, .jsonl or "
            ".parquet file, or owner/name"
        )
    return bare, revision


@contextmanager
def asking_hub(what: str, beside: Callable[[], str] = str) -> Iterator[tuple[str, str | None]]:
    """The hub's (address, token) for requests about `what`; what `beside` returns is said where it does not answer. Raises DataError,
    HubUnreachable."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx

    endpoint = settings.hub_endpoint()
    if settings.hub_offline():
        raise HubUnreachable(f"{what} is asked of {endpoint}, and HF_HUB_OFFLINE says not to connect{beside()}")
    if not settings.hub_answers():
        raise HubUnreachable(f"{what} is asked of {endpoint}, which does not answer; connect{beside()}")
    try:
        yield endpoint, settings.get("HF_TOKEN")
    except GatedRepoError as error:
        raise DataError(f"{what} is gated on the hub: accept its terms there and set HF_TOKEN") from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise DataError(f"the hub has no {what}, or it is private and HF_TOKEN is not its owner's") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else ""
        raise HubUnreachable(f"{endpoint} refuses {what} ({status} {str(error).splitlines()[0]:.200})") from error
    except (httpx.HTTPError, ConnectionError) as error:
        raise HubUnreachable(
            f"{endpoint} broke off while {what} was asked for ({type(error).__name__}); run the same command again"
        ) from error


def cached_datasets() -> list[str]:
    """The data sets of which files lie in the hub's cache, by name."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return []
    return sorted(repo.repo_id for repo in repos if repo.repo_type == "dataset")


def beside_datasets() -> str:
    """The end of a message that the hub does not answer: which data sets are here."""
    names = cached_datasets()
    here = f"; in the cache are {', '.join(names[:8])}{' …' * (len(names) > 8)}" if names else "; none is in the cache"
    return f"{here}. A file on this machine is read without the hub"


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """A split as its card states it; None is what it does not state."""

    name: str
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """One configuration: its splits and its columns with their types."""

    name: str
    splits: tuple[SplitFacts, ...] = ()
    features: Mapping[str, str] = field(default_factory=dict)
    download_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A data set as the hub describes it, at commit `revision`. `bytes` are of its files."""

    name: str
    revision: str
    licence: str
    languages: tuple[str, ...]
    gated: bool
    downloads: int | None
    updated: str
    bytes: int
    files: int
    configs: tuple[ConfigFacts, ...]


def describe(name: str, revision: str = "") -> DatasetFacts:
    """The facts that the hub and the data set's card state: one request. Raises DataError, HubUnreachable."""
    from huggingface_hub import HfApi

    with asking_hub(name, beside_datasets) as (endpoint, token):
        info = HfApi(endpoint, token=token).dataset_info(name, revision=revision or None, files_metadata=True)
    card: Mapping[str, Json] = info.card_data.to_dict() if info.card_data else {}
    siblings = info.siblings or []
    return DatasetFacts(
        name=info.id,
        revision=info.sha or "",
        licence=", ".join(_texts(card.get("license"))),
        languages=_texts(card.get("language")),
        gated=bool(info.gated),
        downloads=info.downloads,
        updated=str(info.last_modified or "")[:10],
        bytes=sum(file.size or 0 for file in siblings),
        files=len(siblings),
        configs=_configs(card),
    )


def _texts(value: Json) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(str(each) for each in values if each)


def _configs(card: Mapping[str, Json]) -> tuple[ConfigFacts, ...]:
    """The configurations of a card: with rows and columns where it has `dataset_info`, else by name alone."""
    stated = card.get("dataset_info")
    entries = stated if isinstance(stated, list) else [stated] if isinstance(stated, Mapping) else []
    result = {}
    for entry in entries:
        if isinstance(entry, Mapping):
            facts = _config(entry)
            result[facts.name] = facts
    listed = card.get("configs")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping):
            name, files = str(entry.get("config_name") or "default"), entry.get("data_files")
            splits = (
                [SplitFacts(str(f.get("split"))) for f in files if isinstance(f, Mapping)]
                if isinstance(files, list)
                else []
            )
            result.setdefault(name, ConfigFacts(name, tuple(splits)))
    return tuple(result.values())


def _config(entry: Mapping[str, Json]) -> ConfigFacts:
    splits, features = entry.get("splits"), entry.get("features")
    return ConfigFacts(
        str(entry.get("config_name") or "default"),
        tuple(
            SplitFacts(str(each.get("name")), _count(each.get("num_examples")), _count(each.get("num_bytes")))
            for each in (splits if isinstance(splits, list) else ())
            if isinstance(each, Mapping)
        ),
        {
            str(each.get("name")): _type(each)
            for each in (features if isinstance(features, list) else ())
            if isinstance(each, Mapping)
        },
        _count(entry.get("download_size")),
    )


def _count(value: Json) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _type(feature: Mapping[str, Json]) -> str:
    """A column's type in a word: `string`, `label (2)`, `list of int32`."""
    kind = feature.get("dtype")
    if isinstance(kind, str):
        return kind
    if isinstance(kind, Mapping) and isinstance(label := kind.get("class_label"), Mapping):
        names = label.get("names")
        return f"label ({len(names)})" if isinstance(names, (list, Mapping)) else "label"
    for word in ("list", "sequence"):
        if inner := feature.get(word):
            return f"list of {inner}" if isinstance(inner, str) else "list"
    return "object" if "struct" in feature else next((key for key in feature if key != "name"), "unknown")


def push(file: Path, name: str, private: bool) -> str:
    """Put a file of rows into the data set `name` of the hub, which is created if it is not there; the address of it.

    Raises UsageError without a token, DataError, HubUnreachable.
    """
    from huggingface_hub import HfApi

    with asking_hub(name) as (endpoint, token):
        if not token:
            raise UsageError(
                "sending to the hub needs a token with the right to write; set HF_TOKEN in the environment or in ./.env"
            )
        api = HfApi(endpoint, token=token)
        api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        api.upload_file(
            path_or_fileobj=str(file), path_in_repo=f"data/{file.name}", repo_id=name, repo_type="dataset",
            commit_message=f"Add {file.name}",
        )  # fmt: skip
    return f"{endpoint}/datasets/{name}"
