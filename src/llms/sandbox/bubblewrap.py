"""The same isolation by bubblewrap, for an ordinary user of a system that allows namespaces to it and not to everyone."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

ENTER, FILES, WORK = "/enter.py", "/files", "/tmp/work"


@cache
def bubblewrap() -> str | None:
    """Where it is. Root does without: it may do itself what is needed, and as root the process limit would not hold."""
    return shutil.which("bwrap") if os.geteuid() else None


@cache
def _further_namespaces() -> list[str]:
    """The option that forbids them, where this version has it."""
    said = subprocess.run([bubblewrap() or "", "--help"], capture_output=True, text=True)
    return ["--disable-userns"] if "--disable-userns" in said.stdout + said.stderr else []


def wrapped(config: Mapping[str, Any], enter: str) -> list[str]:
    """The command in front of the interpreter that runs enter.py at ENTER: what is visible, where, how large."""
    command = [bubblewrap() or "bwrap", "--unshare-all", "--unshare-user", *_further_namespaces(), "--die-with-parent"]
    command += ["--as-pid-1", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"]
    size = ["--size", str(config["disk_bytes"])]
    command += [*size, "--tmpfs", "/tmp"]  # before what is visible, some of which may lie there
    for path in config["visible"]:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            command += ["--ro-bind", path, path]
    command += ["--ro-bind", enter, ENTER, "--ro-bind", config["folder"] + "/files", FILES, "--proc", "/proc"]
    command += ["--dev", "/dev", *size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    return [*command, "--remount-ro", "/", "--chdir", "/tmp", "--"]
