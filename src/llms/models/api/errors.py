"""Why a request failed: a Failure of that one item, or an error that ends the run."""

import json
import re
from collections.abc import Mapping

from ... import settings
from ...errors import ModelError
from ...values import Failure, Json
from .endpoints import Endpoint

MOST_CHARACTERS = 300
USED_UP = ("insufficient_quota", "insufficient_balance", "billing_hard_limit_reached", "credits_exhausted")
WEB_PAGE = "answered with a web page, not JSON; is the base URL right?"

_OVERFLOW = re.compile(r"context|too (long|large|many tokens)|maximum.*tokens", re.IGNORECASE)


class EndpointError(ModelError):
    """One request got no answer. Its text is one line in which keys are hidden."""


class StatusError(EndpointError):
    """The server refused, or could not: `status` is HTTP's, or what the body says in its place; `text` is the whole body,
    keys hidden."""

    def __init__(self, status: int, detail: str, text: str = "", code: str = "", flagged: bool = False):
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.text, self.code, self.flagged = status, detail, text, code, flagged


class Unreachable(EndpointError):
    """There was no connection (`absent`), or it was lost; `slow`: the server took too long."""

    def __init__(self, detail: str, slow: bool = False, absent: bool = False):
        super().__init__(detail)
        self.slow, self.absent = slow, absent


class BadAnswer(EndpointError):
    """An answer that cannot be read, or says itself that it broke off."""


class EndpointUnusable(EndpointError):
    """Every further request would fail alike: no account, key or model."""


def failure(error: EndpointError, endpoint: Endpoint, model: str) -> Failure:
    """Why one request got no answer. Raises ModelError where all requests would fail alike."""
    if isinstance(error, Unreachable):
        return Failure("timeout" if error.slow else "infra", f"{endpoint.name}: {error}")
    if not isinstance(error, StatusError):
        return Failure("infra", f"{endpoint.name}: {error}")
    status = error.status
    if status in (401, 403):
        key = endpoint.key
        what = f"refuses the key {settings.shown(key)}" if key else f"wants a key; set {' or '.join(endpoint.keys)}"
        raise ModelError(f"{endpoint.name} {what} ({error})") from error
    if status == 404:
        raise ModelError(f"{endpoint.name} has no {model} ({error})") from error
    if status == 402 or error.code in USED_UP:
        raise ModelError(f"{endpoint.name}: the account is used up ({error})") from error
    if status == 400 and _OVERFLOW.search(error.detail):
        return Failure("infra", f"the prompt does not fit the context window ({error})")
    return Failure("infra", f"{endpoint.name}: {error}")


def explained(error: EndpointError, endpoint: Endpoint, model: str, answered: bool) -> str:
    """For a person whose message got no answer: what failed, in the server's words, and what to do. `answered`: the
    server has sent something before."""
    name, again = endpoint.name, "Try again, or choose another model"
    if isinstance(error, Unreachable):
        if error.slow:
            return f"{name} sent nothing for too long ({error}). It may be loading the model, or busy: try again"
        if error.absent or not answered:
            return f"{endpoint.base_url} does not answer ({error}). Is it running, and is the address right?"
        return f"the connection to {name} was lost ({error}). Try again"
    if not isinstance(error, StatusError):
        return f"the answer of {name} cannot be read: {error}. {again}"
    words = f"{name} answered {error.status}: {error.detail}"
    if error.status in (401, 403):
        key, known = endpoint.key, " or ".join(endpoint.keys)
        what = f"refuses the key {settings.shown(key)}" if key else "wants a key"
        advice = f"Check {known}" if key else f"Set {known}"
        return f"{name} {what} ({error.status}: {error.detail}). {advice} in the environment or in ./.env"
    if error.status == 402 or error.code in USED_UP:
        return f"{words}. The account is used up: add credit there, or choose another model"
    if error.status == 404:
        return f"{name} has no {model} ({error.detail}). Choose another model"
    if error.status == 429:
        return f"{words}. Too much was asked of it: wait a little and try again"
    if error.status >= 500:
        return f"{words}. The fault is the server's. {again}"
    if _OVERFLOW.search(error.detail):
        return f"{words}. Shorten the message, or begin a new chat"
    return f"{words}. It does not take the request as it is: change what it names, or choose another model"


def refused(error: EndpointError) -> bool:
    """Whether the provider's filter stopped the request: an answer of a kind, and no fault."""
    return isinstance(error, StatusError) and (
        (error.status == 403 and error.flagged) or error.code in ("content_filter", "content_policy_violation")
    )


def unreachable(error: EndpointError) -> bool:
    """Whether there was no connection, or it was lost; not where the server was only slow."""
    return isinstance(error, Unreachable) and not error.slow


def status_error(status: int, content: bytes, endpoint: Endpoint, reason: str = "") -> StatusError:
    """The error that an answer with an error status is, whatever the shape of its body."""
    text = content.decode("utf-8", "replace")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        page = is_page(text)
        title = re.search(r"<title[^>]*>(.*?)</title", text, re.IGNORECASE | re.DOTALL) if page else None
        detail = f"a web page{f': {title[1]}' if title else ''}; is the base URL right?" if page else text
        return StatusError(status, one_line(detail or reason or "no reason given", endpoint), endpoint.scrub(text))
    return stated_error(body, endpoint, status, reason)


def stated_error(body: Json, endpoint: Endpoint, status: int = 200, reason: str = "") -> StatusError:
    """The error that JSON tells of. Answers and streams with status 200 may hold one, with a status of their own."""
    inner = body[0] if isinstance(body, list) and len(body) == 1 else body
    fields = inner.get("error") if isinstance(inner, Mapping) and inner.get("error") else inner
    code, flagged = "", False
    if isinstance(fields, Mapping):
        stated = [str(fields[name]) for name in ("code", "type", "status") if isinstance(fields.get(name), str | int)]
        code = next((word for word in stated if word in (*USED_UP, "content_filter", "content_policy_violation")), "")
        code = code or next(iter(stated), "")
        flagged = isinstance(metadata := fields.get("metadata"), Mapping) and "reasons" in metadata
        if status < 400:
            status = next((int(word) for word in stated if word.isdigit() and 400 <= int(word) < 600), status)
    detail = one_line(message(fields) or reason or "no reason given", endpoint)
    return StatusError(status, detail, endpoint.scrub(json.dumps(body, ensure_ascii=False)), code, flagged)


def message(error: Json) -> str:
    """The words of an error, out of every shape that servers give it."""
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return "; ".join(filter(None, map(message, error)))
    if not isinstance(error, Mapping):
        return "" if error is None else str(error)
    for name in ("message", "error", "detail", "msg", "errors", "error_description", "title", "reason"):
        if words := message(error.get(name)):
            location = error.get("loc")
            where = ".".join(str(step) for step in location if step != "body") if isinstance(location, list) else ""
            return f"{where}: {words}" if where else words
    return json.dumps(error, ensure_ascii=False) if error else ""


def is_page(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] == "<"


def one_line(text: str, endpoint: Endpoint) -> str:
    """One line, not too long, no key in it, nothing that a terminal would obey."""
    line = " ".join("".join(c if c.isprintable() else " " for c in endpoint.scrub(text)).split())
    return line if len(line) <= MOST_CHARACTERS else line[:MOST_CHARACTERS] + "…"
