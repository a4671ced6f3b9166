"""Models that stay loaded while the pages are served, and threads in which requests wait for them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from pydantic_ai.models import Model as PydanticModel

from ...errors import LlmsError
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
        for name, loading in list(self._loading.items()):
            with loading:
                if model := self._loaded.pop(name, None):
                    model.close()


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
    """The models that requests may name. `default` is the one of new chats, `reach` says what may be named."""

    def __init__(self, default: str, reach: Reach):
        self.default, self.reach = default, reach
        self._models = Models()
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "llms-models")  # what waits for a model holds up no page

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
        """The result of a function that may load or ask a model, called in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(function, *arguments, **keywords)
        )

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
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._models.close()
