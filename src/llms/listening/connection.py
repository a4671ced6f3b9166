"""Connections that do not wait for ever: for a request to arrive, or for an answer to be read."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`connections` at once; a request may take `request_seconds` to arrive, an answer go unread for `stall_seconds`."""

    connections: int = 512
    request_seconds: float = 60.0
    stall_seconds: float = 60.0


class TimedConnection(H11Protocol):
    """uvicorn's connection with time limits. When there are too many, the one that waits longest for a request gives
    way; if all are being answered, the new one does."""

    limits = ConnectionLimits()
    idle: ClassVar[dict["TimedConnection", None]] = {}  # those without a request, oldest first
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    @classmethod
    def under(cls, limits: ConnectionLimits) -> type["TimedConnection"]:
        return type("TimedConnection", (cls,), {"limits": limits, "idle": {}})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            oldest = next(iter(self.idle), self)
            oldest.transport.abort()
            oldest._forget()
            if oldest is self:
                return
        self._await_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        arrived = self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete
        if arrived:
            self._forget()
        elif self._deadline is None:
            self._await_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._await_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self.resume_writing()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._forget()
        self.idle[self] = None
        self._deadline = self.loop.call_later(self.limits.request_seconds, self.transport.abort)

    def _forget(self) -> None:
        self.idle.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
