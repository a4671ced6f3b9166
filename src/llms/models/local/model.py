"""Local models: a checkpoint, its tokenizer, and an engine in this process or in several of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from ... import engine as engines  # loads lazily: torch is imported when a name is first used
from ... import settings
from ...engine.request import DecodeRequest, Event
from ...errors import ContextOverflow, MissingExtra, ModelError, NotNumbers, UsageError
from ...lazy import lazy
from ...tokens.json_tokenizer import JsonTokenizer, open_tokenizer
from ...tokens.pair import Pair, encode_pairs
from ...tokens.stop import cut_at_stop
from ...values import Completion, Delta, Failure, Identity, LogLikelihood
from ..digest import digest_text
from ..loading import loading
from ..name import Name
from ..system import LOGPROB, Capabilities, Generate
from ..trace import TokenTrace
from .adapter import find_adapter
from .batch import Prepared, decode_requests, no_room
from .build import Build
from .checkpoint import Checkpoint, as_object
from .constrain import Grammars
from .damage import why_not_numbers
from .precision import Precision
from .reply import Prompt, Reply, chance
from .tokenizer import CheckpointTokenizer
from .tokenizing_model import TokenizingModel

if TYPE_CHECKING:
    from ..trace import ForwardPass, Want
    from .reference import Reference

WORKER_BYTES = 3 << 29  # what one more worker may take beyond the weights that it shares: 1.5 GB


class LocalModel(TokenizingModel):
    """A System over a checkpoint. Weights are loaded on first use, in `workers` processes (1: in this one).

    `chat`: bfloat16 is as good as float32, where the processor computes in it. `single`: who streams is one caller at
    a time; a server says otherwise before it loads.
    """

    single: bool = True

    def __init__(self, name: Name, checkpoint: Checkpoint, workers: int = 1, chat: bool = False):
        self.name = name
        self.checkpoint = checkpoint
        self.workers = workers
        self.adapter = find_adapter(name.options["adapter"]) if "adapter" in name.options else None
        self._chat = chat
        self._engine: engines.Engine | engines.Workers | None = None
        self._engine_loop: engines.EngineLoop | None = None
        self._reference: Reference | None = None
        self._lock = threading.Lock()

    @lazy
    def tokenizer(self) -> JsonTokenizer | CheckpointTokenizer:
        """Read from its file alone where that says all, else by transformers."""
        folder, config = self.checkpoint.folder, self.checkpoint.config
        light = open_tokenizer(folder, str(config.get("model_type")), self.checkpoint.tokenizer_config)
        return light or CheckpointTokenizer(str(folder), "remote-code" in self.checkpoint.allow)

    @lazy
    def dtype(self) -> str:
        """As named; else float32 on a processor, for chat what it does best, and the checkpoint's own on a GPU."""
        stated = self.name.options.get("dtype")
        if stated or self.device.startswith("cuda"):
            return stated or self.checkpoint.dtype
        if not self._chat:
            return "float32"
        return "bfloat16" if engines.computes_bfloat16() else "float32"

    @property
    def precision(self) -> Precision:
        stored = as_object(self.checkpoint.config.get("quantization_config"))
        return Precision(self.name.text, self.dtype, self.device, self.name.options.get("quantize", ""), stored)

    def check(self) -> None:
        """Raise what cannot work here, before anything is loaded: UsageError, MissingExtra or ModelError."""
        precision = self.precision
        if {"quantize", "dtype", "adapter"} & set(self.name.options) or precision.stored:
            precision.check()
        if self.adapter is not None and precision.stored:
            raise ModelError(
                f"{self.name.text}: an adapter cannot be added to weights of few bits without loss; name the checkpoint "
                "that these were made of, with adapter= and quantize="
            )
        if self.adapter is not None:
            self.adapter.check_base(self.checkpoint, self.name.provider == "smollm2")

    def check_tokens(self, ids: Sequence[int]) -> None:
        """Raise ModelError for a token id for which the embedding has no row: tokenizer and weights are of two models."""
        rows, highest = self.checkpoint.vocabulary, max(ids, default=0)
        if 0 < rows <= highest:
            raise ModelError(
                f"the tokenizer of {self.name.text} gives the token {highest:,} ({self.tokenizer.with_special([highest])!r}), and "
                f"its embedding has {rows:,} rows, 0 to {rows - 1:,}: tokens were added to the tokenizer alone. Take the tokenizer "
                "that was saved with these weights, or weights whose embedding was resized to this tokenizer"
            )

    @lazy
    def device(self) -> str:
        """As named; else the GPU when there is one. Raises ModelError if it is named and not there."""
        stated = self.name.options.get("device")
        if stated == "cpu":
            return stated
        try:
            import torch
        except ImportError as error:
            raise MissingExtra("torch", "a local model", "local") from error
        number = (stated or "cuda").removeprefix("cuda").removeprefix(":") or "0"
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if number.isdigit() and int(number) < there:
            return stated or "cuda"
        if stated:
            what = f"has {there}" if there else "finds none"
            raise ModelError(f"{self.name.text} asks for the GPU {number}; PyTorch {what} here. Leave device= out")
        return "cpu"

    @lazy
    def identity(self) -> Identity:
        return Identity(
            name=self.name.text,
            weights=self.checkpoint.weights_digest,
            dtype=self.dtype,
            quantization=self.precision.method,
            adapter=self.adapter.digest if self.adapter is not None else "",
            tokenizer=self.checkpoint.tokenizer_digest,
            template=digest_text(self.template or ""),
        )

    @property
    def context_window(self) -> int:
        return self.checkpoint.context_window

    @property
    def capabilities(self) -> Capabilities:
        chat = self.template is not None
        return Capabilities(
            loglikelihood=True,
            generate=True,
            chat=chat,
            context_window=self.context_window,
            tools=chat,
            trace=True,
            forward=True,
            gathers=True,
        )

    @property
    def peak_memory_bytes(self) -> int:
        return self._engine.peak_bytes if self._engine is not None else 0

    @property
    def note(self) -> str | None:
        """Said once to the user when this machine, or the model, cannot use a fast way."""
        verdict = self._engine.verdict if self._engine is not None else None
        if verdict is not None and not verdict.finite:
            return self.why_not_numbers
        if verdict is None or verdict.supports_tree_attention:
            return self.precision.note
        why = verdict.error if isinstance(verdict.error, str) else f"off by {verdict.error:.2g} nats a token"
        return f"{self.name.text} computes attention in a way that cannot share prefixes ({why}); using plain batches"

    @lazy
    def why_not_numbers(self) -> str:
        """The message where it computes NaN; reads the weights anew to know the reason."""
        files = [self.checkpoint.folder / name for name in self.checkpoint.weight_files]
        if self.adapter is not None:
            files += sorted(self.adapter.folder.glob("*.safetensors"))
        return why_not_numbers(self.name.text, self.dtype, files)

    def build(self, single: bool = False) -> Build:
        """How its engine is made. Raises what `check` raises."""
        self.check()
        return Build(
            str(self.checkpoint.folder),
            self.dtype,
            self.device,
            "remote-code" in self.checkpoint.allow,
            "pickle" in self.checkpoint.allow,
            self.name.options.get("quantize", ""),
            str(self.adapter.folder) if self.adapter is not None else "",
            single,
        )

    def _constructor(self, single: bool = False) -> Callable[[], engines.Engine]:
        """Makes the engine, in this process or in a worker. Raises what `check` raises, and MissingExtra."""
        build = self.build(single)
        try:
            from .construct import construct  # torch, two seconds
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "a local model", "local") from error
        return partial(construct, build)

    @property
    def engine(self) -> engines.Engine | engines.Workers:
        if (
            isinstance(self._engine, engines.Workers) and self._engine.closed
        ):  # its reader left in the middle of the work
            self._engine = None
        if self._engine is None:
            construct = self._constructor()
            with loading("loading", self.name.text, lambda: self.note):
                many = self.workers > 1 and self.device == "cpu"
                self._engine = engines.Workers(construct, self.workers) if many else construct()
        return self._engine

    @property
    def engine_loop(self) -> engines.EngineLoop:
        """The engine in this process that streams to any number of callers; loads the weights on first use."""
        with self._lock:
            if self._engine_loop is None:
                engine = self._engine
                if not isinstance(engine, engines.Engine):
                    if engine is not None:
                        engine.close()
                    construct = self._constructor(self.single)
                    with loading("loading", self.name.text, lambda: self.note):
                        self._engine = engine = construct()
                self._engine_loop = engines.EngineLoop(engine)
            return self._engine_loop

    @property
    def ends(self) -> frozenset[int]:
        return self.engine_loop.ends

    def events(self, request: DecodeRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
        try:
            yield from self.engine_loop.events(request, cancel)
        except NotNumbers as error:
            raise NotNumbers(self.why_not_numbers) from error

    @property
    def template(self) -> str | None:
        return self.checkpoint.chat_template

    @property
    def special_tokens(self) -> Mapping[str, str]:
        return self.checkpoint.special_tokens

    def prepare(self) -> None:
        """Load the weights now, if they are not."""
        _ = self.engine_loop if self._chat else self.engine

    def most_workers(self) -> int:
        """As many as cores and free memory hold: the first with the weights, each further one beside them."""
        if self.device != "cpu":
            return 1
        width = {"float32": 4, "bfloat16": 2, "float16": 2}[self.dtype]
        stored_width = 4 if self.checkpoint.dtype == "float32" else 2
        weights = self.checkpoint.weight_bytes * width // stored_width
        return max(1, min(settings.cores(), (engines.free_bytes_of_host() - weights) // WORKER_BYTES))

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """(index, result) in order of completion; a pair that cannot be scored is a Failure at once.

        So is a log-probability of -inf: the model rules a token out, and nothing can be compared with that. All pairs are
        read first: sorted, they are one tree, in which what several begin with is computed once.
        """
        pairs = list(pairs)
        encoded = encode_pairs(self.tokenizer, pairs, self.context_window)
        good = [(index, pair) for index, pair in enumerate(encoded) if isinstance(pair, Pair)]
        for index, pair in enumerate(encoded):
            if isinstance(pair, ContextOverflow):
                yield index, Failure("infra", str(pair))
        for position, result in self.score_tokens(pair for _, pair in good):
            yield good[position][0], result

    def score_tokens(self, pairs: Iterable[Pair]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """As `score`, of token ids as they are; no pair may be longer than the window and the token behind it."""
        pairs = list(pairs)
        for pair in pairs:
            self.check_tokens(pair.ids)
        for index, score in self.engine.score([engines.ScoreRequest(pair.ids, pair.scored) for pair in pairs]):
            pair = pairs[index]
            context = len(pair.ids) - pair.scored
            if not isfinite(score.logprob):
                yield index, Failure("infra", self.why_not_numbers)
                continue
            yield index, LogLikelihood(score.logprob, score.greedy, pair.scored, context, pair.cut, score.seconds)

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result) in order of completion. A prompt keeps its right-hand end: the window less max_tokens."""
        held: dict[int, Prepared] = {}
        with closing(self.engine.complete(decode_requests(self, requests, held))) as results:
            for index, generated in results:
                prepared = held.pop(index)
                if prepared.no_room or generated.finish == "nan":
                    yield index, Failure("infra", prepared.no_room or self.why_not_numbers)
                    continue
                text = cut_at_stop(self.tokenizer.decode(generated.tokens), prepared.stop)
                count, prompt_tokens = len(generated.tokens), len(prepared.decode.tokens)
                yield index, Completion(text, count, generated.finish, prompt_tokens, prepared.cut, generated.seconds)

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """As Model.stream. A prompt keeps its right-hand end: the window less max_tokens."""
        prompt, room = self.read(request), self.context_window - request.max_tokens
        if reason := no_room(self, request, prompt):
            yield Delta(failure=Failure("infra", reason))
            return
        reply = self.reply(request, replace(prompt, ids=prompt.ids[-room:]))
        for event in self.events(reply.decode, cancel):
            if delta := reply.push(event, chance(event, self.tokenizer.with_special)):
                yield delta
            if reply.ended:
                break
        yield replace(reply.last(), cut=max(0, len(prompt.ids) - room))

    def reply(self, request: Generate, prompt: Prompt, lenient: bool = False) -> Reply:
        """The answer to `request`, whose prompt is `prompt`; loads the weights on first use. `lenient`: see constraint."""
        self.check_tokens(prompt.ids)
        ends = self.ends | {self.tokenizer.start}
        return Reply(request, prompt, self.tokenizer, ends, self.constraint(request, lenient))

    def trace(self, texts: Sequence[str], want: Collection[Want] = LOGPROB) -> Iterator[TokenTrace]:
        """As Model.trace. The first token of a text is conditioned on the start token, so that the sum of `logprob` is
        what `loglikelihood` says of ("", text)."""
        if unknown := sorted(set(want) - {"logprob", "entropy", "moments"}):
            raise UsageError(f"trace does not know {unknown[0]!r}; it gives logprob, entropy and moments")
        for index, text in enumerate(texts):
            ids = tuple(self.tokenizer.encode([text], special=False)[0])
            self.check_tokens(ids)
            if len(ids) > self.context_window:
                raise ContextOverflow(
                    f"text {index} is {len(ids)} tokens; {self.name.text} has a context window of {self.context_window}. "
                    "Cut it into parts"
                )
            yield TokenTrace.joined(ids, self._chunks((self.tokenizer.start, *ids), want), "logprob" in want)

    def _chunks(self, tokens: Sequence[int], want: Collection[Want]) -> Iterator[engines.TraceChunk]:
        """Each computed in the engine's thread, so that others are served between two."""
        loop, engine = self.engine_loop, self._engine
        assert isinstance(engine, engines.Engine)
        tree = engine.verdict.supports_tree_attention
        chunks = engines.trace_chunks(
            engine.network, tree, tokens, entropy="entropy" in want, moments="moments" in want
        )
        try:
            while (chunk := loop.call(lambda: next(chunks, None))) is not None:
                yield chunk
        except NotNumbers as error:
            raise NotNumbers(self.why_not_numbers) from error

    def forward(self, ids: Sequence[int]) -> ForwardPass:
        """As Model.forward, in float32 arrays, by transformers with attention written out. Loads the weights once more,
        and (T, V) logits exist at once: for tens or hundreds of tokens."""
        if not 0 < len(ids) <= self.context_window:
            raise ContextOverflow(f"{len(ids)} tokens; {self.name.text} takes 1 to {self.context_window}")
        self.check_tokens(ids)
        with self._lock:
            if self._reference is None:
                with loading("loading", self.name.text):
                    self._reference = self._load_reference()
            return self._reference.forward(ids)

    def _load_reference(self) -> Reference:
        build = self.build()
        try:
            from .reference import reference  # torch and transformers, four seconds
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "a local model", "local") from error
        return reference(build)

    @lazy
    def grammars(self) -> Grammars:
        tokenizer = CheckpointTokenizer(str(self.checkpoint.folder), "remote-code" in self.checkpoint.allow)
        return Grammars.of_transformers(tokenizer.fast, self.engine_loop.vocabulary, self.engine_loop.ends)

    def close(self) -> None:
        if self._engine_loop is not None:
            self._engine_loop.close()
            self._engine_loop = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self._reference = None
