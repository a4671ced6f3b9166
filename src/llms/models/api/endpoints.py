"""The named endpoints that speak OpenAI's protocol, and how each departs from it. No connection is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ... import settings
from ...errors import MissingKey, ModelError, UsageError
from .redaction import Redactor, redactor


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of requests, and what is known of the server before any is sent.

    `keys` are the variables that may hold its key, `page` is where one gets it. `prices` is its name in genai-prices.
    `raw` tells whether /completions takes text as it is (None: to be asked). `stops` is how many stop strings a
    request may have, `max_tokens` what the limit of new tokens is called unless the server says otherwise. `schemas`
    tells whether it takes JSON schemas for answers.
    """

    name: str
    base_url: str
    keys: tuple[str, ...] = ()
    page: str = ""
    prices: str = ""
    raw: bool | None = False
    stops: int | None = 4
    max_tokens: str = "max_tokens"
    top_k: bool = False
    schemas: bool = True

    @property
    def key(self) -> str | None:
        """The key as it is set now; None where none is needed. Raises MissingKey, or ModelError if it cannot be sent."""
        key = settings.key(self.keys)
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ModelError(f"the key in {' or '.join(self.keys)} holds a character that no key has; copy it again")
        if key is None and self.page:
            raise MissingKey(f"{self.name}:", self.keys, self.page)
        return key

    @property
    def own(self) -> bool:
        """Whether the address is on this machine or in a private network: what runs there is not billed."""
        from ipaddress import ip_address

        host = urlsplit(self.base_url).hostname or ""
        if host in settings.LOOPBACK:
            return True
        try:
            return ip_address(host).is_private
        except ValueError:
            return False

    @property
    def redactor(self) -> Redactor:
        """Hides its keys in all that it sends."""
        return redactor([key.strip() for key in map(settings.get, self.keys) if key])

    def scrub(self, text: str) -> str:
        """`text` of an error with the key, wherever and however a server repeats it, cut down to its first characters."""
        return self.redactor.scrub(text)


NAMED: Mapping[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint(
            "openai", "https://api.openai.com/v1", ("OPENAI_API_KEY",), "https://platform.openai.com/api-keys",
            prices="openai", max_tokens="max_completion_tokens",
        ),
        Endpoint(
            "anthropic", "https://api.anthropic.com/v1", ("ANTHROPIC_API_KEY",),
            "https://console.anthropic.com/settings/keys", prices="anthropic",
        ),
        Endpoint(
            "gemini", "https://generativelanguage.googleapis.com/v1beta/openai", ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            "https://aistudio.google.com/apikey", prices="google",
        ),
        # Ollama's /completions puts the model's chat template around the text
        Endpoint("ollama", "http://127.0.0.1:11434/v1", stops=None),
        Endpoint(
            "groq", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), "https://console.groq.com/keys", prices="groq",
        ),
        Endpoint(
            "openrouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",),
            "https://openrouter.ai/settings/keys", prices="openrouter", top_k=True,
        ),
        Endpoint(
            "deepseek", "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",),
            "https://platform.deepseek.com/api_keys", prices="deepseek", stops=16, schemas=False,
        ),
    )
}  # fmt: skip


def endpoint(provider: str, address: str) -> Endpoint:
    """The endpoint of a provider, where its variable `…_BASE_URL` says, or the one at `address` (provider `url`)."""
    if provider == "url":
        return Endpoint(address, address, ("LLMS_API_KEY",), raw=None, stops=None, top_k=True)
    named = NAMED[provider]
    stated = settings.base_url(provider) or named.base_url
    if "@" in urlsplit(stated).netloc:
        raise UsageError(
            f"{provider.upper()}_BASE_URL is shown and stored, so it must hold no password; set {' or '.join(named.keys)}"
        )
    return replace(named, base_url=stated.strip().rstrip("/"))
