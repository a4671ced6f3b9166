"""The application: pages, their routes, and the rules that hold for every answer. server.py listens."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from ..errors import ContextOverflow, LlmsError, UnknownName, UsageError
from . import agents, chats, choices, lessons
from .pages import HERE, page
from .secret import Secret
from .service.service import ChatService

LARGEST_BODY = 26 << 20  # an attachment of 25 MB and its frame
STORED = {"conversation", "message", "run", "team run", "attachment", "memory", "tool call that waits"}  # never listed
POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "font-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:", "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def create_app(service: ChatService, secret: Secret, hosts: frozenset[str] = frozenset()) -> FastAPI:
    """The application over `service`, for whoever has the `secret`. `hosts` are the names it may be
    called by besides loopback's; a request under another name, or from another site's page, is refused (DNS rebinding,
    cross-site requests)."""
    app = FastAPI(title="llms", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for module in (chats, choices, agents, lessons):
        for route in module.router.routes:
            if isinstance(route, APIRoute) and route.methods == {"GET"} and not route.path.startswith("/api/"):
                route.methods = {"GET", "HEAD"}  # pages alone: a stream of events has no head without its body
        app.include_router(module.router)
    _errors(app)

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if refused := _refused(request, hosts):
            response: Response = JSONResponse({"error": refused[1]}, refused[0])
        elif entered := secret.enter(request):
            response = entered
        else:
            response = await call_next(request) if secret.admits(request) else secret.refuse(request)
        response.headers.update(HEADERS)
        if request.url.path.startswith("/static/"):
            response.headers["cache-control"] = "no-cache"
        else:
            response.headers.setdefault("cache-control", "no-store")
        return response

    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)  # streams of events pass as they are
    return app


def _refused(request: Request, hosts: frozenset[str]) -> tuple[int, str] | None:
    """(status, reason) for a request that must not be answered."""
    name = (request.url.hostname or "").lower()
    if name not in {"127.0.0.1", "localhost", "::1", *hosts}:
        return 421, f"this server does not answer to the name {name}"
    if request.method not in ("GET", "HEAD"):
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site not in (None, "same-origin", "none"):
            return 403, "pages of other sites may not write here"
        if origin and origin.partition("://")[2] != request.headers.get("host"):
            return 403, "pages of other sites may not write here"
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, f"the request has {int(length) / 1e6:.0f} MB; at most {LARGEST_BODY // 1_000_000} MB are taken"
    return None


def _errors(app: FastAPI) -> None:
    @app.exception_handler(LlmsError)
    async def ours(request: Request, error: LlmsError) -> Response:
        status = (
            404 if isinstance(error, UnknownName) else 400 if isinstance(error, (UsageError, ContextOverflow)) else 500
        )
        if isinstance(error, UnknownName) and error.kind in STORED:
            return _refusal(request, status, f"there is no {error.kind} {error.name}")
        return _refusal(request, status, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "body")
        return _refusal(request, 422, f"{field or 'the request'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        words = f"there is no page {request.url.path}" if error.status_code == 404 else str(error.detail)
        response = _refusal(request, error.status_code, words)
        response.headers.update(error.headers or {})
        return response


def _refusal(request: Request, status: int, words: str) -> Response:
    """A page for a person who follows a link, JSON for a program; both say what failed."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": words}, status)
    title = "Not found" if status == 404 else "This did not work"
    shown = page(request, "error.html", title=title, words=words[:300])
    shown.status_code = status
    return shown
