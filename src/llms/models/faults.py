"""What went wrong with a request: a Failure of that one item, or an error that ends the run."""

import json
import re

import httpx2
import openai

from .. import settings
from ..errors import ModelError
from ..values import Failure
from .endpoints import Endpoint

MOST_CHARACTERS = 300


def failure(error: Exception, endpoint: Endpoint, model: str) -> Failure:
    """Why one request got no answer, of an error of the client or a ValueError of a reader. Raises ModelError where all
    requests would fail alike."""
    if isinstance(error, openai.APITimeoutError):
        return Failure("timeout", f"{endpoint.name}: {_cause(error, endpoint)}")
    if isinstance(error, openai.APIStatusError):
        status, said = error.status_code, _said(error, endpoint)
        if status in (401, 403):
            key = endpoint.key
            what = f"refuses the key {settings.shown(key)}" if key else f"wants a key; set {' or '.join(endpoint.keys)}"
            raise ModelError(f"{endpoint.name} {what} ({status}: {said})") from error
        if status == 404:
            raise ModelError(f"{endpoint.name} has no {model} ({status}: {said})") from error
        if error.code == "insufficient_quota":
            raise ModelError(f"{endpoint.name}: the account is used up ({status}: {said})") from error
        if status == 400 and re.search(r"context|too (long|large|many tokens)|maximum.*tokens", said, re.IGNORECASE):
            return Failure("infra", f"the prompt does not fit the context window ({status}: {said})")
        return Failure("infra", f"{endpoint.name}: {status}: {said}")
    if isinstance(error, openai.APIConnectionError):
        return Failure("infra", f"{endpoint.name}: {_cause(error, endpoint)}")
    if isinstance(error, openai.APIError):  # an error in the middle of a stream
        return Failure("infra", f"{endpoint.name}: {_clean(error.message, endpoint)}")
    what = "the answer is not JSON: " if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else ""
    return Failure("infra", f"{endpoint.name}: {what}{_clean(str(error), endpoint)}")


def refused(error: Exception) -> bool:
    """Whether the provider's filter stopped the request: an answer of a kind, and no fault."""
    if not isinstance(error, openai.APIStatusError):
        return False
    body = error.body if isinstance(error.body, dict) else {}
    details = body.get("metadata")
    flagged = error.status_code == 403 and isinstance(details, dict) and "reasons" in details
    return flagged or error.code in ("content_filter", "content_policy_violation")


def unreachable(error: Exception) -> bool:
    """Whether there was no connection, or it was lost; not where the server was only slow."""
    slow = isinstance(error, openai.APITimeoutError) and not isinstance(error.__cause__, httpx2.ConnectTimeout)
    return isinstance(error, openai.APIConnectionError) and not slow


def _cause(error: Exception, endpoint: Endpoint) -> str:
    """What happened on the wire; the client itself says "Connection error."."""
    cause = error.__cause__ or error
    return _clean(str(cause) or type(cause).__name__, endpoint)


def _said(error: openai.APIStatusError, endpoint: Endpoint) -> str:
    return _clean(re.sub(r"^Error code: \d+( - )?", "", error.message) or error.response.reason_phrase, endpoint)


def _clean(text: str, endpoint: Endpoint) -> str:
    """One line, not too long, no key in it, nothing that a terminal would obey."""
    line = " ".join("".join(c if c.isprintable() else " " for c in endpoint.hide(text)).split())
    return line if len(line) <= MOST_CHARACTERS else line[:MOST_CHARACTERS] + "…"
