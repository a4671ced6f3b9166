"""Files that were sent ahead of their message: examined, held until it is sent, then stored with it."""

import asyncio
from dataclasses import dataclass

from pydantic_ai.messages import BinaryContent, UserContent

from ... import settings
from ...chat.conversation.messages import document
from ...chat.conversation.tree import new_id
from ...errors import UnknownName, UsageError
from ...store.conversations import Conversations
from ...tasks.speech import transcribe
from .file_kinds import ExaminedFile, examine
from .model_pool import ModelPool


@dataclass(frozen=True, slots=True)
class AttachedResponse:
    """`url` shows the file while it waits, `size` is in bytes."""

    id: str
    name: str
    type: str
    url: str
    size: int


class Attachments:
    def __init__(self, store: Conversations, models: ModelPool):
        self._store, self._models = store, models
        self._waiting: dict[str, ExaminedFile] = {}

    def add(self, name: str, data: bytes) -> AttachedResponse:
        """Hold a file. Raises UsageError if it cannot be attached."""
        file, id = examine(name, data), new_id()
        self._waiting[id] = file
        return AttachedResponse(id, file.name, file.media_type, f"/api/blobs/{id}", len(file.data))

    def content(self, id: str) -> UserContent:
        """The file as a part of a message. Raises UnknownName."""
        file = self._file(id)
        if file.kind == "text":
            return document(file.name, file.data.decode("utf-8-sig"))
        return BinaryContent(file.data, media_type=file.media_type, identifier=file.name)

    def forget(self, id: str) -> None:
        self._waiting.pop(id, None)

    async def blob(self, digest: str) -> tuple[str, bytes]:
        """(media type, bytes) of a file that is attached to a stored message, or waits to be sent."""
        if file := self._waiting.get(digest):
            return file.media_type, file.data
        return await asyncio.to_thread(lambda: (self._store.media_type(digest), self._store.blob(digest)))

    async def transcribe(self, id: str) -> str:
        """The words of an attached recording, by the speech model that LLMS_TRANSCRIBE_MODEL names."""
        name = settings.get("LLMS_TRANSCRIBE_MODEL")
        if name is None:
            raise UsageError(
                "no model to transcribe with; set LLMS_TRANSCRIBE_MODEL to a Whisper checkpoint's folder or hub name"
            )
        file = self._file(id)
        self.forget(id)
        return (await self._models.wait_for(transcribe, name, file.data)).text

    def _file(self, id: str) -> ExaminedFile:
        if id not in self._waiting:
            raise UnknownName("attachment", id, [])
        return self._waiting[id]
