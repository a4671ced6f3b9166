"""Names that are taken over HTTP: nothing that runs a checkpoint's own code, no file outside the folders of the start.

Whoever starts a program names folders and dangers on its command line; a request can only choose among them.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ...models.name import parse
from ...tools.catalogue import OF_FILES, OF_MODELS, SERVERS, split
from ...tools.mcp import server_named


@dataclass(frozen=True)
class Reach:
    """`folders` may be read by tools and teams; `model`, named at the start, is taken with whatever it allows."""

    folders: tuple[Path, ...] = ()
    model: str = ""

    @classmethod
    def of(cls, folders: Iterable[str], model: str) -> "Reach":
        """A reach over these folders. Raises UsageError for one that is not a directory."""
        paths = [Path(folder).expanduser() for folder in folders]
        for path in paths:
            if not path.is_dir():
                raise UsageError(f"--folder {path} is not a directory; name one whose files the pages' tools may read")
        return cls(tuple(path.resolve() for path in paths), model)

    def check_model(self, name: str) -> str:
        """`name`, if a request may name it. Raises UsageError."""
        if name == self.model:
            return name
        options = parse(name).options
        if "allow" in options:
            raise UsageError(
                f"{name}: allow= is not taken over HTTP, as it may run code of the checkpoint's author; "
                f"start the program with it: -m '{name}'"
            )
        if "approve" in options:
            raise UsageError(
                f"{name}: approve= is not taken over HTTP, as tools would act without anybody being asked; start the "
                f"program with it: -m '{name}'"
            )
        if file := options.get("system"):
            self.check_file(file)
        self.check_tools(split(options.get("tools", "")))
        if inner := options.get("model"):
            self.check_model(inner)
        return name

    def check_tools(self, names: Iterable[str]) -> Sequence[str]:
        """`names`, if each looks at the folders alone, or asks a model that may be named or a server that was accepted.
        Raises UsageError."""
        names = list(names)
        for name in names:
            family, colon, over = name.partition(":")
            if colon and family in OF_FILES:
                self.check_file(over)
            elif colon and family in OF_MODELS:
                self.check_model(over.partition(",")[0])
            elif colon and family == SERVERS:
                server_named(over)
        return names

    def check_team(self, model: str | None, files: Iterable[str]) -> None:
        """Raises UsageError unless a request may give a team this model and these files."""
        if model:
            self.check_model(model)
        for file in files:
            self.check_file(file)

    def check_file(self, file: str) -> str:
        """`file`, if it is one of the folders or lies in one, links followed. Raises UsageError."""
        try:
            path = Path(file).expanduser().resolve()
        except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, a home of nobody
            raise UsageError(f"{file[:100]!r} names no file: {error}") from error
        if not any(path.is_relative_to(folder) for folder in self.folders):
            folders = ", ".join(str(folder) for folder in self.folders) or "no folder"
            raise UsageError(
                f"{file} is out of reach: this program was started with {folders}. "
                f"Start it with --folder {path if os.path.isdir(path) else path.parent} to let tools read there"
            )
        return file
