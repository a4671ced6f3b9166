"""Names of models: `provider:name[@revision][?option=value&…]`, one string everywhere."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from ..errors import UnknownName, UsageError
from .api.endpoints import NAMED

LOCAL = ("smollm2", "hf", "gguf")
ENDPOINTS = tuple(NAMED)
PROVIDERS = (*LOCAL, *ENDPOINTS, "team")
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "dtype": ("float32", "bfloat16", "float16"),
    "device": ("cpu", "cuda"),  # or one of several: cuda:1
    "allow": ("pickle", "remote-code", "another-base"),
    "quantize": ("int8", "nf4"),
    "adapter": (),
}
OF_CHECKPOINTS = frozenset(OPTIONS)  # options that mean something for a model whose weights are here
OF_SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "tools": (),
    "system": (),
    "approve": ("all",),
}  # make one agent of a model
OF_TEAMS: Mapping[str, tuple[str, ...]] = {"model": (), "approve": ("all",)}


@dataclass(frozen=True)
class Name:
    """A parsed name. `text` is what was given; equal names may be written differently.

    `provider` is one of PROVIDERS, or `url` for any OpenAI-compatible endpoint, whose address is `address`.
    """

    text: str
    provider: str
    model: str
    revision: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    address: str = ""

    @property
    def local(self) -> bool:
        """Whether its weights are on this machine, or will be."""
        return self.provider in LOCAL

    @property
    def allow(self) -> frozenset[str]:
        """The dangers that the user accepts: pickle, remote-code, another-base (of an adapter)."""
        return frozenset(filter(None, self.options.get("allow", "").split(",")))


def parse(text: str) -> Name:
    """The parts of a name. Raises UnknownName or UsageError with what is wrong and the nearest right word."""
    base, _, query = text.partition("?")
    if base.startswith(("http://", "https://")):
        return _endpoint(text, base, query)
    provider, colon, model = base.partition(":")
    if provider not in PROVIDERS or (provider != "smollm2" and not colon):
        if os.path.isdir(base):  # False, too, for what can name no folder
            raise UsageError(f"{text!r} is a folder; name it as a model: hf:{text}")
        if base.endswith(".gguf"):
            raise UsageError(f"{text!r} is a GGUF file; name it as a model: gguf:{text}")
        if owner := _provider_of(base):
            raise UsageError(f"{text!r} names no provider; write {owner}:{text}")
        raise UnknownName("model", base, [*(p if p == "smollm2" else f"{p}:" for p in PROVIDERS)])
    if provider == "smollm2" and colon:
        raise UsageError(f"{text!r}: the embedded model has one version only; its name is smollm2")
    if provider == "hf" and not model:
        raise UsageError("hf: needs a folder or a hub name, as in hf:./folder or hf:Qwen/Qwen2.5-0.5B-Instruct")
    if provider == "gguf" and not model:
        raise UsageError("gguf: needs a file, as in gguf:./model.gguf, or smollm2 for the embedded one")
    if not model and provider != "smollm2":
        raise UsageError(f"{provider}: needs the name of a model, as the provider writes it")
    if provider in ENDPOINTS:
        _check_model(text, model, f"{provider}:")
    if provider == "openrouter" and not all(model.partition("/")):
        raise UsageError(f"{text!r}: openrouter names a model with its owner, as in openrouter:owner/model")
    revision = None
    if provider == "hf" and "@" in model and not os.path.exists(os.path.expanduser(model)):
        model, _, revision = model.rpartition("@")
    return Name(text, provider, model, revision, _options(text, query, provider))


def _provider_of(model: str) -> str | None:
    """The provider that a bare name of a model is well known to be of."""
    if model.count("/") == 1 and all(model.split("/")):
        return "hf"
    known = (
        (r"(gpt|chatgpt)-|o\d($|-)", "openai"),
        ("claude-", "anthropic"),
        ("gemini-", "gemini"),
        ("deepseek-", "deepseek"),
    )
    return next((provider for start, provider in known if re.match(start, model)), None)


def _check_model(text: str, model: str, before: str) -> None:
    if not model.strip(" /") or model != model.strip() or model.endswith("/") or not model.isprintable():
        raise UsageError(f"{text!r}: {model!r} names no model; write {before}name, as the provider writes it")


def _endpoint(text: str, base: str, query: str) -> Name:
    address, _, model = base.partition("#")
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - it is read only here, and may be none
    except ValueError as error:
        raise UsageError(f"{text!r}: {error}; an endpoint is written http://host:port/v1#model") from error
    if not parts.hostname:
        raise UsageError(f"{text!r}: an endpoint is written http://host:port/v1#model")
    if parts.username or parts.password:
        raise UsageError("a name is stored and shown, so it must hold no key; set LLMS_API_KEY instead")
    if not model and "#" in query:  # which may hold a key, and so is not shown
        raise UsageError(
            f"the model comes before the options, as in {address}#name?option=value; a name is stored and shown, so it "
            "must hold no key: set LLMS_API_KEY instead"
        )
    _check_model(text, model or "name", f"{address}#")
    if not model:
        raise UsageError(f"{text!r}: say which model of the endpoint, as in {address}#name")
    return Name(text, "url", model, None, _options(text, query, "url"), address.rstrip("/"))


def _options(text: str, query: str, provider: str) -> dict[str, str]:
    options: dict[str, str] = {}
    mine = OF_TEAMS if provider == "team" else OF_SYSTEMS
    known = [*(key for key in OPTIONS if provider in LOCAL or key not in OF_CHECKPOINTS), *mine]
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in options:
            raise UsageError(f"{text!r}: {key} is given twice, as {options[key]!r} and {value!r}; give it once")
        if key in mine:
            if mine[key] and value not in mine[key]:
                raise UnknownName(f"value of {key}", value, mine[key])
            options[key] = value
            continue
        if key == "adapter" and not value.strip():
            raise UsageError(
                f"{text!r}: adapter= names no adapter; write adapter=FOLDER or the name of one that comes along, or leave it out"
            )
        if key in OPTIONS and key not in known:
            raise UsageError(f"{text!r}: {key} is for models whose weights are here; {provider} runs the model itself")
        if key not in OPTIONS:
            raise UnknownName(f"option of {text.partition('?')[0]}", key, known)
        parts = value.split(",") if key == "allow" else [value.partition(":")[0] if key == "device" else value]
        for part in parts:
            if OPTIONS[key] and part not in OPTIONS[key]:
                raise UnknownName(f"value of {key}", part, OPTIONS[key])
        options[key] = value
    if query and not options:
        raise UsageError(f"{text!r}: options are written ?name=value&name=value")
    return options
