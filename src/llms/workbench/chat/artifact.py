"""The rest of a result that was shortened for a model, or of a file that a tool made."""

from collections.abc import Sequence

from ...chat.conversation.messages import result_text, results
from ...chat.conversation.tree import Node
from ...store.conversations import Conversations

CHARACTERS = 8000


def artifact(path: Sequence[Node], store: Conversations, id: str, start: int) -> str:
    """The characters from `start` on of the result of the tool call `id`, or of the stored file, and how to go on."""
    whole = next(
        (result_text(part) for node in path for part in results(node.message) if part.tool_call_id == id), None
    )
    if whole is None:
        whole = store.blob(id).decode("utf-8", "replace")
    end = start + CHARACTERS
    rest = f"\n[{len(whole) - end} characters follow; go on with start={end}]" if end < len(whole) else ""
    return whole[start:end] + rest
