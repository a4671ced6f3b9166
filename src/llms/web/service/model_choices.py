"""Models to choose from, by where they run. Only servers on this machine are asked unasked; a hosted one when it is named."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args
from urllib.parse import urlsplit

from ... import settings
from ...errors import LlmsError, UnknownName, UsageError
from ...models.api.endpoints import NAMED, Endpoint, endpoint
from ...models.api.listing import listed_models
from ...models.name import parse
from ...models.prices import Price
from ...store.conversations import Conversations
from ...values import Usage
from ...workbench.models import ModelListing, listing
from .model_pool import ModelPool

MILLION = 1_000_000
MOST_USED = 30
HERE = "On this machine"
State = Literal["here", "ready", "failed", "not running", "needs a key"]
STATES: tuple[State, ...] = get_args(State)  # in this order


@dataclass(frozen=True, slots=True)
class ModelChoiceResponse:
    """`bytes` on the disk, `window` in tokens, prices in US dollars per million tokens; None is unknown. `sees` pictures,
    `hears` sound."""

    name: str
    label: str
    bytes: int | None = None
    window: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    sees: bool | None = None
    hears: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelGroupResponse:
    """`name` is what `POST /api/models/list` takes, and what a model's name begins with; `note` says what to do. `asked`:
    these are all models that it lists."""

    name: str
    title: str
    state: State
    note: str
    asked: bool
    models: list[ModelChoiceResponse]


@dataclass(frozen=True, slots=True)
class ModelsResponse:
    """`default` answers in new chats."""

    default: str
    groups: list[ModelGroupResponse]


class ModelChoices:
    """Remembers the lists of hosted endpoints until they are asked again."""

    def __init__(self, store: Conversations, models: ModelPool):
        self._store, self._models = store, models
        self._listed: dict[str, ModelGroupResponse] = {}

    async def at_hand(self) -> ModelsResponse:
        rows, addresses = await asyncio.gather(asyncio.to_thread(listing), asyncio.to_thread(self._addresses))
        endpoints = [*(endpoint("url", address) for address in addresses), *(endpoint(name, "") for name in NAMED)]
        groups = sorted(
            await asyncio.gather(*(self._group(one, rows) for one in endpoints)),
            key=lambda one: STATES.index(one.state),
        )
        here = [
            ModelChoiceResponse(row.name, row.name, row.bytes or None, price_in=0, price_out=0, sees=row.sees or None)
            for row in _runnable(rows)
        ]
        return ModelsResponse(self._models.default, [ModelGroupResponse("", HERE, "here", "", True, here), *groups])

    async def ask(self, name: str) -> ModelGroupResponse:
        """The models that the endpoint of that name lists. Raises UnknownName."""
        url = name.startswith(("http://", "https://"))
        if not url and name.removesuffix(":") not in NAMED:
            raise UnknownName("endpoint", name, [f"{known}:" for known in NAMED])
        if url:
            self._models.reach.check_model(f"{name}#any")
        return await self._asked(endpoint("url", name) if url else endpoint(name.removesuffix(":"), ""))

    async def make_default(self, name: str) -> None:
        """Raises UsageError for a name that a request may not choose."""
        await asyncio.to_thread(self._models.make_default, name)

    def _addresses(self) -> list[str]:
        """Of endpoints that are named by their URL, those used last first."""
        order = "GROUP BY model ORDER BY MAX(updated) DESC LIMIT ?"
        names = [self._models.default, *self._store.texts(f"SELECT model FROM conversations {order}", MOST_USED)]
        return list(dict.fromkeys(filter(None, map(_address, names))))

    async def _group(self, end: Endpoint, rows: Iterable[ModelListing]) -> ModelGroupResponse:
        name, listed = _name(end), self._listed.get(_name(end))
        if end.name == "ollama" and _loopback(end):
            served = [row for row in rows if row.name.startswith(name) and row.name != name]
            models = [replace(_response(end, row.name.removeprefix(name)), bytes=row.bytes or None) for row in served]
            running = any(row.name == name and row.state == "running" for row in rows)
            return _shown(end, models) if running else _not_running(end)
        if listed is not None:
            return listed
        if end.page and not settings.key(end.keys):
            note = f"Set {' or '.join(end.keys)} in the environment or in .env; get a key at {end.page}"
            return ModelGroupResponse(name, _title(end), "needs a key", note, False, [])
        if _loopback(end):
            return await self._asked(end)
        return ModelGroupResponse(name, _title(end), "ready", "", False, [])

    async def _asked(self, end: Endpoint) -> ModelGroupResponse:
        try:
            group = await self._models.wait_for(_listed, end)
        except LlmsError as error:
            if _loopback(end):
                return replace(_not_running(end), note=str(error))
            return ModelGroupResponse(_name(end), _title(end), "failed", str(error), False, [])
        if not _loopback(end):
            self._listed[group.name] = group
        return group


def _address(name: str) -> str:
    """Of the endpoint that a model's name names by its URL; empty where it does not. An import may have any name."""
    try:
        return parse(name).address
    except UsageError:
        return ""


def _runnable(rows: Iterable[ModelListing]) -> Iterable[ModelListing]:
    return (row for row in rows if row.kind == "local" and row.state in ("ready", "packed", "cached"))


def _response(
    end: Endpoint, id: str, window: int | None = None, sees: bool | None = None, hears: bool | None = None
) -> ModelChoiceResponse:
    price = Price(end, id)
    costs = [price.of(Usage(MILLION, 0)), price.of(Usage(0, MILLION))]
    price_in, price_out = (None if cost is None else float(cost) for cost in costs)
    separator = "#" if _name(end) == end.base_url else ""
    return ModelChoiceResponse(
        f"{_name(end)}{separator}{id}", id, None, window or price.window, price_in, price_out, sees, hears
    )


def _listed(end: Endpoint) -> ModelGroupResponse:
    """Raises MissingKey or ModelError."""
    return _shown(end, [_response(end, one.id, one.window, one.sees, one.hears) for one in listed_models(end)])


def _shown(end: Endpoint, models: list[ModelChoiceResponse]) -> ModelGroupResponse:
    return ModelGroupResponse(_name(end), _title(end), "ready", "", True, models)


def _not_running(end: Endpoint) -> ModelGroupResponse:
    return ModelGroupResponse(_name(end), _title(end), "not running", f"nothing answers at {end.base_url}", True, [])


def _name(end: Endpoint) -> str:
    return end.base_url if end.name not in NAMED else f"{end.name}:"


def _title(end: Endpoint) -> str:
    return (urlsplit(end.base_url).netloc or end.base_url) if end.name not in NAMED else end.name


def _loopback(end: Endpoint) -> bool:
    return (urlsplit(end.base_url).hostname or "") in settings.LOOPBACK
