"""Stored conversations: listed, shown, searched, changed."""

import asyncio

from ...chat.chat_settings import POLICIES, ChatSettings
from ...chat.conversation.tree import Conversation, new_id
from ...store import model_calls, search
from ...store.conversations import Conversations
from ...store.presets import keep_settings, settings_in
from ...values import JsonObject
from . import view_models
from .chat_settings import SettingsService
from .model_pool import ModelPool
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
    def __init__(self, store: Conversations, turns: TurnService, models: ModelPool, settings: SettingsService):
        self._store, self._turns, self._models, self._settings = store, turns, models, settings

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
            settings = await self._settings.check({}, {})
            return ConversationResponse(None, NEW, settings.model, settings.policy, settings)
        return await asyncio.to_thread(view_models.conversation, self._store, id, self._models.default)

    async def show(self, id: str, node: str) -> None:
        """Make the branch of `node` the active one."""
        tree = await asyncio.to_thread(self._store.open, id)
        if node not in {one.id for one in tree.path()}:
            await self.switch(id, node)

    async def search(self, text: str) -> list[SearchHitResponse]:
        return await asyncio.to_thread(self._search, text)

    def _search(self, text: str) -> list[SearchHitResponse]:
        hits = search.search(self._store, text, MOST_HITS, MARK, each_once=True)
        found = [(hit, self._store.about(hit.conversation)) for hit in hits]
        return [
            SearchHitResponse(one.id, one.title or NEW, hit.node, hit.snippet, one.pinned, one.archived)
            for hit, one in found
        ]

    async def calls(self, id: str, node: str) -> CallsResponse:
        """Every request that was sent for a message."""
        return await asyncio.to_thread(self._calls, id, node)

    def _calls(self, id: str, node: str) -> CallsResponse:
        return view_models.calls(model_calls.calls(self._store, node=node), self._store.open(id), node)

    async def create(self, settings: JsonObject) -> str:
        """The id of a new, empty conversation that is asked so. Raises UsageError."""
        return await asyncio.to_thread(self._create, settings)

    def _create(self, settings: JsonObject) -> str:
        chosen = self._settings.changed(ChatSettings(), settings)
        id = new_id()
        model, policy = chosen.model or self._models.default, chosen.policy or POLICIES[0]
        self._store.save(Conversation(id), model=model, policy=policy)
        keep_settings(self._store, id, chosen)
        return id

    async def change(self, id: str, title: str | None, tags: list[str] | None) -> None:
        """Change what is not None."""
        await asyncio.to_thread(self._change, id, title, tags)

    async def put(self, id: str, pinned: bool | None, archived: bool | None) -> None:
        """Where the list has it, as far as that is not None."""
        await asyncio.to_thread(self._put, id, pinned, archived)

    def _put(self, id: str, pinned: bool | None, archived: bool | None) -> None:
        self._store.about(id)
        if pinned is not None:
            self._store.pin(id, pinned)
        if archived is not None:
            self._store.archive(id, archived)

    def _change(self, id: str, title: str | None, tags: list[str] | None) -> None:
        about = self._store.about(id)
        if title is not None and title.strip():
            self._store.rename(id, title.strip())
        if tags is not None:
            self._store.tag(id, add=tags, remove=[tag for tag in about.tags if tag not in tags])

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
        keep_settings(self._store, forked.id, settings_in(self._store, id))
        return forked.id
