"""Rows of a data set on the hub, streamed from its CSV, JSON or Parquet files; nothing is downloaded whole.

The hub's libraries ask where they should not connect, and retry for long: whether it answers is looked at before.
"""

from collections.abc import Iterator, Mapping

from .. import settings
from ..errors import DataError, HubUnreachable, MissingExtra, UsageError
from .hub import asking_hub, beside_datasets
from .hub_cache import cached_files, named, stream_files
from .row_stream import PlacedRow, StreamedRow


def stream_hub(name: str, config: str = "", split: str = "", revision: str = "") -> Iterator[StreamedRow]:
    """The rows of one split; without its name that of the only one, else of `train`. Label columns are given as their names.
    Where the hub cannot be asked, rows come from its cache if they are there.

    Raises UsageError for a configuration or a split that is not there, DataError, HubUnreachable, MissingExtra.
    """
    if (settings.hub_offline() or not settings.hub_answers()) and (
        files := cached_files(name, config, split, revision)
    ):
        yield from stream_files(files)
        return
    with asking_hub(name, beside_datasets) as (_, token):
        try:
            import datasets
        except ImportError as error:
            raise MissingExtra("datasets", "reading data sets of the hub", "local") from error
        try:
            parts = datasets.load_dataset(
                name, config or None, streaming=True, revision=revision or None, token=token or False
            )
            chosen = _split_of(name, split, list(parts))
            rows, labels = parts[chosen], _labels(parts[chosen].features)
            for number, row in enumerate(rows, 1):
                yield PlacedRow(f"{name}, {chosen}, row {number}", named(row, labels))
        except datasets.exceptions.DatasetNotFoundError as error:
            raise DataError(
                f"the hub has no data set {name}, or it is gated or private: accept its terms, set HF_TOKEN"
            ) from error
        except (
            datasets.exceptions.DatasetGenerationError,
            FileNotFoundError,
            RuntimeError,
        ) as error:
            raise DataError(f"{name} cannot be read as rows: {_first(error)}") from error
        except ConnectionError as error:
            raise HubUnreachable(
                f"{settings.hub_endpoint()} broke off while {name} was read; run the same command again"
            ) from error
        except ValueError as error:
            if "config" not in str(error).casefold():  # pyarrow's errors are ValueErrors, too
                raise DataError(f"{name} cannot be read as rows: {_first(error)}") from error
            raise UsageError(f"{name}: {_first(error)}; choose with --config") from error


def _first(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    if "scripts are no longer supported" in text:
        text += "; llms runs no code of a data set. The hub's own copy may do: NAME@refs/convert/parquet"
    return text


def _split_of(name: str, split: str, splits: list[str]) -> str:
    chosen = split or ("train" if "train" in splits else splits[0] if len(splits) == 1 else "")
    if chosen not in splits:
        asked = f"no split {split!r}" if split else "several splits"
        raise UsageError(f"{name}: {asked}; choose one with --split: {', '.join(splits)}")
    return chosen


def _labels(features: object) -> Mapping[str, list[str]]:
    """The names of the labels, of columns that hold numbers of labels."""
    if not isinstance(features, Mapping):
        return {}
    return {name: feature.names for name, feature in features.items() if type(feature).__name__ == "ClassLabel"}
