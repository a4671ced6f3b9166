"""Routes of the page tasks: a task, a model and inputs in, answers out as they come; files, and models that are fetched."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import Field

from ..listening.json_body import StrictRoute
from ..models.task_model import TaskOptions
from ..tasks.catalogue import TASKS, HubTask, find_task
from ..workbench.task_examples import EXAMPLES
from .pages import PageRequest, RunResponse, page, service_of
from .service.service import ChatService
from .service.task_events import to_json
from .service.task_files import LARGEST, TaskFileResponse
from .service.tasks import TaskCodeResponse, TaskModelResponse, TaskWork

router = APIRouter(route_class=StrictRoute)
FIELDS: dict[str, tuple[str, ...]] = {
    "sentiment": ("labels",),
    "classification": ("labels",),
    "zero-shot": ("labels", "several"),
    "entities": ("labels",),
    "question-answering": ("question",),
    "summarization": ("max_tokens",),
    "translation": ("source", "target"),
    "text-generation": ("max_tokens", "temperature"),
    "fill-mask": ("top",),
    "similarity": ("other",),
    "text-to-speech": ("voice",),
    "image-classification": ("labels",),
    "visual-question-answering": ("question",),
    "text-to-image": ("steps",),
}  # that a person may fill in
LANGUAGES = (
    ("ar", "Arabic"), ("de", "German"), ("en", "English"), ("es", "Spanish"), ("fr", "French"), ("it", "Italian"),
    ("ja", "Japanese"), ("nl", "Dutch"), ("pl", "Polish"), ("pt", "Portuguese"), ("uk", "Ukrainian"), ("zh", "Chinese"),
)  # fmt: skip


class TaskModelRequest(PageRequest):
    """Empty: the task's own model."""

    task: str = Field(max_length=100)
    model: str = Field("", max_length=1000)


class TaskRequest(TaskModelRequest):
    """Options as TaskOptions; the inputs are `texts`, then those of the files."""

    way: Literal["", "special", "prompt", "choice"] = ""
    texts: list[str] = Field(default_factory=list, max_length=10_000)
    files: list[str] = Field(default_factory=list, max_length=100)
    columns: list[str] = Field(default_factory=list, max_length=3)
    other: str = Field("", max_length=1_000_000)
    labels: list[str] = Field(default_factory=list, max_length=200)
    several: bool = False
    question: str = Field("", max_length=10_000)
    source: str = Field("", max_length=20)
    target: str = Field("", max_length=20)
    top: int = Field(1, ge=1, le=100)
    max_tokens: int | None = Field(None, ge=1, le=8192)
    temperature: float = Field(0.0, ge=0, le=2)
    voice: str = Field("", max_length=1000)
    steps: int = Field(20, ge=1, le=100)

    def work(self) -> TaskWork:
        options = TaskOptions(
            labels=tuple(self.labels),
            several=self.several,
            question=self.question,
            source=self.source,
            target=self.target,
            top=self.top,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            voice=self.voice,
            steps=self.steps,
        )
        files = tuple(self.files)
        return TaskWork(
            find_task(self.task),
            self.model,
            self.way or None,
            options,
            tuple(self.texts),
            files,
            tuple(self.columns),
            self.other,
        )


@router.get("/tasks", response_class=HTMLResponse)
async def tasks(request: Request) -> HTMLResponse:
    groups: dict[str, list[HubTask]] = {"Text": [], "Speech and sound": [], "Pictures": []}
    for task in TASKS.values():
        groups[_group(task)].append(task)
    facts = {
        task.name: {**asdict(task), "fields": FIELDS.get(task.name, ()), "example": asdict(EXAMPLES[task.name])}
        for task in TASKS.values()
    }
    models = await service_of(request).models.names()
    return page(request, "tasks.html", groups=groups, models=models, languages=LANGUAGES, state={"tasks": facts})


def _group(task: HubTask) -> str:
    kinds = {task.takes, task.gives}
    return "Pictures" if "image" in kinds else "Speech and sound" if "sound" in kinds else "Text"


@router.post("/api/tasks/model")
async def about(request: Request, body: TaskModelRequest) -> TaskModelResponse:
    return await service_of(request).tasks.about(find_task(body.task), body.model)


@router.post("/api/tasks/files")
async def send(request: Request, file: UploadFile) -> TaskFileResponse:
    return await service_of(request).tasks.keep(file.filename or "file", await file.read(LARGEST + 1))


@router.post("/api/tasks")
async def begin(request: Request, body: TaskRequest) -> RunResponse:
    return RunResponse(await service_of(request).tasks.begin(body.work()))


@router.post("/api/tasks/code")
async def code(request: Request, body: TaskRequest) -> TaskCodeResponse:
    return await service_of(request).tasks.code(body.work())


@router.post("/api/tasks/fetch")
async def fetch(request: Request, body: TaskModelRequest) -> RunResponse:
    return RunResponse(await service_of(request).tasks.begin_fetch(find_task(body.task), body.model))


@router.get("/api/tasks/runs/{run}/events")
async def events(request: Request, run: str) -> StreamingResponse:
    service_of(request).tasks.check_new(run)
    return StreamingResponse(_stream(service_of(request), run), media_type="text/event-stream")


async def _stream(service: ChatService, run: str) -> AsyncIterator[str]:
    """The events of a run as they come. It ends with its reader."""
    async with aclosing(service.tasks.events(run)) as produced:
        async for event in produced:
            if service.turns.ending:
                return
            yield f"data: {json.dumps(to_json(event), ensure_ascii=False)}\n\n"
    yield "event: end\ndata: {}\n\n"


@router.get("/api/tasks/runs/{run}/media/{index}")
async def media(request: Request, run: str, index: int) -> Response:
    answer = service_of(request).tasks.media(run, index)
    return Response(answer.data, media_type=answer.media_type)


@router.get("/api/tasks/runs/{run}/answers.{form}")
async def answers(request: Request, run: str, form: str) -> Response:
    kind, text = service_of(request).tasks.table(run, form)
    return Response(text, media_type=kind, headers={"content-disposition": f'attachment; filename="answers.{form}"'})
