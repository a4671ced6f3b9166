"""The application: pages, their routes, and the rules that hold for every answer. server.py listens."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import HubUnreachable, LlmsError, StoreError, UnknownName, WorkerDied
from ..listening.bodies import BodyBudget
from ..workbench.board_page.export import ASSETS
from . import agents, arena, board, chats, choices, choose, lessons, tasks, training
from .pages import HERE, page
from .secret import Secret
from .service.service import ChatService

LARGEST_BODY = 26 << 20  # an attachment of 25 MB and its frame
ALL_BODIES = 512 << 20  # of the requests that are being worked on
STATUS: tuple[tuple[type[LlmsError], int], ...] = (
    (UnknownName, 404), (HubUnreachable, 502), (StoreError, 500), (WorkerDied, 500), (LlmsError, 400)
)  # fmt: skip
STORED = {
    "battle",
    "conversation",
    "message",
    "run",
    "team run",
    "attachment",
    "memory",
    "tool call that waits",
    "training run",
}  # never listed
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
    bodies = BodyBudget(LARGEST_BODY, ALL_BODIES, _too_large, _full)
    app.mount("/static/board", StaticFiles(directory=ASSETS), name="board")
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for module in (chats, choices, choose, board, arena, agents, lessons, tasks, training):
        for route in module.router.routes:
            if isinstance(route, APIRoute) and route.methods == {"GET"} and not route.path.startswith("/api/"):
                route.methods = {"GET", "HEAD"}  # pages alone: a stream of events has no head without its body
        app.include_router(module.router)
    _errors(app)

    app.add_middleware(BodyLimit, bodies=bodies)

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if refused := _refused(request, hosts):
            response: Response = JSONResponse({"error": refused[1]}, refused[0])
        elif entered := secret.enter(request):
            response = entered
        elif secret.admits(request):
            try:
                response = await call_next(request)
            except RuntimeError:
                if not await request.is_disconnected():
                    raise
                return Response(status_code=499)  # nobody is there to read it
        else:
            response = secret.refuse(request)
        response.headers.update(HEADERS)
        if request.url.path.startswith("/static/"):
            response.headers["cache-control"] = "no-cache"
        else:
            response.headers.setdefault("cache-control", "no-store")
        return response

    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)  # streams of events pass as they are
    return app


class BodyLimit:
    """Reads no more of a body than the budget has; it stands behind the guard, so that only whom it admits can fill it."""

    def __init__(self, app: ASGIApp, bodies: BodyBudget):
        self._app, self._bodies = app, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._bodies.check(Headers(scope=scope))
        except HTTPException as refused:
            await JSONResponse({"error": refused.detail}, refused.status_code)(scope, receive, send)
            return
        with self._bodies.counted(receive) as counted:
            await self._app(scope, counted, send)


def _too_large(size: str) -> HTTPException:
    return HTTPException(413, f"the request has {size} bytes; at most {LARGEST_BODY} are taken")


def _full() -> HTTPException:
    return HTTPException(503, "other requests fill the memory that is set aside for them; try again in a moment")


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
    return None


def _errors(app: FastAPI) -> None:
    @app.exception_handler(LlmsError)
    async def ours(request: Request, error: LlmsError) -> Response:
        status = next(status for kind, status in STATUS if isinstance(error, kind))
        if isinstance(error, UnknownName) and error.kind in STORED:
            return _refusal(request, status, f"there is no {error.kind} {error.name}")
        return _refusal(request, status, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return _refusal(request, 422, f"the body is not JSON: {first['ctx']['error']}")
        field = ".".join(str(part) for part in first["loc"] if part != "body")
        return _refusal(request, 422, f"{field or 'the request'}: {first['msg']}")

    @app.exception_handler(Exception)
    async def ours_to_repair(request: Request, error: Exception) -> Response:
        response = _refusal(request, 500, "the server failed to answer; its log says why")
        response.headers.update(HEADERS)
        return response

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
