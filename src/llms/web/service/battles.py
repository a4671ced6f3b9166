"""Blind battles on a person's own questions: two hidden conversations, asked at once, unnamed until the vote."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from ... import settings
from ...arena.battle import Winner
from ...arena.pairing import next_pair
from ...errors import LlmsError, UnknownName, UsageError
from ...store import chat_runs
from ...store.battles import SIDES, USER, Battles, Side, StoredBattle, StoredVote
from ...store.conversations import Conversations
from ...store.presets import settings_in
from ...workbench.arena import battles as records
from ...workbench.arena.contenders import contender
from . import view_models
from .attachments import Attachments
from .blind import AnswerResponse, BattleTurnResponse, BlindEvents, turns
from .conversations import ConversationService
from .model_choices import ModelChoices
from .model_pool import ModelPool
from .tools_at_hand import ShippedToolResponse
from .turns import Draft, TurnService
from .view_models import TextResponse, short_name

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
    where: str


@dataclass(frozen=True, slots=True)
class ContendersResponse:
    """Who may take part, and the tools that both may be offered: those that ask nobody."""

    models: list[ContenderResponse]
    tools: list[ShippedToolResponse]


class BattleService:
    """Battles by their id. Until a vote is in, nothing that is returned names a model."""

    def __init__(
        self, store: Conversations, models: ModelPool, turns: TurnService, talks: ConversationService,
        attachments: Attachments, choices: ModelChoices,
    ):  # fmt: skip
        self._store, self._models, self._turns, self._talks = store, models, turns, talks
        self._attachments, self._choices = attachments, choices

    async def contenders(self) -> list[ContenderResponse]:
        """The models at hand, but for those with an adapter, which is for a job of its own: they are added by name."""
        at_hand = await self._choices.at_hand()
        return [
            ContenderResponse(model.name, group.title)
            for group in at_hand.groups
            for model in group.models
            if "adapter=" not in model.name
        ]

    # fighting

    async def begin(self, draft: Draft, names: Sequence[str], tools: Sequence[str]) -> str:
        """The id of a new battle between two of the models `names`, in an order that is drawn. Raises UsageError; once
        the battle is stored, one that names none of the two."""
        names = list(dict.fromkeys(self._models.reach.check_model(name) for name in names))
        if len(names) < 2:
            raise UsageError(f"a battle needs two models; got {len(names)}: tick one more")
        pair = await asyncio.to_thread(_draw, names)
        ids = [await self._talks.create({"model": name, "tools": list(tools)}) for name in pair]
        try:
            battle = await self._models.wait_for(self._recorded, draft.text, pair, ids)
        except LlmsError:
            await asyncio.to_thread(self._store.delete, *ids)
            raise
        try:
            await self._ask(ids, draft)
        except LlmsError:
            await asyncio.to_thread(records.remove, battle)
            raise
        return battle

    async def say(self, battle: str, draft: Draft) -> None:
        """Ask both sides one question more. Raises UsageError where they still answer, or a vote is in."""
        await self._ask(_conversations(await self._open(battle)), draft)

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

    async def retry(self, battle: str, side: Side) -> None:
        """Let one side answer the last question again."""
        id = _conversations(await self._open(battle))[SIDES.index(side)]
        tree = await asyncio.to_thread(self._store.open, id)
        path = tree.path()
        asked = max((number for number, node in enumerate(path) if node.role == "user"), default=len(path))
        if len(path) <= asked + 1:
            raise UsageError("there is no answer yet that could be given again")
        await self._turns.again(id, path[asked + 1].id)

    async def stop(self, battle: str) -> None:
        """End both answers where they are."""
        sides = _conversations(await asyncio.to_thread(_stored, battle))
        await asyncio.gather(*(self._turns.end_all_of(id) for id in sides))

    async def skip(self, battle: str) -> None:
        """Forget a battle that got no vote."""
        stored = await asyncio.to_thread(_stored, battle)
        if _own_vote(stored) is not None:
            raise UsageError("this battle has its vote; take that back before the battle is forgotten")
        await asyncio.gather(*(self._turns.end_all_of(id) for id in _conversations(stored)))
        await asyncio.to_thread(records.remove, battle)

    async def vote(self, battle: str, winner: Winner) -> None:
        """Count a vote, once both have answered. Raises UsageError."""
        stored = await self._open(battle)
        await asyncio.to_thread(self._measure, stored)
        await asyncio.to_thread(records.vote, battle, winner)

    async def undo(self, battle: str) -> None:
        """Take the vote back. The names are known by now: the next vote counts as not blind."""
        await asyncio.to_thread(records.undo, battle)

    async def _open(self, battle: str) -> StoredBattle:
        """A battle that has no vote, and where nobody is answering. Raises UsageError."""
        stored = await asyncio.to_thread(_stored, battle)
        if _own_vote(stored) is not None:
            raise UsageError("this battle has its vote; begin another one, or take the vote back")
        if await asyncio.to_thread(self._running, stored):
            raise UsageError("an answer is still being written; wait for it or stop it first")
        return stored

    # looking

    async def get(self, battle: str) -> BattleResponse:
        """Raises UnknownName."""
        return await asyncio.to_thread(self._get, battle)

    def _get(self, battle: str) -> BattleResponse:
        stored = _stored(battle)
        sides = _conversations(stored)
        a, b = (self._store.open(id) for id in sides)
        vote = _own_vote(stored)
        if vote is None:
            return BattleResponse(battle, self._running(stored), turns(a, b, {}))
        whole = [view_models.conversation(self._store, id, "") for id in sides]
        errors = {message.id: message.error for one in whole for message in one.path if message.error}
        revealed = VoteResponse(
            vote.winner, stored.anonymous and not vote.named, records.problem_of(stored),
            *(SideResponse(name, label, one.spent) for name, label, one in zip(stored.models, labels(stored.models), whole, strict=True)),
        )  # fmt: skip
        return BattleResponse(battle, False, turns(a, b, errors), revealed)

    def _running(self, battle: StoredBattle) -> bool:
        runs = [run for id in _conversations(battle) for run in chat_runs.runs(self._store, id)]
        return any(run.state in ("running", "waiting") for run in runs)

    async def events(self, battle: str, after: str) -> AsyncIterator[tuple[str, str]]:
        """(number, event as JSON) of what both sides are answering, or have answered last, from behind `after` on: a
        number names how far each side was, `12-40`."""
        sides = _conversations(await asyncio.to_thread(_stored, battle))
        reached = [int(one) if one.isdigit() else 0 for one in ([*after.split("-"), "0", "0"])[:2]]
        queue: asyncio.Queue[tuple[int, int, str] | None] = asyncio.Queue()
        readers = [asyncio.ensure_future(self._read(number, id, queue)) for number, id in enumerate(sides)]
        blind = [BlindEvents(side) for side in SIDES]
        try:
            ended = 0
            while ended < len(readers):
                if (item := await queue.get()) is None:
                    ended += 1
                    continue
                number, seq, event = item
                seen = blind[number].to_json(event)  # also of old ones: tool calls are numbered from the first
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

    def _recorded(self, question: str, pair: Sequence[str], ids: Sequence[str]) -> str:
        sides = [
            contender(self._models.get(name), id, settings_in(self._store, id).tools or ())
            for name, id in zip(pair, ids, strict=True)
        ]
        battle = records.begin(question.strip() or "(files)", sides, source=records.WEB).id
        for id in ids:
            self._store.hide(id, battle)
        return battle

    def _measure(self, battle: StoredBattle) -> None:
        """Store what is known of both answers, of all turns."""
        talks = [self._store.open(id) for id in _conversations(battle)]
        exchanges = turns(talks[0], talks[1], {})
        records.asked(battle.id, [one.text for one in exchanges])
        for side in SIDES:
            answers = [one.a if side == "a" else one.b for one in exchanges]
            records.answered(
                battle.id, side, "\n\n".join(map(_words, answers)), finish=_finish(answers), error=_error(answers)
            )


def _stored(id: str) -> StoredBattle:
    """Raises UnknownName where it was not fought on these pages."""
    with Battles(settings.database()) as store:
        battle = store.get(id)
    if not all(_conversations(battle)):
        raise UnknownName("battle", id, [])
    return battle


def _conversations(battle: StoredBattle) -> tuple[str, str]:
    return battle.conversation_a or "", battle.conversation_b or ""


def _draw(names: Sequence[str]) -> tuple[str, str]:
    """The two of which a vote says most, mostly, in the order in which they are shown."""
    return next_pair(names, records.stored(), random.SystemRandom())


def labels(models: Sequence[str]) -> list[str]:
    """Short names, where they tell all apart."""
    short = [short_name(name) for name in models]
    return short if len(set(short)) == len(short) else list(models)


def _own_vote(battle: StoredBattle) -> StoredVote | None:
    return next((vote for vote in battle.votes if vote.judge == USER), None)


def _words(answer: AnswerResponse | None) -> str:
    parts = answer.parts if answer else []
    return "\n\n".join(part.text for part in parts if isinstance(part, TextResponse) and part.type == "text")


def _finish(answers: Sequence[AnswerResponse | None]) -> str:
    if any(one is not None and one.state in ("stopped", "interrupted") for one in answers):
        return "stopped"
    return "length" if any(one is not None and one.cut for one in answers) else "stop"


def _error(answers: Sequence[AnswerResponse | None]) -> str:
    return "failed" if any(one is None or one.state == "failed" for one in answers) else ""
