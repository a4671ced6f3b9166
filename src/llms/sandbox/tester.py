"""Inside the sandbox: tests run in this process, the program under test in another, so that only the tests decide.

`job` is what it reads from standard input. The verdict is the exit status of this process, which the program cannot set: it
runs in a child that was forked before the tests were read, holds no descriptor but its end of two pipes, and may neither trace
nor read this process (PR_SET_DUMPABLE). A program that kills this process has failed.
"""

import builtins
import contextlib
import ctypes
import os
import signal
import sys
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .plain_data import pack, unpack
    from .remote import OPERATIONS, PROGRAM, SHARED, TRACEBACK, Peer, ProgramExitError, importable, imported, lineage
else:  # in the sandbox, where this file lies beside those
    from plain_data import pack, unpack
    from remote import (
        OPERATIONS,
        PROGRAM,
        SHARED,
        TRACEBACK,
        Peer,
        ProgramExitError,
        importable,
        imported,
        lineage,
    )

FILES = ("plain_data.py", "remote.py", "tester.py")
COMMAND = ("python3", "-I", "-c", "import sys; sys.path.insert(0, ''); import tester; del sys.path[0]; tester.main()")
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
ENDING_SECONDS = 0.5  # for a program that closed its pipes to end
SETUP = "given.py"  # what a traceback calls the lines that come before the tests
MUTABLE = (list, dict, set, bytearray)


def job(source: str, tests: str, setup: str = "", entry: str = "") -> bytes:
    """`source` is the program, `tests` decide over it.

    With `entry` the tests see what `setup` defines, run in their own process, and the program's function `entry`, which gets
    copies of what they pass. Without, they see all names of the program, and a list, dict, set or bytearray that a call
    changes is changed for them.
    """
    return pack([source, tests, setup, entry])


def main() -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    requests, answers = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        _be_program(requests[0], answers[1], (0, requests[1], answers[0]))
    os.close(requests[0])
    os.close(answers[1])
    with open(0, "rb") as file:
        match unpack(file.read()):
            case [str(source), str(tests), str(setup), str(entry)]:
                pass
            case other:
                raise ValueError(f"{other!r:.80} is not a job")
    peer = Peer(answers[0], requests[1], _serve_tests, trusted=True)
    peer.copies = bool(entry)
    passed = _passes(peer, source, tests, setup, entry)
    if peer.gone:
        passed = False
        print(peer.gone, file=sys.stderr)
        _end_like(child)
    os.kill(child, signal.SIGKILL)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if passed else 1)


def _passes(peer: Peer, source: str, tests: str, setup: str, entry: str) -> bool:
    """Whether the tests run to their end; what stops them is written to standard error."""
    try:
        peer.ask("load", source, peer.copies)
        names: dict[str, object] = {"__name__": "__main__", "__builtins__": builtins} if entry else Names(peer)
        sys.modules["__main__"] = _Module(names)  # type: ignore[assignment]  # its readers look up attributes and nothing else
        exec(compile(setup, SETUP, "exec"), names)
        if entry:
            kind, names[entry] = peer.ask("name", entry)
            if kind == "missing":
                raise NameError(f"the program defines no {entry}")
        exec(compile(tests, "tests.py", "exec"), names)
    except ProgramExitError as error:
        print(f"the program ended itself before its tests were done (exit status {error.code})", file=sys.stderr)
        return False
    except SystemExit as error:
        return error.code in (None, 0)
    except BaseException as error:
        if not peer.gone:
            _show(error, tests)
        return False
    return True


class _Module:
    """The tests as the module `__main__`, which `unittest.main` looks into."""

    def __init__(self, names: dict[str, object]):
        self.__dict__ = names


def _show(error: BaseException, tests: str) -> None:
    import linecache
    import traceback

    linecache.cache["tests.py"] = (len(tests), None, tests.splitlines(keepends=True), "tests.py")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in ("tests.py", SETUP)]
    lines = [vars(error).get(TRACEBACK, ""), "Traceback (most recent call last):\n", *traceback.format_list(frames)]
    print("".join([*lines, *traceback.format_exception_only(error)]), end="", file=sys.stderr)


def _end_like(child: int) -> None:
    """By the signal that ended the program, if one did, so that a limit it met is known as that."""
    deadline = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if os.WIFSIGNALED(status):
                signal.signal(os.WTERMSIG(status), signal.SIG_DFL) if os.WTERMSIG(status) != signal.SIGKILL else None
                sys.stderr.flush()
                os.kill(os.getpid(), os.WTERMSIG(status))
            os._exit(1)
        time.sleep(0.005)


class Names(dict[str, object]):
    """The tests' global names: their own, then Python's, then the program's, asked for each time they are read."""

    def __init__(self, peer: Peer):
        super().__init__(__name__="__main__", __builtins__=builtins)
        self._peer = peer
        self._shadowed = set(peer.ask("shadowed"))

    def __missing__(self, name: str) -> object:
        if name in self._shadowed:
            raise NameError(
                f"the tests use {name}, which is Python's own and which the program defines anew: rename it"
            )
        if hasattr(builtins, name):
            raise KeyError(name)
        kind, value = self._peer.ask("name", name)
        if kind == "missing":
            raise KeyError(name)
        if kind == "exception":
            return self._peer.exception_class(value)
        if kind != "import":
            return value
        module, _, own = value.partition(":")
        if module not in SHARED or own not in ("", name):
            raise NameError(f"the tests do not import {name}")
        return imported(value)


def _serve_tests(peer: Peer, operation: str, *values: Any) -> object:
    """Answer what the program may ask of the tests: to call a function that they passed to it."""
    if operation != "call":
        raise TypeError("an object of the tests can be called and nothing else; pass plain data")
    return _call(peer, *values)


def _be_program(reading: int, writing: int, closed: tuple[int, ...]) -> None:
    """The child: never returns."""
    for descriptor in closed:
        os.close(descriptor)
    os.open(os.devnull, os.O_RDONLY)  # the lowest that is free: standard input
    sys.argv[:] = [f"{PROGRAM}.py"]
    Peer(reading, writing, _serve_program, trusted=False).serve()
    os._exit(0)


def _serve_program(peer: Peer, operation: str, *values: Any) -> object:
    """Answer what the tests ask of the program."""
    if operation == "load":
        source, peer.copies = values
        _load(source)
        return None
    program = sys.modules[PROGRAM].__dict__
    if operation == "name":
        return _name(program, *values)
    if operation == "shadowed":
        return [name for name in program if hasattr(builtins, name) and not name.startswith("__")]
    if operation == "call":
        return _call(peer, *values)
    if operation == "plain":
        with contextlib.suppress(TypeError):
            return _plain(peer, *values)
        return None
    return OPERATIONS[operation](*values)


def _load(source: str) -> None:
    """Run the program as a module: what it does only as a script (`__main__`) is not asked for."""
    import linecache

    linecache.cache[f"{PROGRAM}.py"] = (len(source), None, source.splitlines(keepends=True), f"{PROGRAM}.py")
    module = sys.modules[PROGRAM] = types.ModuleType(PROGRAM)
    exec(compile(source, f"{PROGRAM}.py", "exec"), module.__dict__)


def _name(program: dict[str, object], name: str) -> list[object]:
    """The object that the program calls `name`, or how the tests come by their own of it."""
    if name not in program:
        return ["missing", None]
    value = program[name]
    if isinstance(value, types.ModuleType) and value.__name__ == name in SHARED:
        return ["import", f"{name}:"]
    if isinstance(value, type) and issubclass(value, Exception):
        return ["exception", lineage(value)]
    module, _, own = importable(value).partition(":")
    return ["import", f"{module}:{own}"] if own == name and module in SHARED else ["value", value]


def _call(peer: Peer, function: Callable[..., object], args: list[object], kwargs: dict[str, object]) -> list[object]:
    """The result, and by place or name those arguments that the call changed."""
    values: dict[int | str, object] = dict(enumerate(args)) | kwargs
    before = {key: peer.bytes_of(value) for key, value in values.items() if type(value) in MUTABLE and not peer.copies}
    result = function(*args, **kwargs)
    return [result, {key: values[key] for key, data in before.items() if peer.bytes_of(values[key]) != data}]


def _plain(peer: Peer, value: object) -> bytes | None:
    """The content of the plain type that `value` derives from, as bytes; None if it derives from none."""
    data = peer.bytes_of(value)
    return None if data.startswith(b"o") else data
