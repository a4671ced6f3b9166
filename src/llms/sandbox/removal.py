"""Removes what a program left: however deep, however many, whatever it is called and whoever may open it."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def temporary_folder() -> Iterator[str]:
    """A new folder, removed afterwards with all that is in it then."""
    folder = tempfile.mkdtemp(prefix="llms-")
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: str) -> None:
    """Remove a folder, as far as the system allows it. No link is followed.

    The folders in a folder are moved to the top before it is removed: depth takes no stack, descriptors or long paths.
    """
    mark, moved = secrets.token_hex(8), 0
    with contextlib.suppress(OSError):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            waiting = _without_files(top)
            while waiting:
                name = waiting.pop()
                with contextlib.suppress(OSError), _opened(top, name) as here:
                    for inner in _without_files(here):
                        moved += 1
                        os.rename(inner, f"{mark}-{moved}", src_dir_fd=here, dst_dir_fd=top)
                        waiting.append(f"{mark}-{moved}")
                    os.rmdir(name, dir_fd=top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _without_files(folder: int) -> list[str]:
    """The folders in an open folder, each made so that it may be moved and emptied; all else in it is removed."""
    folders = []
    for name in os.listdir(folder):
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:
            with contextlib.suppress(OSError), _opened(folder, name, os.O_PATH) as here:
                os.chmod(f"/proc/self/fd/{here}", 0o700)
                folders.append(name)
    return folders


@contextlib.contextmanager
def _opened(folder: int, name: str, how: int = os.O_RDONLY) -> Iterator[int]:
    descriptor = os.open(name, how | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
