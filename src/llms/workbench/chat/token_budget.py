"""The number of tokens of a payload for a model, exact or estimated, and the messages that its chat template takes."""

from collections.abc import Sequence

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import ModelRequestParameters

from ...chat.window.sizes import Calibration, Count, Grade, Payload, Window, estimate, reserve_for
from ...errors import LlmsError
from ...models.local.tokenizing_model import TokenizingModel
from ...models.system import Model
from ...values import Message


def counter(model: Model, calibration: Calibration = Calibration()) -> tuple[Count, Grade]:
    """A token counter and its grade: exact where template and tokenizer are here; otherwise an estimate, corrected by what the server has reported."""
    if not isinstance(model, TokenizingModel):
        return (lambda payload: calibration.apply(estimate(payload))), "estimated"
    chat = model.chat_model()

    def exact(payload: Payload) -> int:
        try:
            tools = list(payload.tools)
            request = chat.as_request(list(payload.messages), {}, ModelRequestParameters(function_tools=tools))
            assert not isinstance(request.prompt, str)
            return len(model.read(request).ids)
        except (LlmsError, UserError):  # a template that takes no such message alone, or a picture
            return estimate(payload)

    return exact, "exact"


def window_for(model: Model, grade: Grade, max_tokens: int | None = None, served: int | None = None) -> Window:
    """The window of a model; `served` is what its server has shown to take, if that is less."""
    tokens = min(model.context_window, served or model.context_window)
    if not isinstance(model, TokenizingModel):
        return Window(tokens, reserve_for(tokens, max_tokens), grade)
    system_role = _takes(model, [Message("system", "rule"), Message("user", "word")], "rule")
    alternate = not _takes(model, [Message("user", "word"), Message("user", "rule")], "rule")
    return Window(tokens, reserve_for(tokens, max_tokens), grade, system_role, alternate)


def _takes(model: TokenizingModel, messages: Sequence[Message], text: str) -> bool:
    """Whether the template renders these messages with `text`, which stands in one of them."""
    try:
        return text in model.render(messages)
    except LlmsError:
        return False
