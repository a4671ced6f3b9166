"""The pages belong to one person: whoever has the secret of the first address, afterwards as a cookie.

Loopback is open to every account of a machine, so that listening there alone keeps nobody out.
"""

import hashlib
import hmac
import secrets
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

PARAMETER = "token"
LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>llms</title>
<body style="font: 16px/1.5 system-ui; max-width: 34em; margin: 4em auto; padding: 0 1em">
<h1>This page belongs to whoever started it</h1>
<p>Open the address that <code>llms web</code> printed in its terminal, or paste the token of that address:</p>
<form action="/"><label>Token <input name="token" type="password" autofocus required></label> <button>Open</button></form>
"""


class Secret:
    """32 random bytes, or a `value` of the user's own; `admits` whoever shows it."""

    def __init__(self, value: str | None = None):
        self._value = value or secrets.token_urlsafe(32)
        self._cookie = (
            "llms-" + hashlib.sha256(self._value.encode()).hexdigest()[:8]
        )  # one a server: ports share cookies

    def address(self, base: str) -> str:
        """The first address to open: it carries the secret."""
        return f"{base}/?{urlencode({PARAMETER: self._value})}"

    def admits(self, request: Request) -> bool:
        """Whether the request has the cookie, or the secret as a bearer token, as scripts send it."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._is(request.cookies.get(self._cookie, "")) or self._is(bearer)

    def enter(self, request: Request) -> Response | None:
        """The cookie, and the same address without the secret, for a request whose address carries it; else None."""
        if request.method not in ("GET", "HEAD") or not self._is(request.query_params.get(PARAMETER, "")):
            return None
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != PARAMETER]
        response = RedirectResponse("/" + request.url.path.lstrip("/") + (f"?{urlencode(rest)}" if rest else ""), 303)
        response.set_cookie(self._cookie, self._value, httponly=True, samesite="lax")
        return response

    def refuse(self, request: Request) -> Response:
        """401, in words for a person or for a program."""
        if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(LOCKED, 401)
        return JSONResponse({"error": "open the address that llms web printed; this request has no token"}, 401)

    def _is(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._value.encode())
