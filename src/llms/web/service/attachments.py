"""Files that were sent ahead of their message: examined, shown, held until it is sent, then stored with it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_ai.messages import TextContent, UserContent

from ... import settings
from ...chat.conversation.messages import attached, name_of
from ...chat.conversation.tree import new_id
from ...chat.files.examine import ExaminedFile, examine
from ...errors import UnknownName, UsageError
from ...models.system import Model
from ...store.conversations import Conversations
from ...tasks.speech import transcribe
from ...workbench.chat.attachments import tokens_of
from .model_pool import ModelPool

TOGETHER = 2  # files that are read at once; each may take a processor and much memory
MOST_BYTES = 512 << 20  # of the files that wait; the oldest go first
PREVIEWED = 200_000  # characters of a text that are shown


@dataclass(frozen=True, slots=True)
class AttachedResponse:
    """`url` shows the file while it waits, `size` is in bytes, `about` says how much was read, `notes` what to know of it."""

    id: str
    name: str
    kind: str
    type: str
    url: str
    size: int
    about: str
    notes: list[str]


@dataclass(frozen=True, slots=True)
class FileTextResponse:
    """The text of a file as a model gets it; `more` characters of it are not shown."""

    name: str
    text: str
    more: int


class Attachments:
    def __init__(self, store: Conversations, models: ModelPool):
        self._store, self._models = store, models
        self._waiting: dict[str, ExaminedFile] = {}
        self._tokens: dict[tuple[str, str], int] = {}  # by attachment and model
        self._readers = asyncio.Semaphore(TOGETHER)

    async def add(self, name: str, data: bytes) -> AttachedResponse:
        """Hold a file. Raises UsageError if it cannot be attached."""
        async with self._readers:
            file = await asyncio.to_thread(examine, name, data)
        id = new_id()
        self._waiting[id] = file
        while sum(len(one.data) for one in self._waiting.values()) > MOST_BYTES:
            self.forget(next(iter(self._waiting)))
        return self.about(id)

    def about(self, id: str) -> AttachedResponse:
        file = self._file(id)
        return AttachedResponse(
            id, file.name, file.kind, file.media_type, f"/api/blobs/{id}", len(file.data), file.about, list(file.notes)
        )

    def text(self, id: str) -> FileTextResponse:
        """The text of a file that waits."""
        file = self._file(id)
        return _shown(file.name, file.text)

    async def stored_text(self, conversation: str, node: str, position: int) -> FileTextResponse:
        """The text of the file at `position` among those of a message. Raises UnknownName."""
        tree = await asyncio.to_thread(self._store.open, conversation)
        files = await asyncio.to_thread(lambda: attached(tree.node(node).message))
        if not 0 <= position < len(files) or not isinstance(file := files[position], TextContent):
            raise UnknownName("text file", str(position), [str(at) for at, one in enumerate(files) if _is_text(one)])
        return _shown(name_of(file), file.content)

    def content(self, id: str) -> UserContent:
        """The file as a part of a message."""
        return self._file(id).content()

    def tokens(self, id: str, model: Model) -> int:
        """The tokens that a text adds to a message of the model; 0 for other files, whose tokens are the endpoint's matter."""
        file, key = self._file(id), (id, model.name.text)
        if file.kind != "text":
            return 0
        if key not in self._tokens:
            self._tokens[key] = tokens_of(model, file)
        return self._tokens[key]

    def forget(self, id: str) -> None:
        self._waiting.pop(id, None)
        for key in [key for key in self._tokens if key[0] == id]:
            del self._tokens[key]

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
            raise AttachmentGone(id)
        return self._waiting[id]


class AttachmentGone(UnknownName):
    """A file is not held any more: the server was started anew, or newer ones took its room."""

    def __init__(self, id: str):
        super().__init__("attachment", id, [])
        self.args = (f"the attachment {id[:40]!r} is not held any more; attach the file again",)


def _is_text(content: UserContent) -> bool:
    return isinstance(content, TextContent)


def _shown(name: str, text: str) -> FileTextResponse:
    return FileTextResponse(name, text[:PREVIEWED], max(0, len(text) - PREVIEWED))


def chosen(held: Sequence[UserContent], keep: Sequence[int], new: Sequence[UserContent]) -> list[UserContent]:
    """The files of an edited message: those of the old one at the positions `keep`, then new ones. Raises UsageError."""
    if any(not 0 <= position < len(held) for position in keep):
        raise UsageError(f"the message has {len(held)} files; it cannot keep those at {list(keep)}")
    return [*(held[position] for position in keep), *new]
