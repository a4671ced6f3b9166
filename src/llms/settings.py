"""Where things lie, and the only reader of the environment (and of `.env` in the working folder).

LLMS_HOME   database and caches of llms (default: ~/.cache/llms)
LLMS_MODEL  the model of new chats, agents and `llms serve`, whatever `llms models default` keeps
LLMS_DATA   a benchmark data root, as `--data DIR`
LLMS_SERVE_KEY  what callers of `llms serve` must send; needed for any address but loopback
LLMS_WEB_TOKEN  the token in the address of `llms web` (default: a new one at each start)
LLMS_WORKERS  processes that score in parallel (default: as many as cores and free memory hold)
OPENAI_API_KEY, ANTHROPIC_API_KEY …  keys of endpoints; `models.endpoints` says which
LLMS_API_KEY  the key of an endpoint that is named by its URL
OPENAI_BASE_URL, ANTHROPIC_BASE_URL …  where a named endpoint is reached instead (a gateway)
"""

import json
import os
import stat
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from .errors import UsageError

DATABASE = "llms.sqlite3"
OURS = (
    f"{DATABASE}*",
    "mcp*",
    "chat_history",
    "digests.json*",
    "settings.json*",
    "web-*.html",
    "blobs",
    "files",
    "teams",
    "models",
    "proofs",
    "rows",
)  # what lies in a home
_creating = threading.Lock()
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@cache
def _dotenv() -> Mapping[str, str | None]:
    """The variables of ./.env and of no other folder's; a `$` in a value is a dollar sign. The environment stays as it is."""
    path = Path(".env")
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # takes 20 ms, and most folders have no such file

    return dotenv_values(path, interpolate=False, encoding="utf-8-sig")


def get(name: str) -> str | None:
    """The environment's value of `name`, else that of `.env`, else None; empty counts as unset."""
    return os.environ.get(name) or _dotenv().get(name) or None


def key(variables: Sequence[str]) -> str | None:
    """The first of the keys `variables` that is set. It is sent, never stored and never shown whole: see `shown`."""
    return next((value.strip() for variable in variables if (value := get(variable))), None)


def shown(key: str) -> str:
    """As much of a key as tells it from others: its first characters, at most a quarter."""
    return key[: min(8, len(key) // 4)] + "…"


def base_url(endpoint: str) -> str | None:
    return get(f"{endpoint.upper()}_BASE_URL")


def proxy(url: str) -> str | None:
    """The proxy through which `url` is reached, as HTTPS_PROXY, ALL_PROXY and NO_PROXY (or the system) say."""
    from urllib.request import getproxies, proxy_bypass

    address = urlsplit(url)
    host = address.hostname or ""
    if host in LOOPBACK or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(address.scheme) or proxies.get("all")


def home() -> Path:
    return Path(get("LLMS_HOME") or Path.home() / ".cache" / "llms").expanduser()


def database() -> Path:
    return home() / DATABASE


def private(path: Path) -> Path:
    """`path`, a file that is there and that its owner alone can read, as are its directory and what else of ours lies there.

    Raises OSError where it cannot be made.
    """
    private_directory(path.parent)
    with _creating, suppress(FileExistsError):  # one that is there is not opened: see `of_database`
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    _narrow(path)
    return path


def private_directory(path: Path) -> Path:
    """`path`, a directory that is there. It is closed to others unless it holds what is not ours."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = os.listdir(path)
    ours = [name for name in names if any(fnmatch(name, pattern) for pattern in OURS)]
    if DATABASE in names or len(ours) == len(names):
        _narrow(path)
    for name in ours:
        _narrow(path / name)
    return path


def _narrow(path: Path) -> None:
    """Take from others what they may do with a file or directory that is ours; what others own, or share, stays."""
    if sys.platform == "win32":
        return  # no such modes there; a home lies in the user's profile
    try:
        status = path.lstat()
    except FileNotFoundError:  # another process was faster
        return
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode) and mode & 0o077 and not mode & stat.S_ISVTX:
        path.chmod(mode & 0o700)


def of_database(status: os.stat_result) -> bool:
    """Whether this is a file of the database, under whatever name: links lead to it, too.

    A process that has the database open must not open such a file otherwise: closing it again drops all locks that SQLite
    holds there (https://www.sqlite.org/howtocorrupt.html, 2.2), and what is written next is lost.
    """
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            if os.path.samestat(status, os.stat(f"{database()}{end}")):
                return True
    return False


def refuse_database(path: Path) -> None:
    """Raise UsageError for a file of the database; to be asked before it is opened."""
    with suppress(OSError, ValueError):
        if not of_database(os.stat(path)):
            return
        raise UsageError(
            f"{path} belongs to the database of llms, which is in use: reading it otherwise would damage it. "
            "llms chats export and llms runs give what is in it"
        )


def models() -> Path:
    """Checkpoints that llms made itself: the embedded model, converted."""
    return home() / "models"


def _kept_file() -> Path:
    return home() / "settings.json"


def default_model() -> tuple[str, str] | None:
    """(the name of the model that was set as the default, what sets it); None where none was."""
    if name := get("LLMS_MODEL"):
        return name.strip(), "LLMS_MODEL"
    try:
        values = json.loads(_kept_file().read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {_kept_file()}: {error}; llms models default NAME writes it anew") from error
    name = values.get("model") if isinstance(values, dict) else None
    return (name, "llms models default") if isinstance(name, str) and name else None


def keep_default_model(name: str | None) -> None:
    """Set the default model, or, by None, no other than the shipped one. Raises OSError."""
    path = private(_kept_file())
    begun = path.with_name(f"{path.name}.{os.getpid()}")
    begun.touch(mode=0o600)
    begun.write_text(json.dumps({} if name is None else {"model": name}, ensure_ascii=False) + "\n", encoding="utf-8")
    begun.replace(path)


def data() -> str | None:
    return get("LLMS_DATA")


def workers() -> int | None:
    value = get("LLMS_WORKERS")
    return int(value) if value and value.isdigit() and int(value) > 0 else None


def hub_offline() -> bool:
    return (get("HF_HUB_OFFLINE") or "").lower() in ("1", "true", "yes", "on")


def hub_endpoint() -> str:
    return (get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def hub_answers(timeout_seconds: float = 1.0) -> bool:
    """Whether the hub accepts a connection; its own client would retry for 23 seconds before it says no."""
    import socket

    address = urlsplit(hub_endpoint())
    port = address.port or (80 if address.scheme == "http" else 443)
    proxied = any(get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    if proxied:
        return True
    try:
        socket.create_connection((address.hostname or "", port), timeout=timeout_seconds).close()
    except OSError:
        return False
    return True


def cores() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rank_of_process() -> tuple[int, int]:
    """(this process's number, how many there are) of a computation over several, as torchrun sets them; (0, 1) elsewhere."""
    return int(get("RANK") or 0), int(get("WORLD_SIZE") or 1)
