"""Models that stay loaded while the pages are served, and threads in which requests wait for them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from pydantic_ai.models import Model as PydanticModel

from ... import bridge
from ...errors import LlmsError
from ...models.default import choose, for_chats
from ...models.local.model import LocalModel
from ...models.name import ENDPOINTS, Name, parse
from ...models.system import Capabilities, Model
from ...values import Identity
from ...workbench.models import listing
from ...workbench.system import load
from .reach import Reach

MOST_AT_ONCE = 16  # threads that wait for models
P = ParamSpec("P")
T = TypeVar("T")


class Models:
    """Models by name, each loaded once and kept until `close`. Safe over threads."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._loading: dict[str, threading.Lock] = {}  # one of each name: a slow one holds up no other

    def get(self, name: str) -> Model:
        with self._loading.setdefault(name, threading.Lock()):
            if name not in self._loaded:
                self._loaded[name] = load(name)
            return self._loaded[name]

    def close(self) -> None:
        """Let go of every model, but of one that is being loaded: that may take minutes, and ends with the program."""
        for name, loading in list(self._loading.items()):
            if not loading.acquire(blocking=False):
                continue
            try:
                if model := self._loaded.pop(name, None):
                    model.close()
            finally:
                loading.release()


class UnavailableModel(Model):
    """Stands in for a model that cannot be opened: what is said to it is stored, and its answer fails with the reason."""

    def __init__(self, name: str, error: LlmsError):
        self.name, self._error = Name(name, "url", name), error

    @property
    def identity(self) -> Identity:
        raise self._error

    @property
    def capabilities(self) -> Capabilities:
        raise self._error

    @property
    def ready(self) -> bool:
        return False

    def chat_model(self) -> PydanticModel:
        raise self._error


class ModelPool:
    """The models that requests may name. `started` answers new chats, else the default model; `reach` says what may be
    named."""

    def __init__(self, started: str | None, reach: Reach):
        self._started, self.reach = started, reach
        self._models = Models()
        self._slots: asyncio.Semaphore | None = None
        self._waiting: set[Callable[[], object]] = set()  # each lets one go
        self._ending = False

    @property
    def default(self) -> str:
        """The model of new chats, as it is set now."""
        return self._started or for_chats()

    def make_default(self, name: str) -> None:
        """Let a model that a request names answer in new chats, here and elsewhere, from now on. Raises UsageError."""
        choose(self.reach.check_model(name))
        self._started = None

    def get(self, name: str) -> Model:
        """The model that a request names, loaded once. Raises UsageError for what may not be named over HTTP."""
        return self._models.get(self.reach.check_model(name))

    def get_anyway(self, name: str) -> Model:
        """As `get`; instead of an error one that raises it when it is to answer."""
        try:
            return self.get(name)
        except LlmsError as error:
            with contextlib.suppress(LlmsError):
                parse(name)
                return UnavailableModel(name, error)
            return UnavailableModel("", error)  # what cannot be read as a name might hold a key, and is not stored

    async def wait_for(self, function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """The result of a function that may load or ask a model, called in a thread of its own: what waits for a model
        holds up no page, nor the end of the program. Raises LlmsError when that comes first."""
        self._slots = self._slots or asyncio.Semaphore(MOST_AT_ONCE)
        async with self._slots:
            asking = asyncio.ensure_future(bridge.in_daemon(partial(function, *arguments, **keywords)))
            self._waiting.add(asking.cancel)
            try:
                return await asking
            except asyncio.CancelledError:
                if self._ending:
                    raise LlmsError("the program was ended before the model had answered") from None
                raise
            finally:
                self._waiting.discard(asking.cancel)

    def quiet(self) -> None:
        """Let go of all who wait: the server is about to end."""
        self._ending = True
        for let_go in list(self._waiting):
            let_go()

    async def names(self) -> list[str]:
        """Models at hand, and the prefixes of endpoints."""
        at_hand = await asyncio.to_thread(listing)
        return [one.name for one in at_hand if one.name] + [f"{name}:" for name in ENDPOINTS]

    def warm_up(self) -> None:
        """Load the model of new chats, so that the first answer need not wait for it. An error is reported when it is asked."""
        with contextlib.suppress(LlmsError):
            model = self._models.get(self.default)
            if isinstance(model, LocalModel):
                model.engine_loop.call(lambda: None)
            elif model.name.local:
                model.prepare()

    def close(self) -> None:
        self._models.close()
