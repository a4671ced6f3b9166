"""Routes of the page choose: a job with its limits in, an answer or a plan out; a measurement that any page can look at."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from pydantic import Field

from ..arena.choose.job import ChoiceJob, ChoiceLimits
from ..benchmarks.catalogue import CATALOGUE
from ..listening.json_body import StrictRoute
from ..models.gpus import GPUS
from .pages import DoneResponse, PageRequest, RunResponse, first_event, page, service_of
from .service.choose import RowsResponse
from .service.service import ChatService

router = APIRouter(route_class=StrictRoute)
LOOK_SECONDS = 0.2
LARGEST = 25 << 20  # bytes of a file of rows


class JobRequest(PageRequest):
    """A job, as ChoiceJob; None and empty: no limit."""

    data: str = Field("", max_length=2000)
    weights: dict[str, float] = Field(default_factory=dict, max_length=100)
    systems: list[str] = Field(default_factory=list, max_length=100)
    memory_bytes: int | None = Field(None, gt=0)
    gpu: str = Field("", max_length=100)
    first_token_seconds: float | None = Field(None, gt=0)
    seconds_per_task: float | None = Field(None, gt=0)
    dollars_per_task: float | None = Field(None, ge=0)
    licences: list[str] = Field(default_factory=list, max_length=50)
    local_only: bool = False
    context: int | None = Field(None, ge=1, le=10_000_000)
    batch: int = Field(1, ge=1, le=10_000)

    def job(self) -> ChoiceJob:
        limits = ChoiceLimits(
            self.memory_bytes, self.gpu, self.first_token_seconds, self.seconds_per_task, self.dollars_per_task,
            tuple(self.licences), self.local_only, self.context, self.batch,
        )  # fmt: skip
        return ChoiceJob(self.data, self.weights, tuple(self.systems), limits)


class MeasureRequest(JobRequest):
    budget: float | None = Field(None, gt=0)


@router.get("/choose", response_class=HTMLResponse)
async def choose(request: Request, run: str = "") -> HTMLResponse:
    models = await service_of(request).models.names()
    state = {"run": run, "models": models}
    return page(request, "choose.html", benchmarks=list(CATALOGUE), gpus=list(GPUS), models=models, state=state)


@router.post("/api/choose/rows")
async def rows(request: Request, file: UploadFile) -> RowsResponse:
    return await service_of(request).choosing.keep(file.filename or "rows", await file.read(LARGEST + 1))


@router.post("/api/choose")
async def answer(request: Request, body: JobRequest) -> JSONResponse:
    return JSONResponse((await service_of(request).choosing.answer(body.job())).to_json())


@router.post("/api/choose/measure")
async def measure(request: Request, body: MeasureRequest) -> RunResponse:
    return RunResponse(service_of(request).choosing.begin(body.job(), body.budget))


@router.post("/api/choose/runs/{run}/stop")
async def stop(request: Request, run: str) -> DoneResponse:
    service_of(request).choosing.stop(run)
    return DoneResponse()


@router.get("/api/choose/runs/{run}/events")
async def events(request: Request, run: str, after: int = 0) -> StreamingResponse:
    first = first_event(request, after)
    service_of(request).choosing.events(run, first)  # an unknown run is refused at once
    return StreamingResponse(_stream(service_of(request), run, first), media_type="text/event-stream")


async def _stream(service: ChatService, run: str, after: int) -> AsyncIterator[str]:
    """The events of a measurement as they come, until it has ended."""
    quiet = 0.0
    while not service.turns.ending:
        ended, new = service.choosing.events(run, after)
        for after, event in new:
            quiet = 0.0
            yield f"id: {after}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
        if ended:
            yield "event: end\ndata: {}\n\n"
            return
        await asyncio.sleep(LOOK_SECONDS)
        quiet += LOOK_SECONDS
        if quiet >= 10:
            quiet = 0.0
            yield ": still here\n\n"
