"""Routes of the chat: JSON over the service, and a run's events as server-sent events that a reader can take up again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import Field, JsonValue

from ..chat.chat_settings import LONGEST_SYSTEM, ChatSettings, settings_of
from ..chat.files.examine import LARGEST
from ..errors import UsageError
from ..listening.json_body import StrictRoute
from ..tools.consent import Scope
from .pages import DoneResponse, PageRequest, RunResponse, first_event, page, service_of
from .service.attachments import AttachedResponse, FileTextResponse
from .service.chat_settings import SettingsResponse
from .service.conversations import MOST_LISTED
from .service.tools_at_hand import ShippedToolResponse
from .service.turns import CountResponse, Draft
from .service.view_models import (
    CallsResponse,
    ConversationResponse,
    ListedConversationResponse,
    SearchHitResponse,
)

router = APIRouter(route_class=StrictRoute)
KEEP_ALIVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class NewConversationResponse:
    id: str


@dataclass(frozen=True, slots=True)
class ImportResponse:
    """A line for each thing that was taken, would be, or was left out."""

    report: str


@dataclass(frozen=True, slots=True)
class TranscriptResponse:
    text: str


class Asked(PageRequest):
    """Changes of the settings, which the conversation keeps; what is left out stays as it is."""

    model: str = Field("", max_length=300)
    policy: str = Field("", max_length=40)
    tools: list[str] | None = Field(None, max_length=50)
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    def how(self) -> ChatSettings:
        """Raises UsageError."""
        fields = {"model": self.model or None, "policy": self.policy or None, "tools": self.tools}
        return settings_of({**{name: value for name, value in fields.items() if value is not None}, **self.settings})


class Create(Asked):
    pass


class Send(Asked):
    text: str = Field(max_length=20_000_000)
    attachments: list[str] = Field(default_factory=list, max_length=20)
    edit: str | None = None
    keep: list[int] = Field(default_factory=list, max_length=100)

    @property
    def draft(self) -> Draft:
        return Draft(self.text, tuple(self.attachments), self.edit or "", tuple(self.keep))


class Again(Asked):
    node: str


class OfNode(PageRequest):
    node: str


class ConversationChange(PageRequest):
    title: str | None = Field(None, max_length=200)
    tags: list[str] | None = Field(None, max_length=50)
    system: str | None = Field(None, max_length=LONGEST_SYSTEM)
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    pinned: bool | None = None
    archived: bool | None = None


class Stop(PageRequest):
    seen: int = Field(ge=0)
    seq: int = Field(0, ge=0)


class DecisionRequest(PageRequest):
    id: str
    approved: bool
    arguments: str = Field("{}", max_length=200_000)
    scope: Scope = "once"


class CountRequest(Send):
    id: str | None = None


class Transcribe(PageRequest):
    attachment: str
    model: str = Field("", max_length=300)


@router.get("/", response_class=HTMLResponse)
async def new_chat(request: Request) -> HTMLResponse:
    return await _chat_page(request, None)


@router.get("/c/{id}", response_class=HTMLResponse)
async def chat_page(request: Request, id: str, node: str | None = None) -> HTMLResponse:
    if node:
        await service_of(request).conversations.show(id, node)
    return await _chat_page(request, id)


async def _chat_page(request: Request, id: str | None) -> HTMLResponse:
    service = service_of(request)
    conversation, listing = await asyncio.gather(service.conversations.get(id), service.conversations.listing())
    state = {
        "id": conversation.id, "run": conversation.run, "path": conversation.path, "settings": conversation.settings,
        "title": conversation.title, "pinned": conversation.pinned, "archived": conversation.archived, "listed": listing,
    }  # fmt: skip
    return page(request, "chat.html", id=id, title=conversation.title, state=state)


@router.get("/api/conversations")
async def listing(
    request: Request, archived: bool = False, limit: Annotated[int, Query(ge=1, le=100_000)] = MOST_LISTED
) -> list[ListedConversationResponse]:
    return await service_of(request).conversations.listing(archived, limit)


@router.post("/api/conversations")
async def create(request: Request, body: Create) -> NewConversationResponse:
    return NewConversationResponse(await service_of(request).conversations.create(body.how().to_json()))


@router.get("/api/conversations/{id}")
async def conversation(request: Request, id: str) -> ConversationResponse:
    return await service_of(request).conversations.get(id)


@router.patch("/api/conversations/{id}")
async def change(request: Request, id: str, body: ConversationChange) -> SettingsResponse:
    service = service_of(request)
    await service.conversations.change(id, title=body.title, tags=body.tags)
    await service.conversations.put(id, body.pinned, body.archived)
    system: dict[str, JsonValue] = {} if body.system is None else {"system": body.system}
    return await service.settings.change(id, {**body.settings, **system})


@router.delete("/api/conversations/{id}")
async def delete(request: Request, id: str) -> DoneResponse:
    await service_of(request).conversations.delete(id)
    return DoneResponse()


@router.post("/api/conversations/{id}/send")
async def send(request: Request, id: str, body: Send) -> RunResponse:
    if not body.text.strip() and not body.attachments and not body.keep:
        raise UsageError("there is nothing to send: no text and no attachment")
    return RunResponse(await service_of(request).turns.send(id, body.draft, body.how()))


@router.post("/api/conversations/{id}/again")
async def again(request: Request, id: str, body: Again) -> RunResponse:
    return RunResponse(await service_of(request).turns.again(id, body.node, body.how()))


@router.post("/api/conversations/{id}/continue")
async def go_on(request: Request, id: str, body: OfNode) -> RunResponse:
    return RunResponse(await service_of(request).turns.go_on(id, body.node))


@router.post("/api/conversations/{id}/switch")
async def switch(request: Request, id: str, body: OfNode) -> DoneResponse:
    await service_of(request).conversations.switch(id, body.node)
    return DoneResponse()


@router.post("/api/conversations/{id}/fork")
async def fork(request: Request, id: str, body: OfNode) -> NewConversationResponse:
    return NewConversationResponse(await service_of(request).conversations.fork(id, body.node))


@router.get("/api/conversations/{id}/saw/{node}")
async def saw(request: Request, id: str, node: str) -> CallsResponse:
    return await service_of(request).conversations.calls(id, node)


@router.get("/api/conversations/{id}/export")
async def export(request: Request, id: str, form: Literal["archive", "markdown"] = "archive") -> Response:
    file = await service_of(request).export(id, form)
    disposition = f"attachment; filename*=UTF-8''{quote(file.name)}"
    return Response(file.data, media_type=file.media_type, headers={"content-disposition": disposition})


@router.post("/api/import")
async def take_in(request: Request, file: UploadFile, dry: bool = True) -> ImportResponse:
    return ImportResponse(await service_of(request).take_in(file.filename or "", await _read(file), dry))


@router.get("/api/search")
async def search(request: Request, q: str = "") -> list[SearchHitResponse]:
    return await service_of(request).conversations.search(q[:10_000])


@router.get("/api/tools")
async def tools(request: Request) -> list[ShippedToolResponse]:
    return await service_of(request).tools()


@router.post("/api/count")
async def count(request: Request, body: CountRequest) -> CountResponse:
    return await service_of(request).turns.count(body.id, body.draft, body.how())


@router.post("/api/attachments")
async def attach(request: Request, file: UploadFile) -> AttachedResponse:
    return await service_of(request).attachments.add(file.filename or "attachment", await _read(file))


@router.get("/api/attachments/{id}")
async def attachment(request: Request, id: str) -> AttachedResponse:
    return service_of(request).attachments.about(id)


@router.get("/api/attachments/{id}/text")
async def attachment_text(request: Request, id: str) -> FileTextResponse:
    return service_of(request).attachments.text(id)


@router.delete("/api/attachments/{id}")
async def remove_attachment(request: Request, id: str) -> DoneResponse:
    service_of(request).attachments.forget(id)
    return DoneResponse()


@router.get("/api/conversations/{id}/files/{node}/{position}")
async def file_text(request: Request, id: str, node: str, position: int) -> FileTextResponse:
    return await service_of(request).attachments.stored_text(id, node, position)


@router.get("/api/blobs/{digest}")
async def blob(request: Request, digest: str) -> Response:
    media_type, data = await service_of(request).attachments.blob(digest)
    safe = media_type.startswith(("image/", "audio/")) and media_type != "image/svg+xml"
    shown = media_type if safe else "application/octet-stream"
    return Response(data, media_type=shown, headers={"content-disposition": "inline" if safe else "attachment"})


@router.post("/api/transcribe")
async def transcribe(request: Request, body: Transcribe) -> TranscriptResponse:
    return TranscriptResponse(await service_of(request).attachments.transcribe(body.attachment))


@router.get("/api/runs/{run}/events")
async def events(request: Request, run: str, after: int = 0) -> StreamingResponse:
    turns = service_of(request).turns
    await turns.check(run)  # an unknown run is refused at once
    stream = sent_events(turns.events(run, first_event(request, after)))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def sent_events(events: AsyncIterator[tuple[int | str, str]]) -> AsyncIterator[str]:
    """Each event with its number; a comment where nothing happens, so that no one takes the connection for dead."""
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield ": still here\n\n"
                continue
            if (event := upcoming.result()) is None:
                return
            upcoming = asyncio.ensure_future(anext(events, None))
            yield f"id: {event[0]}\ndata: {event[1]}\n\n"
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


@router.post("/api/runs/{run}/stop")
async def stop(request: Request, run: str, body: Stop) -> DoneResponse:
    await service_of(request).turns.stop(run, body.seen)
    return DoneResponse()


@router.post("/api/runs/{run}/approve")
async def approve(request: Request, run: str, body: DecisionRequest) -> DoneResponse:
    await service_of(request).approvals.decide(run, body.id, body.approved, body.arguments, body.scope)
    return DoneResponse()


async def _read(file: UploadFile) -> bytes:
    """The file's bytes, one more than is allowed at most."""
    return await file.read(LARGEST + 1)
