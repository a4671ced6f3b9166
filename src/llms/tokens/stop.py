"""Stop strings over token ids."""

from collections.abc import Callable, Sequence


class StopText:
    """True once the text of the new tokens holds one of `strings`, wherever token borders fall.

    `decode` turns ids into text, special tokens included. Only as many of the last tokens are decoded as the
    longest stop string can reach over.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], strings: Sequence[str]):
        self._decode = decode
        self._strings = tuple(string for string in strings if string)
        self._reach = max((len(string.encode()) for string in self._strings), default=0) + 4

    def __call__(self, new: Sequence[int]) -> bool:
        if not self._strings:
            return False
        tail = self._decode(new[-self._reach :])
        return any(string in tail for string in self._strings)


def cut_at_stop(text: str, strings: Sequence[str]) -> str:
    """`text` before the first occurrence of any of `strings`."""
    ends = [index for string in strings if string and (index := text.find(string)) >= 0]
    return text[: min(ends)] if ends else text
