"""Conversations as pages show them: what goes over the wire about messages, about what a model was sent, about spending."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart

from ...chat.conversation.marks import error_of, notices_of
from ...chat.conversation.messages import MessagePart, index, result_words, results
from ...chat.conversation.tree import Conversation, Node
from ...store import chat_runs, model_calls
from ...store.conversations import Conversations
from ...store.model_calls import StoredCall
from .chat_settings import SettingsResponse, of_conversation

NEW = "New chat"
_DIGEST = re.compile("[0-9a-f]{64}")
_BEFORE = {  # why answers of earlier versions failed, which kept a word only
    "timeout": "the model said nothing for too long; try again",
    "budget": "the request would have cost more than the budget allows",
}
FIRST_CHARACTERS = 60  # of a message that is named by its beginning
NOT_ALL_READ = ("read_in_parts", "server_truncated", "summarised")  # notices of answers that rest on less than the path
DISPOSITIONS = {
    "elided": "sent without its tool calls",
    "dropped": "not sent",
    "covered": "sent as part of the summary",
    "clamped": "sent shortened",
    "chunked": "read in parts",
    "left out": "not sent",
}


@dataclass(frozen=True, slots=True)
class ListedConversationResponse:
    """`updated` is ISO 8601, UTC."""

    id: str
    title: str
    updated: str
    pinned: bool
    archived: bool


@dataclass(frozen=True, slots=True)
class SearchHitResponse:
    """`snippet` marks the words by U+0002 and U+0003; `node` None: the title was found."""

    id: str
    title: str
    node: str | None
    snippet: str
    pinned: bool
    archived: bool


@dataclass(frozen=True, slots=True)
class TextResponse:
    type: Literal["text", "reasoning"]
    text: str


@dataclass(frozen=True, slots=True)
class FileResponse:
    """`url` is empty for a text, whose `size` is in characters; `position` is among the files of its message."""

    type: Literal["image", "audio", "file"]
    name: str
    size: str
    url: str
    position: int


@dataclass(frozen=True, slots=True)
class ToolFileResponse:
    name: str
    type: str
    url: str


@dataclass(frozen=True, slots=True)
class ToolCallResponse:
    """`arguments` is indented JSON, or text that should have been; `result` None: not called yet."""

    type: Literal["tool_call"]
    id: str
    name: str
    arguments: str
    result: str | None
    state: str
    files: list[ToolFileResponse]


@dataclass(frozen=True, slots=True)
class NoticeResponse:
    """Something to know of an answer, such as why it is not whole; `code` names it."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class MessageResponse:
    """`siblings` are all versions of the message, `cut`: it ended at its token limit; `spent` is in words, `error` why it
    failed. `author` is the model's whole name, `name` the short one."""

    id: str
    role: str
    author: str
    name: str
    state: str
    cut: bool
    created: str
    parts: list[TextResponse | FileResponse | ToolCallResponse]
    siblings: list[str]
    spent: str
    error: str
    notices: list[NoticeResponse]


@dataclass(frozen=True, slots=True)
class ConversationResponse:
    """`id` None: not stored yet. `run` answers now, or waits for a person. `model`, `policy`, `tools` and `system` are those
    of the settings."""

    id: str | None
    title: str
    model: str
    policy: str
    settings: SettingsResponse
    path: list[MessageResponse] = field(default_factory=list)
    run: str | None = None
    tools: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    system: str = ""
    spent: str = ""
    pinned: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True)
class SentMessageResponse:
    role: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CallResponse:
    """A request to a model; `code` makes the same one in Python."""

    about: str
    messages: list[SentMessageResponse]
    tools: list[str]
    code: str


@dataclass(frozen=True, slots=True)
class CallsResponse:
    """`report` has a line for each message that was not sent as it stands."""

    calls: list[CallResponse]
    report: list[str]


def conversation(store: Conversations, id: str, model: str) -> ConversationResponse:
    """A stored conversation; `model` answers where it names none."""
    chat_runs.recover(store)
    about, tree = store.about(id), store.open(id)
    runs = chat_runs.runs(store, id)
    busy = next((run.id for run in reversed(runs) if run.state in ("running", "waiting")), None)
    calls = {node.id: model_calls.calls(store, node=node.id) for node in tree.path()[-40:] if node.role == "assistant"}
    failed = {run.node: run.reason for run in runs if run.state == "failed"}
    errors = {
        node.id: error_of(node.message)
        or next((call.error for call in reversed(calls.get(node.id, [])) if call.error), "")
        or _BEFORE.get(failed.get(node.parent or "", ""), "the answer failed")
        for node in tree.path()
        if node.state == "failed"
    }
    spending = {node: spent(of_node) for node, of_node in calls.items()}
    settings = of_conversation(store, id, model)
    return ConversationResponse(
        id, about.title or NEW, settings.model, settings.policy, settings, path(tree, spending, errors), busy,
        tools=settings.tools, tags=list(about.tags), system=settings.system, spent=spent([call for of_node in calls.values() for call in of_node]),
        pinned=about.pinned, archived=about.archived,
    )  # fmt: skip


def path(conversation: Conversation, spending: Mapping[str, str], errors: Mapping[str, str]) -> list[MessageResponse]:
    """The active path, tool results joined to the calls they answer; spending and errors are by node."""
    nodes = conversation.path()
    returned = {part.tool_call_id: part for node in nodes if node.role == "tool" for part in results(node.message)}
    return [
        _message(conversation, node, returned, spending.get(node.id, ""), errors.get(node.id, ""))
        for node in nodes
        if node.role in ("user", "assistant")
    ]


def _message(
    conversation: Conversation, node: Node, returned: Mapping[str, ToolReturnPart], spending: str, error: str
) -> MessageResponse:
    return MessageResponse(
        id=node.id,
        role=node.role,
        author="" if node.author == "user" else node.author,
        name=_edited(node) or short_name(node.author),
        state=node.state,
        cut=getattr(node.message, "finish_reason", None) == "length",
        created=node.created,
        parts=_parts(node.message, returned),
        siblings=[sibling.id for sibling in conversation.siblings(node.id)],
        spent=spending,
        error=error,
        notices=[NoticeResponse(mark.code, mark.text) for mark in notices_of(node.message)],
    )


def _edited(node: Node) -> str:
    return "edited by you" if node.role == "assistant" and node.author == "user" else ""


def short_name(model: str) -> str:
    """The last part of a model's name, without its address, folder and options: what a person calls it."""
    name = model.partition("?")[0]
    if name.startswith(("http://", "https://")):
        return name.partition("#")[2] or name
    return name.partition(":")[2].rstrip("/").rpartition("/")[2] or name


def _parts(
    message: ModelMessage, returned: Mapping[str, ToolReturnPart]
) -> list[TextResponse | FileResponse | ToolCallResponse]:
    parts: list[TextResponse | FileResponse | ToolCallResponse] = []
    files = 0
    for part in index(message):
        shown = list(_part(part, files, returned))
        files += any(isinstance(one, FileResponse) for one in shown)
        parts += shown
    return parts


def _part(
    part: MessagePart, position: int, returned: Mapping[str, ToolReturnPart]
) -> Iterator[TextResponse | FileResponse | ToolCallResponse]:
    if part.kind in ("text", "reasoning") and part.text:
        yield TextResponse("text" if part.kind == "text" else "reasoning", part.text)
    elif part.kind in ("image", "audio", "file"):
        name = str(part.more.get("name") or part.more.get("attachment") or "")
        kind: Literal["image", "audio", "file"] = (
            "image" if part.kind == "image" else "audio" if part.kind == "audio" else "file"
        )
        size = f"{len(part.text):,} characters" if part.text else ""
        yield FileResponse(
            kind if part.blob else "file", name, size, f"/api/blobs/{part.blob}" if part.blob else "", position
        )
    elif part.kind == "tool_call":
        id = str(part.more.get("id", ""))
        result = returned.get(id)
        yield ToolCallResponse(
            type="tool_call",
            id=id,
            name=str(part.more.get("name", "")),
            arguments=_readable(part.more.get("args")),
            result=None if result is None else result_words(result),
            state="called" if result is None else getattr(result, "outcome", "done"),
            files=[] if result is None else _files(result),
        )


def _files(result: ToolReturnPart) -> list[ToolFileResponse]:
    """Pictures, sounds and other files that came with a result and are kept; an import may say anything there."""
    files = result.metadata.get("files") if isinstance(result.metadata, dict) else None
    return [
        ToolFileResponse(
            str(file.get("name") or "file"), str(file.get("media_type") or ""), f"/api/blobs/{file['kept']}"
        )
        for file in (files if isinstance(files, list) else [])
        if isinstance(file, dict) and _DIGEST.fullmatch(str(file.get("kept")))
    ]


def _readable(args: object) -> str:
    if isinstance(args, str):
        try:
            args = json.loads(args)
        except ValueError:
            return str(args)
    return json.dumps(args, ensure_ascii=False, indent=1)


def calls(stored: Sequence[StoredCall], tree: Conversation, node: str) -> CallsResponse:
    """Every request that was sent for a message, and what of its path was not sent."""
    dispositions = next((call.dispositions for call in stored if call.dispositions), ())
    left = [
        f"{DISPOSITIONS[one.what]}: {_named(tree, one.node)}, {one.tokens:,} tokens{f' ({one.why})' if one.why else ''}"
        for one in dispositions
        if one.what in DISPOSITIONS
    ]
    parts = [mark.text for mark in notices_of(tree.node(node).message) if mark.code in NOT_ALL_READ]
    return CallsResponse([_call(call) for call in stored], [*parts, *left])


def _named(tree: Conversation, node: str) -> str:
    """A message by who said it, when, and how it begins."""
    if node not in tree.nodes:
        return "a message that is gone"
    one = tree.nodes[node]
    who = {"user": "you", "tool": "a tool", "system": "the system prompt"}.get(one.role) or short_name(one.author)
    words = "; ".join(part.text for part in index(one.message) if part.text).split()
    start = " ".join(words)[:FIRST_CHARACTERS].rstrip()
    return f"{who}, {one.created[:16].replace('T', ' ')}: “{start}{'…' if len(' '.join(words)) > len(start) else ''}”"


def _call(call: StoredCall) -> CallResponse:
    counted = f"{call.counted} tokens counted ({call.grade})" if call.counted else ""
    used = f"{call.prompt_tokens} in, {call.tokens} out ({call.source})" if call.prompt_tokens is not None else ""
    about = (call.model, call.purpose, counted, used, f"{call.seconds:.1f} s", money(call.cost))
    return CallResponse(
        ", ".join(filter(None, about)),
        [SentMessageResponse(role, text) for role, text in _texts(call.messages)],
        [str(tool["name"]) for tool in call.tools],
        code(call),
    )


def _texts(messages: Iterable[ModelMessage]) -> Iterable[tuple[str, str]]:
    for one in messages:
        if isinstance(one, ModelRequest) and one.instructions:
            yield "system", one.instructions
        for part in index(one):
            role = {"tool_result": "tool", "tool_call": "assistant", "summary": "system"}.get(part.kind)
            kind = getattr(one, "kind", "request")
            yield role or ("assistant" if kind == "response" else "user"), part.text or _readable(dict(part.more))


def code(call: StoredCall) -> str:
    """The call as a Python program, without the key."""
    messages = [{"role": role, "content": text} for role, text in _texts(call.messages)]
    base = f"base_url={call.endpoint!r}, " if call.endpoint.startswith("http") else ""
    model = call.model.partition(":")[2] or call.model
    return (
        "from openai import OpenAI\n\n"
        f"client = OpenAI({base}api_key=...)\n"
        f"answer = client.chat.completions.create(\n    model={model!r},\n    messages={json.dumps(messages, ensure_ascii=False, indent=4)},\n)\n"
        "print(answer.choices[0].message.content)\n"
    )


def money(cost: Decimal | None) -> str:
    """US dollars; what is not known is never 0."""
    if cost is None:
        return "cost unknown"
    return "free" if cost == 0 else f"${cost:.4f}"


def spent(calls: Iterable[StoredCall]) -> str:
    """All calls of one message together, in a few words."""
    every = list(calls)
    if not every:
        return ""
    tokens = sum((call.prompt_tokens or 0) + (call.tokens or 0) for call in every)
    out = sum(call.tokens or 0 for call in every)
    seconds = sum(call.seconds - (call.first_token_seconds or 0.0) for call in every)
    first = next((call.first_token_seconds for call in every if call.first_token_seconds is not None), None)
    speed = f", {out / seconds:.0f} tokens/s" if seconds > 0.05 and out else ""
    first_token = f", first after {first:.1f} s" if first is not None else ""
    costs = [call.cost for call in every]
    cost = None if any(c is None for c in costs) else sum((c for c in costs if c is not None), Decimal(0))
    return f"{tokens:,} tokens{speed}{first_token}, {money(cost)}"
