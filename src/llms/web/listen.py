"""The pages on a socket that is already open, until the program is told to end."""

import socket
from typing import TYPE_CHECKING

import uvicorn

from .app import create_app
from .secret import Secret

if TYPE_CHECKING:
    from .service.service import ChatService

MOST_CONNECTIONS = 500


def serve(desk: "ChatService", listening: socket.socket, secret: Secret) -> None:
    """Answer on `listening` to whoever has the `secret`; returns when an interrupt or a termination has been obeyed."""
    config = uvicorn.Config(
        create_app(desk, secret), log_level="warning", timeout_graceful_shutdown=2, limit_concurrency=MOST_CONNECTIONS
    )
    PageServer(config, desk).run([listening])


class PageServer(uvicorn.Server):
    """Ends answers before connections: their readers learn how they ended, and what came is kept."""

    def __init__(self, config: uvicorn.Config, desk: "ChatService"):
        super().__init__(config)
        self._desk = desk

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._desk.quiet()
        await super().shutdown(sockets)
