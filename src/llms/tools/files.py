"""Text files of one folder that the user named: list, read, search; nothing outside it, nothing hidden, nothing binary.

Every name is opened step by step from the folder's own descriptor without following links, so that neither `..` nor a link
nor a change between check and use leads out.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch

from ..errors import UsageError
from ..settings import of_database
from .tool import Tool, ToolError

MOST_BYTES, MOST_SEARCHED_BYTES = 5_000_000, 1_000_000  # of a file
MOST_LISTED, MOST_SEARCHED, MOST_HITS, LONGEST_LINE = 500, 2_000, 100, 300


def over(folder: str) -> list[Tool]:
    """Tools over the files of `folder`."""
    if not os.path.isdir(os.path.expanduser(folder)):  # False, too, for what can name no folder
        raise UsageError(f"files:{folder} is not a directory; name one that exists, as in files:./notes")
    return Files(os.path.realpath(os.path.expanduser(folder))).tools()


@dataclass(frozen=True)
class Files:
    root: str

    def tools(self) -> list[Tool]:
        return [
            Tool(function.__name__, function, "read")
            for function in (self.list_files, self.read_file, self.search_files)
        ]

    def list_files(self, pattern: str = "*") -> dict[str, object]:
        """List the files of the user's folder with their sizes in bytes, folders below it included.

        Args:
            pattern: Which files, for example "*.md" or "reports/*".
        """
        names = [(name, size) for name, size in self._walk() if fnmatch(name, pattern)]
        answer: dict[str, object] = {"files": dict(names[:MOST_LISTED])}
        if len(names) > MOST_LISTED:
            answer["left_out"] = len(names) - MOST_LISTED
        return answer

    def read_file(self, name: str, first_line: int = 1, lines: int = 2_000) -> str:
        """Read a text file of the user's folder.

        Args:
            name: The file, as list_files names it.
            first_line: The line to begin with, from 1.
            lines: How many lines to read.
        """
        if first_line < 1 or lines < 1:
            raise ToolError("bad_range", "lines are counted from 1, and at least one is read")
        text = self._text(name, MOST_BYTES).splitlines(keepends=True)
        if first_line > max(1, len(text)):
            raise ToolError("bad_range", f"{name} has {len(text)} lines", f"begin with a line up to {len(text)}")
        return "".join(text[first_line - 1 : first_line - 1 + lines])

    def search_files(self, text: str, pattern: str = "*") -> dict[str, object]:
        """Search the text files of the user's folder for a text, whatever its case.

        Args:
            text: What to look for; not a regular expression.
            pattern: Which files, for example "*.md".
        """
        if not text:
            raise ToolError("bad_arguments", "there is nothing to look for")
        hits: list[str] = []
        searched = 0
        for name, _ in self._walk():
            if not fnmatch(name, pattern) or searched == MOST_SEARCHED or len(hits) >= MOST_HITS:
                continue
            searched += 1
            try:
                lines = self._text(name, MOST_SEARCHED_BYTES).splitlines()
            except ToolError:
                continue
            matching = [(number, line) for number, line in enumerate(lines, 1) if text.casefold() in line.casefold()]
            hits += [f"{name}:{number}: {line.strip()[:LONGEST_LINE]}" for number, line in matching]
        return {"hits": hits[:MOST_HITS], "files_searched": searched, "more": len(hits) >= MOST_HITS}

    def _walk(self) -> Iterator[tuple[str, int]]:
        """Names and sizes of the regular files, hidden ones and links left out, in order."""
        for folder, folders, names, descriptor in os.fwalk(self.root, follow_symlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and not name.startswith(".") and not of_database(status):
                    yield os.path.relpath(os.path.join(folder, name), self.root), status.st_size

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """A descriptor of the regular file `name`."""
        steps = [step for step in name.split("/") if step not in ("", ".")]
        if name.startswith(("/", "~")) or ".." in steps or "\0" in name or not steps:
            raise ToolError("outside", f"{name!r:.80} is not a file of the folder", "name it as list_files does")
        if any(step.startswith(".") for step in steps):
            raise ToolError("hidden", f"{name!r:.80} is hidden; hidden files are not read")
        opened = [os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)]
        try:
            for step in steps:
                if of_database(os.stat(step, dir_fd=opened[-1], follow_symlinks=False)):
                    raise ToolError("in_use", f"{name!r:.80} belongs to the database of llms, which is in use")
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                opened.append(os.open(step, flags, dir_fd=opened[-1]))
            if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
                raise ToolError("no_file", f"{name!r:.80} is not a file", "name a file as list_files does")
            yield opened[-1]
        except OSError as error:
            raise ToolError(
                "no_file", f"{name!r:.80} cannot be opened: {error.strerror}", "links are not followed"
            ) from None
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _text(self, name: str, most: int) -> str:
        with self._opened(name) as descriptor, open(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise ToolError("too_large", f"{name} is larger than {most:,} bytes", "search it instead")
        if b"\0" in data[:8192]:
            raise ToolError("binary", f"{name} is not text")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ToolError("binary", f"{name} is not UTF-8 text") from None
