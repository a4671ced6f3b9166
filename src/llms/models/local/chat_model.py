"""A model whose weights are here, as pydantic-ai's Model: for chat, tools and agents."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from pydantic_ai.exceptions import ModelAPIError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, ToolCallPart
from pydantic_ai.models import Model as PydanticModel
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import RequestUsage

from ... import bridge
from ...values import Delta, Media, ToolCall
from .. import messages as pydantic_messages
from ..system import Generate, Model

MAX_TOKENS = 1024  # of an answer, when the settings say nothing; at most a quarter of the window


class LocalChatModel(PydanticModel):
    """Sends pydantic-ai's messages through `model.stream`. Settings have the same names as for every provider."""

    def __init__(self, model: Model):
        self._model, self._settings = model, None
        # not by PydanticModel.__init__, which also reads the prices of all providers, in a quarter of a second; and the
        # window is given, since it is looked up among them otherwise
        self._profile = ModelProfile(
            context_window=model.context_window,
            supports_json_schema_output=True,
            default_structured_output_mode="native",
            native_output_requires_schema_in_instructions=True,
        )

    @property
    def model_name(self) -> str:
        return self._model.name.text

    @property
    def system(self) -> str:
        return "llms"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async with self.request_stream(messages, model_settings, model_request_parameters) as stream:
            async for _ in stream:
                pass
            return stream.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[object] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        request = self.as_request(messages, settings or {}, parameters)
        deltas = bridge.in_thread(lambda cancel: self._model.stream(request, cancel))
        stream = _LocalStream(parameters, self.model_name, deltas)
        try:
            yield stream
        finally:
            await stream.close_stream()

    def as_request(
        self, messages: Sequence[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters
    ) -> Generate:
        """The request for `messages`: instructions first, then every part in order."""
        instructions = "\n\n".join(part.content for part in self._get_instruction_parts(messages, parameters) or [])
        sees = self._model.capabilities.vision
        plain = pydantic_messages.plain(messages, instructions, sees=sees)
        media = [part for message in plain for part in message.parts if isinstance(part, Media)]
        if other := [part.media_type for part in media if not (sees and part.media_type.startswith("image/"))]:
            raise UserError(
                f"this model reads text {'and sees pictures' if sees else ''} only; it cannot be sent {other[0]}".replace(
                    "  ", " "
                )
            )
        return Generate(
            tuple(plain),
            max_tokens=settings.get("max_tokens") or min(MAX_TOKENS, self._model.context_window // 4),
            stop=tuple(settings.get("stop_sequences") or ()),
            temperature=settings.get("temperature") or 0.0,
            top_k=settings.get("top_k") or 0,
            top_p=1.0 if settings.get("top_p") is None else settings["top_p"],
            seed=settings.get("seed") or 0,
            schema=pydantic_messages.schema(parameters),
            tools=pydantic_messages.tools(parameters),
            tool_choice=pydantic_messages.choice(settings, parameters),
        )


@dataclass
class _LocalStream(StreamedResponse):
    _name: str
    _deltas: AsyncIterator[Delta]
    _begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        async for delta in self._deltas:
            if delta.failure is not None:
                raise ModelAPIError(self._name, delta.failure.reason)
            if delta.reasoning:
                for event in self._parts_manager.handle_thinking_delta(
                    vendor_part_id="thinking", content=delta.reasoning
                ):
                    yield event
            if delta.text:
                for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=delta.text):
                    yield event
            for call in delta.tool_calls:
                yield self._parts_manager.handle_tool_call_part(
                    vendor_part_id=call.id, tool_name=call.name, args=call.arguments, tool_call_id=self._unique(call)
                )
            if delta.usage is not None:
                usage = delta.usage
                self._usage = RequestUsage(
                    input_tokens=usage.prompt_tokens, output_tokens=usage.tokens, cost=Decimal(0)
                )
                calls = any(isinstance(part, ToolCallPart) for part in self._parts_manager.get_parts())
                self.finish_reason = "length" if delta.finish == "length" else "tool_call" if calls else "stop"

    def _unique(self, call: ToolCall) -> str:
        return f"{call.id}_{self._begun.timestamp():.6f}".replace(".", "")

    async def close_stream(self) -> None:
        close = getattr(self._deltas, "aclose", None)
        if close is not None:
            await close()

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def provider_name(self) -> str:
        return "llms"

    @property
    def provider_url(self) -> None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self._begun
