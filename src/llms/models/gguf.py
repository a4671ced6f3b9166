"""A GGUF file as a Model, computed by llama.cpp: the fastest chat on a processor, and needing no torch.

Scores have the meaning they have for checkpoints. A batch is worked off one by one: llama.cpp gains nothing from
computing rows together on a processor (benchmarks/LOG.md), and much from not reading a shared beginning twice.
"""

import os
import resource
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from ..errors import ContextOverflow, MissingExtra, ModelError, UsageError
from ..tokens.pair import Pair, encode_pairs, encode_texts
from ..tokens.render import knows_tools, render
from ..tokens.stop import StopText, cut_at_stop
from ..tokens.stream import THINKING, Detokenizer
from ..values import Completion, Delta, Failure, Finish, Identity, LogLikelihood, Message, TokenChance, Usage
from . import embedded
from .answer import AnswerReader
from .digest import digest_files, digest_text
from .llama import Context, Vocabulary, Weights, draw, library, log_softmax
from .name import OF_CHECKPOINTS, Name
from .system import Capabilities, Generate, Model
from .toolcalls import instructions, with_instructions

IDLE = 2  # contexts that are kept for requests which begin like an earlier one
SMALLEST = 4096  # tokens a context has room for, at least, so that a chat's next turns fit


def open_gguf(name: Name, workers: int = 1) -> "GgufModel":
    """The model of a GGUF file, or of the embedded one's. Raises UsageError, MissingExtra or ModelError."""
    for option in (OF_CHECKPOINTS - {"device"}) & set(name.options):
        raise UsageError(f"{name.text!r}: {option} is for checkpoints; a GGUF file's weights are used as they are")
    if find_spec("llama_cpp") is None:
        raise MissingExtra("llama-cpp-python", "a GGUF model", "gguf")
    path = Path(name.model).expanduser()
    if name.model == "smollm2" and not path.exists():
        path = embedded.installed()
    if not path.is_file():
        raise ModelError(f"the GGUF file {path} does not exist; expected a file, or smollm2 for the embedded model")
    return GgufModel(name, path.resolve(), workers)


class GgufModel(Model):
    """Each call computes in a context of its own, with `workers` threads, so that callers do not wait for each other."""

    def __init__(self, name: Name, path: Path, workers: int = 1):
        self.name, self.path, self.workers = name, path, workers
        self._weights: Weights | None = None
        self._idle: list[Context] = []  # the most recent last
        self._lock = threading.Lock()

    @cached_property
    def tokenizer(self) -> Vocabulary:
        return Vocabulary(self.path)

    @cached_property
    def device(self) -> str:
        """As named; else the GPU where this build of llama.cpp can use one."""
        able, stated = library().llama_supports_gpu_offload(), self.name.options.get("device")
        if stated not in (None, "cpu") and not able:
            raise ModelError(
                f"{self.name.text}: this build of llama.cpp computes on the processor only; leave device= out, or "
                "install it anew with CMAKE_ARGS=-DGGML_CUDA=on"
            )
        return stated or ("cuda" if able else "cpu")

    @cached_property
    def identity(self) -> Identity:
        return Identity(
            name=self.name.text,
            weights=digest_files(self.path.parent, [self.path.name]),
            quantization=self.tokenizer.kind,
            template=digest_text(self._template or ""),
            extra={"llama-cpp-python": version("llama-cpp-python")},
        )

    @property
    def _template(self) -> str | None:
        return self.tokenizer.metadata.get("tokenizer.chat_template")

    @property
    def context_window(self) -> int:
        return self.tokenizer.window

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(True, True, self._template is not None, self.context_window)

    @property
    def peak_memory_bytes(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def prepare(self) -> None:
        """Map the weights now, if they are not."""
        with self._lock:
            self._weights = self._weights or Weights(self.path, self.device)

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

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        text = prompt if isinstance(prompt, str) else self.render(prompt)
        return len(encode_texts(self.tokenizer, [text])[0])

    def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        if self._template is None:
            raise ModelError(f"{self.name.text} has no chat template; give it raw text")
        if tools and not knows_tools(self._template):
            messages, tools = with_instructions(messages, instructions(tools)), ()
        return render(self._template, messages, self.tokenizer.special_tokens, tools=tools)

    def score(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """(index, result), neighbours in the alphabet of tokens one after the other, so that they share most."""
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
                spent = perf_counter() - started
                yield index, LogLikelihood(logprob, greedy, pair.scored, first + 1, pair.cut, spent)

    def complete(self, requests: Sequence[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result), one after the other. A prompt keeps its right-hand end: the window less max_tokens."""
        prompts = [self._prompt(request) for request in requests]
        for index, ids in sorted(enumerate(prompts), key=lambda entry: entry[1]):
            request = requests[index]
            if reason := self._no_room(request):
                yield index, Failure("infra", reason)
                continue
            kept = ids[request.max_tokens - self.context_window :]
            stop = StopText(self.tokenizer.with_special, request.stop) if any(request.stop) else None
            started, new, finish = perf_counter(), list[int](), None
            for token, _, finish in self._continue(kept, request):
                new.append(token)
                if stop is not None and stop(new):
                    finish = "stop"
                    break
            text, spent = cut_at_stop(self.tokenizer.decode(new), request.stop), perf_counter() - started
            yield index, Completion(text, len(new), finish or "length", len(kept), len(ids) - len(kept), spent)

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """As Model.stream. A prompt keeps its right-hand end: the window less max_tokens."""
        if reason := self._no_room(request):
            yield Delta(failure=Failure("infra", reason))
            return
        ids, raw = self._prompt(request), isinstance(request.prompt, str)
        kept = ids[request.max_tokens - self.context_window :]
        opened = self.tokenizer.with_special(kept[-16:]).rstrip().endswith(tuple(tag for tag, _ in THINKING))
        reader = AnswerReader(request, not raw and opened)
        words = Detokenizer(self.tokenizer.decode if raw else self._visible)
        count, finish = 0, None
        for token, chance, finish in self._continue(kept, request, cancel):
            count += 1
            if delta := reader.push("" if token in self.tokenizer.ends else words.push(token), chance):
                yield delta
            if reader.stopped:
                finish = "stop"
                break
        if not reader.stopped and (delta := reader.push(words.flush())):
            yield delta
        usage = Usage(len(kept), count, reasoning_tokens=reader.reasoning_tokens)
        yield replace(reader.flush(), finish=finish or "stop", usage=usage, cut=len(ids) - len(kept))

    def _prompt(self, request: Generate) -> list[int]:
        offered = request.tools if request.tool_choice != "none" else ()
        text = request.prompt if isinstance(request.prompt, str) else self.render(request.prompt, offered)
        return encode_texts(self.tokenizer, [text])[0] or [self.tokenizer.start]

    def _no_room(self, request: Generate) -> str | None:
        if 0 < request.max_tokens < self.context_window:
            return None
        return f"max_tokens is {request.max_tokens}; the context window of {self.name.text} is {self.context_window}"

    def _continue(
        self, ids: Sequence[int], request: Generate, cancel: threading.Event | None = None
    ) -> Iterator[tuple[int, TokenChance | None, Finish | None]]:
        """Each new token, how likely it was if that is wanted, and how the answer ended with it, if it did."""
        import numpy as np

        constrain, random = self._constraint(request), np.random.default_rng(request.seed)
        sequence, new = list(ids), list[int]()
        with self._context(ids, len(ids) + request.max_tokens) as context:
            for _ in range(request.max_tokens):
                step = next(context.logits(sequence, len(sequence) - 1, cancel), None)
                if step is None:  # cancelled
                    return
                logits = step[1] if constrain is None else constrain(new, step[1])
                token = draw(logits, request.temperature, request.top_k, request.top_p, random)
                sequence.append(token)
                new.append(token)
                ended = token in self.tokenizer.ends
                finish: Finish | None = "stop" if ended else "length" if len(new) == request.max_tokens else None
                yield token, self._chance(step[1], token, request.top), finish
                if finish:
                    return

    def _visible(self, ids: Sequence[int]) -> str:
        """Special tokens are shown, since some models mark thinking and tool calls by them; the ends are not."""
        return self.tokenizer.with_special([id for id in ids if id not in self.tokenizer.ends])

    def _chance(self, logits: Any, token: int, top: int | None) -> TokenChance | None:
        if top is None:
            return None
        chances = log_softmax(logits)
        best = chances.argsort()[::-1][:top].tolist()
        word = self.tokenizer.with_special
        return TokenChance(
            word([token]), float(chances[token]), tuple((word([id]), float(chances[id])) for id in best)
        )

    def _constraint(self, request: Generate) -> Any:
        if request.schema is not None:
            return self._grammars.obeying(request.schema)
        if request.tools and request.tool_choice != "none":
            return self._grammars.calling(request.tools, request.tool_choice)
        return None

    @cached_property
    def _grammars(self) -> Any:
        from .constrain import Grammars

        return Grammars.of_llama(self.tokenizer.pointer, self.tokenizer.ends)

    def chat_model(self) -> Any:
        from .chat_model import LocalChatModel

        return LocalChatModel(self)

    def close(self) -> None:
        with self._lock:
            self._weights, self._idle = None, []
