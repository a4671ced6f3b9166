"""Everything the pages may ask for, a part for each subject, over one store and models that are loaded once.

A run belongs to the service, not to the page that began it: readers come and go, the run goes on. Methods that may
block are asynchronous: what blocks goes to a thread.
"""

import asyncio
from collections.abc import Sequence

from ... import settings
from ...models.default import for_chats
from ...store import chat_runs
from ...store.conversations import Conversations
from . import import_export, tools_at_hand
from .approvals import Approvals
from .arena_ratings import RatingService
from .attachments import Attachments
from .battles import BattleService
from .chat_settings import SettingsService
from .choose import ChoosingService
from .comparisons import ComparisonService
from .conversations import ConversationService
from .import_export import ExportedFile
from .lessons import LessonService
from .model_choices import ModelChoices
from .model_pool import ModelPool
from .reach import Reach
from .tasks import TaskService
from .teams import TeamService
from .tools_at_hand import ShippedToolResponse
from .turns import TurnService


class ChatService:
    """`model` is the one of new chats, `max_tokens` the most of an answer; tools and teams read in `folders` alone."""

    def __init__(self, model: str | None = None, max_tokens: int | None = None, folders: Sequence[str] = ()):
        self.models = ModelPool(model, Reach.of(folders, model or for_chats()))
        self._store = Conversations(settings.database())
        self.attachments = Attachments(self._store, self.models)
        self.turns = TurnService(self._store, self.models, self.attachments, max_tokens)
        self.approvals = Approvals(self._store, self.turns)
        self.settings = SettingsService(self._store, self.models)
        self.conversations = ConversationService(self._store, self.turns, self.models, self.settings)
        self.model_choices = ModelChoices(self._store, self.models)
        self.battles = BattleService(
            self._store, self.models, self.turns, self.conversations, self.attachments, self.model_choices
        )
        self.comparisons = ComparisonService(self._store, self.models, self.turns, self.settings)
        self.ratings = RatingService(self._store)
        self.lessons = LessonService(self.models)
        self.teams = TeamService(self.models)
        self.choosing = ChoosingService(self.models)
        self.tasks = TaskService(self.models)
        chat_runs.recover(self._store)

    @property
    def model(self) -> str:
        """The model of new chats."""
        return self.models.default

    async def tools(self) -> list[ShippedToolResponse]:
        """The tools that a page can switch on."""
        return await asyncio.to_thread(tools_at_hand.tools, self.models.reach)

    async def export(self, id: str, form: str) -> ExportedFile:
        return await asyncio.to_thread(import_export.export, self._store, id, form)

    async def take_in(self, name: str, data: bytes, dry: bool) -> str:
        """The report of an import, or, with `dry`, of what it would take."""
        return await asyncio.to_thread(import_export.take_in, self._store, name, data, dry)

    async def quiet(self) -> None:
        """Stop what is being answered and let it keep what came: the server is about to end."""
        await asyncio.gather(self.turns.quiet(), self.teams.quiet(), self.choosing.quiet(), return_exceptions=True)
        self.models.quiet()

    def close(self) -> None:
        self.tasks.close()
        self.models.close()
        self._store.close()
