"""Answers: begun by a request, written whether or not anybody reads, read by any number of pages from any point."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field

from pydantic_ai.messages import ModelResponse, TextPart

from ... import bridge
from ...chat.chat_settings import ChatSettings
from ...chat.conversation.messages import attached, visible
from ...chat.conversation.tree import Node
from ...chat.turn.events import Event, kind_of, to_json
from ...chat.turn.turn import Turn
from ...errors import ContextOverflow
from ...models.system import Model
from ...store import chat_runs
from ...store.conversations import Conversations
from ...store.presets import settings_in
from ...values import Usage, several
from ...workbench.chat.chat import Chat
from ...workbench.chat.config import options_of
from .attachments import Attachments, chosen
from .model_pool import ModelPool
from .view_models import DISPOSITIONS, money

LOOK_SECONDS = 0.2  # how often a run of another process, or one that waits, is looked at
NOT_SENT_WHOLE = ("dropped", "elided", "chunked", "covered")


@dataclass(frozen=True, slots=True)
class Draft:
    """Something a person says: `attachments` wait under their ids; in place of the message `edit`, it keeps the files of that
    one at the positions `keep`."""

    text: str
    attachments: Sequence[str] = ()
    edit: str = ""
    keep: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class LeftOutResponse:
    """A message that would not be sent whole: how it begins, its tokens, and what becomes of it."""

    role: str
    begins: str
    tokens: int
    fate: str


@dataclass(frozen=True, slots=True)
class RememberedResponse:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class CountResponse:
    """Tokens of the window that sending a question would take; `drops` sums up `left_out`, which the policy would not send.

    `parts` and `calls` are 0 unless its text would be read in parts, and near numbers if `rough`. `files` are the tokens of each attachment.
    `refused` says why it would not be sent at all. `remembered` is what the model would be told besides.
    """

    tokens: int
    budget: int
    grade: str
    drops: str = ""
    price: str = ""
    left_out: list[LeftOutResponse] = field(default_factory=list)
    parts: int = 0
    calls: int = 0
    rough: bool = False
    files: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    remembered: list[RememberedResponse] = field(default_factory=list)


class TurnService:
    """Runs by their id, of the conversations in `store`. Answers have at most `max_tokens`."""

    def __init__(self, store: Conversations, models: ModelPool, attachments: Attachments, max_tokens: int | None):
        self._store, self._models, self._attachments, self._max_tokens = store, models, attachments, max_tokens
        self.ending = False  # the server ends: readers of what waits are let go
        self._beginning: dict[str, asyncio.Lock] = {}  # by conversation
        self._turns: dict[str, tuple[Turn, Future[None]]] = {}  # with their ends

    # beginning

    async def send(self, id: str, draft: Draft, how: ChatSettings = ChatSettings(), keep_files: bool = False) -> str:
        """The run that answers; empty if an answer was edited, which needs none. The question is stored before anything is
        asked, unless it cannot be sent: then nothing is. `how` changes the settings of the conversation; with `keep_files`
        the files wait on, for another conversation that is sent them too."""
        if draft.edit:
            edited: bool = await asyncio.to_thread(self._edit_answer, id, draft.edit, draft.text)
            if edited:
                return ""
        new = [self._attachments.content(one) for one in draft.attachments]
        chat = await self.open(id, how)

        def begin() -> Turn:
            if not draft.edit:
                return chat.begin(draft.text, new, True)
            held = attached(chat.conversation.node(draft.edit).message)
            return chat.begin_edit(draft.edit, draft.text, chosen(held, draft.keep, new), True)

        run = await self.start(id, begin)
        for one in () if keep_files else draft.attachments:
            self._attachments.forget(one)
        return run

    def _edit_answer(self, conversation: str, id: str, text: str) -> bool:
        """Put another text beside an answer. False: the message is not an answer, and wants one."""
        before = self._store.open(conversation)
        if before.node(id).role != "assistant":
            return False
        name = getattr(before.node(id).message, "model_name", None)
        edited = ModelResponse(parts=[TextPart(text)], model_name=name)
        self._store.save(before.edit(id, edited), before)
        return True

    async def again(self, id: str, node: str, how: ChatSettings = ChatSettings()) -> str:
        """The run of another answer beside `node`."""
        chat = await self.open(id, how)
        return await self.start(id, lambda: chat.begin_again(node, True))

    async def go_on(self, id: str, node: str) -> str:
        """The run that carries on the answer `node`, which broke off, in a new version of it."""
        chat = await self.open(id)

        def begin() -> Turn:
            if chat.path[-1].id != node:
                chat.switch(node)
            return chat.begin_more()

        return await self.start(id, begin)

    async def open(self, id: str, how: ChatSettings = ChatSettings()) -> Chat:
        """The conversation, asked by its settings, but for what `how` says. Raises UsageError for what is out of reach."""
        return await self._models.wait_for(self._open, id, how)

    def _open(self, id: str, how: ChatSettings) -> Chat:
        about = self._store.about(id)
        model = self._models.get_anyway(how.model or about.model or self._models.default)
        return self._chat(self._store, how, id, model)

    def _chat(self, store: Conversations, how: ChatSettings, id: str | None, model: Model) -> Chat:
        chat = Chat(
            model,
            id=id,
            store=store,
            **options_of(how, self._max_tokens),
        )
        self._models.reach.check_tools(chat.settings.tools or ())  # a terminal may have given it others
        return chat

    def tools_of(self, conversation: str) -> Sequence[str]:
        """The tools with which the conversation is asked."""
        return settings_in(self._store, conversation).tools or ()

    async def start(self, id: str, begin: Callable[[], Turn]) -> str:
        """Begin a turn, where all clients of models are: on the bridge's loop. It goes on whoever reads, and whether or not
        the one who asked is still there."""
        return await asyncio.shield(asyncio.ensure_future(self._begin(id, begin)))

    async def _begin(self, id: str, begin: Callable[[], Turn]) -> str:
        async with self._beginning.setdefault(id, asyncio.Lock()):  # one after the other; the second is refused
            turn = await self._models.wait_for(begin)
            ended = bridge.start(_answer(turn))
            self._turns[turn.run] = turn, ended
            ended.add_done_callback(lambda _: self._turns.pop(turn.run, None))
        return turn.run

    # reading

    async def check(self, run: str) -> None:
        """Refuse a run that does not exist. Raises UnknownName."""
        await asyncio.to_thread(chat_runs.state_of, self._store, run)

    async def events(self, run: str, after: int) -> AsyncIterator[tuple[int, str]]:
        """(number, event as JSON) of a run from behind `after` to its end, live or from the store; also while it waits."""
        while not self.ending:
            async with aclosing(self._known(run, after)) as events:
                async for event in events:
                    after = event.seq
                    yield after, to_json(event)
                    if kind_of(event) == "run_finished":
                        return
            state = await asyncio.to_thread(chat_runs.state_of, self._store, run)
            if state not in ("running", "waiting"):
                end = {"type": "run_finished", "run": run, "state": state, "reason": state, "text": ""}
                yield after + 1, json.dumps(end)
                return
            if state == "running" and run not in self._turns and await self._repaired():
                continue
            await asyncio.sleep(LOOK_SECONDS)

    async def _repaired(self) -> bool:
        """Whether runs of programs that were killed have been ended in the store."""
        repaired: list[str] = await asyncio.to_thread(chat_runs.recover, self._store)
        return bool(repaired)

    async def _known(self, run: str, after: int) -> AsyncGenerator[Event, None]:
        """The events of a run here until it ends or waits, and what the store has beyond them."""
        if live := self._turns.get(run):
            async for event in live[0].events(after):
                after = event.seq
                yield event
        for event in await asyncio.to_thread(chat_runs.events, self._store, run, after):
            yield event

    # ending

    async def stop(self, run: str, seen: int) -> None:
        """End a run of which `seen` characters were shown; one that waits for a person is given up."""
        if live := self._turns.get(run):
            live[0].stop(seen)
        else:
            await asyncio.to_thread(self._give_up, run)

    def _give_up(self, run: str) -> None:
        conversation = chat_runs.conversation_of(self._store, run)
        if chat_runs.state_of(self._store, run) == "waiting":
            chat_runs.abandon(self._store, conversation)

    async def end_all_of(self, conversation: str) -> None:
        """Stop what is being answered there, and wait until it is stored."""
        for run in await asyncio.to_thread(chat_runs.runs, self._store, conversation):
            if live := self._turns.get(run.id):
                live[0].stop()
                await asyncio.wrap_future(live[1])

    async def quiet(self) -> None:
        """Stop everything that is being answered and let it keep what came: the server is about to end."""
        self.ending = True
        turns = list(self._turns.values())
        for turn, _ in turns:
            turn.stop()
        await asyncio.gather(*(asyncio.wrap_future(ended) for _, ended in turns), return_exceptions=True)

    # looking ahead

    async def count(self, id: str | None, draft: Draft, how: ChatSettings) -> CountResponse:
        """`how` are the settings of a conversation that is not stored yet, or changes of them."""
        return await self._models.wait_for(self._count, id or None, draft, how)

    def _count(self, id: str | None, draft: Draft, how: ChatSettings) -> CountResponse:
        if id is not None:
            return self._counted(self._open(id, how), draft)
        with Conversations.in_memory() as nothing:
            model = self._models.get(how.model or self._models.default)
            return self._counted(self._chat(nothing, how, None, model), draft)

    def _counted(self, chat: Chat, draft: Draft) -> CountResponse:
        files = {one: self._attachments.tokens(one, chat.model) for one in draft.attachments}
        nodes = {node.id: node for node in chat.path}
        new = [self._attachments.content(one) for one in draft.attachments]
        edit = draft.edit if draft.edit in nodes and nodes[draft.edit].role == "user" else ""
        if edit:
            new = chosen(attached(nodes[edit].message), draft.keep, new)
        remembered = [RememberedResponse(one.fact.id, one.fact.text) for one in chat.recalled(draft.text or " ")]
        try:
            result = chat.explain(draft.text or " ", new, edit or None)
        except ContextOverflow as error:
            return CountResponse(0, 0, "", files=files, refused=str(error), remembered=remembered)
        report = result.report
        left_out = [
            LeftOutResponse(nodes[one.node].role, _begins(nodes[one.node]), one.tokens, DISPOSITIONS[one.what])
            for one in report.fates
            if one.what in NOT_SENT_WHOLE and one.node in nodes
        ]
        tokens = sum(one.tokens for one in left_out)
        return CountResponse(
            report.count,
            report.budget,
            report.grade,
            f"{several(len(left_out), 'message')} ({tokens:,} tokens)" if left_out else "",
            "" if chat.model.name.local else money(chat.model.price(Usage(report.count))),
            left_out,
            len(result.reading.chosen) if result.reading else 0,
            result.reading.calls if result.reading else 0,
            result.rough,
            files,
            remembered=remembered,
        )


def _begins(node: Node) -> str:
    words = " ".join(visible(node.message).split())
    return words if len(words) <= 80 else f"{words[:79]}…"


async def _answer(turn: Turn) -> None:
    await turn.start().wait()
