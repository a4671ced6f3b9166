"""A talk in the terminal: its conversation, the store, the model that stays loaded, files for the next message."""

from collections.abc import Generator
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from .. import settings
from ..chat.turn.events import Event
from ..models.default import for_chats
from ..models.system import Model
from ..store.conversations import Conversations
from ..values import JsonObject
from ..workbench.chat.attachments import described, examined
from ..workbench.chat.chat import Chat
from . import arguments
from .answering import answer
from .arguments import ChatFlags
from .line_editor import LineEditor


def open_chat(
    flags: ChatFlags,
    schema: JsonObject | None = None,
    store: Conversations | None = None,
    loaded: Model | None = None,
) -> Chat:
    """The conversation that the flags name, or a new one; `loaded` is a model that answers instead of theirs."""
    stored = "last" if flags["last"] else flags["conversation"]
    prompt = flags["system"]
    return Chat(
        loaded or flags["model"] or (None if stored or flags["preset"] else for_chats()),
        preset=flags["preset"],
        tools=flags["tools"] or None,
        system=arguments.text_of(prompt) if prompt else None,
        id=stored,
        store=store,
        policy=flags["policy"],
        approve=flags["approve"],
        max_tokens=flags["max_tokens"],
        temperature=flags["temperature"],
        seed=flags["seed"],
        schema=schema,
        budget=arguments.money(flags["budget"]),
        price=flags["price"],
        ephemeral=flags["no_store"],
        memory=flags["memory"],
    )


class ChatSession:
    """A conversation with what its commands need. `files` go along with the next message; `listed` are the ids that were
    listed last; `ended` once the user wants no more."""

    def __init__(self, flags: ChatFlags, out: Console):
        self.flags, self.files, self.out = flags, [examined(file) for file in flags["files"]], out
        self.listed: list[str] = []
        self.ended = False
        self.editor: LineEditor
        self.store = Conversations.in_memory() if flags["no_store"] else Conversations(settings.database())
        try:
            self.chat = open_chat(flags, store=self.store)
        except BaseException:
            self.store.close()
            raise
        self._owners = [self.chat]  # the conversations that the model was loaded for, and those since

    def close(self) -> None:
        for chat in reversed(self._owners):
            chat.close()
        self.store.close()

    def show(self, events: Generator[Event, None, None]) -> None:
        answer(self.out, self.chat, events, self.flags["save_files"])

    def dim(self, text: str) -> None:
        self.out.print(Text(text, style="dim"))

    def show_files(self) -> None:
        """Say of each file that goes along what was read of it."""
        for file in self.files:
            self.dim(described(self.chat.model, file))

    def begin(self, advice: str = "") -> None:
        self.chat.model.prepare()
        self.dim(f"{self.chat.model.name.text}, conversation {self.chat.id}{advice}")

    def reopen(self, model: str | None, conversation: str | None) -> None:
        """Go on with a stored conversation, or begin a new one, by this model, the one of the flags or its own.

        A model that is loaded stays so; what was spent counts on. Nothing changes where this fails.
        """
        id = self.store.find(conversation) if conversation is not None else None
        flags: ChatFlags = {**self.flags, "last": False, "conversation": id, "files": ()}
        if id:  # it has its own
            flags["system"] = flags["preset"] = None
        flags["model"] = model or flags["model"] or (self.store.about(id).model if id else None)
        self._replace(flags)

    def change_model(self, model: str) -> None:
        """Go on here with another model; what was chosen for the conversation holds on."""
        before, stored = self.chat, self.store.has(self.chat.id)
        flags: ChatFlags = {**self.flags, "last": False, "model": model, "files": ()}
        flags["conversation"] = before.id if stored else None
        if stored:
            flags["system"] = flags["preset"] = None
        self._replace(flags)
        self.chat.settings = replace(before.settings, model=self.chat.settings.model)
        self.chat.policy = before.policy

    def _replace(self, flags: ChatFlags) -> None:
        before = self.chat
        name = flags["model"] or (None if flags["preset"] else for_chats())
        same = name == before.model.name.text
        chat = open_chat(flags, store=self.store, loaded=before.model if same else None)
        try:
            chat.model.prepare()
        except BaseException:
            chat.close()
            raise
        chat.model.ledger = before.model.ledger
        if same:
            self._owners.append(chat)
        else:
            for old in reversed(self._owners):
                old.close()
            self._owners = [chat]
        self.chat = chat
        self.begin()
