"""The Hugging Face hub and its cache: models described before they are fetched, fetched, listed, removed.

Only `ask`, `fetch` and `pull` make connections, and only for a model that the user named. Pickled weights and code are
fetched only with consent.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from ... import settings
from ...errors import HubUnreachable, ModelError
from .download import fetch_large

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, DatasetLeaderboardEntry, EvalResultEntry, HFCacheInfo

WEIGHTS = ("*.safetensors",)
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
CODE = ("*.py",)
DESCRIPTION = ("config.json", "tokenizer_config.json", "chat_template.jinja", "README.md")
TOKENIZER = (
    "config.json", "tokenizer*.json", "*.jinja", "*.model", "vocab.*", "merges.txt", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HubSnapshot:
    """A model on the hub at one commit: `files` with their sizes, `parameters` by data type."""

    commit: str
    files: dict[str, int]
    parameters: dict[str, int]
    gated: bool

    def bytes(self, wanted: Sequence[str]) -> int:
        return sum(size for name, size in self.files.items() if _matches(name, wanted))


@dataclass(frozen=True, slots=True)
class Cached:
    """A model in the cache; `partial` bytes of it are downloads that broke off. `weights` says whether it has any that
    transformers reads, `gguf` are the files of that kind with their sizes."""

    model: str
    path: Path
    bytes: int
    partial: int
    weights: bool
    gguf: tuple[tuple[Path, int], ...]


def patterns(allow: frozenset[str]) -> list[str]:
    """The files of a repository that a model needs, with what the user consented to."""
    wanted = ["*.json", *WEIGHTS, "*.jinja", "*.model", "*.txt", "*.spm"]
    return [*wanted, *(PICKLED if "pickle" in allow else ()), *(CODE if "remote-code" in allow else ())]


def snapshot(model: str, revision: str | None, wanted: Sequence[str]) -> Path:
    """The folder of a hub model: from the cache, else fetched."""
    return local_snapshot(model, revision, wanted) or fetch(model, revision, wanted)


def local_snapshot(model: str, revision: str | None, wanted: Sequence[str]) -> Path | None:
    """The folder in the cache, if all `wanted` files of the model are there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(wanted), local_files_only=True))
    except HFValidationError as error:
        raise ModelError(
            f"hf:{model} is neither a folder nor a hub name; expected hf:./folder or hf:owner/name"
        ) from error
    except LocalEntryNotFoundError:
        return None


def fetch(model: str, revision: str | None, wanted: Sequence[str]) -> Path:
    """Download what is not in the cache yet; files that have come whole are kept when a download breaks off."""
    from huggingface_hub import snapshot_download

    with _hub(model, revision) as (endpoint, token):
        return Path(
            snapshot_download(model, revision=revision, allow_patterns=list(wanted), endpoint=endpoint, token=token)
        )


def pull(model: str, revision: str | None, wanted: Sequence[str]) -> Path:
    """As `fetch`; of large files even a download whose process was killed goes on where it ended."""
    from huggingface_hub import HfApi

    fetch(model, revision, [kind for kind in wanted if kind not in (*WEIGHTS, *PICKLED)])
    with _hub(model, revision) as (endpoint, token):
        info = HfApi(endpoint, token=token).model_info(model, revision=revision, files_metadata=True)
        files = [(file.rfilename, file.size or 0) for file in info.siblings or () if _matches(file.rfilename, wanted)]
        fetch_large(model, info.sha or "", files, endpoint, token)
    folder = fetch(model, revision, wanted)
    for left in folder.parents[1].glob("blobs/*.incomplete"):
        if left.with_name(left.name.split(".")[0]).exists():  # of an earlier download; the file has come since
            left.unlink()
    return folder


def ask(model: str, revision: str | None, folder: Path) -> HubSnapshot:
    """The hub's description of a model; the files that describe it are put into `folder`."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    with _hub(model, revision) as (endpoint, token), disable_progress_bars():
        info = HfApi(endpoint, token=token).model_info(model, revision=revision, files_metadata=True)
        snapshot_download(
            model,
            revision=info.sha,
            allow_patterns=list(DESCRIPTION),
            local_dir=folder,
            endpoint=endpoint,
            token=token,
        )
    return HubSnapshot(
        commit=info.sha or "",
        files={file.rfilename: file.size or 0 for file in info.siblings or ()},
        parameters=dict(info.safetensors.parameters) if info.safetensors else {},
        gated=bool(info.gated),
    )


@contextmanager
def _hub(model: str, revision: str | None) -> Iterator[tuple[str, str | None]]:
    """(endpoint, token); whatever the hub or the way to it refuses becomes an error that says what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx

    endpoint = settings.hub_endpoint()
    if settings.hub_offline() or not settings.hub_answers():
        raise HubUnreachable(
            f"{model} is not in the cache and {endpoint} does not answer; connect, or give a folder as hf:./folder"
        )
    try:
        yield endpoint, settings.get("HF_TOKEN")
    except GatedRepoError as error:
        raise ModelError(f"{model} is gated on the hub: accept its terms there and set HF_TOKEN") from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise ModelError(f"the hub has no {model}{f' at {revision}' if revision else ''}") from error
    except (HfHubHTTPError, httpx.HTTPError, ConnectionError, FileNotFoundError) as error:
        raise HubUnreachable(
            f"{endpoint} broke off while {model} was asked for ({type(error).__name__}); run the same command again"
        ) from error


def cached() -> list[Cached]:
    """The models in the cache, by name."""
    info = _cache()
    models = [repository for repository in info.repos if repository.repo_type == "model"] if info else []
    return [_entry(repository) for repository in sorted(models, key=lambda repository: repository.repo_id)]


def remove(model: str, revision: str | None) -> int:
    """Delete a model, or one revision of it, from the cache; the bytes that this freed."""
    info = _cache()
    for repository in info.repos if info else ():
        if repository.repo_type == "model" and repository.repo_id == model:
            chosen = [r for r in repository.revisions if revision is None or revision in (r.commit_hash, *r.refs)]
            if info and chosen:
                before = _disk(repository.repo_path)
                info.delete_revisions(*(r.commit_hash for r in chosen)).execute()
                return before - _disk(repository.repo_path)
    raise ModelError(f"{model}{f' at {revision}' if revision else ''} is not in the cache; llms models lists what is")


def cache_folder() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _cache() -> "HFCacheInfo | None":
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return scan_cache_dir(cache_folder())
    except CacheNotFound:
        return None


def _entry(repository: "CachedRepoInfo") -> Cached:
    files = [file for revision in repository.revisions for file in revision.files]
    unfinished = sum(file.stat().st_size for file in repository.repo_path.glob("blobs/*.incomplete"))
    return Cached(
        model=repository.repo_id,
        path=repository.repo_path,
        bytes=repository.size_on_disk + unfinished,
        partial=unfinished,
        weights=any(_matches(file.file_name, (*WEIGHTS, *PICKLED)) for file in files),
        gguf=tuple((file.file_path, file.size_on_disk) for file in files if file.file_name.endswith(".gguf")),
    )


def _disk(folder: Path) -> int:
    """Bytes of the files in a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _matches(name: str, kinds: Sequence[str]) -> bool:
    return any(fnmatch(name, kind) for kind in kinds)


def free_bytes(folder: Path) -> int:
    """Free space of the disk on which `folder` lies, or will lie."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class HubResult:
    """A result as the hub shows it: the `model` that was measured, on `task` of the benchmark `dataset`. The hub states no
    metric and no unit: `value` is what was written. `author` is who reported it, as far as it is said, empty where the model's
    own page states it; `base` is the model that `model` was made from, where the result is that one's."""

    model: str
    dataset: str
    task: str
    value: object
    author: str = ""
    notes: str = ""
    url: str = ""
    date: str = ""
    base: str = ""


def model_results(model: str) -> list[HubResult]:
    """The results that stand on a model's page, and of those that its base model has, the ones that it lacks itself."""
    from huggingface_hub import HfApi

    with _hub(model, None) as (endpoint, token):
        api = HfApi(endpoint, token=token)
        info = api.model_info(model, expand=["evalResults", "cardData"])
        own = [_result(model, entry) for entry in info.eval_results or ()]
        stated = info.card_data.get("base_model") if info.card_data else None
        bases = [stated] if isinstance(stated, str) else [name for name in stated or () if isinstance(name, str)]
        known = {(result.dataset, result.task) for result in own}
        inherited = [
            _result(model, entry, base)
            for base in bases
            for entry in api.model_info(base, expand=["evalResults"]).eval_results or ()
        ]
    return own + [result for result in inherited if (result.dataset, result.task) not in known]


def dataset_results(dataset: str) -> list[HubResult]:
    """The results of all models on the leaderboard of a benchmark's dataset. Raises ModelError where it has none."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    with _hub(dataset, None) as (endpoint, token):
        try:
            rows = HfApi(endpoint, token=token).get_dataset_leaderboard(dataset)
        except HfHubHTTPError as error:
            if error.response is None or error.response.status_code not in (400, 404):
                raise
            raise ModelError(f"the hub has no dataset {dataset} with a leaderboard") from error
    return [
        HubResult(
            row.model_id,
            dataset,
            row.filename.rpartition("/")[2].partition(".")[0],
            row.value,
            author=_reporter(row),
            notes=row.notes or "",
            url=str((row.source or {}).get("url") or ""),
        )
        for row in rows
    ]


def _reporter(row: "DatasetLeaderboardEntry") -> str:
    named = str((row.source or {}).get("name") or "")
    return named or (f"pull request {row.pull_request}" if row.pull_request else "")


def _result(model: str, entry: "EvalResultEntry", base: str = "") -> HubResult:
    author = entry.source_org or entry.source_user or ""
    return HubResult(
        model,
        entry.dataset_id,
        entry.task_id,
        entry.value,
        author,
        entry.notes or "",
        entry.source_url or "",
        str(entry.date or "")[:10],
        base,
    )
