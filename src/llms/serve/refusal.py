"""Errors as OpenAI's clients expect them: {"error": {message, type, param, code}}."""

from collections.abc import Mapping, Sequence

from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

TYPES = {
    401: "invalid_request_error",
    403: "invalid_request_error",
    429: "requests",
    500: "server_error",
    503: "server_error",
}


class RequestRefused(HTTPException):
    """A request that is not answered. `param` names the field at fault."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(status, message, headers)
        self.param, self.code = param, code

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        kind = TYPES.get(self.status_code, "invalid_request_error")
        return {"error": {"message": self.detail, "type": kind, "param": self.param, "code": self.code}}

    @property
    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status_code, dict(self.headers or {}))


def stopped() -> RequestRefused:
    """The server ends, and the answer with it."""
    return RequestRefused("the server was stopped before it had answered", code="server_stopped", status=503)


def too_long(window: int, prompt: int, answer: int, param: str) -> RequestRefused:
    """A prompt of so many tokens that it and its answer do not fit the context window."""
    return RequestRefused(
        f"This model's maximum context length is {window} tokens. However, you requested {prompt + answer} tokens "
        f"({prompt} in the {param}, {answer} in the completion). Please reduce the length of the {param} or completion.",
        param,
        "context_length_exceeded",
    )


def invalid(errors: Sequence[ErrorDetails]) -> RequestRefused:
    """The first of pydantic's errors, in terms of the body that was sent."""
    error = errors[0]
    if error["type"] == "json_invalid":
        return RequestRefused(f"the body is not JSON: {error.get('ctx', {}).get('error', error['msg'])}")
    path = [part for part in error["loc"] if part != "body"]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or None
    if param is None:
        return RequestRefused("the body must be a JSON object, sent with content-type: application/json")
    if error["type"] == "missing":
        return RequestRefused(f"you must provide {param}", param, "missing_required_parameter")
    message = error["msg"].removeprefix("Value error, ")
    return RequestRefused(f"{param}: {message[:1].lower()}{message[1:]}", param, "invalid_value")
