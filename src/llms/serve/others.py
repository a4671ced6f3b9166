"""Everything besides answers: the list of models, embeddings, tokens."""

import asyncio
import base64
import math
from array import array
from collections.abc import Sequence
from typing import TypedDict

from ..errors import ContextOverflow, LlmsError
from ..models.system import Generate
from .chat import message, tools
from .refusal import RequestRefused
from .requests import DetokenizeRequest, EmbeddingRequest, TokenizeRequest
from .served import ServedModel, Shelf


class ModelEntry(TypedDict):
    """A model as OpenAI lists it; `max_model_len` is what other servers call the context window, `architecture` says, as
    OpenRouter has it, whether it takes pictures."""

    id: str
    object: str
    created: int
    owned_by: str
    context_window: int
    max_model_len: int
    architecture: dict[str, list[str]]


class ModelList(TypedDict):
    object: str
    data: list[ModelEntry]


def models(shelf: Shelf) -> ModelList:
    windows = {name: served.model.context_window for name, served in shelf.generating.items()}
    windows |= {name: model.context_window for name, model in shelf.embedding.items()}
    seeing = {name for name, served in shelf.generating.items() if served.model.capabilities.vision}
    entries: list[ModelEntry] = [
        {"id": name, "object": "model", "created": shelf.began, "owned_by": "llms", "context_window": window,
         "max_model_len": window, "architecture": {"input_modalities": ["text", "image"] if name in seeing else ["text"]}}
        for name, window in windows.items()
    ]  # fmt: skip
    return {"object": "list", "data": entries}


def model(shelf: Shelf, name: str) -> ModelEntry:
    """Raises RequestRefused."""
    entry = next((entry for entry in models(shelf)["data"] if entry["id"] == name), None)
    if entry is None:
        raise RequestRefused(f"The model `{name}` does not exist", "model", "model_not_found", 404)
    return entry


async def embed(shelf: Shelf, asked: EmbeddingRequest) -> dict[str, object]:
    """Raises RequestRefused."""
    model = shelf.find_embedding(asked.model)
    try:
        async with shelf.embedding_turn:  # a second thread would only wait for the first
            embedded = await asyncio.to_thread(model.embed, asked.input)
    except LlmsError as error:
        long = isinstance(error, ContextOverflow)
        raise RequestRefused(str(error), "input", "context_length_exceeded" if long else "invalid_value") from error
    rows = embedded.rows
    if asked.dimensions is not None:
        if asked.dimensions > len(rows[0]):
            raise RequestRefused(f"dimensions: the vectors of {asked.model} have {len(rows[0])}", "dimensions")
        rows = [_unit(row[: asked.dimensions]) for row in rows]
    coded = _base64 if asked.encoding_format == "base64" else list
    return {
        "object": "list",
        "model": asked.model,
        "data": [{"object": "embedding", "index": i, "embedding": coded(row)} for i, row in enumerate(rows)],
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }


def _unit(row: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in row)) or 1.0
    return [value / length for value in row]


def _base64(row: Sequence[float]) -> str:
    """32-bit floats, little-endian."""
    return base64.b64encode(array("f", row).tobytes()).decode()


async def tokenize(served: ServedModel, asked: TokenizeRequest) -> dict[str, object]:
    """Raises RequestRefused."""
    ids = await asyncio.to_thread(_tokens, served, asked)
    return {"tokens": ids, "count": len(ids), "max_model_len": served.model.context_window}


def _tokens(served: ServedModel, asked: TokenizeRequest) -> list[int]:
    if asked.messages is None:
        return served.model.tokenizer.encode([asked.prompt or ""], special=asked.add_special_tokens)[0]
    request = Generate(tuple(message(one) for one in asked.messages), tools=tools(asked.tools))
    try:
        return list(served.model.read(request).ids)
    except LlmsError as error:
        raise RequestRefused(str(error), "messages") from error


def detokenize(served: ServedModel, asked: DetokenizeRequest) -> dict[str, object]:
    """Raises RequestRefused."""
    if asked.tokens and max(asked.tokens) >= served.engine_loop.vocabulary:
        raise RequestRefused(
            f"token id {max(asked.tokens)} is beyond the vocabulary of {served.engine_loop.vocabulary}", "tokens"
        )
    return {"prompt": served.model.tokenizer.with_special(asked.tokens)}


def tokenizer_info(served: ServedModel) -> dict[str, object]:
    """Special tokens and chat template, which lm-evaluation-harness asks for before it counts tokens over HTTP."""
    checkpoint = served.model.checkpoint
    names = {name: checkpoint.special_tokens.get(name) for name in ("bos_token", "eos_token", "pad_token")}
    return {**names, "chat_template": checkpoint.chat_template}
