"""Who answers a conversation and how: from a model's name, tools and a policy to a turn of chat."""

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from ..chat.consent import Decision
from ..chat.conversation import Node
from ..chat.fit import Policy
from ..chat.setup import Limits, Past, Setup
from ..chat.turn import Turn
from ..chat.window import Calibration, Count, Payload, Window, estimate, reserve_for
from ..errors import ModelError
from ..models.system import Model
from ..store import chat_runs
from ..store.conversations import Conversations
from ..tools.catalogue import toolset
from ..values import Message, Usage
from .system import load

LOCAL_LIMITS = Limits(seconds=900.0, first_token_seconds=300.0)
POLICIES = ("truncate", "summarise", "strict")


class Models:
    """Models by name, each loaded once and kept until `close`."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Model:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load(name)
            return self._loaded[name]

    def close(self) -> None:
        with self._lock:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()


def counter(model: Model) -> Count:
    """Tokens of a whole payload: exact for a model whose template and tokenizer are here, else estimated."""
    if not model.name.local:
        return estimate
    chat = model.chat_model()

    def count(payload: Payload) -> int:
        request = chat.as_request(
            list(payload.messages), ModelSettings(), ModelRequestParameters(function_tools=list(payload.tools))
        )
        assert not isinstance(request.prompt, str)
        return model.count_tokens(model.render(request.prompt, request.tools))

    return count


def window_of(model: Model, store: Conversations, max_tokens: int | None = None) -> tuple[Window, Calibration]:
    """What the model takes, as known from itself and from what earlier calls found out."""
    found, calibration = chat_runs.window_of(store, model.name.text)
    tokens = min(found, model.context_window) if found else model.context_window
    grade = "exact" if model.name.local else "calibrated" if calibration.samples >= 3 else "estimated"
    system, alternate = _manners(model) if model.name.local else (True, False)
    return Window(tokens, reserve_for(tokens, max_tokens), grade, system, alternate), calibration


def _manners(model: Model) -> tuple[bool, bool]:
    """(takes a system message, wants roles to alternate), found out by trying the chat template."""

    def takes(*roles: str) -> bool:
        try:
            model.render([Message(role, role) for role in roles])  # type: ignore[arg-type]
        except ModelError:
            return False
        return True

    return takes("system", "user"), not takes("user", "user")


def price_of(model: Model) -> Callable[[RequestUsage], Decimal | None]:
    """What a request took in US dollars: 0 for a model that is here, None where the price is unknown."""
    return lambda used: model.price(Usage(used.input_tokens, used.output_tokens, used.cache_read_tokens, reported=True))


def begin(
    store: Conversations,
    models: Models,
    conversation: str,
    *,
    model: str,
    tools: Sequence[Any] = (),
    policy: str = "truncate",
    settings: Mapping[str, Any] | None = None,
    approve: str = "ask",
    continues: Node | None = None,
    run: str | None = None,
    decisions: Mapping[str, Decision] | None = None,
    confirmed: bool = False,
) -> tuple[str, Turn]:
    """The run's id and a turn that answers the last message of the conversation's active path; not started yet.

    `run` and `decisions` take up a run that waited for a person. Raises UnknownName, UsageError or ModelError.
    """
    opened = models.get(model)
    if not opened.capabilities.chat:
        raise ModelError(f"{model} has no chat template; it can only continue raw text")
    tree = store.open(conversation)
    path = tree.path()
    consent = chat_runs.consent(store, conversation, approve)  # type: ignore[arg-type]
    chosen = dict(settings or {})
    window, calibration = window_of(opened, store, chosen.get("max_tokens"))
    setup = Setup(
        opened.chat_model(),
        model,
        window,
        counter(opened),
        endpoint=getattr(getattr(opened, "endpoint", None), "base_url", ""),
        policy=Policy(policy),  # type: ignore[arg-type]
        toolset=toolset(tools, allowed=consent) if tools else None,
        consent=consent,
        limits=LOCAL_LIMITS if opened.name.local else Limits(),
        settings=ModelSettings(**{"max_tokens": window.reserve, **chosen}),  # type: ignore[typeddict-item]
        cost=price_of(opened),
        calibration=calibration,
        together=1 if opened.name.local else 4,
        confirmed=confirmed,
    )
    summaries = chat_runs.summaries(store, conversation)
    past = Past(
        chat_runs.last_cut(store, path), summaries[-1] if summaries else None, chat_runs.edits(store, conversation)
    )
    if run is None:
        kind = "continue" if continues else "chat"
        journal = chat_runs.begin(store, conversation, path[-1].id, kind)
    else:
        journal = chat_runs.resume(store, run)
    return journal.run, Turn(path, setup, journal, conversation, past, decisions, continues)
