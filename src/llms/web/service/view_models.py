"""Conversations as pages show them: plain JSON values of messages, of what a model saw, of what was spent."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, SystemPromptPart, ToolReturnPart

from ...chat.conversation.messages import MessagePart, index, results
from ...chat.conversation.tree import Conversation, Node
from ...store import chat_runs, model_calls
from ...store.conversations import Conversations
from ...store.model_calls import StoredCall
from ...tools.catalogue import PLACES, TOOLS
from ...tools.tool import ASKING

NEW = "New chat"
_DIGEST = re.compile("[0-9a-f]{64}")
FATES = {
    "elided": "sent without its tool calls",
    "dropped": "not sent",
    "covered": "sent as part of the summary",
    "clamped": "sent shortened",
    "chunked": "read in parts",
    "left out": "not sent",
}


def conversation(store: Conversations, id: str, model: str) -> dict[str, Any]:
    """What a page shows of a stored conversation; `model` answers where it names none."""
    chat_runs.recover(store)
    about, tree = store.about(id), store.open(id)
    runs = chat_runs.runs(store, id)
    busy = next((run.id for run in reversed(runs) if run.state in ("running", "waiting")), None)
    calls = {node.id: model_calls.calls(store, node=node.id) for node in tree.path()[-40:] if node.role == "assistant"}
    failed = {run.node: run for run in runs if run.state == "failed"}
    shown = path(tree, {node: spent(made) for node, made in calls.items()})
    for one in shown:
        if one["state"] == "failed":
            parent = tree.node(one["id"]).parent
            told = next((call.error for call in reversed(calls.get(one["id"], [])) if call.error), "")
            one["error"] = told or (failed[parent].reason if parent in failed else "the answer failed")
    system = next((p.content for n in tree.path()[:1] for p in n.message.parts if isinstance(p, SystemPromptPart)), "")
    return {
        "id": id, "title": about.title or NEW, "model": about.model or model, "policy": about.policy, "path": shown,
        "run": busy, "tools": [], "tags": list(about.tags), "system": system,
        "spent": spent([call for made in calls.values() for call in made]),
    }  # fmt: skip


def path(conversation: Conversation, spent: Mapping[str, str]) -> list[dict[str, Any]]:
    """The active path, tool results joined to the calls they answer; `spent` says by node what it took."""
    nodes = conversation.path()
    returned = {part.tool_call_id: part for node in nodes if node.role == "tool" for part in results(node.message)}
    return [message(conversation, node, returned, spent) for node in nodes if node.role in ("user", "assistant")]


def message(
    conversation: Conversation, node: Node, returned: Mapping[str, ToolReturnPart], spent: Mapping[str, str]
) -> dict[str, Any]:
    parts = [shown for part in index(node.message) for shown in _part(part, returned)]
    return {
        "id": node.id,
        "role": node.role,
        "author": "" if node.author == "user" else node.author,
        "state": node.state,
        "cut": getattr(node.message, "finish_reason", None) == "length",
        "created": node.created,
        "parts": parts,
        "siblings": [sibling.id for sibling in conversation.siblings(node.id)],
        "spent": spent.get(node.id, ""),
    }


def _part(part: MessagePart, returned: Mapping[str, ToolReturnPart]) -> Iterable[dict[str, Any]]:
    if part.kind in ("text", "reasoning") and part.text:
        yield {"type": part.kind, "text": part.text}
    elif part.kind in ("image", "audio", "file"):
        name = str(part.more.get("name") or part.more.get("attachment") or "")
        size = f"{len(part.text):,} characters" if part.text else ""
        yield {
            "type": part.kind if part.blob else "file",
            "name": name,
            "size": size,
            "url": f"/api/blobs/{part.blob}" if part.blob else "",
        }
    elif part.kind == "tool_call":
        id = str(part.more.get("id", ""))
        result = returned.get(id)
        yield {
            "type": "tool_call",
            "id": id,
            "name": str(part.more.get("name", "")),
            "arguments": _readable(part.more.get("args")),
            "result": None if result is None else result.model_response_str(),
            "state": "called" if result is None else getattr(result, "outcome", "done"),
            "files": [] if result is None else _made(result),
        }


def _made(result: ToolReturnPart) -> list[dict[str, Any]]:
    """Pictures, sounds and other files that came with a result and are kept; an import may say anything there."""
    found = result.metadata.get("files") if isinstance(result.metadata, dict) else None
    return [
        {
            "name": str(file.get("name") or "file"),
            "type": str(file.get("media_type") or ""),
            "url": f"/api/blobs/{file['kept']}",
        }
        for file in (found if isinstance(found, list) else [])
        if isinstance(file, dict) and _DIGEST.fullmatch(str(file.get("kept")))
    ]


def _readable(args: Any) -> str:
    if isinstance(args, str):
        try:
            args = json.loads(args)
        except ValueError:
            return args
    return json.dumps(args, ensure_ascii=False, indent=1)


def saw(calls: Sequence[StoredCall]) -> dict[str, Any]:
    """What was really sent for a message, call by call, and what of the path was not."""
    dispositions = next((call.dispositions for call in calls if call.dispositions), ())
    left = [
        f"{FATES[one.what]}: message {one.node} ({one.tokens} tokens){', ' + one.why if one.why else ''}"
        for one in dispositions
        if one.what in FATES
    ]
    return {"calls": [_call(call) for call in calls], "report": left}


def _call(call: StoredCall) -> dict[str, Any]:
    counted = f"{call.counted} tokens counted ({call.grade})" if call.counted else ""
    told = f"{call.prompt_tokens} in, {call.tokens} out ({call.source})" if call.prompt_tokens is not None else ""
    about = ", ".join(
        filter(None, (call.model, call.purpose, counted, told, f"{call.seconds:.1f} s", money(call.cost)))
    )
    return {
        "about": about,
        "messages": [{"role": role, "text": text, "note": ""} for role, text in _texts(call.messages)],
        "tools": [tool["name"] for tool in call.tools],
        "code": code(call),
    }


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
    begun = f", first after {first:.1f} s" if first is not None else ""
    costs = [call.cost for call in every]
    cost = None if any(c is None for c in costs) else sum((c for c in costs if c is not None), Decimal(0))
    return f"{tokens:,} tokens{speed}{begun}, {money(cost)}"


def tools() -> list[dict[str, Any]]:
    """The shipped tools that need nothing but their name; `asks`: a person agrees to each call."""
    return [
        {"name": name, "description": tool.description, "asks": tool.kind in ASKING, "missing": ""}
        for name in PLACES
        for tool in [TOOLS[name]]
    ]
