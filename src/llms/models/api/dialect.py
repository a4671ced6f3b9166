"""The part of OpenAI's protocol that one server takes: learnt from its refusals, remembered for its model, and said."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ...values import JsonObject
from .errors import StatusError

LIMITS = ("max_tokens", "max_completion_tokens")  # the two names of the limit of new tokens
# what a server may refuse without harm: it is left out from then on, and said
OPTIONAL = (
    "temperature", "top_p", "top_k", "seed", "stop", "stream_options", "parallel_tool_calls", "presence_penalty",
    "frequency_penalty", "logit_bias", "reasoning_effort",
)  # fmt: skip
NOT_TAKEN = re.compile(
    r"support|unknown|unrecogni[sz]ed|unexpected|extra|not (permitted|allowed)|forbidden", re.IGNORECASE
)
WRONG_VALUE = re.compile(r"too (large|high|big|many)|at most|less than|must be|exceed|greater", re.IGNORECASE)
R = TypeVar("R")


@dataclass
class Dialect:
    """`limit` is the server's name for the limit of new tokens of chat; `refused` are parameters that it does not take."""

    limit: str
    refused: frozenset[str] = field(default_factory=frozenset)

    def spoken(self, body: JsonObject) -> JsonObject:
        """`body` in the server's words."""
        taken = {name: value for name, value in body.items() if name not in self.refused}
        if "messages" in taken:
            return {self.limit if name in LIMITS else name: value for name, value in taken.items()}
        return taken

    def learn(self, limit: str, refused: Iterable[str]) -> None:
        """Take over what was found out earlier; words that are no longer known are left alone."""
        self.limit = limit if limit in LIMITS else self.limit
        self.refused |= set(refused) & set(OPTIONAL)

    def after(self, error: StatusError, request_body: JsonObject) -> "Dialect | None":
        """The dialect to try after a refusal of `request_body`; None if the refusal is about something else."""
        if error.status not in (400, 422):
            return None
        other = LIMITS[self.limit == LIMITS[0]]
        if "messages" in request_body and self.limit in request_body and _names(error, self.limit):
            advised = _names(error, other)
            if advised or (NOT_TAKEN.search(error.text) and not WRONG_VALUE.search(error.detail)):
                return Dialect(other, self.refused)
        if not NOT_TAKEN.search(error.text):
            return None
        named = next((name for name in OPTIONAL if name in request_body and _names(error, name)), None)
        return None if named is None else Dialect(self.limit, self.refused | {named})

    async def carried(self, body: JsonObject, send: Callable[[JsonObject], Awaitable[R]]) -> R:
        """The result of `send` for `body`; again in other words where the server refuses a word that may be changed. What
        was learnt is kept once the server agrees. Raises what `send` raises."""
        tried, first, limits = Dialect(self.limit, self.refused), None, {self.limit}
        while True:
            request_body = tried.spoken(body)
            try:
                answer = await send(request_body)
            except StatusError as error:
                first = first or error
                changed = tried.after(error, request_body)
                if changed is None:
                    raise
                if changed.limit != tried.limit and changed.limit in limits:
                    raise first from None  # it takes neither name: the value is wrong
                limits.add(changed.limit)
                tried = changed
                continue
            self.limit, self.refused = tried.limit, self.refused | tried.refused
            return answer


_KNOWN: dict[tuple[str, str], Dialect] = {}


def dialect(base_url: str, model: str, limit: str) -> Dialect:
    """The one of a server's model, for the whole process; `limit` is where it begins."""
    return _KNOWN.setdefault((base_url, model), Dialect(limit))


def forget() -> None:
    """Know nothing of any server."""
    _KNOWN.clear()


def _names(error: StatusError, name: str) -> bool:
    return re.search(rf"(?<!\w){name}(?!\w)", error.text) is not None
