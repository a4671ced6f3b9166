"""The pages on a socket that is already open, until the program is told to end."""

import socket
import threading
from collections.abc import Sequence

import uvicorn

from ..listening.connection import ConnectionLimits, TimedConnection
from .app import create_app
from .secret import Secret
from .service.service import ChatService

LIMITS = ConnectionLimits(stall_seconds=300.0)  # a page in the background may be slow to read


class Pages:
    """The pages over a service of their own. `token` is the secret of their address; None makes one up."""

    def __init__(self, model: str | None, max_tokens: int | None, folders: Sequence[str], token: str | None):
        self._secret = Secret(token)
        self._service = ChatService(model, max_tokens, folders)

    def address(self, base: str) -> str:
        """The first address to open: it carries the secret."""
        return self._secret.address(base)

    def serve(self, listening: socket.socket) -> None:
        """Answer on `listening`; returns when an interrupt or a termination has been obeyed."""
        threading.Thread(target=self._service.models.warm_up, name="llms-warm-up", daemon=True).start()
        self.server().run([listening])

    def server(self, limits: ConnectionLimits = LIMITS) -> "PageServer":
        """The server of the pages, not yet running."""
        config = uvicorn.Config(
            create_app(self._service, self._secret),
            log_level="warning",
            timeout_graceful_shutdown=2,
            http=TimedConnection.under(limits),
        )
        return PageServer(config, self._service)

    def close(self) -> None:
        self._service.close()


class PageServer(uvicorn.Server):
    """Ends answers before connections: their readers learn how they ended, and what came is kept."""

    def __init__(self, config: uvicorn.Config, service: ChatService):
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._service.quiet()
        await super().shutdown(sockets)
