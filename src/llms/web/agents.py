"""Teams in the browser: begin a run, watch any run live (those of the terminal too), look at old ones again."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import Field

from ..agents.shipped import TEAMS
from ..listening.json_body import StrictRoute
from ..workbench import agent as verb
from ..workbench.team_session import TeamSettings
from .pages import DoneResponse, PageRequest, RunResponse, first_event, page, service_of
from .service.service import ChatService

router = APIRouter(route_class=StrictRoute)
LOOK_SECONDS = 0.25  # how often the store is asked for more


class TeamRequest(PageRequest):
    goal: str = Field(min_length=1, max_length=20_000)
    team: str = ""
    model: str = ""
    files: list[str] = Field(default_factory=list, max_length=20)


@router.get("/agents", response_class=HTMLResponse)
async def agents(request: Request, run: str | None = None) -> HTMLResponse:
    teams = [
        {"name": team.name, "about": team.about, "pattern": team.pattern, "roles": [role.name for role in team.roles]}
        for team in TEAMS.values()
    ]
    runs = await asyncio.to_thread(verb.runs)
    models = await service_of(request).models.names()
    return page(
        request, "agents.html", teams=teams, runs=runs[:50], run=run or "", models=models, state={"run": run or ""}
    )


@router.post("/api/agents")
async def begin(request: Request, body: TeamRequest) -> RunResponse:
    how = TeamSettings(body.team or verb.choose(body.files), body.model or None, tuple(body.files))
    return RunResponse(await service_of(request).teams.begin(body.goal, how))


@router.post("/api/agents/{run}/stop")
async def stop(request: Request, run: str) -> DoneResponse:
    service_of(request).teams.stop(run)
    return DoneResponse()


@router.get("/api/agents/{run}/events")
async def events(request: Request, run: str, after: int = 0) -> StreamingResponse:
    await asyncio.to_thread(verb.replay, run)  # an unknown run is refused at once
    stream = _stream(service_of(request), run, first_event(request, after))
    return StreamingResponse(stream, media_type="text/event-stream")


async def _stream(service: ChatService, run: str, after: int) -> AsyncIterator[str]:
    """The events of the run, as the store gets them, until it has ended."""
    quiet = 0.0
    while not service.turns.ending:
        state, events = await asyncio.to_thread(verb.events_after, run, after)
        for after, event in events:
            quiet = 0.0
            yield f"id: {after}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
        if state != "running" and not events:
            yield f"event: end\ndata: {json.dumps(state)}\n\n"
            return
        await asyncio.sleep(LOOK_SECONDS)
        quiet += LOOK_SECONDS
        if quiet >= 10:
            quiet = 0.0
            yield ": still here\n\n"
