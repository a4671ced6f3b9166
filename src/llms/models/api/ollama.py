"""How many tokens Ollama really serves of a model: it cuts what is longer without a word, whatever the model could read.

https://github.com/ollama/ollama/blob/main/docs/api.md
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ...values import Json, JsonObject
from .client import EndpointClient
from .errors import EndpointError

ASSUMED_WINDOW = 4096  # Ollama's default since 0.5.13
OLDER_WINDOW = 2048


async def ollama_window(client: EndpointClient) -> int | None:
    """As the loaded model is served; else its own setting, or Ollama's default, within what it can read. None where no
    Ollama answers."""
    address = urlsplit(client.endpoint.base_url)
    root = f"{address.scheme}://{address.netloc}"
    version = (await _ask(client, f"{root}/api/version")).get("version")
    if not isinstance(version, str):
        return None
    name = client.name.model
    loaded = (await _ask(client, f"{root}/api/ps")).get("models")
    entries = [entry for entry in loaded if isinstance(entry, Mapping)] if isinstance(loaded, list) else []
    mine = [entry for entry in entries if entry.get("name") in (name, f"{name}:latest") or entry.get("model") == name]
    if served := next((tokens for entry in mine if (tokens := _positive(entry.get("context_length")))), None):
        return served
    about = await _ask(client, f"{root}/api/show", {"model": name})
    info = about.get("model_info")
    info = info if isinstance(info, Mapping) else {}
    most = next((tokens for key in info if key.endswith(".context_length") and (tokens := _positive(info[key]))), None)
    stated = re.search(r"^\s*num_ctx\s+(\d+)", str(about.get("parameters", "")), re.MULTILINE)
    tokens = int(stated[1]) if stated else OLDER_WINDOW if _older(version) else ASSUMED_WINDOW
    return min(tokens, most) if most else tokens


async def _ask(client: EndpointClient, url: str, body: JsonObject | None = None) -> JsonObject:
    """The JSON object at `url`; empty where there is none."""
    connection = client.connection
    try:
        answer = await (connection.get(url) if body is None else connection.post(url, body))
    except EndpointError:
        return {}
    return answer if isinstance(answer, Mapping) else {}


def _positive(value: Json) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _older(version: str) -> bool:
    numbers = [int(number) for number in re.findall(r"\d+", version)[:3]]
    return bool(numbers) and numbers < [0, 5, 13]
