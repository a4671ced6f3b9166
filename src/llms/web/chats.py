"""The chat's doors: JSON over the desk, and a run's events as server-sent events that a reader can take up again."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ..errors import UsageError
from ..store import chat_runs
from .attachments import LARGEST, examine
from .pages import page

if TYPE_CHECKING:
    from .service.service import ChatService

router = APIRouter()
KEEP_ALIVE_SECONDS = 10.0


class PageRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Create(PageRequest):
    model: str = Field("", max_length=300)
    policy: str = Field("", max_length=40)


class Send(PageRequest):
    text: str = Field(max_length=20_000_000)
    model: str = Field("", max_length=300)
    policy: str = Field("", max_length=40)
    tools: list[str] = Field(default_factory=list, max_length=50)
    attachments: list[str] = Field(default_factory=list, max_length=20)
    edit: str | None = None


class Again(PageRequest):
    node: str
    model: str = ""
    tools: list[str] = Field(default_factory=list, max_length=50)


class OfNode(PageRequest):
    node: str


class ConversationChange(PageRequest):
    title: str | None = Field(None, max_length=200)
    tags: list[str] | None = Field(None, max_length=50)
    system: str | None = Field(None, max_length=100_000)


class Stop(PageRequest):
    seen: int = Field(ge=0)
    seq: int = Field(0, ge=0)


class DecisionRequest(PageRequest):
    id: str
    approved: bool
    arguments: str = Field("{}", max_length=200_000)
    scope: Literal["once", "conversation", "always"] = "once"


class CountRequest(PageRequest):
    id: str | None = None
    text: str = Field(max_length=20_000_000)
    model: str = ""
    policy: str = ""
    tools: list[str] = Field(default_factory=list)
    attachments: list[str] = Field(default_factory=list)


class Transcribe(PageRequest):
    attachment: str
    model: str = ""


def _desk(request: Request) -> "ChatService":
    return request.app.state.desk


@router.get("/", response_class=HTMLResponse)
async def new_chat(request: Request) -> HTMLResponse:
    return await _chat_page(request, None)


@router.get("/c/{id}", response_class=HTMLResponse)
async def chat_page(request: Request, id: str, node: str | None = None) -> HTMLResponse:
    if node:
        await _desk(request).show(id, node)
    return await _chat_page(request, id)


async def _chat_page(request: Request, id: str | None) -> HTMLResponse:
    desk = _desk(request)
    about, listing, models = await asyncio.gather(desk.conversation(id), desk.listing(), desk.models())
    state = {key: about[key] for key in ("id", "run", "path", "tools")}
    return page(
        request, "chat.html", id=id, title=about["title"], model=about["model"], policy=about["policy"],
        policies=desk.policies, conversations=listing, models=models, state=state,
    )  # fmt: skip


@router.get("/api/conversations")
async def listing(request: Request) -> list[dict[str, Any]]:
    return await _desk(request).listing()


@router.post("/api/conversations")
async def create(request: Request, body: Create) -> dict[str, Any]:
    return {"id": await _desk(request).create(body.model, body.policy)}


@router.get("/api/conversations/{id}")
async def conversation(request: Request, id: str) -> dict[str, Any]:
    return await _desk(request).conversation(id)


@router.patch("/api/conversations/{id}")
async def change(request: Request, id: str, body: ConversationChange) -> dict[str, Any]:
    await _desk(request).change(id, title=body.title, tags=body.tags, system=body.system)
    return {}


@router.delete("/api/conversations/{id}")
async def delete(request: Request, id: str) -> dict[str, Any]:
    await _desk(request).delete(id)
    return {}


@router.post("/api/conversations/{id}/send")
async def send(request: Request, id: str, body: Send) -> dict[str, Any]:
    if not body.text.strip() and not body.attachments:
        raise UsageError("there is nothing to send: no text and no attachment")
    run = await _desk(request).send(id, body.text, body.model, body.policy, body.tools, body.attachments, body.edit)
    return {"run": run}


@router.post("/api/conversations/{id}/again")
async def again(request: Request, id: str, body: Again) -> dict[str, Any]:
    return {"run": await _desk(request).again(id, body.node, body.model, body.tools)}


@router.post("/api/conversations/{id}/continue")
async def go_on(request: Request, id: str, body: OfNode) -> dict[str, Any]:
    return {"run": await _desk(request).go_on(id, body.node)}


@router.post("/api/conversations/{id}/switch")
async def switch(request: Request, id: str, body: OfNode) -> dict[str, Any]:
    await _desk(request).switch(id, body.node)
    return {}


@router.post("/api/conversations/{id}/fork")
async def fork(request: Request, id: str, body: OfNode) -> dict[str, Any]:
    return {"id": await _desk(request).fork(id, body.node)}


@router.get("/api/conversations/{id}/saw/{node}")
async def saw(request: Request, id: str, node: str) -> dict[str, Any]:
    return await _desk(request).saw(id, node)


@router.get("/api/conversations/{id}/export")
async def export(request: Request, id: str, form: Literal["archive", "markdown"] = "archive") -> Response:
    name, media_type, data = await _desk(request).export(id, form)
    return Response(
        data, media_type=media_type, headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    )


@router.post("/api/import")
async def take_in(request: Request, file: UploadFile, dry: bool = True) -> dict[str, Any]:
    return {"report": await _desk(request).take_in(file.filename or "", await _read(file), dry)}


@router.get("/api/search")
async def search(request: Request, q: str = "") -> list[dict[str, Any]]:
    return await _desk(request).search(q[:10_000])


@router.get("/api/tools")
async def tools(request: Request) -> list[dict[str, Any]]:
    return await _desk(request).tools()


@router.post("/api/count")
async def count(request: Request, body: CountRequest) -> dict[str, Any]:
    return await _desk(request).count(body.id, body.text, body.model, body.policy, body.tools, body.attachments)


@router.post("/api/attachments")
async def attach(request: Request, file: UploadFile) -> dict[str, Any]:
    return await _desk(request).attach(examine(file.filename or "attachment", await _read(file)))


@router.get("/api/blobs/{digest}")
async def blob(request: Request, digest: str) -> Response:
    media_type, data = await _desk(request).blob(digest)
    safe = media_type.startswith(("image/", "audio/")) and media_type != "image/svg+xml"
    shown = media_type if safe else "application/octet-stream"
    return Response(data, media_type=shown, headers={"content-disposition": "inline" if safe else "attachment"})


@router.post("/api/transcribe")
async def transcribe(request: Request, body: Transcribe) -> dict[str, Any]:
    return {"text": await _desk(request).transcribe(body.attachment, body.model)}


@router.get("/api/runs/{run}/events")
async def events(request: Request, run: str, after: int = 0) -> StreamingResponse:
    last = request.headers.get("last-event-id", "")
    begin = int(last) if last.isdigit() else after
    await asyncio.to_thread(chat_runs.state_of, _desk(request).store, run)  # an unknown run is said at once
    return StreamingResponse(_stream(_desk(request).events(run, begin)), media_type="text/event-stream",
                             headers={"x-accel-buffering": "no"})  # fmt: skip


async def _stream(found: AsyncIterator[tuple[int, dict[str, Any]]]) -> AsyncIterator[str]:
    """Each event with its number; a comment where nothing happens, so that no one takes the connection for dead."""
    upcoming = asyncio.ensure_future(anext(found, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield ": still here\n\n"
                continue
            if (got := upcoming.result()) is None:
                return
            upcoming = asyncio.ensure_future(anext(found, None))
            yield f"id: {got[0]}\ndata: {json.dumps(got[1], ensure_ascii=False)}\n\n"
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)
        close = getattr(found, "aclose", None)
        if close is not None:
            await close()


@router.post("/api/runs/{run}/stop")
async def stop(request: Request, run: str, body: Stop) -> dict[str, Any]:
    await _desk(request).stop(run, body.seen)
    return {}


@router.post("/api/runs/{run}/approve")
async def approve(request: Request, run: str, body: DecisionRequest) -> dict[str, Any]:
    await _desk(request).approve(run, body.id, body.approved, body.arguments, body.scope)
    return {}


async def _read(file: UploadFile) -> bytes:
    """The file's bytes, one more than is allowed at most."""
    return await file.read(LARGEST + 1)
