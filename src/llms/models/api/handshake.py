"""The first requests to an endpoint that nothing is known of: what it serves, how it takes text, whether it scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import ModelError
from ...values import JsonObject
from .client import EndpointClient
from .errors import BadAnswer, EndpointError, StatusError
from .ollama import ollama_window
from .response import NoEcho, piece

NO_SUCH_PATH = (404, 405, 501)
WINDOWS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")
# what comes back is known before it is asked: this very text, and a number for each of its tokens
KNOWN = ("One, two, three, four, five,", " six, seven.")


@dataclass(frozen=True, slots=True)
class Handshake:
    """`models` the server lists, None if it lists none; its `window` in tokens; whether it continues `raw` text.

    `no_echo` says why it cannot score a given text; empty if it can.
    """

    models: tuple[str, ...] | None
    window: int | None
    raw: bool
    no_echo: str


async def shake_hands(client: EndpointClient) -> Handshake:
    """Ask. Raises ModelError if the endpoint does not answer, refuses the key, or has no such model."""
    models, window = await listed(client)
    raw, no_echo = True, ""
    try:
        await client.likelihood(KNOWN)
    except NoEcho as error:
        no_echo = str(error)
    except StatusError as error:
        status, known = error.status, {client.name.model, f"{client.name.model}:latest"}  # Ollama adds the tag itself
        if status in (401, 403) or (status in NO_SUCH_PATH and models and not known & set(models)):
            client.failure_of(error)
        no_echo = f"/completions says {status}"
        raw = status not in NO_SUCH_PATH and await _continues(client)
    except EndpointError as error:
        raise ModelError(client.failure_of(error).reason) from error
    return Handshake(models, window, raw, no_echo)


async def _continues(client: EndpointClient) -> bool:
    """Whether /completions continues plain text."""
    try:
        body: JsonObject = {"model": client.name.model, "prompt": KNOWN[0], "max_tokens": 1, "temperature": 0}
        return piece(await client.post("/completions", body)) is not None
    except EndpointError:
        return False


async def listed(client: EndpointClient) -> tuple[tuple[str, ...] | None, int | None]:
    """(the models that the server lists, the context window that it states for this one)."""
    entries = (await _get(client, "/models")).get("data")
    if not isinstance(entries, list):
        return None, await _stated_window(client)
    known = {str(entry.get("id")): entry for entry in entries if isinstance(entry, Mapping)}
    entry = known.get(client.name.model, {})
    stated = [size for name in WINDOWS if isinstance(size := entry.get(name), int) and size > 0]
    return tuple(known), stated[0] if stated else await _stated_window(client)


async def _stated_window(client: EndpointClient) -> int | None:
    """The window as servers on one's own machines state it, in ways of their own."""
    if not client.endpoint.own:
        return None
    return await ollama_window(client) or await _props(client)


async def _props(client: EndpointClient) -> int | None:
    """The window as llama.cpp's server states it, at /props of its root."""
    address = urlsplit(client.endpoint.base_url)
    settings = (await _get(client, f"{address.scheme}://{address.netloc}/props")).get("default_generation_settings")
    window = settings.get("n_ctx") if isinstance(settings, Mapping) else None
    return window if isinstance(window, int) and window > 0 else None


async def _get(client: EndpointClient, path: str) -> JsonObject:
    """The JSON object at `path`; empty where there is none."""
    try:
        answer = await client.connection.get(path)
    except (StatusError, BadAnswer) as error:
        if isinstance(error, StatusError) and error.status in (401, 403):
            client.failure_of(error)
        return {}
    except EndpointError as error:
        client.failure_of(error)
        return {}
    return answer if isinstance(answer, Mapping) else {}
