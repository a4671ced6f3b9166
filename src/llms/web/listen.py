"""The pages on a socket that is already open, until the program is told to end."""

import socket
from typing import Any

import uvicorn

from .app import create_app

MOST_CONNECTIONS = 500


def serve(desk: Any, listening: socket.socket) -> None:
    """Answer on `listening`; returns when an interrupt or a termination has been obeyed."""
    config = uvicorn.Config(
        create_app(desk), log_level="warning", timeout_graceful_shutdown=2, limit_concurrency=MOST_CONNECTIONS
    )
    uvicorn.Server(config).run([listening])
