"""Large files of the hub, fetched so that a download which is killed goes on where it ended.

The hub's own client takes up a broken connection, but begins a file anew after its process ended. Here the bytes stay
in the cache beside the finished files, as `<etag>.incomplete`; a finished file is renamed to what the client expects.
"""

import hashlib
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ...errors import HubUnreachable

LARGE_BYTES = 10_000_000  # smaller files are left to the hub's client
TRIES = 5  # in a row that bring nothing
STALL_SECONDS = 30
SHA256 = re.compile(r"[0-9a-f]{64}")


class ProgressBar(Protocol):
    """A bar that people see."""

    def reset(self) -> None: ...

    def update(self, n: float) -> object: ...


def fetch_large(model: str, commit: str, files: Iterable[tuple[str, int]], endpoint: str, token: str | None) -> None:
    """Put those of `files`, (name, bytes), that are large into the cache's blobs. Raises HubUnreachable."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import WeakFileLock

    cache, folder = Path(HF_HUB_CACHE), repo_folder_name(repo_id=model, repo_type="model")
    for name, size in files:
        if size < LARGE_BYTES:
            continue
        url = hf_hub_url(model, name, revision=commit, endpoint=endpoint)
        etag = get_hf_file_metadata(url, token=token, endpoint=endpoint).etag
        blob = cache / folder / "blobs" / (etag or "")
        if not etag or blob.exists():
            continue
        lock = cache / ".locks" / folder / f"{etag}.lock"
        for path in (blob, lock):
            path.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            _fetch(url, token, name, size, blob)


def _fetch(url: str, token: str | None, name: str, size: int, blob: Path) -> None:
    from huggingface_hub.utils import httpx, tqdm

    part = blob.with_name(f"{blob.name}.incomplete")
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    tries = 0
    with tqdm(total=size, initial=have, unit="B", unit_scale=True, desc=name, disable=None) as bar:
        while have < size and tries < TRIES:
            try:
                _append(url, token, part, bar)
            except (httpx.TransportError, ConnectionError):
                time.sleep(min(tries, 1))
            now = part.stat().st_size if part.exists() else 0
            have, tries = now, 0 if now > have else tries + 1
    if have < size:
        raise HubUnreachable(
            f"{name} broke off at {have} of {size} bytes; run the same command again: it goes on from there"
        )
    if have > size or not _is_what_was_promised(part, blob.name):
        part.unlink()
        raise HubUnreachable(f"{name} came damaged and was thrown away; run the same command again")
    part.rename(blob)


def _append(url: str, token: str | None, part: Path, bar: ProgressBar) -> None:
    """Ask for what is missing and write it behind what is there."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    have = part.stat().st_size if part.exists() else 0
    headers = {**build_hf_headers(token=token), "Range": f"bytes={have}-", "Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=STALL_SECONDS) as answer:
        hf_raise_for_status(answer)
        whole = answer.status_code != 206  # some servers know no ranges
        if whole:
            bar.reset()
        with part.open("wb" if whole else "ab") as file:
            for chunk in answer.iter_bytes():
                file.write(chunk)
                bar.update(len(chunk))


def _is_what_was_promised(part: Path, etag: str) -> bool:
    """Large files are named by the SHA-256 of their content."""
    if not SHA256.fullmatch(etag):
        return True
    with part.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == etag
