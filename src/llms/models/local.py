"""Local models: a checkpoint, its tokenizer, and an engine in this process or in several of their own."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from ..errors import ContextOverflow, MissingExtra, ModelError
from ..tokens.pair import Pair, encode_pairs, encode_texts
from ..tokens.render import knows_tools, render
from ..tokens.stop import StopText, cut_at_stop
from ..tokens.stream import THINKING
from ..values import Completion, Delta, Failure, Identity, LogLikelihood, Message, TokenChance
from .checkpoint import Build, Checkpoint
from .digest import digest_text
from .name import Name
from .system import Capabilities, Generate, Model
from .toolcalls import CLOSE, OPEN, instructions

if TYPE_CHECKING:
    from .reply import Prompt, Reply

WORKER_BYTES = 3 << 29  # what one more worker may take beyond the weights that it shares: 1.5 GB


class CheckpointTokenizer:
    """transformers' tokenizer of a checkpoint folder, behind tokens.Tokenizer. Pickles as its folder."""

    def __init__(self, folder: str, remote_code: bool = False):
        self._folder, self._remote_code = folder, remote_code

    @cached_property
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

    def data(self, id: int) -> bytes:
        """The bytes of text that a token stands for; those of a special token are its name."""
        name = self._tokenizer.convert_ids_to_tokens(id) or ""
        if id in self._tokenizer.added_tokens_decoder:
            return name.encode()
        if len(name) == 6 and name.startswith("<0x"):
            return bytes.fromhex(name[3:5])
        return _bytes_of(name) if self._byte_level else name.replace("▁", " ").encode()

    @cached_property
    def _byte_level(self) -> bool:
        return "ByteLevel" in repr(self._tokenizer.backend_tokenizer.decoder)

    def starts(self, text: str, special: bool = True) -> list[int]:
        """Where in `text` each of its tokens begins, in characters."""
        offsets = self._tokenizer(text, add_special_tokens=special, return_offsets_mapping=True, verbose=False)
        starts, seen = [], 0
        for start, end in offsets["offset_mapping"]:
            starts.append(min(start, seen))  # some tokenizers leave a space to no token
            seen = max(seen, end)
        return starts

    @property
    def fast(self) -> Any:
        """transformers' own object, for libraries that read its vocabulary."""
        return self._tokenizer


class LocalModel(Model):
    """A System over a checkpoint. Weights are loaded on first use, in `workers` processes (1: in this one)."""

    def __init__(self, name: Name, checkpoint: Checkpoint, workers: int = 1):
        self.name = name
        self.checkpoint = checkpoint
        self.workers = workers
        self.tokenizer = CheckpointTokenizer(str(checkpoint.folder), "remote-code" in checkpoint.allow)
        self._engine: Any = None
        self._live: Any = None
        self._lock = threading.Lock()

    @cached_property
    def dtype(self) -> str:
        """As named; else float32 on a processor, and the checkpoint's own on a GPU."""
        stated = self.name.options.get("dtype")
        own = self.checkpoint.text_config.get("dtype") or self.checkpoint.text_config.get("torch_dtype") or "float32"
        return stated or (str(own) if self.device.startswith("cuda") else "float32")

    @cached_property
    def device(self) -> str:
        """As named; else the GPU when there is one."""
        stated = self.name.options.get("device")
        if stated:
            return stated
        try:
            import torch
        except ImportError as error:
            raise MissingExtra("torch", "a local model", "local") from error
        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def identity(self) -> Identity:
        return Identity(
            name=self.name.text,
            weights=self.checkpoint.weights_digest,
            dtype=self.dtype,
            tokenizer=self.checkpoint.tokenizer_digest,
            template=digest_text(self.checkpoint.chat_template or ""),
        )

    @property
    def context_window(self) -> int:
        return self.checkpoint.context_window

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(True, True, self.checkpoint.chat_template is not None, self.context_window)

    @property
    def peak_memory_bytes(self) -> int:
        return self._engine.peak_bytes if self._engine is not None else 0

    @property
    def note(self) -> str | None:
        """Said once to the user when the model cannot use the fast way."""
        verdict = self._engine.verdict if self._engine is not None else None
        if verdict is None or verdict.follows:
            return None
        return f"{self.name.text} computes attention in a way that cannot share prefixes ({verdict.error}); using plain batches"

    @property
    def build(self) -> Build:
        return Build(
            str(self.checkpoint.folder),
            self.dtype,
            self.device,
            "remote-code" in self.checkpoint.allow,
            "pickle" in self.checkpoint.allow,
        )

    @property
    def engine(self):
        if self._engine is None:
            if self.workers > 1 and self.device == "cpu":
                from ..engine.workers import Workers

                self._engine = Workers(self.build, self.workers)
            else:
                self._engine = self.build()
        return self._engine

    @property
    def live(self):
        """The engine in this process that streams to any number of callers; loads the weights on first use."""
        from ..engine import Engine, Live

        with self._lock:
            if self._live is None:
                if not isinstance(self._engine, Engine):
                    if self._engine is not None:
                        self._engine.close()
                    self._engine = self.build()
                self._live = Live(self._engine)
            return self._live

    def prepare(self) -> None:
        """Load the weights now, if they are not."""
        _ = self.engine

    def most_workers(self) -> int:
        """As many as cores and free memory hold: the first with the weights, each further one beside them."""
        if self.device != "cpu":
            return 1
        from ..engine.memory import free_bytes_of_host

        width = {"float32": 4, "bfloat16": 2, "float16": 2}[self.dtype]
        weights = self.checkpoint.weight_bytes * width // self._stored_width
        return max(1, min(_cores(), (free_bytes_of_host() - weights) // WORKER_BYTES))

    @property
    def _stored_width(self) -> int:
        own = str(
            self.checkpoint.text_config.get("dtype") or self.checkpoint.text_config.get("torch_dtype") or "float32"
        )
        return 4 if own == "float32" else 2

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        """Tokens of raw text, or of messages under the chat template with the reply opened."""
        text = prompt if isinstance(prompt, str) else self.render(prompt)
        return len(encode_texts(self.tokenizer, [text])[0])

    def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        template = self.checkpoint.chat_template
        if template is None:
            raise ModelError(f"{self.name.text} has no chat template; give it raw text")
        if tools and not knows_tools(template):
            messages, tools = _with_instructions(messages, instructions(tools)), ()
        return render(template, messages, self.checkpoint.special_tokens, tools=tools)

    def score(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """(index, result) in order of completion; a pair that cannot be scored is a Failure at once."""
        from ..engine import ScoreRequest

        encoded = encode_pairs(self.tokenizer, pairs, self.context_window)
        good = [(index, pair) for index, pair in enumerate(encoded) if isinstance(pair, Pair)]
        for index, pair in enumerate(encoded):
            if isinstance(pair, ContextOverflow):
                yield index, Failure("infra", str(pair))
        for place, score in self.engine.score([ScoreRequest(pair.ids, pair.scored) for _, pair in good]):
            index, pair = good[place]
            context = len(pair.ids) - pair.scored
            yield index, LogLikelihood(score.logprob, score.greedy, pair.scored, context, pair.cut, score.seconds)

    def complete(self, requests: Sequence[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result) in order of completion. A prompt keeps its right-hand end: the window less max_tokens."""
        from ..engine import DecodeRequest, Sampling

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
            text = cut_at_stop(self.tokenizer.decode(got.tokens), requests[index].stop)
            yield index, Completion(text, len(got.tokens), got.finish, len(request.tokens), cut, got.seconds)

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """As Model.stream. A prompt keeps its right-hand end: the window less max_tokens."""
        prompt, room = self.read(request), self.context_window - request.max_tokens
        if room < 1 or request.max_tokens < 1:
            reason = (
                f"max_tokens is {request.max_tokens}; the context window of {self.name.text} is {self.context_window}"
            )
            yield Delta(failure=Failure("infra", reason))
            return
        reply = self.reply(request, replace(prompt, ids=prompt.ids[-room:]))
        for event in self.live.events(reply.decode, cancel):
            chance = None if event.logprob is None else self._chance(event.token, event.logprob, event.top)
            if delta := reply.push(event, chance):
                yield delta
            if reply.ended:
                break
        yield replace(reply.last(), cut=max(0, len(prompt.ids) - room))

    def read(self, request: Generate) -> "Prompt":
        """The whole prompt of `request` as the model reads it."""
        from .reply import Prompt

        raw = isinstance(request.prompt, str)
        offered = request.tools if request.tool_choice != "none" else ()
        text = request.prompt if isinstance(request.prompt, str) else self.render(request.prompt, offered)
        ids = encode_texts(self.tokenizer, [text])[0] or [self.tokenizer.start]
        return Prompt(tuple(ids), raw, not raw and text.rstrip().endswith(tuple(tag for tag, _ in THINKING)))

    def reply(self, request: Generate, prompt: "Prompt") -> "Reply":
        """What answers `request`, whose prompt is `prompt`; loads the weights on first use."""
        from .reply import Reply

        ends = self.live.ends | {self.tokenizer.start}
        return Reply(request, prompt, self.tokenizer, ends, self._constraint(request))

    def _chance(self, token: int, logprob: float, top: Sequence[tuple[int, float]]) -> TokenChance:
        def word(id: int) -> str:
            return self.tokenizer.with_special([id])

        return TokenChance(word(token), logprob, tuple((word(id), value) for id, value in top))

    def _constraint(self, request: Generate) -> Any:
        tools = request.tools if request.tool_choice != "none" else ()
        if request.schema is None and not tools:
            return None
        return self._grammars.following(request.schema, tools, request.tool_choice, request.parallel_calls)

    @cached_property
    def _grammars(self) -> Any:
        from .constrain import Grammars

        return Grammars(self.tokenizer.fast, self.live.vocabulary, self.live.ends)

    def chat_model(self) -> Any:
        from .chat_model import LocalChatModel

        return LocalChatModel(self)

    def close(self) -> None:
        if self._live is not None:
            self._live.close()
            self._live = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def _with_instructions(messages: Sequence[Message], text: str) -> list[Message]:
    """`text` at the end of the system message, which is made if there is none; tool messages become the user's."""
    plain = [_as_text(message) for message in messages]
    if plain and plain[0].role == "system":
        return [replace(plain[0], content=f"{plain[0].content}\n\n{text}"), *plain[1:]]
    return [Message("system", text), *plain]


def _as_text(message: Message) -> Message:
    """A message of a tool conversation in words, for templates that know no tools."""
    if message.role == "tool":
        return Message("user", f"Result of the tool:\n{message.content}")
    calls = "".join(f'{OPEN}{{"name": "{c.name}", "arguments": {c.arguments}}}{CLOSE}' for c in message.tool_calls)
    return Message(message.role, message.content + calls)


def _bytes_of(name: str) -> bytes:
    """Byte-level vocabularies write printable bytes of Latin-1 as themselves, the others as the characters from U+0100
    on, in order (Radford et al. 2019)."""
    return bytes(_alphabet()[sign] for sign in name) if all(sign in _alphabet() for sign in name) else name.encode()


@cache
def _alphabet() -> dict[str, int]:
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
