"""Two models on one question of an ordinary chat: the answer that is there, another beside it, and a vote that is not blind."""

import asyncio
from collections.abc import Sequence

from ...arena.battle import Winner
from ...chat.chat_settings import ChatSettings
from ...chat.conversation.messages import visible
from ...chat.conversation.tree import Conversation, Node
from ...errors import UsageError
from ...store.battles import SIDES
from ...store.conversations import Conversations
from ...store.presets import settings_in
from ...workbench.arena import battles as records
from ...workbench.arena.contenders import contender
from .chat_settings import SettingsService
from .model_pool import ModelPool
from .turns import TurnService


class ComparisonService:
    def __init__(self, store: Conversations, models: ModelPool, turns: TurnService, settings: SettingsService):
        self._store, self._models, self._turns, self._settings = store, models, turns, settings

    async def begin(self, conversation: str, node: str, model: str) -> str:
        """The run in which `model` answers beside `node`; the conversation is asked with its own model again afterwards.
        Raises UsageError."""
        self._models.reach.check_model(model)
        before = await asyncio.to_thread(self._answering, conversation, node)
        if before == model:
            raise UsageError(f"{model} wrote the answer that is there; compare it with another model")
        asked_with = (await asyncio.to_thread(self._store.about, conversation)).model
        run = await self._turns.again(conversation, node, ChatSettings(model=model))
        await self._settings.change(conversation, {"model": asked_with})
        return run

    def _answering(self, conversation: str, node: str) -> str:
        """The model that wrote the answer `node`, which follows a question. Raises UsageError or UnknownName."""
        tree = self._store.open(conversation)
        answer = tree.node(node)
        if answer.role != "assistant" or answer.author == "user":
            raise UsageError("only an answer that a model wrote can be compared with another")
        if answer.parent is None or tree.node(answer.parent).role != "user":
            raise UsageError("only the whole answer to a question can be compared; this is a later part of one")
        return answer.author

    async def vote(self, conversation: str, nodes: Sequence[str], winner: Winner) -> str:
        """The id of the battle between two answers to one question; the chosen one is the active branch afterwards, the first
        where none is. Raises UsageError."""
        return await self._models.wait_for(self._vote, conversation, nodes, winner)

    def _vote(self, conversation: str, nodes: Sequence[str], winner: Winner) -> str:
        names = [self._answering(conversation, node) for node in nodes]
        tree = self._store.open(conversation)
        parents = [tree.node(node).parent for node in nodes]
        if parents[0] is None or parents[0] != parents[1]:
            raise UsageError("the two answers are to different questions")
        tools = settings_in(self._store, conversation).tools or ()
        sides = [contender(self._models.get(name), tools=tools) for name in names]
        question = visible(tree.node(parents[0]).message) or "(files)"
        battle = records.begin(question, sides, source=records.CHAT, anonymous=False).id
        for side, node in zip(SIDES, nodes, strict=True):
            answer = _answer(tree, node)
            text = "\n\n".join(filter(None, (visible(one.message) for one in answer)))
            records.answered(battle, side, text, finish=_finish(answer[-1]), error=_error(answer[-1]))
        records.vote(battle, winner)
        chosen = nodes[1] if winner == "b" else nodes[0]
        if chosen not in {node.id for node in tree.path()}:
            self._store.save(tree.switch(chosen), tree)
        return battle


def _answer(tree: Conversation, node: str) -> list[Node]:
    """The messages of the model from `node` to the next question."""
    path = tree.path(tree.latest_leaf(node))
    below = path[[one.id for one in path].index(node) :]
    end = next((number for number, one in enumerate(below) if one.role == "user"), len(below))
    return [one for one in below[:end] if one.role == "assistant"]


def _finish(node: Node) -> str:
    if node.state in ("stopped", "interrupted"):
        return "stopped"
    return str(getattr(node.message, "finish_reason", None) or "stop")


def _error(node: Node) -> str:
    return "failed" if node.state == "failed" else ""
