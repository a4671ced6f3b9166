"""The first words with an endpoint that nothing is known of: what it serves, how it takes text, whether it scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import ModelError

if TYPE_CHECKING:
    from .model import ApiModel

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


async def shake_hands(model: "ApiModel") -> Handshake:
    """Ask. Raises ModelError if the endpoint does not answer, refuses the key, or has no such model."""
    from .errors import EndpointError, StatusError
    from .response import NoEcho

    models, window = await listed(model)
    raw, no_echo = True, ""
    try:
        await model.likelihood(KNOWN)
    except NoEcho as error:
        no_echo = str(error)
    except StatusError as error:
        status, known = error.status, {model.name.model, f"{model.name.model}:latest"}  # Ollama adds the tag itself
        if status in (401, 403) or (status in NO_SUCH_PATH and models and not known & set(models)):
            model.failure_of(error)
        no_echo = f"/completions says {status}"
        raw = status not in NO_SUCH_PATH and await _continues(model)
    except EndpointError as error:
        raise ModelError(model.failure_of(error).reason) from error
    return Handshake(models, window, raw, no_echo)


async def _continues(model: "ApiModel") -> bool:
    """Whether /completions continues plain text."""
    from .errors import EndpointError
    from .response import piece

    try:
        body = {"model": model.name.model, "prompt": KNOWN[0], "max_tokens": 1, "temperature": 0}
        return piece(await model.post("/completions", body)) is not None
    except EndpointError:
        return False


async def listed(model: "ApiModel") -> tuple[tuple[str, ...] | None, int | None]:
    """(the models that the server lists, the context window that it states for this one)."""
    entries = (await _get(model, "/models")).get("data")
    if not isinstance(entries, list):
        return None, await _stated(model)
    known = {str(entry.get("id")): entry for entry in entries if isinstance(entry, Mapping)}
    entry = known.get(model.name.model, {})
    stated = [entry[name] for name in WINDOWS if isinstance(entry.get(name), int) and entry[name] > 0]
    return tuple(known), stated[0] if stated else await _stated(model)


async def _stated(model: "ApiModel") -> int | None:
    """The window as servers on one's own machines state it, in ways of their own."""
    from .ollama import window

    if not model.endpoint.own:
        return None
    return await window(model) or await _props(model)


async def _props(model: "ApiModel") -> int | None:
    """The window as llama.cpp's server states it, at /props of its root."""
    address = urlsplit(model.endpoint.base_url)
    found = (await _get(model, f"{address.scheme}://{address.netloc}/props")).get("default_generation_settings")
    window = found.get("n_ctx") if isinstance(found, Mapping) else None
    return window if isinstance(window, int) and window > 0 else None


async def _get(model: "ApiModel", path: str) -> Mapping[str, Any]:
    """The JSON object at `path`; empty where there is none."""
    from .errors import BadAnswer, EndpointError, StatusError

    try:
        found = await model.connection.get(path)
    except (StatusError, BadAnswer) as error:
        if getattr(error, "status", 0) in (401, 403):
            model.failure_of(error)
        return {}
    except EndpointError as error:
        model.failure_of(error)
        return {}
    return found if isinstance(found, Mapping) else {}
