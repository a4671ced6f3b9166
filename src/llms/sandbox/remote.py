"""Two processes that ask each other: one holds the tests, the other the program under test, and plain data goes between.

What is not plain data stays where it is; the other side holds a Remote of it. The tests' side takes the program's word for what
its objects do, and for no comparison of them with anything of the tests. Runs in the sandbox: standard library only.
"""

import contextlib
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .plain_data import COUNT, LARGEST, pack, unpack
else:  # in the sandbox, where this file lies beside that one
    from plain_data import COUNT, LARGEST, pack, unpack

TRACEBACK = "_traceback_there"  # the attribute of an exception with the other process's lines
PROGRAM = "program"  # what the program under test is called as a module
# What tests may take from the program's imports is imported anew for them. No other module is, at the program's word: some run
# something when they are imported (unittest.__main__), some of their exceptions mean success (unittest.SkipTest).
SHARED = (
    "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "heapq",
    "itertools", "json", "math", "random", "re", "statistics", "string", "typing",
)  # fmt: skip


class ProgramEndedError(Exception):
    """The program under test is gone, or says what no program of ours would."""


class ProgramExitError(SystemExit):
    """The program under test called for the end of its process."""


class Peer:
    """One end of the conversation. `ask` sends a request and serves the other end's until the answer is there.

    The other end can name no object that was not lent to it. `trusted` is the tests' end: it may name what the program is to
    import, and imports nothing at the program's word. `gone` says how the program ended, once it has.
    """

    def __init__(self, reading: int, writing: int, serve: Callable[..., object], trusted: bool):
        self._reading, self._writing, self._serve, self._trusted = reading, writing, serve, trusted
        self._lent: dict[int, object] = {}
        self._exceptions: dict[str, type[Exception]] = {}
        self.copies = True  # whether an argument that the program changes stays as it was for the tests
        self.gone = ""

    def ask(self, *request: object) -> Any:
        """The other end's answer: plain data or a Remote, whichever the program likes. Raises what it raised there."""
        try:
            self._send("ask", list(request))
        except OSError:
            raise self._ended("the program ended before its tests were done") from None
        while True:
            kind, body = self._receive()
            if kind == "answer":
                return body
            if kind == "exit":
                raise ProgramExitError(body)
            if kind == "error":
                error = self._exception(*body)
                if isinstance(error, StopIteration | StopAsyncIteration) and request[0] != "next":
                    raise RuntimeError(
                        "the program raised StopIteration"
                    ) from error  # it would end a loop of the tests
                raise error
            if kind != "ask":
                raise self._ended(f"the program ended before its tests were done: {body}")
            self.answer(body)

    def answer(self, request: list[object]) -> None:
        try:
            self._send("answer", self._serve(self, *request))
        except Exception as error:
            if self._trusted and isinstance(error, AssertionError):
                self.gone = f"an assertion fails in a function that the tests passed on: {error}"
            attributes = {name: value for name, value in vars(error).items() if not name.startswith("_")}
            self._send("error", [lineage(type(error)), list(error.args), attributes, _traceback(error)])
        except SystemExit as error:
            self._send("exit", error.code)
        except BaseException as error:
            self._send("ended", type(error).__name__)

    def serve(self) -> None:
        """Answer until the other end is gone."""
        with contextlib.suppress(ProgramEndedError):
            while True:
                kind, body = self._receive()
                if kind == "ask":
                    self.answer(body)

    def bytes_of(self, value: object, keep: Callable[[type], bool] = lambda kind: False) -> bytes:
        return pack(value, self._lend, keep)

    def value_of(self, data: bytes) -> object:
        return unpack(data, self._borrow)

    def _send(self, kind: str, body: object) -> None:
        data = self.bytes_of([kind, body], lambda kind: not self.copies and kind.__module__ == PROGRAM)
        rest = memoryview(COUNT.pack(len(data)) + data)
        while rest:
            rest = rest[os.write(self._writing, rest) :]

    def _receive(self) -> tuple[str, Any]:
        (size,) = COUNT.unpack(self._read(COUNT.size))
        if size > LARGEST:
            raise self._ended(f"the program answers with {size} bytes; at most {LARGEST} are read")
        try:
            message = unpack(self._read(size), self._borrow)
        except (ValueError, TypeError) as error:
            raise self._ended(f"the program's answer cannot be read: {error}") from error
        match message:
            case [str(kind), body]:
                return kind, body
        raise self._ended("the program's answer cannot be read: it is not a kind and a body")

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            got = b""
            with contextlib.suppress(OSError):
                got = os.read(self._reading, min(size - len(data), 1 << 20))
            if not got:
                raise self._ended("the program ended before its tests were done")
            data += got
        return bytes(data)

    def _ended(self, how: str) -> ProgramEndedError:
        self.gone = how
        return ProgramEndedError(how)

    def _lend(self, value: object) -> str:
        if type(value) is Remote and _peer(value) is self:
            return f"yours {_number(value)}"
        if self._trusted and (name := importable(value)):
            return f"import {name}"
        self._lent[id(value)] = value
        return f"mine {id(value)}"

    def _borrow(self, name: str) -> object:
        kind, _, which = name.partition(" ")
        if kind == "mine":
            return Remote(self, int(which))
        if kind == "yours" and int(which) in self._lent:
            return self._lent[int(which)]
        if kind == "import" and not self._trusted:
            return imported(which)
        raise ValueError(f"{name!r:.80} was not passed to it")

    def _exception(
        self, line: list[list[str]], args: list[object], attributes: dict[str, object], traceback: str
    ) -> Exception:
        kind = self.exception_class(line)
        error = kind.__new__(kind, *args)
        vars(error).update(attributes)
        vars(error)[TRACEBACK] = traceback
        return error

    def exception_class(self, line: list[list[str]]) -> type[Exception]:
        """This process's class for another's: a builtin one where there is one, else one made after the other's."""
        nearest: type[Exception] = Exception
        for module, name in reversed(line):
            top = module.partition(".")[0]
            own = getattr(importlib.import_module(top), name, None) if top in (*SHARED, "builtins") else None
            if isinstance(own, type) and issubclass(own, Exception):
                nearest = own
            elif module != "builtins":
                nearest = self._exceptions.setdefault(f"{module}.{name}", type(name, (nearest,), {}))
        return nearest


def lineage(kind: type) -> list[list[str]]:
    """Module and name of a class and its bases, the most special first."""
    return [[str(base.__module__), base.__name__] for base in kind.__mro__ if base is not object]


def importable(value: object) -> str:
    """`module:name` of a class or function of the standard library; "" for everything else."""
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        name = f"{value.__module__}:{value.__qualname__}"
        with contextlib.suppress(ValueError, ImportError, AttributeError):
            return name if imported(name) is value else ""
    return ""


def imported(name: str) -> object:
    """A module of the standard library, or what it calls so, by the name `module` or `module:name`."""
    module, _, path = name.partition(":")
    if module.partition(".")[0] not in sys.stdlib_module_names:
        raise ValueError(f"{module} is not of the standard library")
    value: object = importlib.import_module(module)
    for step in path.split(".") if path else ():
        value = getattr(value, step)
    return value


def _traceback(error: BaseException) -> str:
    """As Python shows it, of the program's own lines."""
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == f"{PROGRAM}.py"]
    return "".join(["Traceback (most recent call last):\n", *traceback.format_list(frames)]) if frames else ""


class Remote:
    """An object of the other process: it is called, read and asked there, and gives plain data or another Remote.

    Two Remotes are compared where they live. One that derives from plain data equals what that holds, compared here; any other
    equals nothing here. It has no order and no arithmetic with what is here.
    """

    __slots__ = ("_number", "_peer")

    def __init__(self, peer: Peer, number: int):
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)

    def __call__(self, *args: object, **kwargs: object) -> object:
        result, changed = _ask("call", self, list(args), kwargs)
        if not _peer(self).copies:
            for key, value in changed.items():
                _replace(args[key] if isinstance(key, int) else kwargs[key], value)
        return result

    def __eq__(self, other: object) -> bool:
        if type(other) is Remote:
            return _ask("eq", self, other) is True
        data = _ask("plain", self)
        return isinstance(data, bytes) and bool(_peer(self).value_of(data) == other)

    def __hash__(self) -> int:
        return hash(_ask("hash", self))

    def __instancecheck__(self, instance: object) -> bool:
        return type(instance) is Remote and _ask("isinstance", instance, self) is True

    def __contains__(self, item: object) -> bool:
        if _peer(self).copies:
            return any(item == own for own in iter(self))
        return _ask("contains", self, item) is True

    def __iter__(self) -> Iterator[object]:
        steps: Iterator[object] = _ask("iter", self)
        return steps

    def __exit__(self, *error: object) -> None:
        _ask("exit", self)  # whose answer would hide a test's failure


def _peer(remote: Remote) -> Peer:
    peer: Peer = object.__getattribute__(remote, "_peer")
    return peer


def _number(remote: Remote) -> int:
    number: int = object.__getattribute__(remote, "_number")
    return number


def _ask(operation: str, remote: Remote, *values: object) -> Any:
    return _peer(remote).ask(operation, remote, *values)


def _replace(here: object, now: object) -> None:
    """Make a list, dict, set or bytearray hold what the program made of its copy."""
    if type(here) is not type(now):
        raise TypeError(f"the program cannot turn {type(here).__name__} into {type(now).__name__}")
    if (isinstance(here, list) and isinstance(now, list)) or (
        isinstance(here, bytearray) and isinstance(now, bytearray)
    ):
        here[:] = now
    elif (isinstance(here, dict) and isinstance(now, dict)) or (isinstance(here, set) and isinstance(now, set)):
        here.clear()
        here.update(now)


OPERATIONS: dict[str, Callable[..., object]] = {
    "eq": lambda a, b: a == b, "hash": hash, "isinstance": isinstance, "contains": lambda a, item: item in a,
    "iter": iter, "exit": lambda a: a.__exit__(None, None, None),
}  # fmt: skip
FORWARDED: dict[str, Callable[..., object]] = {
    "bool": bool, "len": len, "str": str, "repr": repr, "next": next, "reversed": reversed, "getattr": getattr,
    "setattr": setattr, "delattr": delattr, "getitem": lambda a, key: a[key],
    "setitem": lambda a, key, value: a.__setitem__(key, value), "delitem": lambda a, key: a.__delitem__(key),
    "enter": lambda a: a.__enter__(),
}  # fmt: skip
BETWEEN: dict[str, Callable[..., object]] = {
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
}  # fmt: skip
OPERATIONS |= FORWARDED | BETWEEN


def _forwarding(name: str) -> Callable[..., object]:
    return lambda self, *values: _ask(name, self, *values)


def _between(name: str) -> Callable[..., object]:
    return lambda self, other: _ask(name, self, other) if type(other) is Remote else NotImplemented


for _name in FORWARDED:
    setattr(Remote, f"__{_name}__", _forwarding(_name))
for _name in BETWEEN:
    setattr(Remote, f"__{_name}__", _between(_name))
