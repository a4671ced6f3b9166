"""Documents and pictures are read in a process of its own: what a file does to its reader ends there, and within limits.

The process gets the bytes and nothing else: no key and no other variable of the environment.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

from ...errors import MissingExtra
from .kinds import READ_APART, Kind, Refused

CPU_SECONDS = 60
WALL_SECONDS = 120  # where the machine is busy
MEMORY_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class ReadFile:
    """`text` of a document, or `data` of a picture as it is to be sent. `about`: how much it is, in words. `notes`: what a
    person must know of it, such as pages without text."""

    about: str
    text: str = ""
    data: bytes = b""
    media_type: str = "text/plain"
    notes: tuple[str, ...] = ()


def read_apart(kind: Kind, media_type: str, name: str, data: bytes) -> ReadFile:
    """Raises Refused with the reason, MissingExtra."""
    job = json.dumps({"kind": kind, "media_type": media_type, "name": name, "cpu": CPU_SECONDS, "memory": MEMORY_BYTES})
    with subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.reading"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path), "LC_ALL": "C.UTF-8"},
    ) as process:  # fmt: skip
        try:
            answer, _ = process.communicate(job.encode() + b"\n" + data, timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Refused(f"takes more than {WALL_SECONDS} seconds to read, which is the most") from None
        except BaseException:
            process.kill()
            raise
    head, _, rest = answer.partition(b"\n")
    what = READ_APART[kind]
    if process.returncode != 0 or not head:
        if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            raise Refused(f"takes more than {CPU_SECONDS} seconds of computing to read, which is the most")
        raise Refused(f"is a {what} that its reader broke down on; it is broken, or made to break readers")
    fields = json.loads(head)
    if missing := fields.get("missing"):
        raise MissingExtra(missing, f"reading {name}, a {what},", "files")
    if refused := fields.get("refused"):
        raise Refused(refused)
    if "broken" in fields:
        raise Refused(f"is a broken {what}: {fields['broken']}")
    return ReadFile(
        fields["about"], fields.get("text", ""), rest, fields.get("media_type", "text/plain"), tuple(fields["notes"])
    )
