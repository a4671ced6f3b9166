"""Local models: a checkpoint, its tokenizer, and an engine in this process or in several of their own."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from ...engine.request import DecodeRequest, Event
from ...errors import ContextOverflow, MissingExtra, ModelError, NotNumbers
from ...lazy import lazy
from ...tokens.json_tokenizer import JsonTokenizer, open_tokenizer, spread
from ...tokens.pair import Pair, encode_pairs, encode_texts
from ...tokens.stop import StopText, cut_at_stop
from ...tokens.views import TokenView, cut, entry
from ...values import Completion, Delta, Failure, Identity, LogLikelihood
from ..digest import digest_text
from ..loading import loading
from ..name import Name
from ..system import Capabilities, Generate
from .adapter import find_adapter
from .checkpoint import Build, Checkpoint
from .damage import why_not_numbers
from .precision import Precision
from .tokenizing_model import TokenizingModel

if TYPE_CHECKING:
    from .reply import Prompt, Reply

WORKER_BYTES = 3 << 29  # what one more worker may take beyond the weights that it shares: 1.5 GB


class CheckpointTokenizer:
    """transformers' tokenizer of a checkpoint folder, behind tokens.Tokenizer. Pickles as its folder."""

    def __init__(self, folder: str, remote_code: bool = False):
        self._folder, self._remote_code = folder, remote_code

    @lazy
    def _tokenizer(self) -> Any:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "a local model", "local") from error
        try:
            return AutoTokenizer.from_pretrained(self._folder, trust_remote_code=self._remote_code)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"cannot load the tokenizer of {self._folder}: {error}") from error

    def __getstate__(self):
        return {"_folder": self._folder, "_remote_code": self._remote_code}

    @property
    def start(self) -> int:
        tokenizer = self._tokenizer
        start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        if start is None:
            raise ModelError(f"the tokenizer of {self._folder} has neither BOS nor EOS; an empty context needs one")
        return start

    @property
    def start_text(self) -> str:
        return self._tokenizer.bos_token or self._tokenizer.eos_token or ""

    def encode(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        return self._tokenizer(list(texts), add_special_tokens=special, verbose=False)["input_ids"] if texts else []

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=not special)

    def with_special(self, ids: Sequence[int]) -> str:
        return self.decode(ids, special=True)

    def data(self, token: int) -> bytes:
        """The bytes of text that a token stands for; those of a special token are its name."""
        return self.entry(token).data

    def starts(self, text: str, special: bool = True) -> list[int]:
        """Where in `text` each of its tokens begins, in characters."""
        offsets = self._tokenizer(text, add_special_tokens=special, return_offsets_mapping=True, verbose=False)
        return spread(offsets["offset_mapping"])

    @property
    def fast(self) -> Any:
        """transformers' own object, for libraries that read its vocabulary."""
        return self._tokenizer

    def pieces(self, text: str, special: bool = True) -> list[TokenView]:
        return cut(self._backend, text, special)

    def entry(self, token: int) -> TokenView:
        return entry(self._backend, token)

    @property
    def _backend(self) -> Any:
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ModelError(f"the tokenizer of {self._folder} does not say where its tokens lie in the text")
        return backend


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
        self._engine: Any = None
        self._engine_loop: Any = None
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
        own = self.checkpoint.text_config.get("dtype") or self.checkpoint.text_config.get("torch_dtype") or "float32"
        if stated or self.device.startswith("cuda"):
            return stated or str(own)
        if not self._chat:
            return "float32"
        from ...engine.prepack import computes_bfloat16

        return "bfloat16" if computes_bfloat16() else "float32"

    @property
    def precision(self) -> Precision:
        stored = self.checkpoint.config.get("quantization_config") or {}
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
        return Capabilities(True, True, self.template is not None, self.context_window)

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
        """What to say where it computes NaN; reads the weights anew to know."""
        files = [self.checkpoint.folder / name for name in self.checkpoint.weight_files]
        if self.adapter is not None:
            files += sorted(self.adapter.folder.glob("*.safetensors"))
        return why_not_numbers(self.name.text, self.dtype, files)

    @property
    def build(self) -> Build:
        """Raises what `check` raises."""
        self.check()
        return Build(
            str(self.checkpoint.folder),
            self.dtype,
            self.device,
            "remote-code" in self.checkpoint.allow,
            "pickle" in self.checkpoint.allow,
            self.name.options.get("quantize", ""),
            str(self.adapter.folder) if self.adapter is not None else "",
        )

    @property
    def engine(self):
        if self._engine is None:
            build = self.build
            with loading("loading", self.name.text, lambda: self.note):
                if self.workers > 1 and self.device == "cpu":
                    from ...engine.workers import Workers

                    self._engine = Workers(build, self.workers)
                else:
                    self._engine = build()
        return self._engine

    @property
    def engine_loop(self):
        """The engine in this process that streams to any number of callers; loads the weights on first use."""
        with self._lock:
            if self._engine_loop is None:
                from ...engine import Engine, EngineLoop

                if not isinstance(self._engine, Engine):
                    if self._engine is not None:
                        self._engine.close()
                    build = replace(self.build, single=self.single)
                    with loading("loading", self.name.text, lambda: self.note):
                        self._engine = build()
                self._engine_loop = EngineLoop(self._engine)
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
        from ...engine.memory import free_bytes_of_host

        width = {"float32": 4, "bfloat16": 2, "float16": 2}[self.dtype]
        weights = self.checkpoint.weight_bytes * width // self._stored_width
        return max(1, min(_cores(), (free_bytes_of_host() - weights) // WORKER_BYTES))

    @property
    def _stored_width(self) -> int:
        own = str(
            self.checkpoint.text_config.get("dtype") or self.checkpoint.text_config.get("torch_dtype") or "float32"
        )
        return 4 if own == "float32" else 2

    def score(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """(index, result) in order of completion; a pair that cannot be scored is a Failure at once.

        So is a log-probability of -inf: the model rules a token out, and nothing can be compared with that.
        """
        from ...engine import ScoreRequest

        encoded = encode_pairs(self.tokenizer, pairs, self.context_window)
        good = [(index, pair) for index, pair in enumerate(encoded) if isinstance(pair, Pair)]
        for index, pair in enumerate(encoded):
            if isinstance(pair, ContextOverflow):
                yield index, Failure("infra", str(pair))
        for place, score in self.engine.score([ScoreRequest(pair.ids, pair.scored) for _, pair in good]):
            index, pair = good[place]
            context = len(pair.ids) - pair.scored
            if not isfinite(score.logprob):
                yield index, Failure("infra", self.why_not_numbers)
                continue
            yield index, LogLikelihood(score.logprob, score.greedy, pair.scored, context, pair.cut, score.seconds)

    def complete(self, requests: Sequence[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result) in order of completion. A prompt keeps its right-hand end: the window less max_tokens."""
        from ...engine import DecodeRequest, Sampling

        texts = [r.prompt if isinstance(r.prompt, str) else self.render(r.prompt) for r in requests]
        prepared: list[tuple[int, DecodeRequest, int]] = []
        for index, (request, ids) in enumerate(zip(requests, encode_texts(self.tokenizer, texts), strict=True)):
            room = self.context_window - request.max_tokens
            if room < 1 or request.max_tokens < 1:
                reason = f"max_tokens is {request.max_tokens}; the context window of {self.name.text} is {self.context_window}"
                yield index, Failure("infra", reason)
                continue
            kept = tuple(ids[-room:]) or (self.tokenizer.start,)
            sampling = Sampling(request.temperature, request.top_k, request.top_p, request.seed)
            stop = StopText(self.tokenizer.with_special, request.stop) if any(request.stop) else None
            prepared.append(
                (index, DecodeRequest(index, kept, request.max_tokens, sampling, stop), max(0, len(ids) - room))
            )
        for place, got in self.engine.complete([request for _, request, _ in prepared]):
            index, request, cut = prepared[place]
            if got.finish == "nan":
                yield index, Failure("infra", self.why_not_numbers)
                continue
            text = cut_at_stop(self.tokenizer.decode(got.tokens), requests[index].stop)
            yield index, Completion(text, len(got.tokens), got.finish, len(request.tokens), cut, got.seconds)

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """As Model.stream. A prompt keeps its right-hand end: the window less max_tokens."""
        from .reply import chance

        prompt, room = self.read(request), self.context_window - request.max_tokens
        if room < 1 or request.max_tokens < 1:
            reason = (
                f"max_tokens is {request.max_tokens}; the context window of {self.name.text} is {self.context_window}"
            )
            yield Delta(failure=Failure("infra", reason))
            return
        reply = self.reply(request, replace(prompt, ids=prompt.ids[-room:]))
        for event in self.events(reply.decode, cancel):
            if delta := reply.push(event, chance(event, self.tokenizer.with_special)):
                yield delta
            if reply.ended:
                break
        yield replace(reply.last(), cut=max(0, len(prompt.ids) - room))

    def reply(self, request: Generate, prompt: "Prompt") -> "Reply":
        """What answers `request`, whose prompt is `prompt`; loads the weights on first use."""
        from .reply import Reply

        ends = self.ends | {self.tokenizer.start}
        return Reply(request, prompt, self.tokenizer, ends, self.constraint(request))

    @lazy
    def grammars(self) -> Any:
        from .constrain import Grammars

        tokenizer = CheckpointTokenizer(str(self.checkpoint.folder), "remote-code" in self.checkpoint.allow)
        return Grammars(tokenizer.fast, self.engine_loop.vocabulary, self.engine_loop.ends)

    def close(self) -> None:
        if self._engine_loop is not None:
            self._engine_loop.close()
            self._engine_loop = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
