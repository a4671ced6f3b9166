"""llama.cpp through its C interface: token ids in, logits out. Knows no messages, no stop strings and no scores.

Vocabulary   tokens and metadata of a GGUF file; reads no weights
Weights      the same file's model, mapped into memory
Context      one sequence: keys and values of what was read last, so that only what is new is computed
draw         the next token from logits, as `engine.sampling` draws it, without torch
"""

import ctypes
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np

from ...engine.request import LEAST_TEMPERATURE, Sampling
from ...errors import ModelError
from ...lazy import lazy
from ...tokens.views import TokenView, of_bytes
from .library import complaints, library

SLICE = 64  # tokens read between two looks at `cancel`; larger ones are no faster (benchmarks/LOG.md)


def _open(path: Path, device: str, vocab_only: bool = False) -> int:
    """A llama_model pointer. Raises ModelError with llama.cpp's own reason."""
    lib = library()
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelError(f"cannot read the GGUF file {path}: {error.strerror}") from error
    if magic != b"GGUF":
        raise ModelError(f"{path} is not a GGUF file: it begins with {magic!r}, expected b'GGUF'")
    chosen = lib.llama_model_default_params()
    chosen.n_gpu_layers = -1 if device == "cuda" else 0
    chosen.vocab_only = vocab_only
    complaints.clear()
    model: int | None = lib.llama_model_load_from_file(str(path).encode(), chosen)
    if not model:
        reason = next((line for line in complaints if line), "no reason was given")
        raise ModelError(f"llama.cpp cannot load {path}: {reason}; the file may be cut, or too new for this version")
    return model


class Vocabulary:
    """How a GGUF file cuts text, and what it says of itself: a tokens.Tokenizer. Raises ModelError, MissingExtra."""

    def __init__(self, path: Path, weights: "Weights | None" = None):
        """Read from `path`, unless `weights` of that file are there already: reading it takes a fifth of a second."""
        self._lib = library()
        self._weights = weights  # must outlive the vocabulary, which is a part of them
        if weights is not None:
            self._model = weights.model
        else:
            self._model = _open(path, "cpu", vocab_only=True)
            weakref.finalize(self, self._lib.llama_model_free, self._model)
        self.pointer = self._lib.llama_model_get_vocab(self._model)
        self.size: int = self._lib.llama_vocab_n_tokens(self.pointer)

    @lazy
    def metadata(self) -> dict[str, str]:
        count = self._lib.llama_model_meta_count(self._model)
        key, value = self._lib.llama_model_meta_key_by_index, self._lib.llama_model_meta_val_str_by_index
        return {self._text(key, i): self._text(value, i) for i in range(count)}

    def _text(self, read: Callable[..., int], index: int) -> str:
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = read(self._model, index, buffer, size)
            if length < size:
                return buffer.value.decode("utf-8", "replace")
            size = length + 1

    @property
    def kind(self) -> str:
        """How most of the weights are stored, such as Q4_1 or Q4_K_M."""
        text = self._lib.llama_ftype_name(int(self.metadata.get("general.file_type", -1))).decode()
        name, _, size = text.removeprefix("all ").partition(" - ")
        return f"{name}_{size[0]}" if size in ("Small", "Medium", "Large") else name

    @property
    def window(self) -> int:
        """Tokens the model was made for."""
        return int(self.metadata.get(f"{self.metadata.get('general.architecture')}.context_length", 2048))

    @property
    def special_tokens(self) -> dict[str, str]:
        """bos_token and the like, as chat templates call them."""
        lib, vocabulary = self._lib, self.pointer
        ids = {"bos_token": lib.llama_vocab_bos(vocabulary), "eos_token": lib.llama_vocab_eos(vocabulary)}
        return {name: self.with_special([id]) for name, id in ids.items() if id >= 0}

    @property
    def start(self) -> int:
        beginning: int = self._lib.llama_vocab_bos(self.pointer)
        end: int = self._lib.llama_vocab_eos(self.pointer)
        if beginning < 0 and end < 0:
            raise ModelError("the GGUF file's tokenizer has neither BOS nor EOS; an empty context needs one")
        return end if beginning < 0 else beginning

    @property
    def start_text(self) -> str:
        return self.with_special([self.start])

    @lazy
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return frozenset(id for id in range(self.size) if self._lib.llama_vocab_is_eog(self.pointer, id))

    def encode(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        return [self._encode(text.encode("utf-8", "replace"), special) for text in texts]

    def _encode(self, text: bytes, special: bool) -> list[int]:
        room = len(text) + 8
        while True:
            tokens = (ctypes.c_int32 * room)()
            count = self._lib.llama_tokenize(self.pointer, text, len(text), tokens, room, special, True)
            if count >= 0:
                return tokens[:count]
            room = -count

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        tokens, room = (ctypes.c_int32 * len(ids))(*ids), 16 * len(ids) + 16
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = self._lib.llama_detokenize(self.pointer, tokens, len(ids), buffer, room, False, special)
            if length >= 0:
                return buffer.raw[:length].decode("utf-8", "replace")
            room = -length

    def with_special(self, ids: Sequence[int]) -> str:
        return self.decode(ids, special=True)

    def data(self, token: int) -> bytes:
        """The bytes of text that a token stands for; those of a special token are its name."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = self._lib.llama_token_to_piece(self.pointer, token, buffer, room, 0, True)
            if length >= 0:
                return buffer.raw[:length]
            room = -length

    def pieces(self, text: str, special: bool = True) -> list[TokenView]:
        """The tokens of `text` and the part of it that each stands for."""
        ids, bare = self.encode([text], special)[0], self.encode([text], special=False)[0]
        before = next((i for i in range(len(ids) - len(bare) + 1) if ids[i : i + len(bare)] == bare), 0)
        own = of_bytes(bare, [self.data(id) for id in bare])
        end = own[-1].end if own else 0
        first = [TokenView(id, self.with_special([id]), b"", 0, 0, True) for id in ids[:before]]
        last = [TokenView(id, self.with_special([id]), b"", end, end, True) for id in ids[before + len(bare) :]]
        return [*first, *(replace(piece, special=self._control(piece.id)) for piece in own), *last]

    def entry(self, token: int) -> TokenView:
        """The vocabulary's entry of a token id, as if it were a text of its own."""
        if not 0 <= token < self.size:
            return TokenView(token, f"<{token}>", b"", 0, 0)
        (piece,) = of_bytes([token], [self.data(token)])
        return replace(piece, special=self._control(token))

    def marked(self, token: int) -> bytes:
        """As `data`; a token that no text may spell begins with the byte 0xff, as llguidance wants it."""
        return (b"\xff" if self._control(token) else b"") + self.data(token)

    @property
    def tokenize_address(self) -> int:
        """Of llama_tokenize, for those who call it without Python."""
        return ctypes.cast(self._lib.llama_tokenize, ctypes.c_void_p).value or 0

    def _control(self, token: int) -> bool:
        return bool(self._lib.llama_vocab_is_control(self.pointer, token))


class Weights:
    """A GGUF file's model, with a LoRA adapter if one is given; freed when neither it nor a Context of it is held."""

    def __init__(self, path: Path, device: str, adapter: Path | None = None):
        lib = library()
        self.model = _open(path, device)
        weakref.finalize(self, lib.llama_model_free, self.model)
        self.adapter = None if adapter is None else self._adapter(adapter)
        self.vocabulary: int = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))

    def _adapter(self, path: Path) -> int:
        """A llama_adapter_lora pointer; llama.cpp frees it with the model."""
        complaints.clear()
        pointer: int | None = library().llama_adapter_lora_init(self.model, str(path).encode())
        if not pointer:
            reason = next((line for line in complaints if line), "no reason was given")
            raise ModelError(
                f"llama.cpp cannot load the adapter {path}: {reason}; it must be a GGUF file made for this model"
            )
        return pointer


class Context:
    """One sequence of up to `room` tokens over `weights`, computed by `threads` threads. Not for two threads at once."""

    def __init__(self, weights: Weights, room: int, threads: int):
        lib = self._lib = library()
        self._weights = weights  # must outlive the context
        chosen = lib.llama_context_default_params()
        chosen.n_ctx, chosen.n_seq_max, chosen.no_perf = room, 1, True
        chosen.n_batch = chosen.n_ubatch = chosen.n_outputs_max_per_seq = SLICE
        chosen.n_threads = chosen.n_threads_batch = threads
        self._context = lib.llama_init_from_model(weights.model, chosen)
        if not self._context:
            raise ModelError(f"llama.cpp has no memory for a context of {room} tokens; ask for fewer")
        weakref.finalize(self, lib.llama_free, self._context)
        if weights.adapter is not None:
            one, whole = (ctypes.c_void_p * 1)(weights.adapter), (ctypes.c_float * 1)(1.0)
            if lib.llama_set_adapters_lora(self._context, one, 1, whole):
                raise ModelError("llama.cpp cannot apply the adapter to this model; is it made for it?")
        self._batch = lib.llama_batch_init(SLICE, 0, 1)
        weakref.finalize(self, lib.llama_batch_free, self._batch)
        self._memory = lib.llama_get_memory(self._context)
        self.room, self.threads = room, threads
        self.tokens: list[int] = []  # whose keys and values are stored

    def logits(
        self, tokens: Sequence[int], first: int, cancel: Event | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(position, logits (V,)) after each of tokens[first:]; what is stored of their beginning is not computed anew.

        The array is overwritten by the next step. Ends early, between slices, when `cancel` is set.
        """
        start = min(self.shared(tokens), first)
        if not self._lib.llama_memory_seq_rm(self._memory, 0, start, -1):  # a state that cannot be cut: from the start
            self._lib.llama_memory_clear(self._memory, True)
            start = 0
        del self.tokens[start:]
        for begin in range(start, len(tokens), SLICE):
            if cancel is not None and cancel.is_set():
                return
            part = tokens[begin : begin + SLICE]
            self._decode(part, begin, first)
            self.tokens += part
            for index in range(max(0, first - begin), len(part)):
                pointer = self._lib.llama_get_logits_ith(self._context, index)
                yield begin + index, np.ctypeslib.as_array(pointer, (self._weights.vocabulary,))

    def shared(self, tokens: Sequence[int]) -> int:
        """How many of the first `tokens` are stored."""
        pairs = zip(self.tokens, tokens, strict=False)
        return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(self.tokens), len(tokens)))

    def _decode(self, part: Sequence[int], begin: int, first: int) -> None:
        batch = self._batch
        batch.n_tokens = len(part)
        for index, token in enumerate(part):
            batch.token[index], batch.pos[index] = token, begin + index
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
            batch.logits[index] = begin + index >= first
        code = self._lib.llama_decode(self._context, batch)
        if code:
            self._lib.llama_memory_clear(self._memory, True)
            self.tokens.clear()
            raise ModelError(f"llama.cpp failed at token {begin} of {self.room} (code {code})")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities in nats, float32, of logits (V,)."""
    shifted = logits - logits.max()
    logprobs: np.ndarray = shifted - np.log(np.exp(shifted).sum())
    return logprobs


def likelihood(logits: np.ndarray, token: int, top: int | None) -> tuple[float | None, tuple[tuple[int, float], ...]]:
    """Log-probability (nats) of `token` under logits (V,), and the `top` most likely (token, log-probability)."""
    if top is None:
        return None, ()
    chances = log_softmax(logits)
    best = chances.argsort()[::-1][:top].tolist()
    return float(chances[token]), tuple((id, float(chances[id])) for id in best)


def generator(sampling: Sampling) -> np.random.Generator | None:
    """None for greedy."""
    return None if sampling.temperature <= 0 else np.random.default_rng(sampling.seed)


def draw(logits: np.ndarray, sampling: Sampling, random: np.random.Generator | None) -> int:
    """A token drawn from logits (V,) after temperature, then top-k, then top-p (Holtzman et al. 2020), then min-p."""
    if random is None:
        return int(logits.argmax())
    count = min(sampling.top_k or len(logits), len(logits))
    some = np.argpartition(logits, -count)[-count:] if count < len(logits) else np.arange(len(logits))
    tokens = some[np.lexsort((some, -logits[some]))]  # of equals the first counts
    scores = logits[tokens].astype(np.float64) / max(sampling.temperature, LEAST_TEMPERATURE)
    chances = np.exp(scores - scores[0])
    chances /= chances.sum()
    if sampling.min_p:
        chances = np.where(chances >= sampling.min_p * chances[0], chances, 0)  # the first is the likeliest
    total = chances.cumsum()
    if sampling.top_p < 1:
        nucleus = max(1, int(np.count_nonzero(total - chances < sampling.top_p)))
        tokens, total = tokens[:nucleus], total[:nucleus]
    return int(tokens[np.searchsorted(total, random.random() * total[-1], side="right")])
