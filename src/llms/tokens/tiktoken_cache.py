"""OpenAI's vocabularies through tiktoken, where they were fetched before. tiktoken would download them; this never does."""

from collections.abc import Iterator
from contextlib import contextmanager

from .views import TokenView, of_bytes


def pieces(model: str, text: str) -> list[TokenView] | None:
    """The tokens of `text` for an OpenAI model; None if tiktoken, or the vocabulary in its cache, is not here."""
    try:
        import tiktoken
    except ImportError:
        return None
    try:
        with _nothing_fetched():
            encoding = tiktoken.encoding_for_model(model)
    except (KeyError, _NotCached):
        return None
    ids = encoding.encode(text, disallowed_special=())
    return of_bytes(ids, [encoding.decode_single_token_bytes(i) for i in ids])


class _NotCached(Exception):
    pass


@contextmanager
def _nothing_fetched() -> Iterator[None]:
    """tiktoken has no offline mode: while this lasts, its one function that fetches raises instead."""
    from tiktoken import load

    def refuse(blobpath: str) -> bytes:
        raise _NotCached(blobpath)

    fetch, load.read_file = load.read_file, refuse
    try:
        yield
    finally:
        load.read_file = fetch
