"""Routes of the arena: blind battles, their votes, the ratings that follow from them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import Field

from ..arena.battle import Winner
from ..errors import UsageError
from ..listening.json_body import StrictRoute
from .chats import sent_events
from .pages import DoneResponse, PageRequest, RunResponse, page, service_of
from .service.arena_ratings import StandingResponse
from .service.battles import BattleResponse, ContendersResponse
from .service.turns import Draft

router = APIRouter(route_class=StrictRoute)


@dataclass(frozen=True, slots=True)
class VotedResponse:
    """The id of the battle that got a vote."""

    id: str


class BattleQuestion(PageRequest):
    text: str = Field(max_length=20_000_000)
    attachments: list[str] = Field(default_factory=list, max_length=20)

    @property
    def draft(self) -> Draft:
        """Raises UsageError where nothing is asked."""
        if not self.text.strip() and not self.attachments:
            raise UsageError("there is nothing to ask: no text and no attachment")
        return Draft(self.text, tuple(self.attachments))


class NewBattle(BattleQuestion):
    """The models of which two are drawn, and the tools that both are offered."""

    models: list[str] = Field(min_length=1, max_length=500)
    tools: list[str] = Field(default_factory=list, max_length=50)


class OfSide(PageRequest):
    side: Literal["a", "b"]


class NewVote(PageRequest):
    winner: Winner


class NewComparison(PageRequest):
    conversation: str
    node: str
    model: str = Field(min_length=1, max_length=300)


class ComparisonVote(PageRequest):
    """`a` is the answer that stood there first."""

    conversation: str
    a: str
    b: str
    winner: Winner


@router.get("/arena", response_class=HTMLResponse)
async def arena(request: Request) -> HTMLResponse:
    return page(request, "arena.html", state={"battle": None})


@router.get("/arena/ratings", response_class=HTMLResponse)
async def ratings_page(request: Request, votes: str = "") -> HTMLResponse:
    """`votes` names the kinds that count, with commas between."""
    view = await service_of(request).ratings.ratings([kind for kind in votes.split(",") if kind])
    chosen = [name for name, _, _, is_chosen in view.kinds if is_chosen]
    return page(request, "arena_ratings.html", view=view, chosen_kinds=chosen)


@router.get("/arena/battles", response_class=HTMLResponse)
async def battles_page(request: Request, a: str = "", b: str = "") -> HTMLResponse:
    listed = await service_of(request).ratings.battles(a, b)
    return page(request, "arena_battles.html", battles=listed, a=a, b=b)


@router.get("/arena/battles/{id}", response_class=HTMLResponse)
async def battle_page(request: Request, id: str) -> HTMLResponse:
    return page(request, "arena.html", state={"battle": await service_of(request).battles.get(id)})


@router.get("/api/arena/contenders")
async def contenders(request: Request) -> ContendersResponse:
    service = service_of(request)
    tools = [tool for tool in await service.tools() if not tool.asks and not tool.missing]
    return ContendersResponse(await service.battles.contenders(), tools)


@router.post("/api/arena/battles")
async def begin(request: Request, body: NewBattle) -> BattleResponse:
    service = service_of(request)
    quiet = {tool.name for tool in await service.tools() if not tool.asks}
    if asking := [tool for tool in body.tools if tool not in quiet]:
        raise UsageError(
            f"{asking[0]} asks before it acts, or is not known; a battle offers tools that need nobody's consent"
        )
    battles = service.battles
    return await battles.get(await battles.begin(body.draft, body.models, body.tools))


@router.get("/api/arena/battles/{id}")
async def battle(request: Request, id: str) -> BattleResponse:
    return await service_of(request).battles.get(id)


@router.delete("/api/arena/battles/{id}")
async def skip(request: Request, id: str) -> DoneResponse:
    await service_of(request).battles.skip(id)
    return DoneResponse()


@router.post("/api/arena/battles/{id}/say")
async def say(request: Request, id: str, body: BattleQuestion) -> BattleResponse:
    battles = service_of(request).battles
    await battles.say(id, body.draft)
    return await battles.get(id)


@router.post("/api/arena/battles/{id}/retry")
async def retry(request: Request, id: str, body: OfSide) -> BattleResponse:
    battles = service_of(request).battles
    await battles.retry(id, body.side)
    return await battles.get(id)


@router.post("/api/arena/battles/{id}/stop")
async def stop(request: Request, id: str) -> BattleResponse:
    battles = service_of(request).battles
    await battles.stop(id)
    return await battles.get(id)


@router.post("/api/arena/battles/{id}/vote")
async def vote(request: Request, id: str, body: NewVote) -> BattleResponse:
    battles = service_of(request).battles
    await battles.vote(id, body.winner)
    return await battles.get(id)


@router.delete("/api/arena/battles/{id}/vote")
async def undo(request: Request, id: str) -> BattleResponse:
    battles = service_of(request).battles
    await battles.undo(id)
    return await battles.get(id)


@router.get("/api/arena/battles/{id}/events")
async def events(request: Request, id: str, after: str = "") -> StreamingResponse:
    battles = service_of(request).battles
    await battles.get(id)  # an unknown battle is refused at once
    stream: AsyncIterator[str] = sent_events(battles.events(id, request.headers.get("last-event-id", after)))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


@router.get("/api/arena/battles/{id}/standings")
async def standings(request: Request, id: str) -> list[StandingResponse]:
    """The ratings of both sides, once the vote is in."""
    service = service_of(request)
    vote = (await service.battles.get(id)).vote
    if vote is None:
        raise UsageError("who fought is told after the vote")
    return await service.ratings.standings(id, (vote.a.model, vote.b.model))


@router.delete("/api/arena/votes/{battle}")
async def take_back(request: Request, battle: str) -> DoneResponse:
    await service_of(request).battles.undo(battle)
    return DoneResponse()


@router.post("/api/arena/compare")
async def compare(request: Request, body: NewComparison) -> RunResponse:
    """Another model's answer beside one of a chat."""
    return RunResponse(await service_of(request).comparisons.begin(body.conversation, body.node, body.model))


@router.post("/api/arena/compare/vote")
async def vote_in_chat(request: Request, body: ComparisonVote) -> VotedResponse:
    comparisons = service_of(request).comparisons
    return VotedResponse(await comparisons.vote(body.conversation, (body.a, body.b), body.winner))
