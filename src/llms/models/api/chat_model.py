"""A model behind an endpoint as pydantic-ai's Model: for chat, tools and agents, over the requests of evaluation."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import FinishReason, ModelMessage, ModelResponse, ModelResponseStreamEvent
from pydantic_ai.models import Model as PydanticModel
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import RequestUsage

from ...errors import LlmsError, UsageError
from ...values import Json, Usage
from .. import messages as pydantic_messages
from ..system import Generate
from .chat_stream import ChatStreamReader, Read
from .client import EndpointClient
from .connection import Events
from .errors import EndpointError, EndpointUnusable, explained, refused
from .request import body
from .transport import HttpExchange

SAMPLING = ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "logit_bias")
FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "refused": "content_filter"}


class ApiChatModel(PydanticModel):
    """Raises ModelAPIError where no answer comes, BudgetExceeded, and UsageError for what the endpoint cannot do."""

    def __init__(self, client: EndpointClient):
        self._client = client
        schemas = client.endpoint.schemas
        super().__init__(profile=ModelProfile(supports_json_schema_output=schemas, supports_json_object_output=True))

    @property
    def model_name(self) -> str:
        return self._client.name.model

    @property
    def system(self) -> str:
        return self._client.endpoint.name

    @property
    def base_url(self) -> str:
        return self._client.endpoint.base_url

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer in one piece."""
        stream = await self._open(messages, model_settings, model_request_parameters, whole=True)
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
        stream = await self._open(messages, model_settings, model_request_parameters)
        try:
            yield stream
        finally:
            await stream.close_stream()

    async def _open(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        whole: bool = False,
    ) -> "_Answer":
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        client, exchange = self._client, HttpExchange()
        responses = (message for message in messages if isinstance(message, ModelResponse))
        taken = {call.tool_call_id for response in responses for call in response.tool_calls}
        reader = ChatStreamReader(client.endpoint.redactor, taken=taken)
        try:
            path, fields = self._body(messages, settings or {}, parameters)
            events = await client.open(path, fields, exchange, stream=not whole)
        except EndpointError as error:
            if not refused(error):
                failed = self.failed(error)
                raise failed from failed.__cause__
            events, reader.finish, reader.reason, reader.refusal = None, "refused", "content_filter", str(error)
        return _Answer(parameters, self, events, reader, exchange)

    def _body(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters
    ) -> tuple[str, dict[str, Json]]:
        client, endpoint = self._client, self._client.endpoint
        instructions = "\n\n".join(part.content for part in self._get_instruction_parts(messages, parameters) or [])
        stop = tuple(settings.get("stop_sequences") or ())
        if endpoint.stops is not None and len(stop) > endpoint.stops:
            raise UsageError(f"{endpoint.name} takes at most {endpoint.stops} stop strings")
        plain = pydantic_messages.plain(messages, instructions, endpoint.name)
        limit = settings.get("max_tokens")
        request = Generate(
            tuple(message for message in plain if message.role != "assistant" or message.content or message.tool_calls),
            max_tokens=limit or 0,
            stop=stop,
            schema=pydantic_messages.schema(parameters),
            tools=pydantic_messages.tools(parameters),
            tool_choice=pydantic_messages.choice(settings, parameters),
            parallel_calls=settings.get("parallel_tool_calls") is not False,
        )
        sampling = {name: settings[name] for name in SAMPLING if settings.get(name) is not None}  # type: ignore[literal-required]  # SAMPLING holds keys of ModelSettings
        path, fields = body(request, client.name.model, endpoint, sampling)
        if limit is None:
            del fields[endpoint.max_tokens]
        effort, more = settings.get("thinking"), settings.get("extra_body")
        fields |= {"reasoning_effort": effort} if isinstance(effort, str) else {}
        return path, fields | (dict(more) if isinstance(more, dict) else {})

    def failed(self, error: EndpointError) -> ModelAPIError:
        """The error for pydantic-ai; its cause is our own error, whose words a person reads."""
        client = self._client
        raised = ModelAPIError(self.model_name, str(error))
        try:
            client.failure_of(error)
            kind = EndpointError
        except LlmsError:
            kind = EndpointUnusable
        raised.__cause__ = kind(explained(error, client.endpoint, client.name.model, client.transport.answered))
        return raised


@dataclass
class _Answer(StreamedResponse):
    _chat_model: ApiChatModel
    _events: Events | None
    _reader: ChatStreamReader
    _exchange: HttpExchange
    _begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        reader = self._reader
        try:
            if self._events is not None:
                async with aclosing(aiter(self._events)) as events:
                    async for event in events:
                        for change in self._parts(reader.push(event)):
                            yield change
                if not reader.begun and reader.finish is None:
                    raise EndpointError("no answer came: its stream was empty")
        except EndpointError as error:
            if self.cancelled:
                return
            failed = self._chat_model.failed(error)
            raise failed from failed.__cause__
        finally:
            self._settle()
        for change in self._parts(reader.flush()):
            yield change
        self.finish_reason = FINISH[reader.finish or "stop"]
        if reader.calls and self.finish_reason == "stop":
            self.finish_reason = "tool_call"
        if reader.reason:
            self.provider_details = {"finish_reason": reader.reason}
        if reader.refusal:
            self.provider_details = {**(self.provider_details or {}), "refusal": reader.refusal}

    def _parts(self, read: Read) -> list[ModelResponseStreamEvent]:
        """pydantic-ai's events for `read`. Thinking that stood in the text goes back to no field of the server's."""
        manager, changes, name = self._parts_manager, list[ModelResponseStreamEvent](), self.provider_name
        if read.reasoning:
            changes += manager.handle_thinking_delta(
                vendor_part_id="reasoning", content=read.reasoning, id=self._reader.field, provider_name=name
            )
        if read.thought:
            changes += manager.handle_thinking_delta(vendor_part_id="thinking", content=read.thought)
        if read.text:
            changes += manager.handle_text_delta(vendor_part_id="text", content=read.text)
        for number, call in read.calls:
            changes += manager.handle_tool_call_delta_events(
                vendor_part_id=number,
                tool_name=call.name or None,
                args=call.arguments or None,
                tool_call_id=call.id or None,
                provider_name=name if call.extra else None,
                provider_details=dict(call.extra) if call.extra else None,
            )
        return changes

    def _settle(self) -> None:
        """Take over what the server counted; where it counts nothing, nothing is reported."""
        if self._exchange.usage.reported:
            self._usage = counted(self._exchange.usage)

    async def close_stream(self) -> None:
        if self._events is not None:
            await self._events.close()
        self._settle()

    @property
    def model_name(self) -> str:
        return self._reader.model or self._chat_model.model_name

    @property
    def provider_name(self) -> str:
        return self._chat_model.system

    @property
    def provider_url(self) -> str:
        return self._chat_model.base_url

    @property
    def timestamp(self) -> datetime:
        return self._begun


def counted(usage: Usage) -> RequestUsage:
    return RequestUsage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
    )
