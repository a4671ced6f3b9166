"""The pages' one door: conversations and their runs, teams, lessons, over one store and models that are loaded once.

A run belongs to the desk, not to the page that began it: readers come and go, the run goes on. All methods are
asynchronous; what blocks goes to a thread.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from pydantic_ai.messages import BinaryContent, SystemPromptPart

from .. import settings
from ..agents.step import Wish
from ..chat.consent import Decision
from ..chat.conversation import Conversation, new_id
from ..chat.events import kind_of, to_json
from ..chat.messages import document
from ..chat.turn import Turn
from ..errors import ContextOverflow, LlmsError, UnknownName, UsageError
from ..models.default import for_chats
from ..models.name import ENDPOINTS
from ..models.system import Model
from ..store import chat_runs, search
from ..store.conversations import Conversations
from ..tasks.speech import transcribe
from ..values import Usage
from . import agent as agents
from . import moving, shown, stateless
from .chat import Chat
from .loaded import Models
from .reach import Reach

POLICIES = ("truncate", "summarise", "strict")
LOOK_SECONDS = 0.2  # how often a run of another process, or one that waits, is looked at
NEW = "New chat"


class Desk:
    """Everything the pages may ask for. `model` is the one of new chats, `max_tokens` the most of an answer; tools and
    teams read in `folders` alone."""

    policies = POLICIES

    def __init__(self, model: str | None = None, max_tokens: int | None = None, folders: Sequence[str] = ()):
        self.model, self.max_tokens = model or for_chats(), max_tokens
        self.reach = Reach.of(folders, self.model)
        self.store = Conversations(settings.database())
        self.loaded = Models()
        self._turns: dict[str, Turn] = {}
        self._attached: dict[str, Any] = {}
        self._teams: dict[str, asyncio.Task[None]] = {}
        self._decided: dict[str, dict[str, Decision]] = {}
        self._tools: dict[str, Sequence[str]] = {}  # what each conversation was last asked with
        chat_runs.recover(self.store)

    def warm_up(self) -> None:
        """Load the model of new chats, so that the first answer need not wait for it. What is wrong is said when asked."""
        with contextlib.suppress(LlmsError):
            model = self.loaded.get(self.model)
            live = getattr(model, "live", None)
            if live is not None:
                live.call(lambda: None)
            elif model.name.local:
                model.prepare()

    def _model(self, name: str) -> Model:
        """The model that a request names, loaded once. Raises UsageError for what may not be named over HTTP."""
        return self.loaded.get(self.reach.check_model(name))

    def close(self) -> None:
        for turn in self._turns.values():
            turn.stop()
        self.loaded.close()
        self.store.close()

    # looking

    async def listing(self) -> list[dict[str, Any]]:
        return [{"id": one.id, "title": one.title or NEW} for one in await _aside(self.store.all, 200)]

    async def models(self) -> list[str]:
        from .models import listing

        return [one.name for one in await _aside(listing) if one.name] + [f"{name}:" for name in ENDPOINTS]

    async def conversation(self, id: str | None) -> dict[str, Any]:
        """What a page shows of a conversation; of a new one with id None."""
        if id is None:
            return {"id": None, "title": NEW, "model": self.model, "policy": POLICIES[0], "path": [], "run": None,
                    "tools": [], "tags": [], "system": "", "spent": ""}  # fmt: skip
        return await _aside(self._conversation, id)

    def _conversation(self, id: str) -> dict[str, Any]:
        chat_runs.recover(self.store)
        about, tree = self.store.about(id), self.store.open(id)
        runs = chat_runs.runs(self.store, id)
        busy = next((run.id for run in reversed(runs) if run.state in ("running", "waiting")), None)
        calls = {
            node.id: chat_runs.calls(self.store, node=node.id) for node in tree.path()[-40:] if node.role == "assistant"
        }
        failed = {run.node: run for run in runs if run.state == "failed"}
        path = shown.path(tree, {node: shown.spent(made) for node, made in calls.items()})
        for message in path:
            if message["state"] == "failed":
                parent = tree.node(message["id"]).parent
                message["error"] = failed[parent].reason if parent in failed else "the answer failed"
        system = next(
            (p.content for n in tree.path()[:1] for p in n.message.parts if isinstance(p, SystemPromptPart)), ""
        )
        return {
            "id": id, "title": about.title or NEW, "model": about.model or self.model, "policy": about.policy, "path": path,
            "run": busy, "tools": [], "tags": list(about.tags), "system": system,
            "spent": shown.spent([call for made in calls.values() for call in made]),
        }  # fmt: skip

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
        return shown.saw(await _aside(lambda: chat_runs.calls(self.store, node=node)))

    async def blob(self, digest: str) -> tuple[str, bytes]:
        """(media type, bytes) of what is attached to a stored message, or waits to be sent."""
        if digest in self._attached:
            made = self._attached[digest]
            return made.media_type, made.data
        found = next(self.store.read("SELECT media_type FROM blobs WHERE digest = ?", (digest,)), None)
        if found is None:
            raise UnknownName("attachment", digest, [])
        return found[0], await _aside(self.store.blob, digest)

    async def tools(self) -> list[dict[str, Any]]:
        return await _aside(shown.tools)

    # changing

    async def create(self, model: str, policy: str) -> str:
        if policy and policy not in POLICIES:
            raise UnknownName("policy", policy, POLICIES)
        id = new_id()
        self.store.save(Conversation(id), model=model or self.model, policy=policy or POLICIES[0])
        return id

    async def change(self, id: str, title: str | None, tags: list[str] | None, system: str | None) -> None:
        about = self.store.about(id)
        if title is not None and title.strip():
            self.store.rename(id, title.strip())
        if tags is not None:
            self.store.tag(id, add=tags, remove=[tag for tag in about.tags if tag not in tags])
        if system is not None:
            await _aside(moving.set_system, self.store, id, system)

    async def delete(self, id: str) -> None:
        await self._quiet(id)
        await _aside(self.store.delete, id)

    async def switch(self, id: str, node: str) -> None:
        before = self.store.open(id)
        self.store.save(before.switch(node), before)

    async def fork(self, id: str, node: str) -> str:
        about = self.store.about(id)
        made = self.store.open(id).fork(node)
        self.store.save(made, model=about.model, policy=about.policy, title=f"{about.title or NEW} (fork)")
        return made.id

    async def export(self, id: str, form: str) -> tuple[str, str, bytes]:
        return await _aside(moving.export, self.store, id, form)

    async def take_in(self, name: str, data: bytes, dry: bool) -> str:
        return await _aside(moving.take_in, self.store, name, data, dry)

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
        return (await _aside(transcribe, name, found.data)).text

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
            before = await _aside(self.store.open, id)
            if before.node(edit).role == "assistant":
                self._keep_edited(before, edit, text)
                return ""
        contents = [self._content(one) for one in attachments]
        self._tools[id] = tools
        chat = await self._chat(id, model, tools, policy)
        run = self._start(chat, lambda: chat.begin_edit(edit, text) if edit else chat.begin(text, contents, True))
        for one in attachments:
            self._attached.pop(one, None)
        return run

    def _keep_edited(self, before: Conversation, id: str, text: str) -> None:
        from pydantic_ai.messages import ModelResponse, TextPart

        old = before.node(id).message
        made = ModelResponse(parts=[TextPart(text)], model_name=getattr(old, "model_name", None))
        self.store.save(before.edit(id, made), before)

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
        return self._start(chat, lambda: chat.begin_again(node, True))

    async def go_on(self, id: str, node: str) -> str:
        """The answer `node`, which broke off, carried on in a new version of it."""
        chat = await self._chat(id, "", ())
        if chat.path[-1].id != node:
            chat.switch(node)
        return self._start(chat, chat.begin_more)

    async def _chat(self, id: str, model: str, tools: Sequence[str], policy: str = "") -> Chat:
        about = self.store.about(id)
        opened = await _aside(self._model, model or about.model or self.model)
        return Chat(
            opened,
            tools=self.reach.check_tools(tools),
            id=id,
            policy=policy or about.policy or POLICIES[0],  # type: ignore[arg-type]
            max_tokens=self.max_tokens,
            store=self.store,
        )

    def _start(self, chat: Chat, begin: Callable[[], Turn]) -> str:
        """Begin a turn on this loop; it goes on whoever reads."""
        turn = begin().start()
        run = chat_runs.runs(self.store, chat.id)[-1].id
        self._turns[run] = turn
        task = asyncio.ensure_future(turn.wait())
        task.add_done_callback(lambda done: (self._turns.pop(run, None), done.cancelled() or done.exception()))
        return run

    async def events(self, run: str, after: int) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """(number, event) of a run from behind `after` to its end, live or from the store; also while it waits."""
        while True:
            turn = self._turns.get(run)
            if turn is not None:
                async for event in turn.events(after):
                    after = event.seq
                    yield after, json.loads(to_json(event))
                    if kind_of(event) == "run_finished":
                        return
            for event in await _aside(chat_runs.events, self.store, run, after):
                after = event.seq
                yield after, json.loads(to_json(event))
                if kind_of(event) == "run_finished":
                    return
            state = next((s for (s,) in self.store.read("SELECT state FROM chat_runs WHERE id = ?", (run,))), None)
            if state is None:
                raise UnknownName("run", run, [])
            if state not in ("running", "waiting"):
                yield after + 1, {"type": "run_finished", "run": run, "state": state, "reason": state, "text": ""}
                return
            if state == "running" and run not in self._turns and await _aside(chat_runs.recover, self.store):
                continue
            await asyncio.sleep(LOOK_SECONDS)

    async def stop(self, run: str, seen: int) -> None:
        turn = self._turns.get(run)
        if turn is not None:
            turn.stop(seen)
            return
        rows = list(self.store.read("SELECT conversation FROM chat_runs WHERE id = ? AND state = 'waiting'", (run,)))
        for (conversation,) in rows:
            chat_runs.abandon(self.store, conversation)

    async def _quiet(self, conversation: str) -> None:
        for run in chat_runs.runs(self.store, conversation):
            if turn := self._turns.get(run.id):
                turn.stop()
                await turn.wait()

    async def approve(self, run: str, call: str, approved: bool, arguments: str, scope: str) -> None:
        """Record the decision; when every call that waits is decided, the run goes on."""
        try:
            args = json.loads(arguments)
        except ValueError as error:
            raise UsageError(f"the arguments are no JSON: {error}") from error
        waiting = {record.id: record for record in chat_runs.waiting(self.store, run)}
        original = waiting[call].args if call in waiting else None
        original = json.loads(original) if isinstance(original, str) else original
        decision = Decision(approved, scope if approved else "once", None if args == original else args)  # type: ignore[arg-type]
        decided = self._decided.setdefault(run, {})
        decided[call] = decision
        if set(decided) < set(waiting):
            return
        del self._decided[run]
        conversation = next(c for (c,) in self.store.read("SELECT conversation FROM chat_runs WHERE id = ?", (run,)))
        names = list(dict.fromkeys(record.name for record in waiting.values()))
        chat = await self._chat(conversation, "", self._tools.get(conversation, names))
        self._start(chat, lambda: chat.begin_decided(decided))

    async def count(
        self, id: str | None, text: str, model: str, policy: str, tools: Sequence[str], attachments: Sequence[str]
    ) -> dict[str, Any]:
        """What sending the text would take of the window, and what the policy would leave out."""
        return await _aside(self._count, id, text, model, policy, tools, attachments)

    def _count(
        self, id: str | None, text: str, model: str, policy: str, tools: Sequence[str], attachments: Sequence[str]
    ) -> dict[str, Any]:
        opened = self._model(model or self.model)
        chosen: Any = {
            "tools": self.reach.check_tools(tools),
            "policy": policy or POLICIES[0],
            "max_tokens": self.max_tokens,
        }
        chat = Chat(opened, id=id, store=self.store, **chosen) if id else Chat(opened, ephemeral=True, **chosen)
        try:
            report = chat.explain(text or " ", [self._content(one) for one in attachments]).report
        except ContextOverflow as error:
            return {"tokens": 1, "budget": 0, "grade": "", "drops": str(error), "price": ""}
        finally:
            if not id:
                chat.close()
        gone = [fate for fate in report.fates if fate.what in ("dropped", "elided", "chunked", "covered")]
        cost = None if opened.name.local else opened.price(Usage(report.count))
        return {
            "tokens": report.count,
            "budget": report.budget,
            "grade": report.grade,
            "drops": f"{len(gone)} messages ({sum(fate.tokens for fate in gone):,} tokens)" if gone else "",
            "price": "" if opened.name.local else shown.money(cost),
        }

    # lessons and teams

    async def next_tokens(self, model: str, text: str, top: int) -> list[Any]:
        return await _aside(lambda: self._model(model).next_tokens(text, top))

    async def stateless(self, model: str, name: str) -> dict[str, Any]:
        """The three requests of the lesson, as JSON values."""
        found = await _aside(lambda: list(stateless.lesson(self._model(model), name)))
        return {
            "calls": [
                {
                    "title": f"{one.name}: {one.what}",
                    "payload": "\n".join(f"{message.role}: {message.content}" for message in one.sent),
                    "tokens": one.prompt_tokens,
                    "answer": one.answer,
                    "holds_name": one.knows,
                    "as_expected": one.knows == (one.name != "B"),
                }
                for one in found
            ]
        }

    async def begin_team(self, goal: str, how: agents.Settings) -> str:
        """The id of a team's run, which goes on by itself."""

        async def nobody(wish: Wish) -> bool:
            return False

        for file in how.files:
            self.reach.check_file(file)
        if how.model:
            self.reach.check_model(how.model)
        told = agents.run(goal, how, nobody)
        run, _ = await anext(told)

        async def rest() -> None:
            async for _ in told:
                pass

        self._teams[run] = asyncio.ensure_future(rest())
        self._teams[run].add_done_callback(
            lambda done: (self._teams.pop(run, None), done.cancelled() or done.exception())
        )
        return run

    def stop_team(self, run: str) -> None:
        if task := self._teams.get(run):
            task.cancel()


async def _aside(function: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)
