"""A conversation with a model: stored, fitted into the window, answered in turns that may be stopped and resumed.

    chat = llms.Chat("smollm2", tools=["calculator"])
    for event in chat.send("What is 2^10?", attachments=["notes.txt"]):
        ...                                            # see chat.events
    chat.id                                            # Chat(id=…) goes on with it, Chat(id="last") with the latest

Every method that answers yields the turn's events; leaving the loop stops the turn and keeps what was said. Pages and
other asynchronous callers use `begin` and its like, which may block (call them in a thread) and give back a turn for
the caller's event loop: `turn.start()`, `turn.events(after=…)`, `turn.stop(seen)`.
"""

import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Unpack
from weakref import ref

from pydantic_ai.messages import UserContent
from pydantic_ai.toolsets import AbstractToolset
from pydantic_ai.usage import RequestUsage

from ... import bridge, settings
from ...agents.memory import Recalled, block
from ...chat.chat_settings import POLICIES, ChatSettings, PolicyName
from ...chat.conversation.messages import attached, user, visible
from ...chat.conversation.messages import system as system_message
from ...chat.conversation.tree import Conversation, Node, new_id
from ...chat.turn.branch import tainted
from ...chat.turn.events import Event
from ...chat.turn.setup import PendingSetup, Setup, TurnHistory, TurnLimits
from ...chat.turn.turn import Turn
from ...chat.window.fit_result import FitResult, PinnedPrefix, Policy
from ...chat.window.sizes import MessageSizes
from ...errors import UsageError
from ...models.load import load
from ...models.prices import stated_price
from ...models.spending import SpendingLedger
from ...models.system import Model
from ...store import chat_runs, model_calls
from ...store.conversations import Conversations, ConversationSummary
from ...store.presets import keep_settings
from ...store.spending import Spending, spent
from ...tools.catalogue import toolset
from ...tools.consent import Consent, Decision
from ...tools.tool import tool
from ...values import Usage
from ..memory import open_memory, recalled, used
from ..probe import recall
from .artifact import artifact
from .attachments import Attachment, attach
from .config import ChatConfig, ChatOptions
from .fitting import fitted, with_reading
from .resolve import model_of, resolve, sampling, stored_settings, tools_of, under_system
from .token_budget import counter, window_for

LOCAL_FIRST_TOKEN_SECONDS = 300.0  # weights may have to be loaded
REMOTE_TOGETHER = 4
Stream = Generator[Event, None, None]


class Chat:
    """One conversation. `id` names a stored one (`last`: the one used last); without it a new one begins.

    `model` is a name or a loaded model; a stored conversation remembers its own. A `store` that is passed in is shared
    and not closed here. For all other keywords see ChatOptions and ChatConfig.
    """

    def __init__(
        self,
        model: str | Model | None = None,
        *,
        id: str | None = None,
        store: Conversations | None = None,
        limits: TurnLimits | None = None,
        **options: Unpack[ChatOptions],
    ):
        self.config = config = ChatConfig(**options)
        ledger = SpendingLedger(config.budget, stated_price(config.price))
        self._own_store, self._own_model, self._limits = store is None, not isinstance(model, Model), limits
        self._marker = secrets.token_hex(4)
        self._sizes: MessageSizes | None = None
        self.turn: Turn | None = None
        self._stream: Callable[[], Stream | None] = lambda: None
        self.store = store or (Conversations.in_memory() if config.ephemeral else Conversations(settings.database()))
        try:
            chat_runs.recover(self.store)
            about = self.store.about(self.store.find(id)) if id is not None else None
            stored = stored_settings(self.store, about) if about else ChatSettings()
            self.settings = resolve(config, model if isinstance(model, str) else None, stored)
            self.model = model if isinstance(model, Model) else recall(load(model_of(config, self.settings), chat=True))
            if config.budget is not None or config.price is not None:
                self.model.pay_from(ledger)
        except BaseException:
            if self._own_store:
                self.store.close()
            raise
        self.policy: PolicyName = self.settings.policy or POLICIES[0]
        self._begun = Conversation(about.id if about else new_id())  # the tree before anything is stored
        if about is None and self.settings.system:
            self._begun = self._begun.append(system_message(self.settings.system), "user")
        if about is None:
            self.settings = replace(self.settings, system=None)  # it is where the tree begins
        self._stored = stored
        self.id = self._begun.id

    def __enter__(self) -> "Chat":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what is running; let go of the model and the store that this object opened itself."""
        stream = self._stream()
        if stream is not None:
            stream.close()
        if self._own_model:
            self.model.close()
        if self._own_store:
            self.store.close()

    # --- the conversation as it stands

    @property
    def conversation(self) -> Conversation:
        """The whole tree; it is stored from the first message on."""
        return self.store.open(self.id) if self.store.has(self.id) else self._begun

    @property
    def path(self) -> tuple[Node, ...]:
        """The active path."""
        return self.conversation.path()

    @property
    def about(self) -> ConversationSummary:
        return self.store.about(self.id)

    @property
    def answer(self) -> str:
        """The text of the last answer on the active path."""
        return next((visible(node.message) for node in reversed(self.path) if node.role == "assistant"), "")

    # --- turns, for synchronous callers

    def send(self, text: str, attachments: Sequence[Attachment] = (), confirmed: bool = False) -> Stream:
        """Say something and yield the events of its answer. A text too large for the window is read in parts; if that
        takes many requests, only when it is `confirmed`."""
        contents = attach(attachments)
        return self._follow(lambda: self.begin(text, contents, confirmed))

    def edit(self, node: str, text: str, attachments: Sequence[Attachment] | None = None) -> Stream:
        """Say something else in place of a message of the user, on a new branch; with its files, unless `attachments`
        take their place."""
        contents = None if attachments is None else attach(attachments)
        return self._follow(lambda: self.begin_edit(node, text, contents))

    def regenerate(self, node: str | None = None, confirmed: bool = False) -> Stream:
        """Another answer beside `node`, or beside the last one."""
        return self._follow(lambda: self.begin_again(node, confirmed))

    def carry_on(self) -> Stream:
        """Go on with the last answer, which was cut short; the whole becomes a new branch."""
        return self._follow(self.begin_more)

    def decide(self, decisions: Mapping[str, Decision]) -> Stream:
        """Go on with a turn that waits for a person; `decisions` by the id of the tool call."""
        return self._follow(lambda: self.begin_decided(decisions))

    def stop(self, seen: int | None = None) -> None:
        """End the turn that is running, from any thread; `seen` characters of its text were shown."""
        if self.turn is not None:
            self.turn.stop(seen)

    # --- turns, to be started on an event loop

    def begin(self, text: str, contents: Sequence[UserContent] = (), confirmed: bool = False) -> Turn:
        """Store what was said; the turn that answers it."""
        return self._begin(lambda before: before.append(user(text, contents), "user"), confirmed)

    def begin_edit(
        self, node: str, text: str, contents: Sequence[UserContent] | None = None, confirmed: bool = False
    ) -> Turn:
        """As `begin`, in place of a message of the user, whose files stay unless there are `contents`."""
        files = attached(self.conversation.node(node).message) if contents is None else contents
        return self._begin(lambda before: before.edit(node, user(text, files)), confirmed)

    def begin_again(self, node: str | None = None, confirmed: bool = False) -> Turn:
        before = self._ready()
        path = before.path()
        if node is None and path and path[-1].role == "assistant":
            node = path[-1].id
        if node is not None:  # else there is no answer yet: the program ended before
            self._save(before.regenerate(node), before)
        return self._turn(confirmed=confirmed)

    def begin_more(self) -> Turn:
        last = self.path[-1] if self.path else None
        if last is None or last.role != "assistant" or last.parent is None:
            raise UsageError("there is no answer to go on with; the last message is not the assistant's")
        self._ready()
        return self._turn(continues=last)

    def begin_decided(self, decisions: Mapping[str, Decision]) -> Turn:
        run = next((run for run in chat_runs.runs(self.store, self.id) if run.state == "waiting"), None)
        if run is None:
            raise UsageError("no tool call waits for a decision in this conversation")
        setup = self.setup()
        untrusted = tainted(setup.consent, self.path)
        for id, decision in decisions.items():
            chat_runs.decide(self.store, run.id, id, decision, untrusted)
        setup = self.setup()
        journal = chat_runs.resume(self.store, run.id, self._name)
        self.turn = Turn(under_system(self.path, self.settings), setup, journal, self.id, self._history(), decisions)
        return self.turn

    def explain(
        self, text: str | None = None, attachments: Sequence[Attachment] = (), edit: str | None = None
    ) -> FitResult:
        """The request that sending `text` would make, in place of the message `edit` if there is one: what it would leave
        out, and in how many requests a text larger than the window would be read. Nothing is sent or stored."""
        talk = self.conversation.so_far()
        if text is not None:
            message = user(text, attach(attachments))
            talk = talk.edit(edit, message) if edit else talk.append(message, "user")
        setup = self.setup(remembered=self.recalled(text))
        return with_reading(fitted(talk, self.settings, setup, self._history()), talk.path()[-1], setup)

    def recalled(self, text: str | None = None) -> list[Recalled]:
        """The remembered facts that the model is told when it answers `text`, or the last message of the user."""
        if not self.settings.memory or self.config.ephemeral:
            return []
        asked = (visible(node.message) for node in reversed(self.path) if node.role == "user")
        query = next(asked, "") if text is None else text
        scopes = (f"conversation:{self.id}",)
        with open_memory() as memory:
            return recalled(memory, query, scopes, window_for(self.model, "exact", self._max_tokens).budget)

    def spent(self) -> dict[str, Spending]:
        """Tokens, calls and cost of this conversation so far, by purpose."""
        return spent(self.store, self.id)

    def next_cost(self, fit_result: FitResult) -> tuple[Decimal | None, Decimal | None]:
        """The cost of sending `fit_result` in US dollars: at most, and likely, if it is answered as the others were on average.

        None where the price is not known.
        """
        report = fit_result.report
        done = self.spent().get("chat")
        likely = done.tokens // done.calls if done and done.calls else report.reserve
        at_most = self.model.price(Usage(report.count, report.reserve))
        return at_most, self.model.price(Usage(report.count, min(likely, report.reserve)))

    # --- the tree

    def switch(self, node: str) -> None:
        """Make the branch of `node` the active one."""
        chat_runs.abandon(self.store, self.id)
        before = self.conversation
        self._save(before.switch(node), before)

    def fork(self, node: str | None = None) -> "Chat":
        """A new conversation that begins as this one does, down to `node` or to its end."""
        before = self.conversation
        if before.leaf is None:
            raise UsageError("there is nothing to copy: the conversation has no message yet")
        forked = before.fork(node or before.leaf)
        self.store.save(forked, model=self.about.model, policy=self.policy)
        keep_settings(self.store, forked.id, self.settings)
        return Chat(self.model, tools=self.config.tools, id=forked.id, approve=self.config.approve, store=self.store)

    # --- inside

    def _begin(self, say: Callable[[Conversation], Conversation], confirmed: bool) -> Turn:
        """The turn that answers what is said; what cannot be sent is refused before anything is stored or given up.

        Unless that is not known yet: where the model must be loaded or reached first, the turn does it, and fails in words.
        """
        if self.model.ready:
            fitted(say(self.conversation.so_far()), self.settings, self.setup(remembered=()), self._history())
        before = self._ready()
        self._save(say(before), before)
        return self._turn(confirmed=confirmed)

    def setup(
        self, confirmed: bool = False, remembered: Sequence[Recalled] | None = None, consent: Consent | None = None
    ) -> Setup:
        """The model, window, tools and rules of the next turn; `remembered` saves looking up
        what is `recalled`, `consent` what was allowed."""
        facts = [one.fact for one in (self.recalled() if remembered is None else remembered)]
        consent = consent or self._consent()
        served = model_calls.served(self.store, self._name)
        count, grade = counter(self.model, served.calibration)
        if self._sizes is None or grade != "exact":
            self._sizes = MessageSizes(count)
        local = self.model.name.local
        limits = TurnLimits(first_token_seconds=LOCAL_FIRST_TOKEN_SECONDS) if local else TurnLimits()
        return Setup(
            self.model.chat_model(), self._name, window_for(self.model, grade, self._max_tokens, served.window), count,
            endpoint=self.model.identity.weights if not local else "", policy=Policy(self.policy),
            pinned=PinnedPrefix(tuple(self.config.notes), block(facts, self._marker)), toolset=self._toolset(consent), consent=consent,
            limits=self._limits or limits, settings=sampling(self.settings), cost=self._cost,
            served=served, sizes=self._sizes, together=1 if local else REMOTE_TOGETHER, confirmed=confirmed,
            schema=None if self.config.schema is None else dict(self.config.schema),
        )  # fmt: skip

    @property
    def _max_tokens(self) -> int | None:
        return min(filter(None, (self.settings.max_tokens, self.config.most_tokens)), default=None)

    @property
    def _name(self) -> str:
        return self.model.name.text

    def _ready(self) -> Conversation:
        """The tree, with nothing waiting for an approval any more: whoever goes on has not given it. Raises UsageError
        while an answer is being written."""
        chat_runs.abandon(self.store, self.id)
        chat_runs.refuse_busy(self.store, self.id)
        return self.conversation

    def _save(self, after: Conversation, before: Conversation) -> None:
        stored = before if self.store.has(self.id) else None
        self.store.save(after, stored, model=self._name, policy=self.policy)
        if self.settings != self._stored:
            keep_settings(self.store, self.id, replace(self.settings, model=None))
            self._stored = self.settings

    def _turn(self, confirmed: bool = False, continues: Node | None = None) -> Turn:
        talk = self.conversation
        path = talk.path(continues.parent) if continues is not None else talk.path()
        question = next((node.id for node in reversed(path) if node.role == "user"), "")
        journal, consent = chat_runs.begin(self.store, self.id, question, self._name), self._consent()

        def load() -> Setup:
            remembered = self.recalled()
            setup = self.setup(confirmed, remembered, consent)
            if remembered:
                with open_memory() as memory:
                    used(memory, remembered, question)
            return setup

        self.turn = Turn(
            under_system(path, self.settings), PendingSetup(self._name, consent, load), journal, self.id,
            self._history(), continues=continues,
        )  # fmt: skip
        return self.turn

    def _consent(self) -> Consent:
        return chat_runs.consent(self.store, self.id, self.config.approve)

    def _history(self) -> TurnHistory:
        path = self.path
        summaries = model_calls.summaries(self.store, self.id)
        known = {node.id for node in path}
        summary = next((s for s in summaries if set(s.covers) <= known), None)
        return TurnHistory(model_calls.last_cut(self.store, path), summary, chat_runs.edits(self.store, self.id))

    def _cost(self, used: RequestUsage) -> Decimal | None:
        usage = Usage(used.input_tokens, used.output_tokens, used.cache_read_tokens, used.output_reasoning_tokens, True)
        return self.model.price(usage)

    def _toolset(self, consent: Consent) -> AbstractToolset[None] | None:
        if isinstance(self.config.tools, AbstractToolset):
            return self.config.tools
        tools = tools_of(self.config, self.settings)
        if not tools:
            return None
        every = [*tools, tool(kind="read")(self.read_artifact)]
        return toolset(
            every, allowed=consent, keep=lambda file: self.store.keep(file.data, file.media_type), say=self._say
        )

    def _say(self, text: str) -> None:
        if self.turn is not None:
            self.turn.notice("tools", text)

    def read_artifact(self, id: str, start: int = 0) -> str:
        """Read on in a tool's result that was shortened, or in a file that a tool made.

        Args:
            id: the id that the shortened result names.
            start: the character to begin with.
        """
        return artifact(self.path, self.store, id, start)

    def _follow(self, begin: Callable[[], Turn]) -> Stream:
        stream = self._events(begin)
        self._stream = ref(stream)  # whoever leaves the loop over it lets it go, and so ends it
        return stream

    def _events(self, begin: Callable[[], Turn]) -> Stream:
        turn = begin()  # here, not on the event loop: a model may have to be loaded or asked first
        yield from bridge.iterate(turn.followed())
