"""The application, and the process that serves it."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from ..errors import UsageError
from ..listening.connection import TimedConnection
from ..listening.json_body import StrictRoute
from . import others
from .answers import ModelResponse, unheeded_header
from .chat import chat
from .completions import complete
from .guard import AccessGuard, loopback
from .refusal import RequestRefused, invalid
from .requests import ChatRequest, CompletionRequest, DetokenizeRequest, EmbeddingRequest, TokenizeRequest
from .served import ServerLimits, Shelf

BACKLOG = 256  # with ServerLimits.connections below the 1024 files that many systems allow a process
GOODBYE_SECONDS = 3
LOOK = ["GET", "HEAD"]


def build(shelf: Shelf, limits: ServerLimits, key: str | None = None) -> ASGIApp:
    """The ASGI application that answers for the models of `shelf`."""
    off: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
    app = FastAPI(title="llms serve", docs_url=None, redoc_url=None, openapi_url=None, telemetry=off)
    app.router.route_class = StrictRoute

    @app.post("/v1/chat/completions")
    async def chat_completions(asked: ChatRequest) -> Response:
        served, unheeded = shelf.find(asked.model), asked.unheeded()
        return ModelResponse(lambda: chat(served, asked, unheeded), bool(asked.stream), unheeded)

    @app.post("/v1/completions")
    async def completions(asked: CompletionRequest) -> Response:
        served = shelf.find(asked.model)
        return ModelResponse(lambda: complete(served, asked), bool(asked.stream), asked.unheeded())

    @app.post("/v1/embeddings")
    async def embeddings(asked: EmbeddingRequest) -> Response:
        return JSONResponse(await others.embed(shelf, asked), headers=unheeded_header(asked.unheeded()))

    @app.api_route("/v1/models", methods=LOOK)
    async def models() -> Response:
        return JSONResponse(others.models(shelf))

    @app.api_route("/v1/models/{name:path}", methods=LOOK)
    async def model(name: str) -> Response:
        return JSONResponse(others.model(shelf, name))

    @app.post("/tokenize")
    async def tokenize(asked: TokenizeRequest) -> Response:
        tokens = await others.tokenize(shelf.only(asked.model), asked)
        return JSONResponse(tokens, headers=unheeded_header(asked.unheeded()))

    @app.post("/detokenize")
    async def detokenize(asked: DetokenizeRequest) -> Response:
        text = others.detokenize(shelf.only(asked.model), asked)
        return JSONResponse(text, headers=unheeded_header(asked.unheeded()))

    @app.api_route("/tokenizer_info", methods=LOOK)
    async def tokenizer_info() -> Response:
        return JSONResponse(others.tokenizer_info(shelf.only(None)))

    @app.api_route("/health", methods=LOOK)
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    _errors(app)
    return AccessGuard(app, limits, key)


def _errors(app: FastAPI) -> None:
    """Every refusal and failure in the form of OpenAI's."""

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return invalid(error.errors()).response

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        if isinstance(error, RequestRefused):
            return error.response
        route = f"{request.method} {request.url.path}"
        return RequestRefused(f"{route}: {error.detail}", status=error.status_code, headers=error.headers).response

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return RequestRefused("the server failed to answer; its log says why", status=500).response


def bind(host: str, port: int, key: str | None) -> socket.socket:
    """A socket at the address, not yet listening. Raises UsageError: without a key only loopback is served."""
    if key is None and not loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines; serve it with a key (LLMS_SERVE_KEY or --api-key), "
            "or stay on 127.0.0.1"
        )
    bound = None
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, _, _, socket_address = addresses[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(socket_address)
        return bound
    except OSError as error:
        if bound is not None:
            bound.close()
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; name another --port"
        ) from error


def address(bound: socket.socket) -> str:
    """The base URL for clients."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


class ApiServer(uvicorn.Server):
    """Serves `app` on `bound` until it is interrupted; `ready` is called once requests are answered."""

    def __init__(self, app: ASGIApp, bound: socket.socket, limits: ServerLimits, ready: Callable[[], None]):
        super().__init__(
            uvicorn.Config(
                app,
                http=TimedConnection.under(limits),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_level="error",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=GOODBYE_SECONDS,
            )
        )
        self._bound, self._ready = bound, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def serve_until_interrupted(self) -> None:
        with suppress(KeyboardInterrupt):  # uvicorn has ended in order and passes the signal on
            self.run([self._bound])
