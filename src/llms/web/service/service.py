"""The pages' one door: conversations and their runs, teams, lessons, over one store and models that are loaded once.

A run belongs to the desk, not to the page that began it: readers come and go, the run goes on. All methods are
asynchronous; what blocks goes to a thread.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from pydantic_ai.messages import BinaryContent

from ... import bridge, settings
from ...chat.conversation.messages import document
from ...chat.conversation.tree import Conversation, new_id
from ...chat.turn.events import kind_of, to_json
from ...chat.turn.turn import Turn
from ...errors import ContextOverflow, LlmsError, UnknownName, UsageError
from ...models.default import for_chats
from ...models.name import ENDPOINTS
from ...models.system import Model
from ...store import chat_runs, model_calls, search
from ...store.conversations import Conversations
from ...tasks.speech import transcribe
from ...tools.catalogue import TOOLS
from ...tools.consent import Decision
from ...values import Usage
from ...workbench import stateless
from ...workbench.chat.chat import Chat
from ...workbench.team_session import TeamSettings
from . import import_export, view_models
from .model_cache import Models
from .reach import Reach
from .running_teams import RunningTeams
from .view_models import NEW

POLICIES = ("truncate", "summarise", "strict")
MOST_AT_ONCE = 16  # threads that wait for models
LOOK_SECONDS = 0.2  # how often a run of another process, or one that waits, is looked at
T = TypeVar("T")


class ChatService:
    """Everything the pages may ask for. `model` is the one of new chats, `max_tokens` the most of an answer; tools and
    teams read in `folders` alone."""

    policies = POLICIES

    def __init__(self, model: str | None = None, max_tokens: int | None = None, folders: Sequence[str] = ()):
        self.model, self.max_tokens = model or for_chats(), max_tokens
        self.reach = Reach.of(folders, self.model)
        self.store = Conversations(settings.database())
        self.loaded, self.teams = Models(), RunningTeams()
        self.ending = False  # readers of what waits are let go
        self._slow = ThreadPoolExecutor(MOST_AT_ONCE, "llms-desk")  # models load and count here, and hold up no page
        self._beginning: dict[str, asyncio.Lock] = {}
        self._turns: dict[str, tuple[Turn, Future[None]]] = {}  # with their ends
        self._attached: dict[str, Any] = {}
        self._decided: dict[str, dict[str, Decision]] = {}
        self._tools: dict[str, Sequence[str]] = {}  # what each conversation was last asked with
        chat_runs.recover(self.store)

    def warm_up(self) -> None:
        """Load the model of new chats, so that the first answer need not wait for it. What is wrong is said when asked."""
        with contextlib.suppress(LlmsError):
            model = self.loaded.get(self.model)
            engine_loop = getattr(model, "engine_loop", None)
            if engine_loop is not None:
                engine_loop.call(lambda: None)
            elif model.name.local:
                model.prepare()

    def _model(self, name: str) -> Model:
        """The model that a request names, loaded once. Raises UsageError for what may not be named over HTTP."""
        return self.loaded.get(self.reach.check_model(name))

    async def quiet(self) -> None:
        """Stop what is being answered and let it keep what came: the server is about to end."""
        self.ending = True
        turns = list(self._turns.values())
        for turn, _ in turns:
            turn.stop()
        ends = (asyncio.wrap_future(ended) for _, ended in turns)
        await asyncio.gather(*ends, self.teams.quiet(), return_exceptions=True)

    def close(self) -> None:
        self._slow.shutdown(wait=False, cancel_futures=True)
        self.loaded.close()
        self.store.close()

    # looking

    async def listing(self) -> list[dict[str, Any]]:
        return [{"id": one.id, "title": one.title or NEW} for one in await _aside(self.store.all, 200)]

    async def models(self) -> list[str]:
        from ...workbench.models import listing

        return [one.name for one in await _aside(listing) if one.name] + [f"{name}:" for name in ENDPOINTS]

    async def conversation(self, id: str | None) -> dict[str, Any]:
        """What a page shows of a conversation; of a new one with id None."""
        if id is None:
            return {"id": None, "title": NEW, "model": self.model, "policy": POLICIES[0], "path": [], "run": None,
                    "tools": [], "tags": [], "system": "", "spent": ""}  # fmt: skip
        return await _aside(view_models.conversation, self.store, id, self.model)

    async def show(self, id: str, node: str) -> None:
        """Make the branch of `node` the active one."""
        tree = await _aside(self.store.open, id)
        if node not in {one.id for one in tree.path()}:
            await self.switch(id, node)

    async def search(self, text: str) -> list[dict[str, Any]]:
        hits = await _aside(search.search, self.store, text, 50, ("\u0002", "\u0003"))
        return [
            {"id": hit.conversation, "title": hit.title or NEW, "node": hit.node, "snippet": hit.snippet}
            for hit in hits
        ]

    async def saw(self, id: str, node: str) -> dict[str, Any]:
        return view_models.saw(await _aside(lambda: model_calls.calls(self.store, node=node)))

    async def blob(self, digest: str) -> tuple[str, bytes]:
        """(media type, bytes) of what is attached to a stored message, or waits to be sent."""
        if digest in self._attached:
            made = self._attached[digest]
            return made.media_type, made.data
        return await _aside(lambda: (self.store.media_type(digest), self.store.blob(digest)))

    async def tools(self) -> list[dict[str, Any]]:
        return await _aside(view_models.tools)

    # changing

    async def create(self, model: str, policy: str) -> str:
        if policy and policy not in POLICIES:
            raise UnknownName("policy", policy, POLICIES)
        id = new_id()
        await _aside(self._create, id, model or self.model, policy or POLICIES[0])
        return id

    def _create(self, id: str, model: str, policy: str) -> None:
        self.store.save(Conversation(id), model=model, policy=policy)

    async def change(self, id: str, title: str | None, tags: list[str] | None, system: str | None) -> None:
        await _aside(self._change, id, title, tags, system)

    def _change(self, id: str, title: str | None, tags: list[str] | None, system: str | None) -> None:
        about = self.store.about(id)
        if title is not None and title.strip():
            self.store.rename(id, title.strip())
        if tags is not None:
            self.store.tag(id, add=tags, remove=[tag for tag in about.tags if tag not in tags])
        if system is not None:
            import_export.set_system(self.store, id, system)

    async def delete(self, id: str) -> None:
        await self._quiet(id)
        await _aside(self.store.delete, id)

    async def switch(self, id: str, node: str) -> None:
        await _aside(self._switch, id, node)

    def _switch(self, id: str, node: str) -> None:
        before = self.store.open(id)
        self.store.save(before.switch(node), before)

    async def fork(self, id: str, node: str) -> str:
        return await _aside(self._fork, id, node)

    def _fork(self, id: str, node: str) -> str:
        about = self.store.about(id)
        made = self.store.open(id).fork(node)
        self.store.save(made, model=about.model, policy=about.policy, title=f"{about.title or NEW} (fork)")
        return made.id

    async def export(self, id: str, form: str) -> tuple[str, str, bytes]:
        return await _aside(import_export.export, self.store, id, form)

    async def take_in(self, name: str, data: bytes, dry: bool) -> str:
        return await _aside(import_export.take_in, self.store, name, data, dry)

    async def attach(self, attachment: Any) -> dict[str, Any]:
        id = new_id()
        self._attached[id] = attachment
        return {"id": id, "name": attachment.name, "type": attachment.media_type, "url": f"/api/blobs/{id}",
                "size": len(attachment.data)}  # fmt: skip

    async def transcribe(self, id: str, model: str) -> str:
        """The words of an attached recording, by the speech model that LLMS_TRANSCRIBE_MODEL names."""
        name = settings.get("LLMS_TRANSCRIBE_MODEL")
        if name is None:
            raise UsageError(
                "no model to transcribe with; set LLMS_TRANSCRIBE_MODEL to a Whisper checkpoint's folder or hub name"
            )
        found = self._attached.pop(id, None)
        if found is None:
            raise UnknownName("attachment", id, [])
        return (await self._slowly(transcribe, name, found.data)).text

    # answering

    async def send(
        self,
        id: str,
        text: str,
        model: str,
        policy: str,
        tools: Sequence[str],
        attachments: Sequence[str],
        edit: str | None,
    ) -> str:
        """The run that answers. The question is stored before anything is asked."""
        if edit:
            kept: bool = await _aside(self._keep_edited, id, edit, text)
            if kept:
                return ""
        contents = [self._content(one) for one in attachments]
        self._tools[id] = tools
        chat = await self._chat(id, model, tools, policy)
        run = await self._start(id, lambda: chat.begin_edit(edit, text) if edit else chat.begin(text, contents, True))
        for one in attachments:
            self._attached.pop(one, None)
        return run

    def _keep_edited(self, conversation: str, id: str, text: str) -> bool:
        """Put another text beside an answer. False: the message is no answer, and wants one."""
        from pydantic_ai.messages import ModelResponse, TextPart

        before = self.store.open(conversation)
        if before.node(id).role != "assistant":
            return False
        old = before.node(id).message
        made = ModelResponse(parts=[TextPart(text)], model_name=getattr(old, "model_name", None))
        self.store.save(before.edit(id, made), before)
        return True

    def _content(self, id: str) -> Any:
        found = self._attached.get(id)
        if found is None:
            raise UnknownName("attachment", id, [])
        if found.kind == "text":
            return document(found.name, found.data.decode("utf-8-sig"))
        return BinaryContent(found.data, media_type=found.media_type, identifier=found.name)

    async def again(self, id: str, node: str, model: str, tools: Sequence[str]) -> str:
        """Another answer beside `node`."""
        chat = await self._chat(id, model, tools)
        return await self._start(id, lambda: chat.begin_again(node, True))

    async def go_on(self, id: str, node: str) -> str:
        """The answer `node`, which broke off, carried on in a new version of it."""
        chat = await self._chat(id, "", ())

        def more() -> Turn:
            if chat.path[-1].id != node:
                chat.switch(node)
            return chat.begin_more()

        return await self._start(id, more)

    async def _chat(self, id: str, model: str, tools: Sequence[str], policy: str = "") -> Chat:
        return await self._slowly(self._open, id, model, tools, policy)

    def _open(self, id: str, model: str, tools: Sequence[str], policy: str) -> Chat:
        about = self.store.about(id)
        opened = self._model(model or about.model or self.model)
        return Chat(
            opened,
            tools=self.reach.check_tools(tools),
            id=id,
            policy=policy or about.policy or POLICIES[0],  # type: ignore[arg-type]
            max_tokens=self.max_tokens,
            store=self.store,
        )

    async def _start(self, id: str, begin: Callable[[], Turn]) -> str:
        """Begin a turn, where all clients of models are: on the bridge's loop. It goes on whoever reads, and whether or not
        the one who asked is still there."""
        return await asyncio.shield(asyncio.ensure_future(self._begin(id, begin)))

    async def _begin(self, id: str, begin: Callable[[], Turn]) -> str:
        async with self._beginning.setdefault(id, asyncio.Lock()):  # one after the other; the second is refused
            turn = await self._slowly(begin)
            ended = bridge.start(_answer(turn))
            self._turns[turn.run] = turn, ended
            ended.add_done_callback(lambda _: self._turns.pop(turn.run, None))
        return turn.run

    async def events(self, run: str, after: int) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """(number, event) of a run from behind `after` to its end, live or from the store; also while it waits."""
        while not self.ending:
            if found := self._turns.get(run):
                async for event in found[0].events(after):
                    after = event.seq
                    yield after, json.loads(to_json(event))
                    if kind_of(event) == "run_finished":
                        return
            for event in await _aside(chat_runs.events, self.store, run, after):
                after = event.seq
                yield after, json.loads(to_json(event))
                if kind_of(event) == "run_finished":
                    return
            state = await _aside(chat_runs.state_of, self.store, run)
            if state not in ("running", "waiting"):
                yield after + 1, {"type": "run_finished", "run": run, "state": state, "reason": state, "text": ""}
                return
            if state == "running" and run not in self._turns:
                repaired: list[str] = await _aside(chat_runs.recover, self.store)
                if repaired:
                    continue
            await asyncio.sleep(LOOK_SECONDS)

    async def stop(self, run: str, seen: int) -> None:
        if found := self._turns.get(run):
            found[0].stop(seen)
            return
        await _aside(self._give_up, run)

    def _give_up(self, run: str) -> None:
        conversation = chat_runs.conversation_of(self.store, run)
        if chat_runs.state_of(self.store, run) == "waiting":
            chat_runs.abandon(self.store, conversation)

    async def _quiet(self, conversation: str) -> None:
        for run in await _aside(chat_runs.runs, self.store, conversation):
            if found := self._turns.get(run.id):
                found[0].stop()
                await asyncio.wrap_future(found[1])

    async def approve(self, run: str, call: str, approved: bool, arguments: str, scope: str) -> None:
        """Record the decision; when every call that waits is decided, the run goes on."""
        try:
            args = json.loads(arguments)
        except ValueError as error:
            raise UsageError(f"the arguments are no JSON: {error}") from error
        waiting = {record.id: record for record in await _aside(chat_runs.waiting, self.store, run)}
        if call not in waiting:
            raise UnknownName("tool call that waits", call, list(waiting))
        if not isinstance(args, dict):
            raise UsageError(f"the arguments are one JSON object; got {arguments[:100]}")
        original = waiting[call].args
        original = json.loads(original) if isinstance(original, str) else original
        if approved and waiting[call].name not in TOOLS:
            raise UsageError(f"{waiting[call].name} is not among the tools of these pages; deny it here")
        decided = self._decided.setdefault(run, {})
        decided[call] = Decision(approved, scope if approved else "once", None if args == original else args)  # type: ignore[arg-type]
        if set(decided) < set(waiting):
            return
        del self._decided[run]
        conversation = await _aside(chat_runs.conversation_of, self.store, run)
        own = (record.name for record in waiting.values() if record.name in TOOLS)  # it may have begun elsewhere
        chat = await self._chat(conversation, "", [*dict.fromkeys([*self._tools.get(conversation, ()), *own])])
        await self._start(conversation, lambda: chat.begin_decided(decided))

    async def count(
        self, id: str | None, text: str, model: str, policy: str, tools: Sequence[str], attachments: Sequence[str]
    ) -> dict[str, Any]:
        """What sending the text would take of the window, and what the policy would leave out."""
        return await self._slowly(self._count, id, text, model, policy, tools, attachments)

    def _count(
        self, id: str | None, text: str, model: str, policy: str, tools: Sequence[str], attachments: Sequence[str]
    ) -> dict[str, Any]:
        opened = self._model(model or self.model)
        tools = self.reach.check_tools(tools)
        chosen: Any = {"tools": tools, "policy": policy or POLICIES[0], "max_tokens": self.max_tokens}
        chat = Chat(opened, id=id, store=self.store, **chosen) if id else Chat(opened, ephemeral=True, **chosen)
        try:
            report = chat.explain(text or " ", [self._content(one) for one in attachments]).report
        except ContextOverflow as error:
            return {"tokens": 1, "budget": 0, "grade": "", "drops": str(error), "price": ""}
        finally:
            if not id:
                chat.close()
        gone = [fate for fate in report.fates if fate.what in ("dropped", "elided", "chunked", "covered")]
        return {
            "tokens": report.count,
            "budget": report.budget,
            "grade": report.grade,
            "drops": f"{len(gone)} messages ({sum(fate.tokens for fate in gone):,} tokens)" if gone else "",
            "price": "" if opened.name.local else view_models.money(opened.price(Usage(report.count))),
        }

    # lessons and teams

    async def next_tokens(self, model: str, text: str, top: int) -> list[Any]:
        return await self._slowly(lambda: self._model(model).next_tokens(text, top))

    async def stateless(self, model: str, name: str) -> list[stateless.Request]:
        """The three requests of the lesson."""
        return await self._slowly(lambda: list(stateless.lesson(self._model(model), name)))

    async def begin_team(self, goal: str, how: TeamSettings) -> str:
        """The id of a team's run, which goes on by itself."""
        self.reach.check_team(how.model, how.files)
        return await self._slowly(self.teams.begin, goal, how)

    def stop_team(self, run: str) -> None:
        self.teams.stop(run)

    async def _slowly(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._slow, function, *arguments)


async def _answer(turn: Turn) -> None:
    await turn.start().wait()


async def _aside(function: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(function, *arguments)
