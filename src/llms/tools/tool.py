"""A tool: a typed Python function that a model may call, and what calling it can do to the world.

    @tool(kind="read")
    def population(city: str) -> int:
        \"\"\"Inhabitants of a city.\"\"\"

Name, description and schema come from the function: its hints say what the model may pass, its docstring when to.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, overload

from ..errors import LlmsError, UsageError

Kind = Literal["pure", "read", "network", "write", "code", "external"]
Deps: TypeAlias = None  # of pydantic-ai's runs: no tool of ours takes anything from the agent that calls it
ASKING: frozenset[Kind] = frozenset({"network", "write", "code", "external"})  # a person agrees to each call
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class ToolError(LlmsError):
    """A tool could not do what it was asked; the model reads `kind`, the message and `hint`."""

    def __init__(self, kind: str, message: str, hint: str = ""):
        super().__init__(message)
        self.kind, self.hint = kind, hint


@dataclass(frozen=True, slots=True)
class File:
    """Something a tool made that is not text for the model: an image, a table, the rest of a long result."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """A result with files."""

    value: object
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Tool:
    """`kind` decides whether a person is asked: `pure` computes, `read` looks at what the user has given; the others ask.

    An ordinary function runs in a thread and cannot be cancelled, only left behind after `seconds` (None: the limit of
    all tools); an async one is cancelled.
    """

    name: str
    function: Callable[..., object]
    kind: Kind
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is not a name for a tool: letters, figures, _ and -, beginning with a letter"
            )
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise UsageError(f"the tool {self.name} takes *{parameter.name}; a model needs named parameters")
            if parameter.annotation is parameter.empty:
                raise UsageError(
                    f"the tool {self.name} has no type hint for {parameter.name}; a model learns from hints what it may "
                    f"pass. Write for example {parameter.name}: str"
                )

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.function(*args, **kwargs)

    @property
    def description(self) -> str:
        """The first paragraph of the docstring."""
        return " ".join((inspect.getdoc(self.function) or self.name).partition("\n\n")[0].split())

    @property
    def cancellable(self) -> bool:
        return inspect.iscoroutinefunction(self.function)


@overload
def tool(function: Callable[..., object], /) -> Tool: ...


@overload
def tool(
    *, kind: Kind = "external", name: str | None = None, seconds: float | None = None
) -> Callable[[Callable[..., object]], Tool]: ...


def tool(function: Callable[..., object] | None = None, /, *, kind: Kind = "external", name: str | None = None,
         seconds: float | None = None) -> Tool | Callable[[Callable[..., object]], Tool]:  # fmt: skip
    """Make a tool of a function. Unless `kind` says that it is harmless, a person is asked before each call.

    Raises UsageError if a parameter has no type hint.
    """

    def make(function: Callable[..., object]) -> Tool:
        return Tool(name or str(getattr(function, "__name__", "tool")), function, kind, seconds)

    return make(function) if function is not None else make
