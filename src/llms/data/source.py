"""Sources of rows: the embedded sample, a folder, the hub. One interface, the same rows.

sample   written for this project, inside the package (the default: no connection, no download)
DIR      a data root laid out as <folder>/<config>/<split>.jsonl.gz (or .jsonl, .parquet, .csv)
hub      the pinned revision of each dataset, from the cache or downloaded
"""

from pathlib import Path
from typing import Literal, Protocol

from .. import settings
from ..errors import DataError, HubUnreachable
from .dataset import Dataset, Table
from .files import SUFFIXES, read_table

Kind = Literal["sample", "folder", "hub", "file", "fresh"]


class Source(Protocol):
    """`table` reads a whole split; `has` tells whether there is one, without reading it."""

    @property
    def kind(self) -> Kind: ...

    def has(self, dataset: Dataset, config: str, split: str) -> bool: ...

    def table(self, dataset: Dataset, config: str, split: str) -> Table: ...


class OneFile:
    """The base of a file of the user's own as a Source: whatever is asked for, it is the one table in it."""

    content: Table

    @property
    def kind(self) -> Kind:
        return "file"

    def has(self, dataset: Dataset, config: str, split: str) -> bool:
        return True

    def table(self, dataset: Dataset, config: str, split: str) -> Table:
        return self.content


def open_source(spec: str | None) -> Source:
    """The source that `--data` (or LLMS_DATA, or nothing) names. Raises DataError for a folder that is not there."""
    spec = spec or settings.data() or "sample"
    if spec == "sample":
        return Folder(Path(__file__).parent / "sample", "sample")
    if spec == "hub":
        return Hub()
    root = Path(spec).expanduser()
    forms = ".csv, .tsv, .json, .jsonl or .parquet"
    if root.is_file():
        raise DataError(f"the data file {spec} is not one of {forms}; save or export it as one of them")
    if not root.is_dir():
        raise DataError(
            f"the data folder {spec} does not exist; expected a folder, a file ({forms}), 'sample', 'hub' or 'fresh'"
        )
    return Folder(root, "folder")


class Folder:
    def __init__(self, root: Path, kind: Kind):
        self.root, self.kind = root, kind

    def _find(self, dataset: Dataset, config: str, split: str) -> Path | None:
        base = self.root / dataset.folder / config
        return next((path for suffix in SUFFIXES if (path := base / f"{split}{suffix}").is_file()), None)

    def has(self, dataset: Dataset, config: str, split: str) -> bool:
        return self._find(dataset, config, split) is not None

    def table(self, dataset: Dataset, config: str, split: str) -> Table:
        path = self._find(dataset, config, split)
        if path is None:
            wanted = self.root / dataset.folder / config / split
            near = (wanted.parent, wanted.parent.parent, self.root)
            folder, there = next(
                ((f, names) for f in near if (names := sorted(p.name for p in f.glob("*")))), (near[-1], [])
            )
            raise DataError(
                f"no file {wanted}.jsonl.gz (nor .jsonl, .parquet, .csv); {folder} holds {', '.join(there[:12]) or 'nothing'}"
            )
        return read_table(path, dataset.columns, withheld=dataset.withheld)


class Hub:
    """Files of datasets at their pinned commits. Nothing is asked of the hub for what is cached."""

    kind: Kind = "hub"

    def has(self, dataset: Dataset, config: str, split: str) -> bool:
        return split != "fewshot"  # such examples are their authors' own, and in no dataset

    def table(self, dataset: Dataset, config: str, split: str) -> Table:
        from huggingface_hub import try_to_load_from_cache

        if split == "fewshot":
            raise DataError(
                f"{dataset.hub} has no few-shot examples on the hub: the reference takes its authors' own. Put them into "
                f"DIR/{dataset.folder}/{config}/fewshot.jsonl and give --data DIR, or use --shots 0"
            )
        names = [file.format(config=config, split=split) for file in dataset.files]
        for name in names:
            cached = try_to_load_from_cache(dataset.hub, name, revision=dataset.revision, repo_type="dataset")
            if isinstance(cached, str):
                return self._read(dataset, Path(cached))
        if settings.hub_offline() or not settings.hub_answers():
            raise HubUnreachable(
                f"{dataset.hub} ({config}, {split}) is not in the cache and {settings.hub_endpoint()} does not answer; "
                "connect, give the rows as --data DIR, or use --data sample"
            )
        return self._read(dataset, self._download(dataset, names))

    def _read(self, dataset: Dataset, path: Path) -> Table:
        """The rows of a cached file; its commit is the folder name below `snapshots`."""
        parts = path.parts
        commit = parts[parts.index("snapshots") + 1] if "snapshots" in parts else dataset.revision
        return read_table(path, dataset.columns, commit, dataset.withheld)

    def _download(self, dataset: Dataset, names: list[str]) -> Path:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

        for name in names:
            try:
                return Path(hf_hub_download(dataset.hub, name, revision=dataset.revision, repo_type="dataset"))
            except GatedRepoError as error:
                raise DataError(f"{dataset.hub} is gated: accept its terms on the hub and set HF_TOKEN") from error
            except LocalEntryNotFoundError as error:
                raise HubUnreachable(f"{dataset.hub} could not be fetched: {error}") from error
            except EntryNotFoundError:
                continue
            except HfHubHTTPError as error:
                raise DataError(
                    f"the hub refuses {dataset.hub} at {dataset.revision}: {str(error).splitlines()[0]}"
                ) from error
        raise DataError(f"{dataset.hub} at {dataset.revision} has none of {', '.join(names)}")
