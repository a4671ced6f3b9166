"""Batches of rows as columns of token ids with their loss mask; what cannot be trained is left out, with the reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..errors import ModelError
from ..values import Message
from .form import MarkedText, TokenizedText, TrainingForm
from .row_forms import ChatRow, PreferenceRow, RawRow, TrainingRow

BATCH = 512  # texts that are tokenized together
TOO_LONG = "are longer than the window"
NOT_TRAINED = "have no answer to train (weight 0)"
END_INSIDE = "hold the text of an end token in a message"


@dataclass(slots=True)
class EncodedBatch:
    """Columns of encoded rows; of each its length and trained tokens, the number of its row in the file, and a digest of its
    text; the reasons of those left out; and the longest of all."""

    columns: dict[str, list[object]] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    digests: list[int] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    longest: int = 0
    joined: int = 0

    def append(self, columns: dict[str, object], length: int, trained: int, number: int, digest: int) -> None:
        for name, value in columns.items():
            self.columns.setdefault(name, []).append(value)
        self.lengths.append(length)
        self.trained.append(trained)
        self.numbers.append(number)
        self.digests.append(digest)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Texts of a row that are to be tokenized: one or more, or the two of a pair."""

    source: str
    number: int
    texts: tuple[MarkedText, ...]
    kind: Literal["marked", "text", "pair"]


class RowEncoder:
    """Encodes rows for one model. `rows` counts those it was given, `pieces` those that became several; `raw`: some were raw
    text."""

    def __init__(self, form: TrainingForm, window: int, train_on: Literal["answers", "all"]):
        self._form, self._window, self._all = form, window, train_on == "all"
        self.rows = self.pieces = 0
        self.raw = False

    def batches(self, rows: Iterable[TrainingRow]) -> Iterator[EncodedBatch]:
        """All rows, in their order. Raises ModelError naming the row for which the template has no training form."""
        waiting: list[_Waiting] = []
        count, batch = 0, EncodedBatch()
        for row in rows:
            self.rows += 1
            if reason := self._why_not(row):
                batch.left_out.append(reason)
                continue
            try:
                entry = self._marked(row)
            except ModelError as error:
                raise ModelError(f"{row.source}: {error}") from error
            waiting.append(entry)
            count += len(entry.texts)
            if count >= BATCH:
                self._fill(batch, waiting)
                yield batch
                waiting, count, batch = [], 0, EncodedBatch()
        self._fill(batch, waiting)
        yield batch

    def _why_not(self, row: TrainingRow) -> str | None:
        if isinstance(row, RawRow):
            return None
        if isinstance(row, ChatRow) and not row.answers and not self._all:
            return NOT_TRAINED
        messages = row.messages if isinstance(row, ChatRow) else _of_pair(row)
        names = self._form.marks
        return END_INSIDE if any(name in message.content for message in messages for name in names) else None

    def _marked(self, row: TrainingRow) -> _Waiting:
        form = self._form
        if isinstance(row, RawRow):
            self.raw = True
            marked = form.completion(row.prompt, row.completion)
            if self._all:
                marked = MarkedText(marked.text, ((0, len(marked.text)),))
            return _Waiting(row.source, self.rows, (marked,), "marked" if row.prompt else "text")
        if isinstance(row, PreferenceRow):
            self.raw = self.raw or isinstance(row.prompt, str)
            return _Waiting(row.source, self.rows, form.pair(row.prompt, row.chosen, row.rejected, row.tools), "pair")
        if not form.chats:
            raise ModelError(
                f"{form.name} has no chat template, so there is no text that it reads of messages. Give rows of prompt and "
                "completion, or of text; or name a model that chats"
            )
        if self._all:
            return _Waiting(row.source, self.rows, (form.whole(row.messages, row.tools),), "marked")
        texts = tuple(form.conversation(row.messages, row.tools, row.answers))
        self.pieces += len(texts) > 1
        return _Waiting(row.source, self.rows, texts, "marked")

    def _fill(self, batch: EncodedBatch, waiting: list[_Waiting]) -> None:
        tokenized = self._form.tokenize([text for entry in waiting for text in entry.texts])
        for entry in waiting:
            try:
                rows = [next(tokenized) for _ in entry.texts]
            except ModelError as error:
                raise ModelError(f"{entry.source}: {error}") from error
            if entry.kind == "pair":
                one, other = rows
                if one.ids[: one.spans[0][0]] != other.ids[: other.spans[0][0]]:
                    one, other = (self._form.apart(text) for text in entry.texts)
                self._add_pair(batch, entry, one, other)
            else:
                for marked, row in zip(entry.texts, rows, strict=True):
                    self._add(batch, entry, marked, row)

    def _add(self, batch: EncodedBatch, entry: _Waiting, marked: MarkedText, row: TokenizedText) -> None:
        length = len(row.ids)
        batch.longest = max(batch.longest, length)
        if length > self._window and entry.kind == "text":
            self.pieces += 1
            for start in range(0, length, self._window):
                ids = row.ids[start : start + self._window]
                columns = {"input_ids": ids, "trained": [1] * len(ids), "prefix": 0, "source": entry.source}
                batch.append(columns, len(ids), len(ids), entry.number, hash((marked.text, start)))
            return
        if length > self._window:
            batch.left_out.append(TOO_LONG)
            return
        batch.joined += row.joined
        mask = [0] * length
        for start, end in row.spans:
            mask[start:end] = [1] * (end - start)
        columns = {"input_ids": row.ids, "trained": mask, "prefix": row.prefix, "source": entry.source}
        batch.append(columns, length, row.trained, entry.number, hash(marked))

    def _add_pair(self, batch: EncodedBatch, entry: _Waiting, chosen: TokenizedText, rejected: TokenizedText) -> None:
        ((start, end),), ((other, stop),) = chosen.spans, rejected.spans
        length = max(end, stop)
        batch.longest = max(batch.longest, length)
        if length > self._window:
            batch.left_out.append(TOO_LONG)
            return
        batch.joined += chosen.joined
        columns: dict[str, object] = {
            "prompt": chosen.ids[:start],
            "chosen": chosen.ids[start:end],
            "rejected": rejected.ids[other:stop],
            "source": entry.source,
        }
        batch.append(columns, end + stop - other, end - start + stop - other, entry.number, hash(entry.texts))


def _of_pair(row: PreferenceRow) -> list[Message]:
    return [part for part in (*row.prompt, row.chosen, row.rejected) if isinstance(part, Message)]
