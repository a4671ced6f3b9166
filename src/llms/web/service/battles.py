"""Blind battles on a person's own questions: two hidden conversations, asked at once, unnamed until the vote."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from ...arena.battle import Winner
from ...chat.conversation.tree import new_id, now
from ...errors import LlmsError, UnknownName, UsageError
from ...store import chat_runs
from ...store.conversations import Conversations
from . import view_models
from .attachments import Attachments
from .blind import BattleTurnResponse, BlindEvents, turns
from .conversations import ConversationService
from .model_choices import ModelChoices
from .model_pool import ModelPool
from .tools_at_hand import ShippedToolResponse
from .turns import Draft, TurnService
from .view_models import short_name

SIDES = ("a", "b")
UNASKED = (
    "one of the two models cannot be asked this; shorten the message or leave out its files, or choose other models"
)


@dataclass(frozen=True, slots=True)
class SideResponse:
    """Who answered, once the vote is in; `spent` is in words."""

    model: str
    name: str
    spent: str


@dataclass(frozen=True, slots=True)
class VoteResponse:
    """A vote with what it reveals. `problem` says why it does not count; `blind`: the names were not known."""

    winner: str
    blind: bool
    problem: str
    a: SideResponse
    b: SideResponse


@dataclass(frozen=True, slots=True)
class BattleResponse:
    """`running`: an answer is being written. `vote` None: not yet, and nothing here names a model."""

    id: str
    running: bool
    turns: list[BattleTurnResponse] = field(default_factory=list)
    vote: VoteResponse | None = None


@dataclass(frozen=True, slots=True)
class ContenderResponse:
    """A model that may be drawn; `where` it runs."""

    name: str
    label: str
    where: str


@dataclass(frozen=True, slots=True)
class ContendersResponse:
    """Who may take part, and the tools that both may be offered: those that ask nobody."""

    models: list[ContenderResponse]
    tools: list[ShippedToolResponse]


@dataclass(frozen=True, slots=True)
class StoredSides:
    """The row of a battle, and its vote if there is one."""

    id: str
    models: tuple[str, str]
    conversations: tuple[str, str]
    anonymous: bool
    winner: str | None


class BattleService:
    """Battles by their id. Until a vote is in, nothing that is returned names a model."""

    def __init__(
        self, store: Conversations, models: ModelPool, turns: TurnService, talks: ConversationService,
        attachments: Attachments, choices: ModelChoices,
    ):  # fmt: skip
        self._store, self._models, self._turns, self._talks = store, models, turns, talks
        self._attachments, self._choices = attachments, choices

    async def contenders(self) -> list[ContenderResponse]:
        """The models at hand."""
        at_hand = await self._choices.at_hand()
        return [
            ContenderResponse(model.name, short_name(model.name), group.title)
            for group in at_hand.groups
            for model in group.models
        ]

    # fighting

    async def begin(self, draft: Draft, names: Sequence[str], tools: Sequence[str]) -> str:
        """The id of a new battle between two of the models `names`, in an order that is drawn. Raises UsageError, which
        names none of the two."""
        names = list(dict.fromkeys(self._models.reach.check_model(name) for name in names))
        if len(names) < 2:
            raise UsageError(f"a battle needs two models; got {len(names)}: tick one more")
        pair = await asyncio.to_thread(self._draw, names)
        ids = [await self._talks.create({"model": name, "tools": list(tools)}) for name in pair]
        battle = await asyncio.to_thread(self._record, draft.text, pair, (ids[0], ids[1]))
        try:
            await self._ask(ids, draft)
        except LlmsError:
            await self._remove(battle, ids)
            raise
        return battle

    async def say(self, battle: str, draft: Draft) -> None:
        """Ask both sides one question more. Raises UsageError where they still answer, or a vote is in."""
        sides = await self._open(battle)
        await self._ask(sides.conversations, draft)

    async def _ask(self, ids: Sequence[str], draft: Draft) -> None:
        """Both at once; if one of them cannot be asked, neither is."""
        sent = await asyncio.gather(
            *(self._turns.send(id, draft, keep_files=True) for id in ids), return_exceptions=True
        )
        errors = [one for one in sent if isinstance(one, BaseException)]
        if errors:
            await asyncio.gather(*(self._turns.end_all_of(id) for id in ids))
            if not isinstance(errors[0], LlmsError):
                raise errors[0]
            raise UsageError(UNASKED) from errors[0]
        for one in draft.attachments:
            self._attachments.forget(one)

    async def retry(self, battle: str, side: str) -> None:
        """Let one side answer the last question again."""
        id = (await self._open(battle)).conversations[SIDES.index(side)]
        tree = await asyncio.to_thread(self._store.open, id)
        answers = [node for node in tree.path() if node.role == "assistant"]
        if not answers:
            raise UsageError("there is no answer yet that could be given again")
        await self._turns.again(id, answers[-1].id)

    async def stop(self, battle: str) -> None:
        """End both answers where they are."""
        sides = await asyncio.to_thread(self._sides, battle)
        await asyncio.gather(*(self._turns.end_all_of(id) for id in sides.conversations))

    async def skip(self, battle: str) -> None:
        """Forget a battle that got no vote."""
        sides = await asyncio.to_thread(self._sides, battle)
        if sides.winner is not None:
            raise UsageError("this battle has its vote; take that back before the battle is forgotten")
        await asyncio.gather(*(self._turns.end_all_of(id) for id in sides.conversations))
        await self._remove(battle, sides.conversations)

    async def vote(self, battle: str, winner: Winner) -> None:
        """Count a vote, once both have answered. Raises UsageError."""
        sides = await self._open(battle)
        await asyncio.to_thread(self._vote, sides, winner)

    async def undo(self, battle: str) -> None:
        """Take the vote back. The names are known by now: the next vote counts as not blind."""
        await asyncio.to_thread(self._undo, battle)

    async def _open(self, battle: str) -> StoredSides:
        """A battle that has no vote, and where nobody is answering. Raises UsageError."""
        sides = await asyncio.to_thread(self._sides, battle)
        if sides.winner is not None:
            raise UsageError("this battle has its vote; begin another one, or take the vote back")
        if await asyncio.to_thread(self._running, sides):
            raise UsageError("an answer is still being written; wait for it or stop it first")
        return sides

    # looking

    async def get(self, battle: str) -> BattleResponse:
        """Raises UnknownName."""
        return await asyncio.to_thread(self._get, battle)

    def _get(self, battle: str) -> BattleResponse:
        sides = self._sides(battle)
        a, b = (self._store.open(id) for id in sides.conversations)
        if sides.winner is None:
            return BattleResponse(battle, self._running(sides), turns(a, b, {}))
        whole = [view_models.conversation(self._store, id, "") for id in sides.conversations]
        errors = {message.id: message.error for one in whole for message in one.path if message.error}
        shown = [SideResponse(name, short_name(name), one.spent) for name, one in zip(sides.models, whole, strict=True)]
        vote = VoteResponse(sides.winner, sides.anonymous, "", *shown)
        return BattleResponse(battle, False, turns(a, b, errors), vote)

    def _running(self, sides: StoredSides) -> bool:
        runs = [run for id in sides.conversations for run in chat_runs.runs(self._store, id)]
        return any(run.state in ("running", "waiting") for run in runs)

    async def events(self, battle: str, after: str) -> AsyncIterator[tuple[str, str]]:
        """(number, event as JSON) of what both sides are answering, or have answered last, from behind `after` on: a
        number names how far each side was, `12-40`."""
        sides = await asyncio.to_thread(self._sides, battle)
        reached = [int(one) if one.isdigit() else 0 for one in ([*after.split("-"), "0", "0"])[:2]]
        queue: asyncio.Queue[tuple[int, int, str] | None] = asyncio.Queue()
        readers = [
            asyncio.ensure_future(self._read(number, id, queue)) for number, id in enumerate(sides.conversations)
        ]
        blind = [BlindEvents(side) for side in SIDES]
        try:
            ended = 0
            while ended < len(readers):
                if (item := await queue.get()) is None:
                    ended += 1
                    continue
                number, seq, event = item
                seen = blind[number].to_json(
                    event
                )  # also of what the reader has: tool calls are numbered from the first
                if seen is not None and seq > reached[number]:
                    reached[number] = seq
                    yield f"{reached[0]}-{reached[1]}", seen
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _read(self, number: int, conversation: str, queue: "asyncio.Queue[tuple[int, int, str] | None]") -> None:
        """Put the events of the conversation's last run into the queue, and None at their end."""
        try:
            runs = await asyncio.to_thread(chat_runs.runs, self._store, conversation)
            if runs:
                async for seq, event in self._turns.events(runs[-1].id, 0):
                    queue.put_nowait((number, seq, event))
        finally:
            queue.put_nowait(None)

    # stored

    def _draw(self, names: Sequence[str]) -> tuple[str, str]:
        one, other = random.SystemRandom().sample(names, 2)
        return one, other

    def _record(self, question: str, models: tuple[str, str], conversations: tuple[str, str]) -> str:
        battle = new_id()
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO battles VALUES (?, ?, 'arena', '', ?, ?, ?, '', '', 1, ?, ?, '{}')",
                (battle, now(), question, *models, *conversations),
            )
        for id in conversations:
            self._store.hide(id, battle)
        return battle

    async def _remove(self, battle: str, conversations: Sequence[str]) -> None:
        await asyncio.to_thread(self._store.delete, *conversations)

    def _sides(self, battle: str) -> StoredSides:
        """Raises UnknownName."""
        for row in self._store.read(
            "SELECT model_a, model_b, conversation_a, conversation_b, anonymous, "
            "(SELECT winner FROM votes WHERE battle = battles.id) FROM battles WHERE id = ?", (battle,),
        ):  # fmt: skip
            model_a, model_b, conversation_a, conversation_b, anonymous, winner = row
            return StoredSides(battle, (model_a, model_b), (conversation_a, conversation_b), bool(anonymous), winner)
        raise UnknownName("battle", battle, [])

    def _vote(self, sides: StoredSides, winner: Winner) -> None:
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO votes (battle, judge, kind, winner, created, facts) VALUES (?, 'me', 'human', ?, ?, ?)",
                (sides.id, winner, now(), "{}"),
            )

    def _undo(self, battle: str) -> None:
        with self._store.transaction() as db:
            db.execute("DELETE FROM votes WHERE battle = ?", (battle,))
            db.execute("UPDATE battles SET anonymous = 0 WHERE id = ?", (battle,))
