"""A tokenizer read from `tokenizer.json` alone: no transformers, a tenth of the time to load.

transformers may add to what the file says (a start token, further special tokens) or build the tokenizer anew with
steps of its class. `open_tokenizer` returns one only where the file is known to be the whole truth.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..lazy import lazy
from ..values import Json, JsonObject
from .views import TokenView, cut, entry

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

FILE = "tokenizer.json"
# Classes, without the Fast at their end, that take the file as it is
PLAIN = frozenset({"TokenizersBackend", "PreTrainedTokenizer"})
# Classes that transformers builds anew from vocabulary and merges, with a digest of the steps it then puts in front;
# a file with the same steps gives the same tokens.
REBUILT = {"Qwen2Tokenizer": "af46d5521101e136", "GPT2Tokenizer": "cd7c5d92a5ab46e4"}
# Types of models for which transformers goes by the class that tokenizer_config.json names.
TYPES = frozenset({"llama", "qwen2", "qwen3", "smollm3", "olmo2", "gpt2", "gpt_neox", "granite", "falcon", "mixtral"})
NAMED = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")


class JsonTokenizer:
    """Behind tokens.Tokenizer. `start_text` is the text of BOS, else of EOS. Pickles as its path."""

    def __init__(self, path: Path, start_text: str):
        self.path, self.start_text = path, start_text

    @lazy
    def backend(self) -> "Backend":
        from tokenizers import Tokenizer

        try:
            backend = Tokenizer.from_file(str(self.path))
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"cannot read {self.path}: {error}; fetch the checkpoint again") from error
        backend.no_truncation()
        backend.no_padding()
        return backend

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "start_text": self.start_text}

    @lazy
    def start(self) -> int:
        start: int | None = self.backend.token_to_id(self.start_text) if self.start_text else None
        if start is None:
            raise ModelError(f"the tokenizer {self.path} has neither BOS nor EOS; an empty context needs one")
        return start

    def encode(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        return [encoding.ids for encoding in self.backend.encode_batch_fast(list(texts), add_special_tokens=special)]

    def encode_spans(self, texts: Sequence[str], special: bool = True) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """For each text its token ids, and the characters (start, end) that each stands for."""
        encodings = self.backend.encode_batch(list(texts), add_special_tokens=special)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        text: str = self.backend.decode(list(ids), skip_special_tokens=not special)
        return text

    def with_special(self, ids: Sequence[int]) -> str:
        return self.decode(ids, special=True)

    def data(self, token: int) -> bytes:
        """The bytes of text that a token stands for; those of a special token are its name."""
        return self.entry(token).data

    def starts(self, text: str, special: bool = True) -> list[int]:
        """Where in `text` each of its tokens begins, in characters."""
        return spread(self.backend.encode(text, add_special_tokens=special).offsets)

    def pieces(self, text: str, special: bool = True) -> list[TokenView]:
        """The tokens of `text` and the part of it that each stands for."""
        return cut(self.backend, text, special)

    def entry(self, token: int) -> TokenView:
        """The vocabulary's entry of a token id, as if it were a text of its own."""
        return entry(self.backend, token)


def spread(offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Where each token begins, in characters, from (start, end) pairs; a space that is left to no token is the next's."""
    starts, seen = [], 0
    for start, end in offsets:
        starts.append(min(start, seen))
        seen = max(seen, end)
    return starts


def open_tokenizer(folder: Path, model_type: str, config: JsonObject) -> JsonTokenizer | None:
    """The tokenizer of a checkpoint folder whose tokenizer_config.json is `config`; None where its file may not say all."""
    path = folder / FILE
    if not path.is_file() or model_type not in TYPES:
        return None
    tokenizer = JsonTokenizer(path, _content(config.get("bos_token") or config.get("eos_token")))
    return tokenizer if _says_all(tokenizer.backend, folder, config) else None


def _says_all(backend: "Backend", folder: Path, config: JsonObject) -> bool:
    kind = str(config.get("tokenizer_class")).removesuffix("Fast")
    if kind not in PLAIN and REBUILT.get(kind) != steps_digest(backend):
        return False
    if any(config.get(key) for key in ("add_bos_token", "add_eos_token", "split_special_tokens", "auto_map")):
        return False
    if ("add_bos_token" in config or "add_eos_token" in config) and backend.num_special_tokens_to_add(False):
        return False  # transformers takes away what the file adds
    if config.get("clean_up_tokenization_spaces") and type(backend.model).__name__ != "BPE":
        return False
    older = any((folder / name).is_file() for name in ("special_tokens_map.json", "added_tokens.json"))
    return ("added_tokens_decoder" in config or not older) and _knows(backend, config)


def _knows(backend: "Backend", config: JsonObject) -> bool:
    """Whether the file holds every special and added token that the configuration speaks of, with the same flags."""
    flags = ("content", "special", "normalized", "lstrip", "rstrip", "single_word")
    added = backend.get_added_tokens_decoder()
    held = {index: tuple(getattr(token, flag) for flag in flags) for index, token in added.items()}
    stated = config.get("added_tokens_decoder") or {}
    for index, token in stated.items() if isinstance(stated, Mapping) else ():
        if not isinstance(token, Mapping) or held.get(int(index)) != tuple(token.get(flag, False) for flag in flags):
            return False
    named = [config.get(name) for name in NAMED]
    for extra in (config.get("additional_special_tokens"), config.get("extra_special_tokens")):
        named += extra.values() if isinstance(extra, Mapping) else extra if isinstance(extra, list) else []
    special = {content for content, is_special, normalized, *_ in held.values() if is_special and not normalized}
    return {_content(token) for token in named if token} <= special


def _content(token: Json) -> str:
    """The text of a special token, which configurations write plainly or as an object."""
    content = token.get("content") if isinstance(token, Mapping) else token
    return content if isinstance(content, str) else ""


def steps_digest(backend: "Backend") -> str:
    """A digest of what is done to a text before the vocabulary is asked; how offsets are trimmed is left out."""

    def state(step: object) -> Json:
        state: Json = None if step is None else json.loads(step.__getstate__())  # type: ignore[arg-type]  # JSON text here
        return state

    def bare(part: Json) -> Json:
        if isinstance(part, dict):
            return {key: bare(value) for key, value in part.items() if key != "trim_offsets"}
        return [bare(each) for each in part] if isinstance(part, list) else part

    steps = bare([state(backend.normalizer), state(backend.pre_tokenizer)])
    return hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:16]
