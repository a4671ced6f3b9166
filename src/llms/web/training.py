"""Training in the browser: the runs of this machine, and the loss and learning rate of each as they come."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from ..listening.json_body import StrictRoute
from ..training.progress import as_json
from ..workbench import training_runs
from .pages import DoneResponse, first_event, page, service_of

router = APIRouter(route_class=StrictRoute)
LOOK_SECONDS = 0.5
MOST = 2_000  # events in one message


@router.get("/training", response_class=HTMLResponse)
async def training(request: Request) -> HTMLResponse:
    return page(request, "training.html")


@router.get("/api/training")
async def runs() -> JSONResponse:
    return JSONResponse([asdict(run) for run in await asyncio.to_thread(training_runs.list_runs)])


@router.delete("/api/training/{run}")
async def forget(run: str) -> DoneResponse:
    await asyncio.to_thread(training_runs.forget, run)
    return DoneResponse()


@router.get("/api/training/{run}/events")
async def events(request: Request, run: str, after: int = 0) -> StreamingResponse:
    await asyncio.to_thread(training_runs.standing, run)  # an unknown run is refused at once
    return StreamingResponse(_stream(request, run, first_event(request, after)), media_type="text/event-stream")


async def _stream(request: Request, run: str, after: int) -> AsyncIterator[str]:
    """Messages {run, events}: how the run stands, and what happened since the last one; until it has ended."""
    quiet = 0.0
    while not service_of(request).turns.ending:
        new = (await asyncio.to_thread(training_runs.events, run, after))[:MOST]
        state = await asyncio.to_thread(
            training_runs.standing, run
        )  # behind the events, so that an end is never missed
        ended = not new and state.state != training_runs.RUNNING
        if new or ended:
            after, quiet = after + len(new), 0.0
            message = {"run": asdict(state), "events": [as_json(event) for event in new]}
            yield f"id: {after}\ndata: {json.dumps(message, ensure_ascii=False)}\n\n"
        if ended:
            yield "event: end\ndata: {}\n\n"
            return
        await asyncio.sleep(0 if len(new) == MOST else LOOK_SECONDS)
        quiet += LOOK_SECONDS
        if quiet >= 10:
            quiet = 0.0
            yield ": still here\n\n"
