"""Rows of a data set whose files lie in the hub's cache, read where the hub cannot be asked."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .files import format_of
from .row_stream import BadRow, PlacedRow, StreamedRow, is_row_file, stream_rows

if TYPE_CHECKING:
    from huggingface_hub import CachedRevisionInfo

NO_ROWS = ("dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "config.json", "metadata.json")


def cached_files(name: str, config: str = "", split: str = "", revision: str = "") -> list[Path]:
    """The files in the cache with one split's rows, in their order; none where none of the data set is there.

    A file `main/train-00000-of-00002.parquet` has rows of the configuration `main` and the split `train`. Raises UsageError
    for a configuration or a split that is not there, and where it must be said which.
    """
    cached = _revision(name, revision)
    if cached is None:
        return []
    folder = cached.snapshot_path
    parts: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(file.file_path for file in cached.files):
        inside = path.relative_to(folder)
        if is_row_file(path.name) and path.name not in NO_ROWS:
            stem = path.name.partition(".")[0].partition("-")[0]
            parts.setdefault((inside.parts[0] if len(inside.parts) > 1 else "", stem), []).append(path)
    if not parts:
        return []
    config = _chosen(name, "configuration", config, {each for each, _ in parts}, "data")
    split = _chosen(name, "split", split, {each for of, each in parts if of == config}, "train")
    return parts[config, split]


def _revision(name: str, revision: str) -> "CachedRevisionInfo | None":
    """The revision that was asked for, else the newest of `main`, else the newest."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = [
            repo
            for repo in scan_cache_dir(constants.HF_HUB_CACHE).repos
            if repo.repo_type == "dataset" and repo.repo_id == name
        ]
    except CacheNotFound:
        return None
    revisions = [each for repo in repos for each in repo.revisions]
    if revision:
        revisions = [each for each in revisions if revision in each.refs or each.commit_hash.startswith(revision)]
    return max(revisions, key=lambda each: ("main" in each.refs, each.last_modified), default=None)


def _chosen(name: str, noun: str, wanted: str, there: set[str], usual: str) -> str:
    if not wanted and len(there) == 1:
        return next(iter(there))
    chosen = wanted or (usual if usual in there else "")
    if chosen not in there:
        raise UsageError(
            f"{name} lies in the cache with {noun}s {', '.join(sorted(there))}; choose one"
            f"{f', not {wanted!r},' if wanted else ''} with --{'config' if noun == 'configuration' else 'split'}"
        )
    return chosen


def stream_files(files: list[Path]) -> Iterator[StreamedRow]:
    """The rows of files, one file after another; numbers of labels as their names, where a Parquet file tells them."""
    for path in files:
        labels = _labels(path)
        for each in stream_rows(path):
            yield each if isinstance(each, BadRow) or not labels else PlacedRow(each.location, named(each.row, labels))


def named(row: Mapping[str, object], labels: Mapping[str, list[str]]) -> dict[str, object]:
    """The row with the numbers of its labels replaced by their names."""
    result = dict(row)
    for column, names in labels.items():
        value = result.get(column)
        if isinstance(value, int) and 0 <= value < len(names):
            result[column] = names[value]
    return result


def _labels(path: Path) -> dict[str, list[str]]:
    """The names of labels by column, as `datasets` writes them beside the schema of a Parquet file."""
    if format_of(path.name) != "parquet":
        return {}
    from pyarrow import parquet

    metadata = parquet.read_schema(path).metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: kind["names"] for name, kind in features.items() if kind.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
