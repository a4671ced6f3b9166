"""Outside: starts enter.py, reads its output up to a limit, ends it when its time is over, and says what happened."""

import base64
import contextlib
import itertools
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from ..errors import LlmsError
from . import bubblewrap, syscalls
from .limits import MOST_FILE_BYTES, MOST_FILES, CommandLimits, End, Job, JobReport, Ran, SandboxLimits
from .removal import temporary_folder

ENTER = str(Path(__file__).with_name("enter.py"))
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store")
FIRST_UID = 61_000  # jobs of root run under uids from here on, one each, so that they do not share a process limit
GRACE_SECONDS = 5.0  # beyond the limits of all commands, before everything is killed from outside
_jobs = itertools.count()


class SandboxUnavailable(LlmsError):
    """This machine allows no isolation; says why and what to do."""


class Sandbox:
    """Runs commands over files. `isolate=False` is the user's explicit wish: then only limits hold.

    `visible` are folders that programs may read besides the system. Raises SandboxUnavailable if isolation is wanted and
    not to be had.
    """

    def __init__(self, isolate: bool = True, visible: Sequence[str] = ()):
        if isolate and (reason := probe()):
            raise SandboxUnavailable(
                f"programs cannot be isolated on this machine ({reason}). Allow unprivileged user namespaces, run where "
                "they are allowed, or accept the risk with --no-sandbox"
            )
        self.isolate = isolate
        self._visible = (*SYSTEM, *_interpreter(), *visible)

    def run(
        self,
        files: Mapping[str, str],
        commands: Sequence[Sequence[str]],
        limits: Sequence[SandboxLimits] = (),
        path: Sequence[str] = (),
        bring_out: bool = False,
        stdin: bytes = b"",
    ) -> Ran:
        """Run `commands` in turn, each only if the one before exited with 0, in a folder that holds `files`.

        `limits` has one entry a command (default: SandboxLimits()); `path` goes in front of the system's. With `bring_out` the
        files that were left or changed come back: at most 10, of 5 MB in all. `stdin` is what they read; it lies in no folder.
        """
        each = tuple(limits) or (SandboxLimits(),) * len(commands)
        with temporary_folder() as folder:
            job = _prepare(folder, files, commands, each, self.isolate, self._visible, path)
            job["most_files"] = MOST_FILES if bring_out else 0
            job["wrapped"] = self.isolate and _way()[0]
            return _start(job, each, stdin)


def probe() -> str | None:
    """Why programs cannot be isolated here; None if they can."""
    return _way()[1]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One of the things that programs are held to. `detail` says how this machine does it, or why not and what follows."""

    name: str
    holds: bool
    detail: str


@cache
def holds() -> tuple[Guarantee, ...]:
    """Everything that the sandbox promises, and whether it holds here."""
    wrapped, reason = _way()
    if reason is not None:
        return (Guarantee("isolation", False, f"programs of models cannot be isolated: {reason}"),)
    how = "bubblewrap" if wrapped else "the kernel"
    counted = Sandbox().run({}, [["test", "-e", "/proc/self/status"]]).ok
    absent = syscalls.lacking()
    return (
        Guarantee("isolation", True, f"programs of models run in namespaces of their own, without network, by {how}"),
        Guarantee("system calls", True, "system calls are filtered")
        if absent is None
        else Guarantee(
            "system calls", False, f"system calls of programs are not filtered, so that memory can be hidden in memfds and "
            f"shared segments: {absent}",
        ),
        Guarantee("memory", True, "memory of all their processes is counted")
        if counted
        else Guarantee(
            "memory", False, "memory is limited for each process and not for all of a program's: /proc is masked here"
        ),
    )  # fmt: skip


@cache
def _way() -> tuple[bool, str | None]:
    """Whether bubblewrap isolates, or the kernel is asked directly; and why neither works. Tried, not guessed: some
    systems forbid namespaces."""
    if not sys.platform.startswith("linux"):
        return False, f"namespaces are Linux's; this is {sys.platform}"
    if bubblewrap.bubblewrap() and _trial(True) is None:
        return True, None
    return False, _trial(False)


def _trial(wrapped: bool) -> str | None:
    """Why the smallest program does not run in isolation; None if it does."""
    with temporary_folder() as folder:
        limits = (SandboxLimits(),)
        job = _prepare(folder, {}, [["true"]], limits, True, (*SYSTEM, *_interpreter()), ())
        job["wrapped"] = wrapped
        try:
            ran = _start(job, limits)
        except SandboxUnavailable as error:
            return str(error)
    return None if ran.ok else ran.stderr.strip() or f"a trial ended with {ran.end}"


def _interpreter() -> list[str]:
    """Where this Python lives, if not in the system."""
    return sorted({sys.prefix, sys.base_prefix})


def _prepare(
    folder: str,
    files: Mapping[str, str],
    commands: Sequence[Sequence[str]],
    limits: Sequence[SandboxLimits],
    isolate: bool,
    visible: Sequence[str],
    path: Sequence[str],
) -> Job:
    """Lay `files` out in `folder`; the job for enter.py, whose `answer` is still to be set."""
    uid = FIRST_UID + (os.getpid() * 31 + next(_jobs)) % 4000 if isolate and os.geteuid() == 0 else 0
    os.mkdir(f"{folder}/root")
    os.mkdir(f"{folder}/files")
    for name, text in files.items():
        Path(folder, "files", name).write_text(text, encoding="utf-8", errors="surrogateescape")
    if uid:
        for owned in (folder, f"{folder}/root", f"{folder}/files", *(f"{folder}/files/{name}" for name in files)):
            os.chown(owned, uid, uid)
    home = "/tmp/work" if isolate else f"{folder}/files"
    system_path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return {
        "folder": folder,
        "files": bubblewrap.FILES,
        "answer": -1,
        "wrapped": False,
        "commands": [list(command) for command in commands],
        "limits": [_of_command(limit) for limit in limits],
        "isolate": isolate,
        "visible": list(visible),
        "uid": uid,
        "disk_bytes": max(limit.disk_bytes for limit in limits),
        "filter": base64.b64encode(syscalls.filter_program()).decode(),
        "most_files": 0,
        "most_bytes": MOST_FILE_BYTES,
        "environment": {
            "PATH": os.pathsep.join([*path, *system_path]),
            "HOME": home,
            "TMPDIR": "/tmp" if isolate else home,
            "XDG_CACHE_HOME": "/tmp/cache" if isolate else f"{folder}/cache",  # no file of the program's
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    }


def _of_command(limit: SandboxLimits) -> CommandLimits:
    return {
        "wall_seconds": limit.wall_seconds,
        "cpu_seconds": limit.cpu_seconds,
        "memory_bytes": limit.memory_bytes,
        "address_space": limit.address_space,
        "processes": limit.processes,
    }


def _start(job: Job, limits: Sequence[SandboxLimits], stdin: bytes = b"") -> Ran:
    """Run enter.py on `job`, keep at most the limit of each stream, kill everything when it takes too long."""
    answer, theirs = os.pipe()
    job["answer"] = theirs
    before, enter = (bubblewrap.wrapped(job, ENTER), bubblewrap.ENTER) if job["wrapped"] else ([], ENTER)
    try:
        with _readable(stdin) as source:
            process = subprocess.Popen(
                [*before, _python(), "-I", "-S", enter, json.dumps(job)],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs],
                env={},
                start_new_session=True,
            )
    finally:
        os.close(theirs)
    most = max(limit.output_bytes for limit in limits)
    started = time.monotonic()
    try:
        output, answered, truncated = _collect(
            process, answer, most, started + sum(limit.wall_seconds for limit in limits) + GRACE_SECONDS
        )
        report: JobReport = json.loads(answered or "{}") if not truncated else {}
    finally:
        _end(process)
        os.close(answer)
    if "refused" in report:
        raise SandboxUnavailable(report["refused"])
    stdout, stderr = (text.decode("utf-8", "replace") for text in output)
    end: End = "output_limit" if truncated else report.get("end", "timeout")
    seconds = report.get("seconds", time.monotonic() - started)
    files = tuple((name, base64.b64decode(data)) for name, data in report.get("files", ()))
    return Ran(
        end, report.get("exit_code", -signal.SIGKILL), report.get("command", 0), seconds, report.get("peak_bytes", 0),
        stdout, stderr, truncated, files, report.get("left_out", 0),
    )  # fmt: skip


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[IO[bytes]]:
    """`data` to read from, in a file without a name."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file


def _collect(
    process: subprocess.Popen[bytes], answer: int, most: int, deadline: float
) -> tuple[list[bytes], bytes, bool]:
    """Both streams, what enter.py answers, and whether a stream went over its limit.

    Stops when the process ends: a grandchild may hold the pipe.
    """
    assert process.stdout
    assert process.stderr
    streams = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    report = bytearray()
    ended: float | None = None
    with selectors.DefaultSelector() as selector:
        for descriptor in (*streams, answer):
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < deadline:
            if ended is None and process.poll() is not None:
                ended = time.monotonic()
            if ended is not None and time.monotonic() > ended + 0.2:
                break
            for key, _ in selector.select(0.05 if ended is None else 0.01):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                if key.fd == answer:
                    report += data
                    continue
                streams[key.fd] += data
                if len(streams[key.fd]) > most:
                    return [bytes(text[:most]) for text in streams.values()], b"", True
    remaining = deadline - time.monotonic()
    if remaining > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(remaining)
    return [bytes(text) for text in streams.values()], bytes(report) + _read_all(answer), False


def _read_all(descriptor: int) -> bytes:
    """The bytes that are left in a pipe."""
    result = b""
    with contextlib.suppress(BlockingIOError):
        while data := os.read(descriptor, 65536):
            result += data
    return result


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill its session; inside namespaces everything goes with the first process."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


@cache
def _python() -> str:
    """The interpreter behind a virtual environment: it starts faster."""
    return getattr(sys, "_base_executable", None) or shutil.which("python3") or sys.executable
