"""The request that a conversation would make: what of it is sent, and how a question larger than the window is read."""

from dataclasses import replace

from ...chat.chat_settings import ChatSettings
from ...chat.conversation.messages import user
from ...chat.conversation.tree import Conversation, Node
from ...chat.turn.setup import Setup, TurnHistory
from ...chat.turn.side_requests import parts_of_question
from ...chat.window.fit import fit
from ...chat.window.fit_result import FitRequest, FitResult
from ...chat.window.mapreduce import plan_reading
from ...chat.window.sizes import Payload, estimate_text
from ...tools.toolset import definitions
from .resolve import under_system

COUNTED = 100_000  # characters; counting all pieces of a longer text takes seconds


def fitted(talk: Conversation, settings: ChatSettings, setup: Setup, history: TurnHistory) -> FitResult:
    """The payload of the active path under the settings, and what it leaves out. Raises ContextOverflow if it cannot be."""
    request = FitRequest(
        under_system(talk.path(), settings), setup.window, setup.count, setup.policy, history.cut,
        pinned=setup.pinned, summary=history.summary, tools=definitions(setup.toolset), sizes=setup.sizes,
    )  # fmt: skip
    return fit(request)


def with_reading(result: FitResult, question: Node, setup: Setup) -> FitResult:
    """`result` with the plan by which its question would be read, if it is too large to be sent; a rough one for a long text,
    whose tokens are counted in a sample alone."""
    if result.overflow is None:
        return result
    task, text = parts_of_question(question, result.overflow == "attachments")

    def measure(part: str) -> int:
        return setup.count(Payload((user(part),)))

    if len(text) <= COUNTED:
        return replace(result, reading=plan_reading(task, text, measure, setup.window.budget))
    sample = text[:COUNTED]
    share = measure(sample) / estimate_text(sample)
    plan = plan_reading(task, text, lambda part: round(share * estimate_text(part)), setup.window.budget)
    return replace(result, reading=plan, rough=True)
