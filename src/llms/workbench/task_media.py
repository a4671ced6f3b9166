"""Sounds and pictures that a task made, as files: beside one another, numbered, none written over."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..tasks.catalogue import HubTask
from ..values import Media
from .task_file import TABLE_ENDINGS, check_apart

ENDINGS = {"audio/wav": ".wav", "audio/x-wav": ".wav", "image/png": ".png", "image/jpeg": ".jpg"}
USUAL = {"sound": ".wav", "image": ".png"}


class MadeFiles:
    """`out` is one file, a folder, or the table that names the files: then they lie in FILE-files, by their row.

    Raises UsageError for a file that is there, unless `force`, for one that is among those that are `read`, and for one file where
    there are several inputs.
    """

    def __init__(self, task: HubTask, out: Path | None, several: bool, force: bool, read: Sequence[Path] = ()):
        self._read = read
        self._stem, self._file, self._numbered = task.name, None, False
        ending = USUAL[task.gives]
        self._folder = out or Path()
        if out is not None and out.name.lower().endswith(TABLE_ENDINGS):
            self._folder, self._numbered = out.with_name(f"{out.name.partition('.')[0]}-files"), True
        elif out is not None and out.suffix and not out.is_dir():
            if out.suffix.lower() not in (ending, ".jpg" if ending == ".png" else ending):
                raise UsageError(f"{out}: what {task.name} makes is written as {ending}, or into a folder")
            if several:
                raise UsageError(f"{out} is one file, and there are several inputs; name a folder")
            check_apart(out, read)
            if out.exists() and not force:
                raise UsageError(f"{out} is there already; choose another name, or overwrite it with --force")
            self._file, self._folder = out, out.parent
        self._next = 1

    def write(self, media: Media, number: int) -> str:
        """The path of the file that now holds `media`, the answer to row `number`, from 1."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._file is not None:
            self._file.write_bytes(media.data)
            return str(self._file)
        ending = ENDINGS.get(media.media_type, ".bin")
        if self._numbered:
            path = self._folder / f"{number}{ending}"
            check_apart(path, self._read)
            path.write_bytes(media.data)
            return str(path)
        while True:
            path = self._folder / f"{self._stem}-{self._next}{ending}"
            self._next += 1
            try:
                with path.open("xb") as file:
                    file.write(media.data)
            except FileExistsError:
                continue
            return str(path)
