"""The leaderboard in the browser: the page, its data, the items behind a number, and the page as one file."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from ..listening.json_body import StrictRoute
from ..workbench import run_items
from ..workbench.board_page.export import ASSETS
from ..workbench.board_page.export import page as board_file
from ..workbench.leaderboard import read
from .pages import page

router = APIRouter(route_class=StrictRoute)
SCRIPTS = sorted(path.name for path in ASSETS.glob("*.js"))  # what the page loads ahead of its imports
Start = Annotated[int, Query(ge=0, le=10_000_000)]
Count = Annotated[int, Query(ge=1, le=200)]


@dataclass(frozen=True, slots=True)
class ItemLineResponse:
    item: str
    kind: str
    start: str


@dataclass(frozen=True, slots=True)
class ItemPageResponse:
    """`selected` are of the kind that was asked for, `total` all."""

    items: list[ItemLineResponse]
    selected: int
    total: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class ChoiceResponse:
    """A continuation with its log-probability in nats."""

    text: str
    logprob: float
    picked: bool
    right: bool


@dataclass(frozen=True, slots=True)
class ItemAnswerResponse:
    thinking: str
    text: str


@dataclass(frozen=True, slots=True)
class ItemResponse:
    """`header` and `prompt` together are what was asked, letter by letter."""

    header: str
    prompt: str
    choices: list[ChoiceResponse]
    answers: list[ItemAnswerResponse]
    judge: list[str]
    extracted: str
    target: str
    scores: str


@router.get("/leaderboard", response_class=HTMLResponse)
async def leaderboard(request: Request) -> HTMLResponse:
    return page(request, "leaderboard.html", scripts=SCRIPTS)


@router.get("/api/board")
async def board(published: bool = False) -> Response:
    """`published`: with results of others, greyed on the page."""
    return JSONResponse(await asyncio.to_thread(lambda: read(published=published).table.to_json()))


@router.get("/api/board/page")
async def export(published: bool = False) -> HTMLResponse:
    text = await asyncio.to_thread(lambda: board_file(read(published=published).table))
    return HTMLResponse(text, headers={"content-disposition": 'attachment; filename="leaderboard.html"'})


@router.get("/api/board/items")
async def items(
    run: str, kind: Literal["all", "wrong", "right", "unparsed", "failed"] = "all", start: Start = 0, count: Count = 20
) -> ItemPageResponse:
    listed = await asyncio.to_thread(run_items.list_items, run, kind, start, count)
    lines = [ItemLineResponse(line.item, line.kind, line.start) for line in listed.items]
    return ItemPageResponse(lines, listed.selected, sum(listed.counts.values()), listed.counts)


@router.get("/api/board/item")
async def item(run: str, item: str) -> ItemResponse:
    one = await asyncio.to_thread(run_items.read_item, run, item)
    return ItemResponse(
        header=one.header,
        prompt=one.prompt,
        choices=[ChoiceResponse(text, logprob, ">" in mark, "=" in mark) for mark, logprob, text in one.choices],
        answers=[ItemAnswerResponse(thinking, text) for thinking, text in one.texts],
        judge=list(one.judge),
        extracted=one.extracted,
        target=one.target,
        scores=one.scores,
    )
