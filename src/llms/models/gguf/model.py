"""A GGUF file as a Model, computed by llama.cpp: the fastest chat on a processor, and needing no torch.

Scores have the meaning they have for checkpoints. A batch is worked off one by one: llama.cpp gains nothing from
computing rows together on a processor (benchmarks/LOG.md), and much from not reading a shared beginning twice.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from ...engine.penalties import penalized
from ...engine.request import NO_PENALTIES, DecodeRequest, Event, Finish
from ...engine.resident import peak_bytes
from ...errors import ContextOverflow, ModelError, NotNumbers, UsageError
from ...lazy import lazy
from ...tokens.pair import Pair, encode_pairs
from ...tokens.stop import StopText, cut_at_stop
from ...values import Completion, Delta, Failure, Identity, LogLikelihood
from ..digest import digest_files, digest_text
from ..loading import loading
from ..local import embedded
from ..local.adapter import Adapter, find_adapter
from ..local.constrain import Grammars
from ..local.reply import Reply, chance
from ..local.tokenizing_model import TokenizingModel
from ..name import OF_CHECKPOINTS, Name
from ..system import Capabilities, Generate
from . import library
from .llama import Context, Vocabulary, Weights, draw, generator, likelihood, log_softmax
from .lora import write_lora

SORTED_TOGETHER = 512  # requests to generate; what neighbours begin with is computed once
IDLE = 2  # contexts that are kept for requests which begin like an earlier one
SMALLEST = 4096  # tokens a context has room for, at least, so that a chat's next turns fit


def open_gguf(name: Name, workers: int = 1, chat: bool = False) -> "GgufModel":
    """The model of a GGUF file, or of the embedded one's. Raises UsageError, MissingExtra or ModelError.

    For `chat` the weights are loaded with the tokenizer, since an answer follows; else when they are needed.
    """
    for option in (OF_CHECKPOINTS - {"device", "adapter"}) & set(name.options):
        raise UsageError(f"{name.text!r}: {option} is for checkpoints; a GGUF file's weights are used as they are")
    if error := library.missing():
        raise error
    path = Path(name.model).expanduser()
    if name.model == "smollm2" and not path.exists():
        path = embedded.installed()
    if not path.is_file():
        raise ModelError(f"the GGUF file {path} does not exist; expected a file, or smollm2 for the embedded model")
    return GgufModel(name, path.resolve(), workers, _adapter(name), chat)


def _adapter(name: Name) -> Path | Adapter | None:
    """The file, or the folder as PEFT saves it, that `adapter=` names; None without one. Raises ModelError, UnknownName."""
    if "adapter" not in name.options:
        return None
    path = Path(name.options["adapter"]).expanduser()
    return path.resolve() if path.is_file() else find_adapter(name.options["adapter"])


class GgufModel(TokenizingModel):
    """Each call computes in a context of its own, with `workers` threads, so that callers do not wait for each other."""

    def __init__(
        self, name: Name, path: Path, workers: int = 1, adapter: Path | Adapter | None = None, chat: bool = False
    ):
        self.name, self.path, self.workers, self.adapter, self._chat = name, path, workers, adapter, chat
        self._weights: Weights | None = None
        self._idle: list[Context] = []  # the most recent last
        self._lock = threading.Lock()

    @lazy
    def tokenizer(self) -> Vocabulary:
        if self._chat:
            self.prepare()
        with self._lock:
            return Vocabulary(self.path, self._weights)

    @lazy
    def device(self) -> str:
        """As named; else the GPU where this build of llama.cpp can use one."""
        able = library.library().llama_supports_gpu_offload()
        stated = self.name.options.get("device")
        if stated not in (None, "cpu") and not able:
            raise ModelError(
                f"{self.name.text}: this build of llama.cpp computes on the processor only; leave device= out, or use a "
                "checkpoint (hf:) on the GPU"
            )
        return stated or ("cuda" if able else "cpu")

    @lazy
    def identity(self) -> Identity:
        return Identity(
            name=self.name.text,
            weights=digest_files(self.path.parent, [self.path.name]),
            quantization=self.tokenizer.kind,
            adapter=self._adapter_digest,
            template=digest_text(self.template or ""),
            extra={"xllamacpp": library.VERSION},
        )

    @property
    def _adapter_digest(self) -> str:
        if isinstance(self.adapter, Adapter):
            return self.adapter.digest
        return digest_files(self.adapter.parent, [self.adapter.name]) if self.adapter else ""

    @property
    def template(self) -> str | None:
        return self.tokenizer.metadata.get("tokenizer.chat_template")

    @property
    def special_tokens(self) -> Mapping[str, str]:
        return self.tokenizer.special_tokens

    @property
    def ends(self) -> frozenset[int]:
        return self.tokenizer.ends

    @property
    def context_window(self) -> int:
        return self.tokenizer.window

    @property
    def capabilities(self) -> Capabilities:
        chat = self.template is not None
        window = self.context_window
        return Capabilities(True, True, chat, window, tools=chat, gathers=True)

    @property
    def peak_memory_bytes(self) -> int:
        return peak_bytes()

    def prepare(self) -> None:
        """Map the weights now, if they are not."""
        with self._lock:
            if self._weights is None:
                with loading("loading", self.name.text), self._adapter_file() as adapter:
                    self._weights = Weights(self.path, self.device, adapter)

    @contextmanager
    def _adapter_file(self) -> Iterator[Path | None]:
        """The adapter as llama.cpp reads it, for as long as it does."""
        if not isinstance(self.adapter, Adapter):
            yield self.adapter
            return
        with TemporaryDirectory() as folder:
            target = Path(folder) / "adapter.gguf"
            write_lora(self.adapter, self.path, target)
            yield target

    @contextmanager
    def _context(self, tokens: Sequence[int], room: int) -> Iterator[Context]:
        """A context with room for so many tokens, the one that stores most of the beginning of `tokens`."""
        self.prepare()
        with self._lock:
            weights = self._weights
            assert weights is not None
            fitting = [c for c in self._idle if c.room >= room and c.threads == self.workers]
            context = max(fitting, key=lambda c: c.shared(tokens), default=None)
            if context is not None:
                self._idle.remove(context)
        if context is None:
            size = min(self.context_window + 1, max(SMALLEST, 1 << (room - 1).bit_length()))
            context = Context(weights, max(room, size), self.workers)
        try:
            yield context
        finally:
            with self._lock:
                if self._weights is weights:
                    self._idle = [*self._idle[1 - IDLE :], context]

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """(index, result), neighbours in the alphabet of tokens one after the other, so that they share most."""
        pairs = list(pairs)
        encoded = encode_pairs(self.tokenizer, pairs, self.context_window)
        good = [(pair.ids, index, pair) for index, pair in enumerate(encoded) if isinstance(pair, Pair)]
        for index, pair in enumerate(encoded):
            if isinstance(pair, ContextOverflow):
                yield index, Failure("infra", str(pair))
        if not good:
            return
        good.sort(key=lambda entry: entry[:2])
        with self._context(good[0][0], max(len(ids) for ids, _, _ in good)) as context:
            for ids, index, pair in good:
                started = perf_counter()
                logprob, greedy, first = 0.0, True, len(ids) - pair.scored - 1
                for position, logits in context.logits(ids[:-1], first):
                    chances = log_softmax(logits)
                    logprob += float(chances[ids[position + 1]])
                    greedy = greedy and int(chances.argmax()) == ids[position + 1]
                seconds = perf_counter() - started
                if not isfinite(logprob):
                    yield index, Failure("infra", self._not_numbers)
                    continue
                yield index, LogLikelihood(logprob, greedy, pair.scored, first + 1, pair.cut, seconds)

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result), one after the other, neighbours in the alphabet of tokens among those that are read together.
        A prompt keeps its right-hand end: the window less max_tokens."""
        numbered = enumerate(requests)
        while block := list(islice(numbered, SORTED_TOGETHER)):
            read = [(self.read(request).ids, index, request) for index, request in block]
            for ids, index, request in sorted(read, key=lambda entry: entry[0]):
                yield index, self._complete(request, ids)

    def _complete(self, request: Generate, ids: tuple[int, ...]) -> Completion | Failure:
        if reason := self._no_room(request):
            return Failure("infra", reason)
        context = ids[request.max_tokens - self.context_window :]
        stop = StopText(self.tokenizer.with_special, request.stop) if any(request.stop) else None
        started = perf_counter()
        constraint = self.constraint(request) if request.schema is not None else None
        try:
            events = list(
                self.events(DecodeRequest(0, context, request.max_tokens, request.sampling, stop, constraint))
            )
        except NotNumbers as error:
            return Failure("infra", str(error))
        seconds, new = perf_counter() - started, [event.token for event in events]
        text, finish = cut_at_stop(self.tokenizer.decode(new), request.stop), events[-1].finish or "stop"
        assert finish != "nan"  # is raised instead
        return Completion(text, len(new), finish, len(context), len(ids) - len(context), seconds)

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """As Model.stream. A prompt keeps its right-hand end: the window less max_tokens."""
        if reason := self._no_room(request):
            yield Delta(failure=Failure("infra", reason))
            return
        prompt = self.read(request)
        context = prompt.ids[request.max_tokens - self.context_window :]
        ends = self.ends | {self.tokenizer.start}
        reply = Reply(request, replace(prompt, ids=context), self.tokenizer, ends, self.constraint(request))
        for event in self.events(reply.decode, cancel):
            if delta := reply.push(event, chance(event, self.tokenizer.with_special)):
                yield delta
            if reply.ended:
                break
        yield replace(reply.last(), cut=len(prompt.ids) - len(context))

    @property
    def _not_numbers(self) -> str:
        return f"what {self.name.text} computes are not finite numbers (NaN): the file is damaged; get it anew"

    def _no_room(self, request: Generate) -> str | None:
        if 0 < request.max_tokens < self.context_window:
            return None
        return f"max_tokens is {request.max_tokens}; the context window of {self.name.text} is {self.context_window}"

    def events(self, request: DecodeRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
        random = generator(request.sampling)
        tokens, new = list(request.tokens), list[int]()
        with self._context(tokens, len(tokens) + request.max_tokens) as context:
            while step := next(context.logits(tokens, len(tokens) - 1, cancel), None):  # None if cancelled
                if not isfinite(step[1].max()):
                    raise NotNumbers(self._not_numbers)
                logits = step[1]
                if request.sampling.penalties != NO_PENALTIES:
                    logits = penalized(logits, request.sampling.penalties, request.tokens, new)
                if request.constrain is not None:
                    logits = request.constrain(new, logits)
                token = draw(logits, request.sampling, random)
                tokens.append(token)
                new.append(token)
                ended = token in self.ends or (request.stop is not None and request.stop(new))
                finish: Finish | None = "stop" if ended else "length" if len(new) == request.max_tokens else None
                yield Event(request.id, token, finish, *likelihood(step[1], token, request.top))
                if finish:
                    return

    @lazy
    def grammars(self) -> Grammars:
        return Grammars.of_llama(self.tokenizer)

    def close(self) -> None:
        with self._lock:
            self._weights, self._idle = None, []
            for part in ("tokenizer", "grammars"):  # they may hold the weights
                self.__dict__.pop(part, None)
