"""JSON bodies as the standard has them. Python's parser also takes NaN, and raises what no caller of it expects."""

import json
from collections.abc import Callable, Coroutine

from fastapi import Request, Response
from fastapi.routing import APIRoute

from ..values import read_json


def parse(text: bytes | str) -> object:
    """The value. Raises json.JSONDecodeError, whatever is wrong with it: NaN, bytes that are no text, nesting, long numbers."""
    try:
        return read_json(text if isinstance(text, str) else text.decode())
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise json.JSONDecodeError("it is nested too deep", "", 0) from error
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from error


class _StrictRequest(Request):
    async def json(self) -> object:
        return parse(await self.body())


class StrictRoute(APIRoute):
    """A route that reads its body with `parse`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict
