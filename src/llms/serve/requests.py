"""Bodies of requests. A field that the server knows and cannot honour is refused by name, unless its value changes nothing.

Hints and unknown fields are taken, so that ordinary clients are answered; `unheeded` names them for the response's header.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Literal, Self, TypedDict, TypeGuard, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ..engine.request import Penalties
from ..models.system import ToolSchema
from ..values import JsonObject, Media
from .refusal import RequestRefused

ABOUT_THE_CALLER = (
    "metadata", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier",
    "service_tier", "store", "user",
)  # fmt: skip
CHANGES_NOTHING: Mapping[str, tuple[object, ...]] = {
    "audio": (None,),
    "best_of": (None, 1),
    "function_call": (None, "none"),
    "functions": (None, []),
    "modalities": (None, ["text"]),
    "moderation": (None,),
    "prediction": (None,),
    "reasoning_effort": (None,),
    "suffix": (None, ""),
    "verbosity": (None, "medium"),
    "web_search_options": (None,),
}
UNABLE = ("audio", "best_of", "function_call", "functions", "modalities", "suffix", "web_search_options")
OF_OUR_ANSWERS: Mapping[str, tuple[object, ...]] = {
    "annotations": (None, []),
    "audio": (None,),
    "function_call": (None,),
}
MOST_STOPS = 64
T = TypeVar("T")


class Strict(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    def unheeded(self) -> list[str]:
        """The fields that change nothing here, as `messages[0].name`."""
        names = list(self.model_extra or ())
        for field in type(self).model_fields:
            value = getattr(self, field)
            for index, one in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(one, Strict):
                    at = f"{field}[{index}]" if isinstance(value, list) else field
                    names += [f"{at}.{name}" for name in one.unheeded()]
        return names


class RequestBody(Strict):
    """A whole request: half of a surrogate pair, which is not text, is refused wherever it stands."""

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, body: object) -> object:
        for name, value in body.items() if isinstance(body, dict) else ():
            try:
                json.dumps({name: value}, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                named = ascii(name)[1:-1]
                raise RequestRefused(f"{named} holds half of a surrogate pair, which is not text", named) from error
        return body


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value or []


def _or_none_at_all(value: object) -> object:
    return value or []


def _as_parts(value: object) -> object:
    if value is not None and not isinstance(value, str | list):
        raise ValueError("must be a string or a list of parts of type text or image_url")
    return [{"type": "text", "text": value}] if isinstance(value, str) else value or []


def _prompts(value: object) -> list[str | tuple[int, ...]]:
    """A string, strings, token ids, or lists of token ids, as a list of prompts; None is the empty prompt."""
    if value is None or isinstance(value, str):
        return [value or ""]
    if isinstance(value, list) and value:
        if _ids(value):
            return [tuple(value)]
        if all(isinstance(prompt, str) or (_ids(prompt) and prompt) for prompt in value):
            return [prompt if isinstance(prompt, str) else tuple(prompt) for prompt in value]
    raise ValueError("must be a string, a list of strings, a list of token ids, or a list of lists of token ids")


def _ids(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(token) is int and 0 <= token < 1 << 31 for token in value)


def _chosen(value: object) -> object:
    """The name of the function, where the choice is {"type": "function", "function": {"name": …}}."""
    if isinstance(value, dict):
        named = value.get("function")
        if value.get("type") != "function" or not isinstance(named, dict) or not isinstance(named.get("name"), str):
            raise ValueError('must be none, auto, required, or {"type": "function", "function": {"name": …}}')
        return named["name"]
    if value not in (None, "none", "auto", "required"):
        raise ValueError('must be none, auto, required, or {"type": "function", "function": {"name": …}}')
    return value


def _without(idle: Mapping[str, tuple[object, ...]], names: Collection[str] = ()) -> Callable[[object], object]:
    """Drops fields of these `names`, and those that have an idle value."""

    def dropped(name: str, value: object) -> bool:
        return name in names or any(value == rest and not isinstance(value, bool) for rest in idle.get(name, ()))

    def drop(body: object) -> object:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if not dropped(name, value)}

    return drop


def _parsed(value: Mapping[str, object]) -> JsonObject:
    return cast(JsonObject, value)  # bodies are parsed JSON, however deep


class TextPart(Strict):
    type: Literal["text"]
    text: str


class ImageUrl(Strict):
    """A picture as `data:image/png;base64,…`; nothing is fetched."""

    url: str

    @field_validator("url")
    @classmethod
    def _brings_it(cls, value: str) -> str:
        if not value.startswith("data:image/"):
            raise ValueError("must be data:image/…;base64,…: this server fetches nothing")
        return value


class ImagePart(Strict):
    type: Literal["image_url"]
    image_url: ImageUrl

    @property
    def media(self) -> Media:
        media_type = self.image_url.url.partition(";")[0].removeprefix("data:")
        return Media(media_type, url=self.image_url.url)


class CalledFunction(Strict):
    name: str
    arguments: str


class ToolCallParam(Strict):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(Strict):
    """Thinking is not shown to the model. A `name` is not either: templates have no place for it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[
        list[Annotated[TextPart | ImagePart, Field(discriminator="type")]], BeforeValidator(_as_parts)
    ] = []
    tool_calls: Annotated[list[ToolCallParam], BeforeValidator(_or_none_at_all)] = []
    tool_call_id: Annotated[str | None, Field(validate_default=True)] = None
    refusal: str | None = None
    reasoning_content: str | None = None

    _idle = model_validator(mode="before")(_without(OF_OUR_ANSWERS))

    @field_validator("tool_calls", "refusal", "reasoning_content")
    @classmethod
    def _of_the_assistant(cls, value: T, info: ValidationInfo) -> T:
        if value and info.data.get("role") != "assistant":
            raise ValueError(f"a message of role {info.data.get('role')} has none")
        return value

    @field_validator("tool_call_id")
    @classmethod
    def _of_tools(cls, value: T, info: ValidationInfo) -> T:
        if value is not None and info.data.get("role") != "tool":
            raise ValueError(f"a message of role {info.data.get('role')} has none; only tool messages do")
        if value is None and info.data.get("role") == "tool":
            raise ValueError("a message of role tool says which call it answers")
        return value

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def parts(self) -> tuple[str | Media, ...]:
        """All it says, in order, where that is more than text."""
        parts = [part.text if isinstance(part, TextPart) else part.media for part in self.content]
        return tuple(parts) if any(isinstance(part, Media) for part in parts) else ()


class FunctionParam(Strict):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None

    @property
    def as_tool(self) -> ToolSchema:
        parameters = _parsed(self.parameters or {"type": "object", "properties": {}})
        return {"name": self.name, "description": self.description or "", "parameters": parameters}


class ToolParam(Strict):
    type: Literal["function"]
    function: FunctionParam


class Schema(Strict):
    name: str | None = None
    description: str | None = None
    schema_: Annotated[dict[str, object], Field(alias="schema")] = {"type": "object"}
    strict: bool | None = None


class ResponseFormat(Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Annotated[Schema | None, Field(validate_default=True)] = None

    @field_validator("json_schema")
    @classmethod
    def _goes_with_its_type(cls, value: T, info: ValidationInfo) -> T:
        if (value is None) == (info.data.get("type") == "json_schema"):
            raise ValueError("goes with the type json_schema, and with no other")
        return value

    @property
    def wanted(self) -> JsonObject | None:
        """The JSON schema that the answer must obey."""
        if self.json_schema is not None:
            return _parsed(self.json_schema.schema_)
        return {"type": "object"} if self.type == "json_object" else None


class StreamOptions(Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


class SamplingFields(TypedDict):
    """Fields of Generate."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    penalties: Penalties


class Sampled(RequestBody):
    """The fields of both chat and plain completions; `top_k`, `min_p` and `repetition_penalty` are additions to OpenAI's,
    as in vLLM."""

    model: str
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    stop: Annotated[list[str], BeforeValidator(_as_list), Field(max_length=MOST_STOPS)] = []
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 1.0
    top_p: Annotated[float, Field(ge=0, le=1)] | None = 1.0
    top_k: Annotated[int, Field(ge=-1)] | None = 0
    min_p: Annotated[float, Field(ge=0, le=1)] | None = 0.0
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = 1.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = 0.0
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = 0.0
    logit_bias: dict[Annotated[str, Field(pattern=r"^\d{1,9}$")], Annotated[float, Field(ge=-100, le=100)]] | None = (
        None
    )
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    _idle = model_validator(mode="before")(_without(CHANGES_NOTHING, ABOUT_THE_CALLER))

    @field_validator("stream_options")
    @classmethod
    def _of_streams(cls, value: T, info: ValidationInfo) -> T:
        if value is not None and not info.data.get("stream"):
            raise ValueError("goes with stream: true")
        return value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name in UNABLE:
            if name in (self.model_extra or {}):
                message = f"{name} is not supported by this server; leave it out"
                raise RequestRefused(message, name, "unsupported_parameter")
        return self

    def sampling(self, vocabulary: int) -> SamplingFields:
        """The keywords of a Generate that say how tokens are chosen, among `vocabulary`. Raises RequestRefused."""
        bias = tuple((int(token), amount) for token, amount in (self.logit_bias or {}).items())
        if unknown := next((token for token, _ in bias if token >= vocabulary), None):
            message = f"logit_bias: token id {unknown} is beyond the vocabulary of {vocabulary}"
            raise RequestRefused(message, "logit_bias", "invalid_value")
        repetition = 1.0 if self.repetition_penalty is None else self.repetition_penalty
        penalties = Penalties(repetition, self.frequency_penalty or 0.0, self.presence_penalty or 0.0, bias)
        return SamplingFields(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_k=max(0, self.top_k or 0),
            top_p=1.0 if self.top_p is None else self.top_p,
            min_p=self.min_p or 0.0,
            penalties=penalties,
        )

    @property
    def chooses_the_best(self) -> bool:
        """Whether each token is the likeliest one, changed by nothing."""
        penalties = self.frequency_penalty or self.presence_penalty or self.logit_bias
        return self.temperature == 0 and not penalties and self.repetition_penalty in (None, 1)

    @property
    def usage_wanted(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(Sampled):
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[ToolParam], BeforeValidator(_or_none_at_all), Field(max_length=128)] = []
    tool_choice: Annotated[str | None, BeforeValidator(_chosen)] = None
    parallel_tool_calls: bool | None = True

    @field_validator("top_logprobs")
    @classmethod
    def _of_logprobs(cls, value: T, info: ValidationInfo) -> T:
        if value is not None and not info.data.get("logprobs"):
            raise ValueError("goes with logprobs: true")
        return value

    @field_validator("tool_choice")
    @classmethod
    def _of_tools(cls, value: T, info: ValidationInfo) -> T:
        names = [tool.function.name for tool in info.data.get("tools", ())]
        if value not in (None, "none", "auto", "required", *names) or (value not in (None, "none") and not names):
            raise ValueError(f"{value} is not among the tools: {', '.join(names) or 'there are none'}")
        return value


class CompletionRequest(Sampled):
    prompt: Annotated[list[str | tuple[int, ...]], BeforeValidator(_prompts), Field(max_length=2048)]
    max_tokens: Annotated[int, Field(ge=0)] | None = 16
    echo: bool | None = False
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class EmbeddingRequest(RequestBody):
    model: str
    input: Annotated[list[str | tuple[int, ...]], BeforeValidator(_prompts), Field(max_length=2048)]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


class TokenizeRequest(RequestBody):
    """Raw text, or messages as the model reads them; `model` may be left out where there is only one."""

    model: str | None = None
    messages: list[ChatMessage] | None = None
    tools: list[ToolParam] = []
    prompt: Annotated[str | None, Field(validate_default=True)] = None
    add_special_tokens: bool = True

    @field_validator("prompt")
    @classmethod
    def _or_messages(cls, value: T, info: ValidationInfo) -> T:
        if (value is None) == (info.data.get("messages") is None):
            raise ValueError("give either prompt or messages")
        return value


class DetokenizeRequest(RequestBody):
    model: str | None = None
    tokens: list[Annotated[int, Field(ge=0)]]
