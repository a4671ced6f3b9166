"""From a user's file to token ids with their loss mask: read once, never held together, written as Arrow, split for validation.

Nothing is trained of a file with one broken row: it is named, with its place, before anything begins.
"""

import hashlib
import json
import shutil
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data.row_stream import BadRow, is_row_file, stream_rows
from ..errors import DataError, UsageError
from .form import TrainingForm, open_form
from .recipe import TrainingRecipe
from .row_forms import PreferenceRow, TrainingRow, form_of, read_row
from .row_tokens import EncodedBatch, RowEncoder

if TYPE_CHECKING:
    from datasets import Dataset

FOLDER = "rows"  # in a run's folder
ROWS, COUNTS = "rows.arrow", "rows.json"
CHUNK = 1 << 20


@dataclass(frozen=True)
class RowCounts:
    """Of a file of training rows. `rows` stand in it; `train_rows` and `validation_rows` came of those not `left_out` (by
    reason). `tokens` and `trained_tokens` are of the rows to be trained, once each; `longest` of all rows, left out or not.

    `duplicates` equal an earlier row. `joined` answers share a token with what stands before them. `digest` is the file's.
    """

    rows: int
    train_rows: int
    validation_rows: int
    tokens: int
    trained_tokens: int
    longest: int
    left_out: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    joined: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Encoded:
    """Rows in token ids, read from disk as they are asked for. Columns: `input_ids`, `trained` (0 or 1), `prefix`, `source`;
    of pairs `prompt`, `chosen`, `rejected`, `source`. `notices` are for people; `marks` a reader of the run's card must know."""

    train: "Dataset"
    validation: "Dataset"
    counts: RowCounts
    notices: tuple[str, ...]
    form: TrainingForm
    marks: tuple[str, ...] = ()


def encode(recipe: TrainingRecipe, form: TrainingForm | None = None, folder: Path | None = None) -> Encoded:
    """The rows of `recipe.data` for its model, whose training form is `form`.

    They are written into `folder`, the run's, and read from there when the run goes on; without one they last as long as the
    process. Raises DataError naming file, row and column; UsageError for a file that is not for the method; ModelError for a
    template without a training form.
    """
    form = form or open_form(recipe.model)
    recipe = replace(recipe, data=str(Path(recipe.data).expanduser()))
    target = folder / FOLDER if folder else Path(tempfile.mkdtemp(prefix="llms-rows-"))
    if folder is None:
        weakref.finalize(form, shutil.rmtree, target, ignore_errors=True)
    if not (stored := _stored(target, recipe, form)):
        _write(recipe, form, target)
        stored = _stored(target, recipe, form)
    assert stored is not None, "what was written can be read"
    return stored


def _key(recipe: TrainingRecipe) -> list[object]:
    pairs = recipe.method == "dpo"
    return [recipe.model, recipe.data, pairs, recipe.window, recipe.train_on, recipe.validation, recipe.seed]


def _stored(target: Path, recipe: TrainingRecipe, form: TrainingForm) -> Encoded | None:
    """The rows that were written there for the same recipe; None if that is not there, or not whole."""
    from datasets import Dataset

    path = target / COUNTS
    if not path.is_file():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["key"] != _key(recipe):
        return None
    rows = Dataset.from_file(str(target / ROWS))
    validation = np.array(stored["validation"], dtype=np.int64)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[validation] = True
    train = rows.select(np.flatnonzero(~chosen))
    return Encoded(train, rows.select(validation), RowCounts(**stored["counts"]), tuple(stored["notices"]), form)


def _write(recipe: TrainingRecipe, form: TrainingForm, target: Path) -> None:
    """Encode all rows into a folder of their own, which takes the place of `target` once it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        tally = _encode_all(recipe, form, draft / ROWS)
        validation = _split(tally, recipe)
        counts = _counts(tally, validation, _digest(Path(recipe.data)))
        stored = {
            "key": _key(recipe),
            "counts": asdict(counts),
            "notices": _notices(counts, recipe, form, tally),
            "validation": validation.tolist(),
        }
        (draft / COUNTS).write_text(json.dumps(stored), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    except OSError as error:
        raise DataError(
            f"cannot write the rows of {recipe.data} into {target}: {error}; free disk space there"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@dataclass
class _RowTally:
    """Sums over all rows, and of each its length, its trained tokens, its place in the file and a digest."""

    rows: int = 0
    longest: int = 0
    joined: int = 0
    raw: bool = False
    pieces: int = 0  # rows that became several
    left_out: dict[str, int] = field(default_factory=dict)
    lengths: "array[int]" = field(default_factory=lambda: array("i"))
    trained: "array[int]" = field(default_factory=lambda: array("i"))
    numbers: "array[int]" = field(default_factory=lambda: array("i"))  # of the row in the file
    digests: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, batch: EncodedBatch) -> None:
        self.longest = max(self.longest, batch.longest)
        self.joined += batch.joined
        for reason in batch.left_out:
            self.left_out[reason] = self.left_out.get(reason, 0) + 1
        self.lengths.extend(batch.lengths)
        self.trained.extend(batch.trained)
        self.numbers.extend(batch.numbers)
        self.digests.extend(batch.digests)


def read_rows(recipe: TrainingRecipe) -> Iterator[TrainingRow]:
    """The rows of the recipe's file, each checked. Raises DataError naming the row, UsageError for rows of another method."""
    path, form = Path(recipe.data), None
    if not is_row_file(path.name):
        raise DataError(
            f"{path} is not one of .jsonl, .json, .csv, .tsv, .parquet (or .gz of a text); save it as one of them"
        )
    for entry in stream_rows(path):
        if isinstance(entry, BadRow):
            raise DataError(str(entry))
        if form is None:
            form = form_of(entry.row, entry.location)
        row = read_row(entry.row, form, entry.location)
        if isinstance(row, PreferenceRow) is not (recipe.method == "dpo"):
            raise UsageError(_other_method(recipe, form))
        yield row


def holds_pairs(path: Path) -> bool:
    """Whether the file's first row is a preference pair; False where it cannot be read, which `encode` will say."""
    try:
        first = next(stream_rows(path), None) if is_row_file(path.name) else None
        return first is not None and not isinstance(first, BadRow) and "rejected" in form_of(first.row, first.location)
    except DataError:
        return False


def _other_method(recipe: TrainingRecipe, form: tuple[str, ...]) -> str:
    if recipe.method == "dpo":
        return f"{recipe.data} has {', '.join(form)}; DPO takes preference pairs: prompt, chosen, rejected"
    return (
        f"{recipe.data} has preference pairs ({', '.join(form)}), which --method dpo trains on; for {recipe.method} give "
        "messages, or prompt and completion"
    )


def _encode_all(recipe: TrainingRecipe, form: TrainingForm, path: Path) -> _RowTally:
    from datasets import Features, List, Value
    from datasets.arrow_writer import ArrowWriter

    ids = List(Value("int32"))
    pairs = {"prompt": ids, "chosen": ids, "rejected": ids}
    marked = {"input_ids": ids, "trained": List(Value("uint8")), "prefix": Value("int32")}
    features = Features({**(pairs if recipe.method == "dpo" else marked), "source": Value("string")})
    tally, encoder = _RowTally(), RowEncoder(form, recipe.window, recipe.train_on)
    with ArrowWriter(features=features, path=str(path)) as writer:
        for batch in encoder.batches(read_rows(recipe)):
            if batch.lengths:
                writer.write_batch(batch.columns)
            tally.add(batch)
        tally.rows, tally.raw, tally.pieces = encoder.rows, encoder.raw, encoder.pieces
        if tally.lengths:
            writer.finalize()
    if not tally.rows:
        raise DataError(f"{recipe.data} has no rows; expected at least two")
    if not tally.lengths:
        reasons = "; ".join(f"{count} {reason}" for reason, count in tally.left_out.items())
        raise DataError(
            f"no row of {recipe.data} can be trained on: of {tally.rows}, {reasons}. The longest has {tally.longest} tokens, the "
            f"window is {recipe.window}"
        )
    return tally


def _split(tally: _RowTally, recipe: TrainingRecipe) -> np.ndarray:
    """The indices of the encoded rows that validate: of whole rows of the file, drawn by the seed, none of which stands twice."""
    numbers = np.array(tally.numbers, dtype=np.int32)
    distinct, inverse, copies = np.unique(
        np.array(tally.digests, dtype=np.int64), return_inverse=True, return_counts=True
    )
    rows = len(np.unique(numbers))
    if len(distinct) < 2:
        what = "one row" if rows == 1 else f"{rows} rows, all equal,"
        raise DataError(
            f"{recipe.data} has {what} that can be trained on; some rows are set apart to validate, so at least two different "
            "ones are needed. Add rows"
        )
    single = np.setdiff1d(numbers, numbers[copies[inverse] > 1])  # in order; no text of such a row stands elsewhere
    if not len(single):
        raise DataError(
            f"{recipe.data}: every row stands in it more than once, so that none can validate what was trained on the others; "
            "leave out the duplicates"
        )
    wanted = min(max(1, round(recipe.validation * rows)), len(single), rows - 1)
    drawn = np.random.default_rng(recipe.seed).permutation(single)[:wanted]
    indices: np.ndarray = np.flatnonzero(np.isin(numbers, drawn))
    return indices


def _counts(tally: _RowTally, validation: np.ndarray, digest: str) -> RowCounts:
    lengths, trained = np.array(tally.lengths, dtype=np.int64), np.array(tally.trained, dtype=np.int64)
    firsts = np.unique(np.array(tally.numbers, dtype=np.int32), return_index=True)[1]  # pieces of rows
    distinct = np.unique(np.array(tally.digests, dtype=np.int64)[firsts])
    return RowCounts(
        tally.rows,
        len(lengths) - len(validation),
        len(validation),
        int(lengths.sum() - lengths[validation].sum()),
        int(trained.sum() - trained[validation].sum()),
        tally.longest,
        tally.left_out,
        len(firsts) - len(distinct),
        tally.joined,
        digest,
    )


def _notices(counts: RowCounts, recipe: TrainingRecipe, form: TrainingForm, tally: _RowTally) -> list[str]:
    notices = [f"{count} of {counts.rows} rows {reason}: left out" for reason, count in counts.left_out.items()]
    if counts.longest > recipe.window:
        notices.append(f"the longest row has {counts.longest} tokens; the window is {recipe.window}")
    if counts.duplicates:
        notices.append(
            f"{counts.duplicates} of {counts.rows} rows equal an earlier one: trained, never used to validate"
        )
    if counts.joined:
        notices.append(
            f"in {counts.joined} answers the first token joins the template's text and the answer's: it is not trained"
        )
    if tally.pieces:
        notices.append(
            f"{tally.pieces} rows were cut into several: long texts at the window, or conversations whose earlier answers the "
            "chat template shows otherwise, one answer each"
        )
    if tally.raw and form.chats and recipe.train_on == "answers":
        notices.append(
            f"these rows are raw text, without the chat template of {form.name}; to train how it chats, give messages, or "
            "question and answer"
        )
    return notices


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
