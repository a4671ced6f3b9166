"""The pages on a socket that is already open, until the program is told to end."""

import socket
from typing import Any

import uvicorn

from .app import create_app
from .secret import Secret

MOST_CONNECTIONS = 500


def serve(desk: Any, listening: socket.socket, secret: Secret) -> None:
    """Answer on `listening` to whoever has the `secret`; returns when an interrupt or a termination has been obeyed."""
    config = uvicorn.Config(
        create_app(desk, secret), log_level="warning", timeout_graceful_shutdown=2, limit_concurrency=MOST_CONNECTIONS
    )
    uvicorn.Server(config).run([listening])
