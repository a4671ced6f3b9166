"""Tokens as a server counts them: by its /tokenize, which vLLM, SGLang, llama.cpp and `llms serve` have beside OpenAI's paths."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from ...values import JsonObject, Message
from .client import EndpointClient
from .errors import EndpointError
from .request import message


async def served_count(client: EndpointClient, prompt: str | Sequence[Message]) -> int | None:
    """Tokens of raw text, or of messages under the chat template; None where the server does not say."""
    address = urlsplit(client.endpoint.base_url)
    text: JsonObject = {"prompt": prompt, "content": prompt} if isinstance(prompt, str) else {}  # llama.cpp's word
    messages: JsonObject = {} if isinstance(prompt, str) else {"messages": [message(one) for one in prompt]}
    try:
        body: JsonObject = {"model": client.name.model, **text, **messages}
        answer = await client.connection.post(f"{address.scheme}://{address.netloc}/tokenize", body)
    except EndpointError:
        return None
    tokens = answer.get("tokens") if isinstance(answer, Mapping) else None
    return len(tokens) if isinstance(tokens, list) and tokens else None
