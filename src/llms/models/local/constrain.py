"""Answers that cannot break their form: JSON schemas and tool calls, by llguidance, as constraints on token ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ...errors import MissingExtra, UsageError
from ...values import JsonObject
from ..system import ToolSchema
from .toolcalls import CLOSE, OPEN, schema

if TYPE_CHECKING:
    import numpy as np
    import torch
    from llguidance import LLMatcher, LLTokenizer
    from transformers import PreTrainedTokenizerFast

    from ..gguf.llama import Vocabulary

L = TypeVar("L", "torch.Tensor", "np.ndarray[tuple[int, ...], np.dtype[np.float32]]")  # logits (V,)


class Grammars:
    """Makes constraints for one tokenizer, which is read once, in about a second."""

    def __init__(self, tokenizer: LLTokenizer, vocabulary: Vocabulary | None = None):
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary  # kept alive: llguidance holds its address only
        self._decode: Callable[[list[int]], str] = tokenizer.decode_str

    @classmethod
    def of_transformers(cls, tokenizer: PreTrainedTokenizerFast, vocabulary: int, end: frozenset[int]) -> Grammars:
        """For a fast tokenizer of transformers', whose model has logits for `vocabulary` tokens."""
        try:
            import llguidance.hf
        except ImportError as error:
            raise MissingExtra("llguidance", "an answer of a given form", "local") from error
        return cls(llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=sorted(end) or None))

    @classmethod
    def of_llama(cls, vocabulary: Vocabulary) -> Grammars:
        """For a vocabulary of llama.cpp's."""
        from llguidance import LLTokenizer

        tokenizer: LLTokenizer = LLTokenizer.from_llamacpp(  # type: ignore[attr-defined]  # missing in its stubs
            tokens=[vocabulary.marked(token) for token in range(vocabulary.size)],
            vocab_ptr=vocabulary.pointer,
            tokenize_fptr=vocabulary.tokenize_address,
            eos_token=sorted(vocabulary.ends),
        )
        return cls(tokenizer, vocabulary)

    def following(
        self,
        wanted: JsonObject | None,
        tools: Sequence[ToolSchema],
        choice: str,
        parallel: bool,
        lenient: bool = False,
    ) -> Constraint:
        """A constraint: the answer is JSON that `wanted`, a JSON schema, describes, or calls of `tools` that are valid.

        `choice` is auto (calls may be made), required, or the name of the tool: then one call is made, and nothing else,
        since a model that may add calls repeats the same one. Raises UsageError if there is no such tool, or the schema
        is none; also for what a schema asks that no grammar can hold, unless `lenient`: then `unenforced` names it.
        """
        answer = None if wanted is None else _json(wanted, lenient)
        if not tools:
            return Follow(self._matcher(f"start: {answer}"))
        names = [tool["name"] for tool in tools]
        if choice not in ("auto", "required", *names):
            raise UsageError(f"tool_choice names {choice!r}, which is not among the tools: {', '.join(names)}")
        allowed = [tool for tool in tools if choice in ("auto", "required", tool["name"])]
        call = f"{_json(schema(allowed), lenient)} {json.dumps(CLOSE)}"
        if choice == "auto" and answer is None:
            unenforced = _unenforced(self._matcher(f"start: {call}"))  # what cannot be followed is refused now
            return FollowCalls(lambda: self._matcher(f"start: {call}"), self._decode, parallel, unenforced)
        calls = f"{json.dumps(OPEN)} {call}"
        if parallel and choice == "auto":
            calls += f' ("\\n"? {calls})*'
        return Follow(self._matcher(f"start: {calls}" if choice != "auto" else f"start: {answer} | {calls}"))

    def _matcher(self, grammar: str) -> LLMatcher:
        from llguidance import LLMatcher

        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise UsageError(f"the schema cannot be followed: {matcher.get_error().strip().splitlines()[0]}")
        return matcher


def _json(wanted: JsonObject, lenient: bool) -> str:
    guidance = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": lenient}
    return f"%json {json.dumps({**wanted, 'x-guidance': guidance})}"


def _unenforced(matcher: LLMatcher) -> tuple[str, ...]:
    """Demands of a schema that its grammar leaves out, such as `Unknown format: color`."""
    return tuple(matcher.get_grammar_warnings())


class Follow:
    """The constraint of one answer: forbids each token after which the grammar could not go on."""

    def __init__(self, matcher: LLMatcher):
        self._matcher = matcher
        self.unenforced = _unenforced(matcher)
        self._read = 0

    def __call__(self, new: Sequence[int], logits: L) -> L:
        if len(new) > self._read:
            self._matcher.consume_tokens(list(new[self._read :]))
            self._read = len(new)
        return masked(self._matcher, logits)


class FollowCalls:
    """Free text until a call is opened; from there to its end the call's grammar, and then free text again, or, if
    calls are not `parallel`, the end."""

    def __init__(
        self,
        make: Callable[[], LLMatcher],
        decode: Callable[[list[int]], str],
        parallel: bool,
        unenforced: tuple[str, ...] = (),
    ):
        self._make, self._decode, self._parallel, self.unenforced = make, decode, parallel, unenforced
        self._matcher: LLMatcher | None = None
        self._read = 0  # tokens that are behind us
        self._from = 0  # where a next opening may begin

    def __call__(self, new: Sequence[int], logits: L) -> L:
        for id in new[self._read :]:
            self._read += 1
            if self._matcher is not None:
                self._matcher.consume_token(id)
                if self._matcher.is_stopped() and self._parallel:
                    self._matcher, self._from = None, self._read
            elif self._decode(list(new[max(self._from, self._read - len(OPEN)) : self._read])).endswith(OPEN):
                self._matcher = self._make()
        return logits if self._matcher is None else masked(self._matcher, logits)


Constraint: TypeAlias = Follow | FollowCalls


def masked(matcher: LLMatcher, logits: L) -> L:
    """A copy of logits (V,), torch's or numpy's, with every token at -inf that `matcher` does not allow next."""
    import numpy as np

    bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
    allowed = np.unpackbits(bits, bitorder="little")[: logits.shape[-1]].astype(bool)
    allowed = np.pad(allowed, (0, logits.shape[-1] - len(allowed)))
    if isinstance(logits, np.ndarray):
        return np.where(allowed, logits, np.float32("-inf"))
    import torch

    return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), float("-inf"))
