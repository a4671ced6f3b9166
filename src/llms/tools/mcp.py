"""Tools of MCP servers that the user configured, each off until the user has seen what it starts and what it offers.

    LLMS_HOME/mcp.json            {"mcpServers": {"NAME": {"command", "args", "env", "cwd"} or {"url", "headers"}}}
    LLMS_HOME/mcp-accepted.json   what was accepted: the start, and names, descriptions and schemas of the tools, by hash

A server that starts otherwise, or whose tools are not the accepted ones, gives no tools until the difference is accepted.
Values of the form ${NAME} in env and headers are taken from the environment; nothing else of it goes to a server.
"""

import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypedDict

from .. import settings
from ..errors import UnknownName, UsageError
from ..values import Json, JsonObject
from .mcp_log import ServerLog
from .tool import Deps
from .untrusted import clean

if TYPE_CHECKING:
    from pydantic_ai.mcp import MCPToolset

NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
REFERENCE = re.compile(r"\$\{(\w+)\}")
KEYS = {"command", "args", "env", "cwd", "url", "headers"}
LONGEST_DESCRIPTION = 2_000  # characters
START_SECONDS = 30.0


@dataclass(frozen=True)
class McpServer:
    """A configured server: a program with its arguments, or an address."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """The command or address, as it is shown before the first time. Values of secrets are not in it."""
        if self.url:
            return f"{self.url} with {', '.join(self.headers) or 'no'} headers"
        variables = f" with {', '.join(sorted(self.env))}" if self.env else ""
        return " ".join([self.command, *self.args]) + (f" in {self.cwd}" if self.cwd else "") + variables

    @property
    def pin(self) -> str:
        return _hash(
            [self.command, self.args, self.cwd, self.url, sorted(self.env.items()), sorted(self.headers.items())]
        )


@dataclass(frozen=True)
class McpOffer:
    """The tools of a server: of each the hash of its name, description and schema, and the description itself."""

    tools: Mapping[str, str]
    descriptions: Mapping[str, str]

    @property
    def pin(self) -> str:
        return _hash(sorted(self.tools.items()))


class AcceptedServer(TypedDict):
    """An entry of mcp-accepted.json: the pin of the start, and the accepted offer."""

    start: str
    tools: dict[str, str]
    descriptions: dict[str, str]


def configured(path: Path | None = None) -> dict[str, McpServer]:
    """The servers of the configuration file; none without it. Raises UsageError that names what is wrong in it."""
    path = path or settings.home() / "mcp.json"
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["mcpServers"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f'{path} is not {{"mcpServers": {{"name": {{"command": …}}}}}}: {error}') from error
    return {name: _server(name, entry, path) for name, entry in entries}


def _server(name: str, entry: object, path: Path) -> McpServer:
    if not NAME.fullmatch(name):
        raise UsageError(f"{path}: {name!r} is not a name for a server: small letters, figures and -, at most 20")
    if not isinstance(entry, dict) or not entry.keys() <= KEYS or bool(entry.get("command")) == bool(entry.get("url")):
        raise UsageError(f"{path}: {name} needs either command or url, and knows {', '.join(sorted(KEYS))}")
    args: list[str] = entry.get("args") or []
    env: dict[str, str] = entry.get("env") or {}
    headers: dict[str, str] = entry.get("headers") or {}
    texts = [entry.get("command") or "", entry.get("url") or "", entry.get("cwd") or ""]
    shaped = isinstance(args, list) and isinstance(env, dict) and isinstance(headers, dict)
    if not shaped or not all(isinstance(text, str) for text in (*texts, *args, *env.values(), *headers.values())):
        raise UsageError(f"{path}: {name}: all values are strings, args a list of them, env and headers objects")
    command, url, cwd = texts
    return McpServer(name, command, tuple(args), env, cwd or None, url, headers)


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    """`values` with ${NAME} replaced."""

    def value(reference: re.Match[str]) -> str:
        known = settings.get(reference[1])
        if known is None:
            raise UsageError(f"mcp.json refers to ${{{reference[1]}}}, which is not set in the environment")
        return known

    return {key: REFERENCE.sub(value, text) for key, text in values.items()}


def _accepted_file() -> Path:
    return settings.home() / "mcp-accepted.json"


def accepted() -> dict[str, AcceptedServer]:
    """The accepted servers, by name."""
    try:
        entries = json.loads(_accepted_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def accept(server: McpServer, offer: McpOffer) -> None:
    """Remember that the user has seen and accepted what `server` starts and offers."""
    path = _accepted_file()
    text = json.dumps({**accepted(), server.name: {"start": server.pin, **asdict(offer)}}, indent=1, ensure_ascii=False)
    new = settings.private(path.with_suffix(".new"))
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def objection(server: McpServer, offer: McpOffer | None = None) -> str:
    """Why `server` gives no tools; "" if it does. Without `offer`: as far as can be told before it starts."""
    known = accepted().get(server.name)
    if known is None:
        return "it was never accepted"
    if known["start"] != server.pin:
        return "it starts otherwise than accepted"
    if offer and offer.tools != known["tools"]:
        return f"its tools changed: {difference(known['tools'], offer.tools)}"
    return ""


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    words = {
        "new": sorted(after.keys() - before.keys()),
        "gone": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    }
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in words.items() if names)


def offered(tools: Mapping[str, tuple[str, Mapping[str, object]]]) -> McpOffer:
    """The offer of tools given by name as (description, schema)."""
    pins = {name: _hash([name, description, schema]) for name, (description, schema) in tools.items()}
    return McpOffer(pins, {name: shortened(description) for name, (description, _) in tools.items()})


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def shortened(text: str) -> str:
    return clean(text or "").text[:LONGEST_DESCRIPTION]


def cleaned(schema: JsonObject) -> dict[str, Json]:
    """A schema whose words a person can see, none of them longer than a description may be."""
    return {clean(key).text: _cleaned(value) for key, value in schema.items()}


def _cleaned(value: Json) -> Json:
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, Mapping):
        return cleaned(value)
    return [_cleaned(one) for one in value] if isinstance(value, list) else value


def server_named(name: str) -> McpServer:
    """The configured server of that name, if it is accepted as it would start. Raises UnknownName or UsageError."""
    servers = configured()
    if name not in servers:
        raise UnknownName("MCP server", name, servers)
    if why := objection(servers[name]):
        raise UsageError(f"the MCP server {name} is off: {why}. See what it starts and offers: llms mcp accept {name}")
    return servers[name]


async def look(server: McpServer) -> McpOffer:
    """Start `server`, ask what it offers, and end it."""
    async with running(server) as (toolset, _):
        tools = await toolset.list_tools()
    return offered({tool.name: (tool.description or "", tool.input_schema) for tool in tools})


@asynccontextmanager
async def running(server: McpServer) -> "AsyncIterator[tuple[MCPToolset[Deps], ServerLog | None]]":
    """The server's own toolset, started or called, under no rules; and its log, where it is a program of this machine.

    It ends when this is left.
    """
    log = None if server.url else ServerLog(settings.home() / f"mcp-{server.name}.log")
    try:
        with log.receiving() if log else nullcontext() as stream:
            toolset = connected(server, stream)
            await toolset.__aenter__()
        try:
            yield toolset, log
        finally:
            await toolset.__aexit__(None, None, None)
    finally:
        if log:
            import asyncio  # 30 ms, which naming a tool need not wait for

            await asyncio.to_thread(log.close)


def connected(server: McpServer, log: TextIO | None = None) -> "MCPToolset[Deps]":
    """The server's own toolset, which starts or calls it when it is entered; a program writes its errors to `log`."""
    from fastmcp.client.transports import StdioTransport
    from pydantic_ai.mcp import MCPToolset

    connect = partial(MCPToolset[Deps], id=server.name, tool_error_behavior="failed", init_timeout=START_SECONDS)
    if server.url:
        return connect(server.url, headers=_filled(server.headers) or None)
    transport = StdioTransport(
        server.command, list(server.args), env=_filled(server.env), cwd=server.cwd, keep_alive=False, log_file=log
    )
    return connect(transport)
