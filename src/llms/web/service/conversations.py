"""Stored conversations: listed, shown, searched, changed."""

import asyncio

from pydantic_ai.messages import ModelRequest, SystemPromptPart

from ...chat.chat_settings import POLICIES, policy_named
from ...chat.conversation.messages import index
from ...chat.conversation.tree import Conversation, new_id
from ...errors import UsageError
from ...store import model_calls, search
from ...store.conversations import Conversations
from . import view_models
from .turns import TurnService
from .view_models import (
    NEW,
    CallsResponse,
    ConversationResponse,
    ListedConversationResponse,
    SearchHitResponse,
)

MOST_LISTED = 200
MOST_HITS = 50
MARK = ("\u0002", "\u0003")  # around the words that were searched for


class ConversationService:
    """`model` answers in conversations that name none."""

    def __init__(self, store: Conversations, turns: TurnService, model: str):
        self._store, self._turns, self._model = store, turns, model

    async def listing(self, archived: bool = False, limit: int = MOST_LISTED) -> list[ListedConversationResponse]:
        """The pinned first, then the last used; those put away into the archive are listed apart."""
        listed = await asyncio.to_thread(self._store.all, limit, archived=archived)
        return [
            ListedConversationResponse(one.id, one.title or NEW, one.updated, one.pinned, one.archived)
            for one in listed
            if one.messages or one.title  # a chat whose first message was refused is nothing yet
        ]

    async def get(self, id: str | None) -> ConversationResponse:
        """A conversation as a page shows it; an empty one for id None."""
        if id is None:
            return ConversationResponse(None, NEW, self._model, POLICIES[0])
        return await asyncio.to_thread(view_models.conversation, self._store, id, self._model)

    async def show(self, id: str, node: str) -> None:
        """Make the branch of `node` the active one."""
        tree = await asyncio.to_thread(self._store.open, id)
        if node not in {one.id for one in tree.path()}:
            await self.switch(id, node)

    async def search(self, text: str) -> list[SearchHitResponse]:
        hits = await asyncio.to_thread(search.search, self._store, text, MOST_HITS, MARK, each_once=True)
        return [SearchHitResponse(hit.conversation, hit.title or NEW, hit.node, hit.snippet) for hit in hits]

    async def calls(self, node: str) -> CallsResponse:
        """Every request that was sent for a message."""
        return view_models.calls(await asyncio.to_thread(lambda: model_calls.calls(self._store, node=node)))

    async def create(self, model: str, policy: str) -> str:
        """The id of a new, empty conversation. Raises UnknownName."""
        id, policy = new_id(), policy_named(policy or POLICIES[0])
        await asyncio.to_thread(self._create, id, model or self._model, policy)
        return id

    def _create(self, id: str, model: str, policy: str) -> None:
        self._store.save(Conversation(id), model=model, policy=policy)

    async def change(self, id: str, title: str | None, tags: list[str] | None, system: str | None) -> None:
        """Change what is not None."""
        await asyncio.to_thread(self._change, id, title, tags, system)

    async def put(self, id: str, pinned: bool | None, archived: bool | None) -> None:
        """Where the list has it, as far as that is not None."""
        await asyncio.to_thread(self._put, id, pinned, archived)

    def _put(self, id: str, pinned: bool | None, archived: bool | None) -> None:
        self._store.about(id)
        if pinned is not None:
            self._store.pin(id, pinned)
        if archived is not None:
            self._store.archive(id, archived)

    def _change(self, id: str, title: str | None, tags: list[str] | None, system: str | None) -> None:
        about = self._store.about(id)
        if title is not None and title.strip():
            self._store.rename(id, title.strip())
        if tags is not None:
            self._store.tag(id, add=tags, remove=[tag for tag in about.tags if tag not in tags])
        if system is not None:
            self._set_system(id, system)

    def _set_system(self, id: str, text: str) -> None:
        """Another system prompt: the active path is copied under it, the old one stays as a branch.

        Raises UsageError for a conversation that began without one: its beginning is what it is.
        """
        before = self._store.open(id)
        path = list(before.path())
        old = path[0] if path and path[0].role == "system" else None
        old_text = "".join(part.text for part in index(old.message)) if old else ""
        if text.strip() == old_text.strip():
            return
        message = ModelRequest(parts=[SystemPromptPart(text)])
        if old is not None and text.strip():
            after = before.edit(old.id, message)
        elif not path:
            after = before.append(message, "user")
        else:
            raise UsageError(
                "a conversation that has begun keeps its beginning; begin a new chat with this system prompt"
            )
        for node in path[1:]:
            after = after.append(node.message, node.author, node.state)
        self._store.save(after, before)

    async def delete(self, id: str) -> None:
        await self._turns.end_all_of(id)
        await asyncio.to_thread(self._store.delete, id)

    async def switch(self, id: str, node: str) -> None:
        """Make the branch of `node` the active one."""
        await asyncio.to_thread(self._switch, id, node)

    def _switch(self, id: str, node: str) -> None:
        before = self._store.open(id)
        self._store.save(before.switch(node), before)

    async def fork(self, id: str, node: str) -> str:
        """The id of a new conversation that begins as this one does, down to `node`."""
        return await asyncio.to_thread(self._fork, id, node)

    def _fork(self, id: str, node: str) -> str:
        about = self._store.about(id)
        forked = self._store.open(id).fork(node)
        self._store.save(forked, model=about.model, policy=about.policy, title=f"{about.title or NEW} (fork)")
        return forked.id
