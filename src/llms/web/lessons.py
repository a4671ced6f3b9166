"""A page for every lesson of the field: tokens, the next token, statelessness; and the leaderboard."""

import asyncio
import math
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from ..workbench import leaderboard as board_verb
from ..workbench import stateless as stateless_verb
from ..workbench import tokens as token_verb
from .chats import PageRequest
from .pages import page

router = APIRouter()
MOST_SHOWN = 2000  # tokens that a page draws


class Text(PageRequest):
    text: str = Field(max_length=1_000_000)
    models: list[str] = Field(default_factory=lambda: ["smollm2"], min_length=1, max_length=6)


class Next(PageRequest):
    text: str = Field(min_length=1, max_length=100_000)
    model: str = "smollm2"
    top: int = Field(10, ge=1, le=50)


class Who(PageRequest):
    model: str = "smollm2"
    name: str = Field("Ada", min_length=1, max_length=40)


async def _lesson(request: Request, name: str, **values: Any) -> HTMLResponse:
    """A page that asks the model of new chats, unless another is named there."""
    desk = request.app.state.desk
    return page(request, name, model=desk.model, models=await desk.models(), **values)


@router.get("/tokens", response_class=HTMLResponse)
async def tokens(request: Request) -> HTMLResponse:
    return await _lesson(request, "tokens.html")


@router.post("/api/tokens")
async def cut(request: Request, body: Text) -> list[dict[str, Any]]:
    models = [request.app.state.desk.reach.check_model(name) for name in body.models]
    found = await asyncio.to_thread(token_verb.cut, body.text, models)
    return [_cut(body.text, one) for one in found]


def _cut(text: str, one: token_verb.Tokenization) -> dict[str, Any]:
    ratio = one.ratio(text)
    return {
        "model": one.model,
        "tokens": one.count.tokens,
        "grade": one.count.grade,
        "message": one.message.tokens if one.message else None,
        "characters": ratio.characters,
        "bytes": ratio.bytes,
        "per_token": ratio.characters_per_token,
        "price": None if one.price is None else float(one.price),
        "pieces": None if one.pieces is None else [
            {"text": piece.shown, "id": piece.id, "special": piece.special} for piece in one.pieces[:MOST_SHOWN]
        ],
    }  # fmt: skip


@router.get("/next", response_class=HTMLResponse)
async def next_page(request: Request) -> HTMLResponse:
    return await _lesson(request, "next.html")


@router.post("/api/next")
async def next_tokens(request: Request, body: Next) -> list[dict[str, Any]]:
    found = await request.app.state.desk.next_tokens(body.model, body.text, body.top)
    return [{"id": t.id, "text": t.text, "probability": math.exp(t.logprob), "end": t.end} for t in found]


@router.get("/stateless", response_class=HTMLResponse)
async def stateless(request: Request) -> HTMLResponse:
    growth = [{"turns": row.turns, "sent": row.tokens} for row in stateless_verb.growth()]
    return await _lesson(request, "stateless.html", growth=growth)


@router.post("/api/stateless")
async def ask(request: Request, body: Who) -> dict[str, Any]:
    asked = await request.app.state.desk.stateless(body.model, body.name)
    return {"calls": [_call(one) for one in asked]}


def _call(one: stateless_verb.Request) -> dict[str, Any]:
    return {
        "title": f"{one.name}: {one.what}",
        "payload": "\n".join(f"{message.role}: {message.content}" for message in one.sent),
        "tokens": one.prompt_tokens,
        "answer": one.answer,
        "holds_name": one.knows,
        "as_expected": one.knows == (one.name != "B"),
    }


@router.get("/leaderboard", response_class=HTMLResponse)
async def leaderboard(request: Request) -> HTMLResponse:
    board = await asyncio.to_thread(board_verb.read)
    return page(request, "leaderboard.html", board=board)
