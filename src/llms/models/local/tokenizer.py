"""A checkpoint's tokenizer by transformers, for the many whose `tokenizer.json` alone does not say all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import MissingExtra, ModelError
from ...lazy import lazy, load_library
from ...tokens.json_tokenizer import spread
from ...tokens.views import TokenView, cut, entry

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast


class CheckpointTokenizer:
    """transformers' tokenizer of a checkpoint folder, behind tokens.Tokenizer. Pickles as its folder."""

    def __init__(self, folder: str, remote_code: bool = False):
        self._folder, self._remote_code = folder, remote_code

    @lazy
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        try:
            load_library("transformers")
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "a local model", "local") from error
        try:
            return AutoTokenizer.from_pretrained(self._folder, trust_remote_code=self._remote_code)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"cannot load the tokenizer of {self._folder}: {error}") from error

    def __getstate__(self) -> dict[str, str | bool]:
        return {"_folder": self._folder, "_remote_code": self._remote_code}

    @property
    def start(self) -> int:
        tokenizer = self._tokenizer
        start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        if not isinstance(start, int):
            raise ModelError(f"the tokenizer of {self._folder} has neither BOS nor EOS; an empty context needs one")
        return start

    @property
    def start_text(self) -> str:
        return str(self._tokenizer.bos_token or self._tokenizer.eos_token or "")

    def encode(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        return self._tokenizer(list(texts), add_special_tokens=special, verbose=False)["input_ids"] if texts else []

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=not special))

    def with_special(self, ids: Sequence[int]) -> str:
        return self.decode(ids, special=True)

    def data(self, token: int) -> bytes:
        """The bytes of text that a token stands for; those of a special token are its name."""
        return self.entry(token).data

    def starts(self, text: str, special: bool = True) -> list[int]:
        """Where in `text` each of its tokens begins, in characters."""
        offsets = self._tokenizer(text, add_special_tokens=special, return_offsets_mapping=True, verbose=False)
        return spread(offsets["offset_mapping"])

    def encode_spans(self, texts: Sequence[str], special: bool = True) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """For each text its token ids, and the characters (start, end) that each stands for."""
        if not texts:
            return []
        encoded = self.fast(list(texts), add_special_tokens=special, return_offsets_mapping=True, verbose=False)
        return list(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))

    @property
    def fast(self) -> PreTrainedTokenizerFast:
        """transformers' own object, whose vocabulary libraries can read."""
        from transformers import PreTrainedTokenizerFast

        if not isinstance(self._tokenizer, PreTrainedTokenizerFast):
            raise ModelError(f"the tokenizer of {self._folder} does not say where its tokens lie in the text")
        return self._tokenizer

    def pieces(self, text: str, special: bool = True) -> list[TokenView]:
        return cut(self.fast.backend_tokenizer, text, special)

    def entry(self, token: int) -> TokenView:
        return entry(self.fast.backend_tokenizer, token)
