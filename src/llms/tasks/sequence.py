"""Checkpoints that read one text and write another (BART, T5, Marian, mBART): texts in, texts out, in batches.

They generate as their own files say: `generation_config.json`, and what `config.json` says of the task. A text that is
longer than the encoder's positions is read in passages; how these become one output is the task's own.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from time import perf_counter

import torch
from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import ModelError, NotNumbers, UsageError
from ..lazy import lazy
from ..models.loading import loading
from ..models.local.auto import load_auto
from ..models.local.checkpoint import Checkpoint, as_object, first_line, whole_number
from ..models.name import Name
from ..models.task_model import Answered, TaskInput, TaskOptions, TaskOutput
from ..values import Failure, JsonObject
from .catalogue import HubTask
from .passages import Passage, passages
from .special import SpecialModel

BATCH_TOKENS = 8192  # of one batch in the encoder, padding included, times the beams
USUAL_TOKENS = 256  # new ones, and beams, where a checkpoint says nothing, as in transformers 4
USUAL_BEAMS = 4
LEAST_ROOM = 8  # tokens of text beside a prefix, below which nothing can be read


@dataclass(frozen=True, slots=True)
class SourceText:
    """A passage as the encoder reads it. `forced` is the token that the decoder must begin with, a language's."""

    passage: Passage
    ids: tuple[int, ...]
    forced: int | None = None


@dataclass(frozen=True, slots=True)
class WrittenText:
    """The words generated for a passage; `cut_short`: its limit came before its end."""

    passage: Passage
    text: str
    tokens: int
    cut_short: bool
    seconds: float


@dataclass(slots=True)
class SequenceJob:
    """An input on its way: the passages that are being read, what was written of them, what it took so far."""

    row: TaskInput
    sources: list[SourceText]
    written: dict[int, WrittenText] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    tokens: int = 0
    generated: int = 0
    seconds: float = 0.0


class SequenceModel(SpecialModel):
    """The base of both tasks. A subclass has `sources`, how a text is read, and `finished`, what becomes of the parts."""

    overlap: float = 0.0

    def __init__(self, task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions):
        super().__init__(task, name, checkpoint, options)
        if checkpoint.config.get("is_encoder_decoder") is not True and checkpoint.config.get("model_type") != "t5":
            raise UsageError(
                f"{name.text} is no special model for {task.name}: it does not read one text and write another. "
                f"As a language model it can be asked for it, with the way prompt"
            )
        if options.max_tokens is not None and options.max_tokens < 1:
            raise UsageError(f"max_tokens is {options.max_tokens}; an answer needs 1 or more")

    @lazy
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Raises ModelError where it cannot be read, or a library that reads it is not installed."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
                tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                    str(self.checkpoint.folder), trust_remote_code="remote-code" in self.checkpoint.allow
                )
        except (ImportError, OSError, ValueError, KeyError) as error:
            raise ModelError(f"cannot read the tokenizer of {self.name.text}: {first_line(error)}") from error
        return tokenizer

    @lazy
    def _network(self) -> PreTrainedModel:
        with loading("loading", self.name.text):
            network = load_auto("AutoModelForSeq2SeqLM", self.checkpoint, self.name.options)
        if not all(bool(weights.isfinite().all()) for weights in network.parameters()):
            raise NotNumbers(
                f"the weights of {self.name.text} are not finite numbers (NaN): the file is damaged; get it anew"
            )
        return network

    @property
    def task_parameters(self) -> JsonObject:
        """The part of `config.json` about this task alone: a prefix, lengths, beams."""
        return as_object(as_object(self.checkpoint.config.get("task_specific_params")).get(self.parameters_name))

    @property
    def parameters_name(self) -> str:
        return self.task

    @property
    def prefix(self) -> str:
        """Words that stand before every text."""
        return str(self.task_parameters.get("prefix", self.checkpoint.config.get("prefix")) or "")

    @property
    def window(self) -> int:
        """Tokens that the encoder reads."""
        stated = whole_number(self.checkpoint.config.get("max_encoder_position_embeddings"), 0)
        return stated or self.checkpoint.context_window

    @lazy
    def generation(self) -> GenerationConfig:
        """How it generates: as asked, else as the checkpoint says of the task, else in general, else as usual."""
        own = deepcopy(self._network.generation_config)
        assert isinstance(own, GenerationConfig)
        own.update(**{name: value for name, value in self.task_parameters.items() if name != "prefix"})
        if own.num_beams is None:
            own.num_beams = USUAL_BEAMS
        if own.max_length is None and own.max_new_tokens is None:
            own.max_new_tokens = USUAL_TOKENS
        if self.options.max_tokens is not None:
            own.max_new_tokens, own.max_length = self.options.max_tokens, None
            own.min_length = min(own.min_length or 0, self.options.max_tokens)
        positions = whole_number(
            self.checkpoint.config.get("max_decoder_position_embeddings", self.checkpoint.config.get("max_position_embeddings")), 0
        )  # fmt: skip
        if positions and own.max_new_tokens is not None:
            own.max_new_tokens = min(own.max_new_tokens, positions - 1)
        if positions and own.max_length is not None:
            own.max_length = min(own.max_length, positions)
        if own.pad_token_id is None:
            own.pad_token_id = self.tokenizer.pad_token_id
        if self.options.temperature > 0:
            own.update(do_sample=True, num_beams=1, temperature=self.options.temperature, top_p=self.options.top_p)
            own.early_stopping, own.length_penalty = None, None
        return own

    def count(self, text: str) -> int:
        """Tokens of `text` alone."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return len(ids)

    def encode(self, text: str) -> tuple[int, ...]:
        """`text` as the encoder reads it, special tokens with it."""
        ids: list[int] = self.tokenizer(text, verbose=False)["input_ids"]
        return tuple(ids)

    def split(self, text: str, before: str) -> list[Passage]:
        """The passages of `text` that fit the window behind the words `before`. Raises UsageError where none can."""
        if len(self.encode(before + text)) <= self.window:
            return [Passage(0, len(text), text)]
        room = self.window - len(self.encode(before)) - 1
        if room < LEAST_ROOM:
            raise UsageError(
                f"{self.name.text} reads {self.window} tokens at once; {max(0, room)} are left for the text"
            )
        return passages(text, room, self.count, int(room * self.overlap))

    def sources(self, row: TaskInput) -> list[SourceText]:
        """The passages of an input. Raises UsageError where it cannot be read."""
        return [SourceText(part, self.encode(self.prefix + part.text)) for part in self.split(row.text, self.prefix)]

    def finished(self, job: SequenceJob, parts: Sequence[WrittenText]) -> TaskOutput | None:
        """The output of all parts, or None where `job` holds further sources now."""
        raise NotImplementedError

    def answer_block(self, inputs: Sequence[TaskInput]) -> Iterator[Answered]:
        """(index, result) in order of completion; passages of like length together, the longest first."""
        jobs: dict[int, SequenceJob] = {}
        for index, row in enumerate(inputs):
            if not row.text.strip():
                yield index, Failure("infra", f"input {index} is empty; expected a text")
                continue
            try:
                jobs[index] = SequenceJob(row, self.sources(row))
            except UsageError as error:
                yield index, Failure("infra", f"input {index}: {error}")
        waiting = list(jobs)
        while waiting:
            following: list[int] = []
            for index, part, written in self._written([(index, jobs[index]) for index in waiting]):
                job = jobs[index]
                job.written[part] = written
                job.generated += written.tokens
                job.seconds += written.seconds
                if len(job.written) < len(job.sources):
                    continue
                job.tokens += sum(len(source.ids) for source in job.sources)
                output = self.finished(job, [job.written[number] for number in sorted(job.written)])
                if output is None:
                    job.written = {}
                    following.append(index)
                    continue
                marks = tuple(dict.fromkeys((*job.flags, *output.flags)))
                yield (
                    index,
                    replace(output, flags=marks, tokens=job.tokens, generated=job.generated, seconds=job.seconds),
                )
            waiting = following

    def _written(self, jobs: Sequence[tuple[int, SequenceJob]]) -> Iterator[tuple[int, int, WrittenText]]:
        """(index of the job, number of its passage, what was written), batch by batch."""
        order = [(index, part, source) for index, job in jobs for part, source in enumerate(job.sources)]
        order.sort(key=lambda entry: (entry[2].forced or 0, -len(entry[2].ids)))
        beams = self.generation.num_beams or 1
        while order:
            width, forced = len(order[0][2].ids), order[0][2].forced
            size = max(1, BATCH_TOKENS // (width * beams))
            if self.tokenizer.pad_token_id is None or self.options.temperature > 0:  # a draw depends on no other row
                size = 1
            batch = [entry for entry in order[:size] if entry[2].forced == forced]
            order = order[len(batch) :]
            for (index, part, _), written in zip(batch, self._generate([entry[2] for entry in batch]), strict=True):
                yield index, part, written

    @torch.inference_mode()
    def _generate(self, sources: Sequence[SourceText]) -> list[WrittenText]:
        """The texts written for sources of falling length, which share their forced token."""
        network, started = self._network, perf_counter()
        width, pad = len(sources[0].ids), self.tokenizer.pad_token_id or 0
        rows = [[*source.ids, *[pad] * (width - len(source.ids))] for source in sources]
        mask = [[1] * len(source.ids) + [0] * (width - len(source.ids)) for source in sources]
        config = self.generation
        if sources[0].forced is not None:
            config = deepcopy(config)
            config.forced_bos_token_id = sources[0].forced
        with torch.random.fork_rng(enabled=self.options.temperature > 0):
            if self.options.temperature > 0:
                torch.manual_seed(self.options.seed)
            generate: Callable[..., torch.Tensor] = getattr(network, "generate")  # noqa: B009 - of those that write
            written = generate(
                input_ids=torch.tensor(rows, device=network.device),
                attention_mask=torch.tensor(mask, device=network.device),
                generation_config=config,
            )
        seconds = (perf_counter() - started) / len(sources)
        return [self._read(source, row, seconds) for source, row in zip(sources, written[:, 1:].tolist(), strict=True)]

    def _read(self, source: SourceText, row: list[int], seconds: float) -> WrittenText:
        """One row of what was generated, without the token that the decoder began with. A checkpoint may have its end
        forced where the limit is (`forced_eos_token_id`): that is no end of its own."""
        config = self.generation
        ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        first = next((position for position, token in enumerate(row) if token in ends), None)
        new = row if first is None else row[: first + 1]
        limit = config.max_new_tokens or (config.max_length or 0) - 1
        cut_short = len(new) >= limit and (first is None or config.forced_eos_token_id is not None)
        text = str(self.tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        return WrittenText(source.passage, text, len(new), cut_short, seconds)
