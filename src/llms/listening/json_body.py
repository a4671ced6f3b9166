"""JSON bodies as the standard has them. Python's parser also takes NaN, and raises what no caller of it expects."""

import json
from collections.abc import Callable, Coroutine
from typing import NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute


def parse(text: bytes | str) -> object:
    """The value. Raises json.JSONDecodeError, whatever is wrong with it: NaN, bytes that are no text, nesting, long numbers."""
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise json.JSONDecodeError("it is nested too deep", "", 0) from error
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from error
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


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
