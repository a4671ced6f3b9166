"""Texts through a network that reads them whole: cut into windows, computed in batches of like length, put together again.

A subclass says which texts an input has, what is read off a batch, and how the windows of one input become its answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from ..errors import ModelError
from ..lazy import lazy
from ..models.loading import loading
from ..models.local.auto import Auto, load_auto
from ..models.local.checkpoint import first_line
from ..models.task_model import Answered, TaskInput, TaskOutput
from ..values import Failure
from .encoder_network import FirstTokenNetwork, first_token_network
from .special import SpecialModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers.tokenization_utils_base import EncodingFast  # type: ignore[attr-defined]  # tokenizers' own

BATCH_TOKENS = {"cpu": 1024, "cuda": 32768}  # of one forward pass, padding included: benchmarks/LOG.md
LIKE = 0.8  # of the longest row's length: shorter ones wait for the next batch once this one has ENOUGH tokens
ENOUGH = 256
OVERLAP = 64  # tokens that one window has in common with the next, a quarter of short ones


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens as the network reads them: a window of text number `part` of input `source` of a block.

    `encoding` has the places of the tokens, the words, the special tokens; None where the tokenizer has none. `skipped`:
    the text goes on, unread.
    """

    source: int
    part: int
    ids: list[int]
    types: list[int]
    encoding: EncodingFast | None = None
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """How texts become rows: at most `longest` tokens, `overlap` of them also in the next row. `truncation` is
    transformers' word for which text of a pair is cut."""

    longest: int
    overlap: int
    truncation: str = "longest_first"


class Encoder(SpecialModel):
    """The base of special models that read texts. What does not depend on other inputs is computed once for equal ones."""

    auto: Auto = "AutoModel"
    spare = ""  # tensors whose names hold this may be missing
    needs_places = False  # whether it must know where in the text a token stands

    @lazy
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        allowed = "remote-code" in self.checkpoint.allow
        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                str(self.checkpoint.folder), trust_remote_code=allowed
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(f"cannot load the tokenizer of {self.name.text}: {first_line(error)}") from error
        tokenizer.truncation_side = "right"
        if self.needs_places and not tokenizer.is_fast:
            raise ModelError(
                f"the tokenizer of {self.name.text} does not say where its tokens stand; one with tokenizer.json does"
            )
        return tokenizer

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            return self.prepared(load_auto(self.auto, self.checkpoint, self.name.options, self.spare))

    def prepared(self, network: PreTrainedModel) -> PreTrainedModel:
        """A network that was just loaded, made ready."""
        return network

    @lazy
    def _taken(self) -> frozenset[str]:
        """The names of what the network takes."""
        return frozenset(inspect.signature(self._network.forward).parameters)

    @lazy
    def _fast(self) -> FirstTokenNetwork | None:
        """The network as a classifier needs it, without padding, where that gives the same."""
        return first_token_network(self._network) if self.auto == "AutoModelForSequenceClassification" else None

    def close(self) -> None:
        super().close()
        self.__dict__.pop("_fast", None)

    @property
    def window(self) -> int:
        """Tokens of the longest row, those that the tokenizer adds among them."""
        return self.checkpoint.encoder_window

    def room(self, pair: bool = False) -> int:
        """Tokens of the longest row, without those that the tokenizer adds."""
        return self.window - int(self._tokenizer.num_special_tokens_to_add(pair=pair))

    def cut(self, room: int) -> Cut:
        return Cut(self.window, max(0, min(OVERLAP, room // 4)))

    def fault(self, each: TaskInput) -> str:
        """Why an input cannot be worked on; empty if it can."""
        return fault_of(each.text, "text")

    def rows(self, numbered: Sequence[tuple[int, TaskInput]]) -> list[Row]:
        """The rows of inputs with their numbers in the block."""
        return self.tokenize([(number, 0, each.text) for number, each in numbered], self.cut(self.room()))

    def read(self, output: ModelOutput, mask: torch.Tensor, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        """The part of the network's output that is needed, one tensor a row; `mask` (B, T) is False where a row is padded."""
        raise NotImplementedError

    def merge(self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> TaskOutput | Failure:
        """The answer, of all rows of an input in the order of `rows`; tokens and seconds are filled in."""
        raise NotImplementedError

    def answer_block(self, inputs: Sequence[TaskInput]) -> Iterator[Answered]:
        """(index, result) in order of completion, the longest first. An input that cannot be worked on, or whose values
        are not finite, is a Failure."""
        first: dict[tuple[str, str, str], int] = {}
        equal: dict[int, list[int]] = {}
        for index, each in enumerate(inputs):
            if fault := self.fault(each):
                yield index, Failure("infra", fault)
            else:
                source = first.setdefault((each.text, each.question, each.other), index)
                equal.setdefault(source, []).append(index)
        rows = self.rows([(source, inputs[source]) for source in equal])
        waiting: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            waiting.setdefault(row.source, []).append(number)
        open_rows = {source: len(numbers) for source, numbers in waiting.items()}
        seconds, values = dict.fromkeys(waiting, 0.0), {}
        for source in equal.keys() - waiting.keys():
            for index in equal[source]:
                yield index, Failure("infra", "the text holds no token")
        for number, value, share in self._computed(rows):
            source = rows[number].source
            values[number], seconds[source] = value, seconds[source] + share
            open_rows[source] -= 1
            if open_rows[source]:
                continue
            own = waiting.pop(source)
            result = self._merged(inputs[source], [rows[n] for n in own], [values.pop(n) for n in own])
            for index in equal[source]:
                if isinstance(result, TaskOutput):
                    result = replace(result, seconds=seconds[source] / len(equal[source]))
                yield index, result

    def _merged(
        self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor | Failure]
    ) -> TaskOutput | Failure:
        whole: list[torch.Tensor] = []
        for value in values:
            if isinstance(value, Failure):
                return value
            if not bool(value.isfinite().all()):
                return Failure("infra", f"what {self.name.text} computes are not finite numbers (NaN)")
            whole.append(value)
        result = self.merge(each, rows, whole)
        if isinstance(result, Failure):
            return result
        truncated = result.truncated or any(row.skipped for row in rows)
        return replace(result, truncated=truncated, tokens=sum(len(row.ids) for row in rows))

    def tokenize(self, texts: Sequence[tuple[int, int, str]], cut: Cut, second: Sequence[str] = ()) -> list[Row]:
        """The rows of (source, part, text), a text that is too long in several; `second` are the other texts of pairs."""
        if not texts:
            return []
        tokenizer, windows = self._tokenizer, bool(self._tokenizer.is_fast)
        encoded = tokenizer(
            [text for _, _, text in texts],
            list(second) or None,
            truncation=cut.truncation,
            max_length=cut.longest,
            stride=cut.overlap if windows else 0,
            return_overflowing_tokens=windows,
            return_attention_mask=False,
            verbose=False,
        )
        ids: list[list[int]] = encoded["input_ids"]
        types: list[list[int]] = encoded.get("token_type_ids") or [[]] * len(ids)
        owners: Iterable[int] = encoded.get("overflow_to_sample_mapping") or range(len(ids))
        encodings: Sequence[EncodingFast | None] = encoded.encodings or [None] * len(ids)
        return [
            Row(texts[owner][0], texts[owner][1], tokens, kinds, encoding, not windows and len(tokens) >= cut.longest)
            for owner, tokens, kinds, encoding in zip(owners, ids, types, encodings, strict=True)
            if tokens
        ]

    def _computed(self, rows: Sequence[Row]) -> Iterator[tuple[int, torch.Tensor | Failure, float]]:
        """(number, value, seconds) of each row, batch by batch."""
        if not rows:
            return
        for batch in self.batches([len(row.ids) for row in rows]):
            started = perf_counter()
            values = self._values([rows[number] for number in batch])
            share = (perf_counter() - started) / len(batch)
            for number, value in zip(batch, values, strict=True):
                yield number, value, share

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Rows by number, the longest first, in batches of like length within BATCH_TOKENS."""
        pad = self._pad
        budget = BATCH_TOKENS["cuda" if self._network.device.type == "cuda" else "cpu"]
        # what reads from the right end, or has no token to pad with, takes rows of one length only
        like = 1.0 if pad is None or self._tokenizer.padding_side == "left" else LIKE
        most = 1 if pad is None else budget
        order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
        batches: list[list[int]] = []
        if self._fast is not None:
            return list(filled(order, lengths, budget))
        for number in order:
            batch = batches[-1] if batches else []
            longest = lengths[batch[0]] if batch else 0
            size = longest * (len(batch) + 1)
            unlike = lengths[number] < like * longest and (like == 1.0 or size > ENOUGH)
            if batch and size <= budget and len(batch) < most and not unlike:
                batch.append(number)
            else:
                batches.append([number])
        return batches

    @lazy
    def _pad(self) -> int | None:
        """The token that rows are padded with; the network's own, by which it may know where a row ends."""
        config = self._network.config.get_text_config()
        pad = getattr(config, "pad_token_id", None)
        return pad if isinstance(pad, int) and pad >= 0 else None

    def _values(self, rows: Sequence[Row]) -> Sequence[torch.Tensor | Failure]:
        """A batch's values; where it fails, those of its rows one by one."""
        try:
            return self._forward(rows)
        except (RuntimeError, IndexError, ValueError) as error:
            if len(rows) > 1:
                return [value for row in rows for value in self._values([row])]
            return [Failure("infra", f"{self.name.text} cannot compute it: {first_line(error)}")]

    @torch.inference_mode()
    def _forward(self, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        width, device, pad = max(len(row.ids) for row in rows), self._network.device, self._pad or 0
        lengths = torch.tensor([len(row.ids) for row in rows], device=device)
        mask = torch.arange(width, device=device)[None] < lengths[:, None]
        if self._fast is not None and (logits := self._fast.logits(rows)) is not None:
            return self.read(ModelOutput(logits=logits), mask, rows)
        arguments: dict[str, torch.Tensor | bool] = {
            "input_ids": torch.tensor([[*row.ids, *[pad] * (width - len(row.ids))] for row in rows], device=device)
        }
        if not all(len(row.ids) == width for row in rows):  # without a mask attention takes its fast path
            arguments["attention_mask"] = mask.long()
        if rows[0].types and "token_type_ids" in self._taken:
            arguments["token_type_ids"] = torch.tensor(
                [[*row.types, *[0] * (width - len(row.ids))] for row in rows], device=device
            )
        if "use_cache" in self._taken:
            arguments["use_cache"] = False
        return self.read(self._network(**arguments), mask, rows)

    @property
    def labels(self) -> list[str]:
        """The network's labels by number, as its configuration has them."""
        return labels_of(self.checkpoint.config)


def filled(order: Iterable[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Rows in this order, in batches of at most `budget` tokens or of one row."""
    batch: list[int] = []
    tokens = 0
    for number in order:
        if batch and tokens + lengths[number] > budget:
            yield batch
            batch, tokens = [], 0
        batch.append(number)
        tokens += lengths[number]
    if batch:
        yield batch


def labels_of(config: Mapping[str, object]) -> list[str]:
    """id2label of a configuration, in the order of the ids; LABEL_0 and LABEL_1 where it has none."""
    listed = config.get("id2label")
    if not isinstance(listed, dict) or not listed:
        count = config.get("num_labels")
        return [f"LABEL_{number}" for number in range(count if isinstance(count, int) else 2)]
    return [str(listed[key]) for key in sorted(listed, key=int)]


def fault_of(text: str, part: str) -> str:
    """Why `text`, the `part` of an input, cannot be read; empty if it can."""
    if not text.strip():
        return f"the {part} is empty; expected words"
    if "\0" in text:
        return f"the {part} holds a NUL at character {text.index(chr(0))}; is it text? Expected characters"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return (
            f"the {part} holds half a character (the surrogate U+{ord(text[error.start]):04X}) at {error.start}; "
            "expected text; read its file as UTF-8"
        )
    return ""


def weighted(rows: Sequence[Row], values: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean of the values of windows, each by its number of tokens."""
    if len(values) == 1:
        return values[0]
    weights = torch.tensor([float(len(row.ids)) for row in rows])
    return (torch.stack(list(values)) * (weights / weights.sum()).view(-1, *[1] * values[0].dim())).sum(0)


def flags_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """`windows` where a text was read in several."""
    return ("windows",) if len({(row.source, row.part) for row in rows}) < len(rows) else ()
