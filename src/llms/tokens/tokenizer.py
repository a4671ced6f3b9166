"""The tokenizer that llms needs, as a protocol; a local model wraps its own behind this."""

from collections.abc import Sequence
from typing import Protocol


class Tokenizer(Protocol):
    """Encodes as the model was trained: with the special tokens it adds by itself, unless `special` is False."""

    @property
    def start(self) -> int:
        """The token that stands for an empty context: BOS, else EOS."""
        ...

    @property
    def start_text(self) -> str:
        """That token's text; a string that begins with it gets no second one."""
        ...

    def encode(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        """Token ids of each text."""
        ...

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        """Text of ids; special tokens are left out unless `special`."""
        ...
