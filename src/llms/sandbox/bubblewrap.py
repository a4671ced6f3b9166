"""The same isolation by bubblewrap, for an ordinary user of a system that allows namespaces to it and not to everyone."""

import os
import shutil
import subprocess
from functools import cache

from .limits import Job

ENTER, FILES, WORK = "/enter.py", "/files", "/tmp/work"
DEVICES = ("null", "full", "random", "urandom")  # as in enter.py
LINKS = (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("shm", "/tmp"))


@cache
def bubblewrap() -> str | None:
    """The path of bwrap, None where it is missing. Root does without: it may do itself what is needed, and as root the process limit would not hold."""
    return shutil.which("bwrap") if os.geteuid() else None


@cache
def _further_namespaces() -> list[str]:
    """The option that forbids them, where this version has it."""
    usage = subprocess.run([bubblewrap() or "", "--help"], capture_output=True, text=True)
    return ["--disable-userns"] if "--disable-userns" in usage.stdout + usage.stderr else []


def wrapped(job: Job, enter: str) -> list[str]:
    """The command in front of the interpreter that runs enter.py at ENTER: which folders are visible, and where, and how large."""
    command = [bubblewrap() or "bwrap", "--unshare-all", "--unshare-user", *_further_namespaces(), "--die-with-parent"]
    command += ["--as-pid-1", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"]
    size = ["--size", str(job["disk_bytes"])]
    command += [*size, "--tmpfs", "/tmp"]  # before what is visible, some of which may lie there
    for path in job["visible"]:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            command += ["--ro-bind", path, path]
    command += ["--ro-bind", enter, ENTER, "--ro-bind", job["folder"] + "/files", FILES, "--proc", "/proc"]
    command += [
        "--tmpfs",
        "/dev",
        *(word for name in DEVICES for word in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")),
    ]
    for name, target in LINKS:
        command += ["--symlink", target, f"/dev/{name}"]
    command += ["--remount-ro", "/dev"]
    return [*command, "--remount-ro", "/", "--chdir", "/tmp", "--"]
