"""The models that are served, and how much may be asked of them at once."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import cache

from .. import bridge
from ..engine import Engine, Traced, Tracer
from ..listening.connection import ConnectionLimits
from ..models.local.embedding import EmbeddingModel
from ..models.local.model import LocalModel
from .refusal import RequestRefused

RETRY_SECONDS = 2
MOST_LOGPROBS = 1 << 20  # of one request: they are kept until its answer is whole


@dataclass(frozen=True, slots=True)
class ServerLimits(ConnectionLimits):
    """`waiting` rows per model beside those that are worked on, `body` bytes of a request, `bodies` of all at once."""

    waiting: int = 256
    body: int = 16 << 20
    bodies: int = 256 << 20


class ServedModel:
    """A local model that generates, loaded."""

    def __init__(self, model: LocalModel, waiting: int):
        model.single = False
        self.model, self.engine_loop = model, model.engine_loop
        self.most = self.engine_loop.rows + waiting
        self._held = 0
        engine = model.engine
        assert isinstance(engine, Engine)  # the loop has loaded it in this process
        self._tracer, self._tracing = Tracer(engine.network, engine.verdict.supports_tree_attention), asyncio.Lock()
        self.data = cache(model.tokenizer.data)

    @contextmanager
    def room(self, rows: int, param: str) -> Iterator[None]:
        """Room for so many rows while the context lasts. Raises RequestRefused; `param` is the field that wants so many."""
        if rows > self.most:
            raise RequestRefused(f"{param}: {rows} answers at once are asked for; at most {self.most} are given", param)
        if self._held + rows > self.most:
            message = f"{self._held} answers are being worked on or waited for, which is as many as may be; try again"
            raise RequestRefused(
                message, code="rate_limit_exceeded", status=429, headers={"retry-after": str(RETRY_SECONDS)}
            )
        self._held += rows
        try:
            yield
        finally:
            self._held -= rows

    def weigh(self, tokens: int, top: int | None, param: str) -> None:
        """Raises RequestRefused if the log-probabilities of so many tokens, with the `top` of each, are too many."""
        if top is not None and tokens * (top + 1) > MOST_LOGPROBS:
            message = (
                f"{param}: {tokens * (top + 1)} log-probabilities are asked for; at most {MOST_LOGPROBS} are given"
            )
            raise RequestRefused(message, param, "invalid_value")

    async def trace(self, tokens: Sequence[int], top: int) -> list[Traced]:
        """Log-probability and likeliest tokens of every token but the first. Others are served between the pieces of a long text."""
        traced: list[Traced] = []
        async with self._tracing:
            parts = self._tracer.parts(tokens, top)
            pieces = bridge.in_thread(lambda _: iter(lambda: self.engine_loop.call(lambda: next(parts, None)), None))
            async with aclosing(pieces) as open_pieces:
                async for piece in open_pieces:
                    traced += piece
        return traced

    def name(self, token: int) -> str:
        """A token in words, as OpenAI writes it: `bytes:\\xe2` where it is a part of a character."""
        data = self.data(token)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


class Shelf:
    """Models by the names under which they are asked for: as they were given, or without options where that is clear."""

    def __init__(self, models: Sequence[LocalModel], embeddings: Sequence[EmbeddingModel], waiting: int):
        self.began = int(time.time())
        self.generating = {model.name.text: ServedModel(model, waiting) for model in models}
        self.embedding_turn = asyncio.Lock()
        self.embedding = {model.name.text: model for model in embeddings}

    def find(self, name: str) -> ServedModel:
        """The model that answers to `name`. Raises RequestRefused."""
        known = self._known(name)
        if known in self.embedding:
            raise RequestRefused(f"{known} makes embeddings and generates no text; ask it at /v1/embeddings", "model")
        return self.generating[known]

    def find_embedding(self, name: str) -> EmbeddingModel:
        known = self._known(name)
        if known in self.generating:
            raise RequestRefused(
                f"{known} generates text and makes no embeddings; serve an embedding model with --embeddings", "model"
            )
        return self.embedding[known]

    def only(self, name: str | None) -> ServedModel:
        """The model that answers to `name`; without one, the only one there is."""
        if name is None and len(self.generating) != 1:
            raise RequestRefused("several models are served; say which by model", "model", "missing_required_parameter")
        return self.find(next(iter(self.generating)) if name is None else name)

    def _known(self, name: str) -> str:
        names = [*self.generating, *self.embedding]
        if name in names:
            return name
        near = [known for known in names if known.partition("?")[0] == name]
        if len(near) != 1:
            message = f"The model `{name}` does not exist; served are: {', '.join(names)}"
            raise RequestRefused(message, "model", "model_not_found", 404)
        return near[0]

    def close(self) -> None:
        for served in self.generating.values():
            served.model.close()
        for model in self.embedding.values():
            model.close()
