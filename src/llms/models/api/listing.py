"""The models that an endpoint lists, and what it says of each: asked when somebody wants to choose one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ...bridge import run
from ...errors import ModelError
from ...values import Json
from ..spending import SpendingLedger
from .connection import EndpointConnection
from .endpoints import Endpoint
from .errors import EndpointError, failure
from .handshake import WINDOWS
from .retry_policy import RetryPolicy
from .transport import Transport

OWN = RetryPolicy(connect_seconds=0.5, first_token_seconds=2, tries=1, rate_tries=1)
HOSTED = RetryPolicy(connect_seconds=5, first_token_seconds=15, tries=1, rate_tries=1)
NO_CHAT = (
    "embed",
    "whisper",
    "tts",
    "dall-e",
    "moderation",
    "transcribe",
    "rerank",
)  # in names of models that do not answer
MOST = 2000


@dataclass(frozen=True, slots=True)
class ListedModel:
    """`window` in tokens; None is not stated. `sees` pictures, `hears` sound."""

    id: str
    window: int | None = None
    sees: bool | None = None
    hears: bool | None = None


def listed_models(endpoint: Endpoint) -> list[ListedModel]:
    """Those that may answer in a chat, by name. Raises MissingKey, or ModelError if the endpoint does not answer."""
    answer = run(_ask(endpoint))
    entries = answer.get("data") if isinstance(answer, Mapping) else answer
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise ModelError(f"{endpoint.name} lists no models; type the name of one")
    models = [_model(entry) for entry in entries[:MOST] if isinstance(entry, Mapping) and entry.get("id")]
    return sorted(filter(_chats, models), key=lambda model: model.id)


async def _ask(endpoint: Endpoint) -> Json:
    ledger = SpendingLedger()
    transport = Transport(OWN if endpoint.own else HOSTED, lambda usage: Decimal(0), lambda: ledger)
    try:
        return await EndpointConnection(endpoint, transport).get("/models")
    except EndpointError as error:
        raise ModelError(failure(error, endpoint, "list of models").reason) from error
    finally:
        await transport.aclose()


def _model(entry: Mapping[str, Json]) -> ListedModel:
    """An entry of the list; OpenRouter states what goes in, vLLM and others the window."""
    windows = [size for name in WINDOWS if isinstance(size := entry.get(name), int) and size > 0]
    architecture = entry.get("architecture")
    stated = architecture.get("input_modalities") if isinstance(architecture, Mapping) else None
    takes = list(stated) if isinstance(stated, Sequence) else None
    return ListedModel(
        str(entry["id"]).removeprefix("models/"),  # Gemini's
        windows[0] if windows else None,
        None if takes is None else "image" in takes,
        None if takes is None else "audio" in takes,
    )


def _chats(model: ListedModel) -> bool:
    return not any(word in model.id.lower() for word in NO_CHAT)
