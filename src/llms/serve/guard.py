"""Before anything of a request is read: is the caller known, was this server meant, and is there room for the body."""

import asyncio
import hmac
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..listening.bodies import BodyBudget
from .refusal import RequestRefused, stopped
from .served import ServerLimits


def loopback(host: str) -> bool:
    """Whether `host` can only be reached from this machine."""
    if host.lower() == "localhost":  # names of hosts know no case
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class AccessGuard:
    """Lets through what has the `key`; without a key, only what was sent to a loopback name, so that no web page can
    reach the server under a name of its own. Bodies are bounded each and together."""

    def __init__(self, app: ASGIApp, limits: ServerLimits, key: str | None):
        self._app, self._key = app, key
        self._bodies = BodyBudget(limits.body, limits.bodies, lambda size: _too_large(size, limits.body), _full)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_caller(scope["path"], headers)
            self._bodies.check(headers)
        except RequestRefused as refused:
            await refused.response(scope, receive, send)
            return
        with self._bodies.counted(receive) as counted:
            try:
                await self._app(scope, counted, send)
            except asyncio.CancelledError:  # the server is stopped; answers that have begun end by themselves
                await stopped().response(scope, receive, send)

    def _check_caller(self, path: str, headers: Headers) -> None:
        if self._key is None:
            host = headers.get("host", "")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if not loopback(name):
                raise RequestRefused(f"this server answers to 127.0.0.1 and localhost, not to {name}", status=403)
            return
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if path != "/health" and not hmac.compare_digest(key.encode(), self._key.encode()):
            reason = f"Incorrect API key provided: {key[:3]}…" if key else "You did not provide an API key"
            raise RequestRefused(
                f"{reason}; send the server's key as Authorization: Bearer KEY", code="invalid_api_key", status=401
            )


def _too_large(size: str, most: int) -> RequestRefused:
    return RequestRefused(f"the body has {size} bytes; at most {most} are read", status=413)


def _full() -> RequestRefused:
    message = "the bodies of other requests fill the memory that is set aside for them; try again"
    return RequestRefused(message, code="rate_limit_exceeded", status=429, headers={"retry-after": "2"})
