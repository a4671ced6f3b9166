"""A model of an endpoint that makes pictures or sounds: found by its name, asked once for each call of a tool.

It is asked through the same transport as every other model: keys are hidden, failures are words. What is made costs what
its provider says; no price list has it, so that it counts in no budget.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ..errors import MissingKey, ModelError, UnknownName, UsageError
from ..models.api.client import EndpointClient
from ..models.api.errors import EndpointError
from ..models.api.model import ApiModel, open_api
from ..models.api.retry_policy import RetryPolicy
from ..models.api.session import open_session
from ..models.name import parse
from .tool import ToolError


def endpoint_model(family: str, text: str, options: Sequence[str], seconds: float) -> tuple[ApiModel, dict[str, str]]:
    """The model that `text` names, which may take `seconds` to answer, and the `options` given behind it by commas.

    Raises UsageError, UnknownName or MissingKey; nothing is asked yet.
    """
    name, *behind = text.split(",")
    chosen = dict(one.partition("=")[::2] for one in behind)
    for option in chosen:
        if option not in options:
            raise UnknownName(f"option of {family}:{name}", option, options)
    example = f"as in {family}:openai:NAME or {family}:http://127.0.0.1:8000/v1#NAME"
    if not name:
        raise UsageError(f"{family}: needs a model of an endpoint, {example}")
    parsed = parse(name)
    if parsed.local or parsed.provider == "team" or parsed.options:
        raise UsageError(f"{family}:{name} is not a model of an endpoint; only those are asked for this, {example}")
    model = open_api(parsed, RetryPolicy(first_token_seconds=seconds, answer_seconds=seconds))
    try:
        model.check()
    except MissingKey as missing:
        raise UsageError(f"the tool {family}:{name} cannot be used: {missing}") from missing
    return model, chosen


@asynccontextmanager
async def opened(model: ApiModel) -> AsyncIterator[EndpointClient]:
    """A client of `model` for one call. What the endpoint refuses, or a lost connection, becomes a ToolError in words."""
    client = open_session(model, model.endpoint, model.dialect, model.retry_policy).client
    try:
        yield client
    except EndpointError as error:
        try:
            reason = client.failure_of(error).reason
        except ModelError as final:
            reason = str(final)
        raise ToolError("endpoint", reason) from error
    finally:
        await client.transport.aclose()
