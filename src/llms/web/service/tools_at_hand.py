"""The tools that a page can switch on: those that come with llms, over what was named at the start, accepted or configured."""

from collections.abc import Iterator
from dataclasses import dataclass

from ... import settings
from ...errors import UsageError
from ...models.api.endpoints import NAMED
from ...tools import mcp
from ...tools.catalogue import MODULES, TOOLS
from ...tools.tool import ASKING
from .reach import Reach

DATABASES = (".sqlite", ".sqlite3", ".db")
MOST_DATABASES = 20
ENDS = {"image": ("LLMS_IMAGE_MODEL", "openai:gpt-image-1"), "speak": ("LLMS_SPEAK_MODEL", "openai:gpt-4o-mini-tts")}
DOES = {"image": "Draw pictures and show them", "speak": "Say texts aloud"}


@dataclass(frozen=True, slots=True)
class ShippedToolResponse:
    """`asks`: a person agrees to each call. `missing` says why it cannot be used, and what to do."""

    name: str
    description: str
    asks: bool
    missing: str = ""


def tools(reach: Reach) -> list[ShippedToolResponse]:
    """Every tool by the name under which a request asks for it."""
    shipped = [ShippedToolResponse(name, TOOLS[name].description, TOOLS[name].kind in ASKING) for name in MODULES]
    return [*shipped, *_files(reach), *_models(reach), *_servers()]


def _files(reach: Reach) -> Iterator[ShippedToolResponse]:
    for folder in reach.folders:
        yield ShippedToolResponse(f"files:{folder}", f"List, read and search the files of {folder}.", False)
        databases = sorted(path for path in folder.iterdir() if path.suffix.lower() in DATABASES and path.is_file())
        for path in databases[:MOST_DATABASES]:
            yield ShippedToolResponse(f"sql:{path}", f"Ask the database {path.name} in SQL.", False)


def _models(reach: Reach) -> Iterator[ShippedToolResponse]:
    """The models that draw and speak: the one that is set, or OpenAI's where its key is."""
    for family, (variable, usual) in ENDS.items():
        name = settings.get(variable) or (usual if settings.key(NAMED["openai"].keys) else "")
        if name:
            yield ShippedToolResponse(f"{family}:{name}", f"{DOES[family]}, by {name}.", True)


def _servers() -> Iterator[ShippedToolResponse]:
    try:
        configured = mcp.configured()
    except UsageError as error:
        yield ShippedToolResponse("mcp", "Tools of MCP servers.", True, str(error))
        return
    known = mcp.accepted()
    for server in configured.values():
        offered = ", ".join(known[server.name]["tools"]) if server.name in known else "not looked at yet"
        why = mcp.objection(server)
        missing = f"{why}; llms mcp accept {server.name} shows and accepts it" if why else ""
        yield ShippedToolResponse(f"mcp:{server.name}", f"The MCP server {server.name}: {offered}.", True, missing)
