"""Answers: begun by a request, written whether or not anybody reads, read by any number of pages from any point."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass

from pydantic_ai.messages import ModelResponse, TextPart, UserContent

from ... import bridge
from ...chat.chat_settings import ChatSettings
from ...chat.turn.events import Event, kind_of, to_json
from ...chat.turn.turn import Turn
from ...errors import ContextOverflow
from ...store import chat_runs
from ...store.conversations import Conversations
from ...store.presets import settings_in
from ...values import Usage
from ...workbench.chat.chat import Chat
from ...workbench.chat.config import options_of
from .attachments import Attachments
from .model_pool import ModelPool
from .view_models import money

LOOK_SECONDS = 0.2  # how often a run of another process, or one that waits, is looked at
NOT_SENT_WHOLE = ("dropped", "elided", "chunked", "covered")


@dataclass(frozen=True, slots=True)
class RememberedResponse:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class CountResponse:
    """Tokens of the window that sending a text would take; `drops` says what the policy would leave out, `remembered` what
    the model would be told besides."""

    tokens: int
    budget: int
    grade: str
    drops: str
    price: str
    remembered: list[RememberedResponse]


class TurnService:
    """Runs by their id, of the conversations in `store`. Answers have at most `max_tokens`."""

    def __init__(self, store: Conversations, models: ModelPool, attachments: Attachments, max_tokens: int | None):
        self._store, self._models, self._attachments, self._max_tokens = store, models, attachments, max_tokens
        self.ending = False  # the server ends: readers of what waits are let go
        self._beginning: dict[str, asyncio.Lock] = {}  # by conversation
        self._turns: dict[str, tuple[Turn, Future[None]]] = {}  # with their ends

    # beginning

    async def send(
        self,
        id: str,
        text: str,
        attachments: Sequence[str] = (),
        edit: str | None = None,
        how: ChatSettings = ChatSettings(),
    ) -> str:
        """The run that answers; empty if `edit` is an answer, which needs none. The question is stored before anything
        is asked; `how` changes the settings of the conversation."""
        if edit:
            edited: bool = await asyncio.to_thread(self._edit_answer, id, edit, text)
            if edited:
                return ""
        contents = [self._attachments.content(one) for one in attachments]
        chat = await self.open(id, how)
        run = await self.start(id, lambda: chat.begin_edit(edit, text) if edit else chat.begin(text, contents, True))
        for one in attachments:
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
        return self._chat(self._store, how, id, how.model or about.model)

    def _chat(self, store: Conversations, how: ChatSettings, id: str | None, model: str | None) -> Chat:
        chat = Chat(
            self._models.get(model or self._models.default),
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

    async def count(self, id: str | None, text: str, attachments: Sequence[str], how: ChatSettings) -> CountResponse:
        """`how` are the settings of a conversation that is not stored yet, or changes of them."""
        return await self._models.wait_for(self._count, id or None, text, attachments, how)

    def _count(self, id: str | None, text: str, attachments: Sequence[str], how: ChatSettings) -> CountResponse:
        contents = [self._attachments.content(one) for one in attachments]
        if id is not None:
            return _counted(self._open(id, how), text, contents)
        with Conversations.in_memory() as nothing:
            return _counted(self._chat(nothing, how, None, how.model), text, contents)


def _counted(chat: Chat, text: str, contents: Sequence[UserContent]) -> CountResponse:
    facts = [RememberedResponse(one.fact.id, one.fact.text) for one in chat.recalled(text or " ")]
    try:
        report = chat.explain(text or " ", contents).report
    except ContextOverflow as error:
        return CountResponse(1, 0, "", str(error), "", facts)
    left_out = [fate for fate in report.fates if fate.what in NOT_SENT_WHOLE]
    tokens = sum(fate.tokens for fate in left_out)
    return CountResponse(
        report.count,
        report.budget,
        report.grade,
        f"{len(left_out)} messages ({tokens:,} tokens)" if left_out else "",
        "" if chat.model.name.local else money(chat.model.price(Usage(report.count))),
        facts,
    )


async def _answer(turn: Turn) -> None:
    await turn.start().wait()
