"""A page for every lesson of the field: tokens, the next token, statelessness."""

import math
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from ..listening.json_body import StrictRoute
from ..workbench import stateless as stateless_verb
from ..workbench.tokens import Tokenization
from .pages import PageRequest, page, service_of

router = APIRouter(route_class=StrictRoute)
MOST_SHOWN = 2000  # tokens that a page draws


@dataclass(frozen=True, slots=True)
class TokenResponse:
    text: str
    id: int
    special: bool


@dataclass(frozen=True, slots=True)
class TokensResponse:
    """A text under one model; see Tokenization. `price` is in US dollars."""

    model: str
    tokens: int
    grade: str
    message: int | None
    characters: int
    bytes: int
    per_token: float | None
    price: float | None
    pieces: list[TokenResponse] | None


@dataclass(frozen=True, slots=True)
class NextTokenResponse:
    id: int | None
    text: str
    probability: float
    end: bool


@dataclass(frozen=True, slots=True)
class LessonCallResponse:
    """`as_expected`: the name was sent in A and C, and not in B."""

    title: str
    payload: str
    tokens: int
    answer: str
    holds_name: bool
    as_expected: bool


@dataclass(frozen=True, slots=True)
class StatelessResponse:
    calls: list[LessonCallResponse]


class TokensRequest(PageRequest):
    text: str = Field(max_length=1_000_000)
    models: list[str] = Field(default_factory=lambda: ["smollm2"], min_length=1, max_length=6)


class NextTokensRequest(PageRequest):
    text: str = Field(min_length=1, max_length=100_000)
    model: str = "smollm2"
    top: int = Field(10, ge=1, le=50)


class StatelessRequest(PageRequest):
    model: str = "smollm2"
    name: str = Field("Ada", min_length=1, max_length=40)


async def _lesson(request: Request, name: str, **values: object) -> HTMLResponse:
    """A page that asks the model of new chats, unless another is named there."""
    service = service_of(request)
    return page(request, name, model=service.model, models=await service.models.names(), **values)


@router.get("/tokens", response_class=HTMLResponse)
async def tokens(request: Request) -> HTMLResponse:
    return await _lesson(request, "tokens.html")


@router.post("/api/tokens")
async def cut(request: Request, body: TokensRequest) -> list[TokensResponse]:
    cuts = await service_of(request).lessons.cut(body.text, body.models)
    return [_tokens(body.text, one) for one in cuts]


def _tokens(text: str, one: Tokenization) -> TokensResponse:
    ratio = one.ratio(text)
    shown = None if one.pieces is None else one.pieces[:MOST_SHOWN]
    return TokensResponse(
        model=one.model,
        tokens=one.count.tokens,
        grade=one.count.grade,
        message=one.message.tokens if one.message else None,
        characters=ratio.characters,
        bytes=ratio.bytes,
        per_token=ratio.characters_per_token,
        price=None if one.price is None else float(one.price),
        pieces=None if shown is None else [TokenResponse(piece.shown, piece.id, piece.special) for piece in shown],
    )


@router.get("/next", response_class=HTMLResponse)
async def next_page(request: Request) -> HTMLResponse:
    return await _lesson(request, "next.html")


@router.post("/api/next")
async def next_tokens(request: Request, body: NextTokensRequest) -> list[NextTokenResponse]:
    tokens = await service_of(request).lessons.next_tokens(body.model, body.text, body.top)
    return [NextTokenResponse(token.id, token.text, math.exp(token.logprob), token.end) for token in tokens]


@router.get("/stateless", response_class=HTMLResponse)
async def stateless(request: Request) -> HTMLResponse:
    growth = [{"turns": row.turns, "sent": row.tokens} for row in stateless_verb.growth()]
    return await _lesson(request, "stateless.html", growth=growth)


@router.post("/api/stateless")
async def ask(request: Request, body: StatelessRequest) -> StatelessResponse:
    requests = await service_of(request).lessons.stateless(body.model, body.name)
    return StatelessResponse([_call(one) for one in requests])


def _call(one: stateless_verb.Request) -> LessonCallResponse:
    return LessonCallResponse(
        title=f"{one.name}: {one.what}",
        payload="\n".join(f"{message.role}: {message.content}" for message in one.sent),
        tokens=one.prompt_tokens,
        answer=one.answer,
        holds_name=one.knows,
        as_expected=one.knows == (one.name != "B"),
    )
