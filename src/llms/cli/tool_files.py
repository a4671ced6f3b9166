"""Pictures, sounds and other files that tools made, written where a person of the terminal finds them."""

from pathlib import Path

from ..chat.turn.events import ToolFinished
from ..errors import UsageError
from ..workbench import tool_files
from ..workbench.chat.chat import Chat


def save(chat: Chat, event: ToolFinished, folder: str | None) -> list[str]:
    """A line for each file of the event: the path to which it was written, in `folder` or in `files` of LLMS_HOME.

    A conversation that keeps nothing on disk writes to a `folder` that was named alone. No file that is there is
    replaced. Raises UsageError for a folder that cannot be written to.
    """
    return [_save(chat, file["name"], file["kept"], folder) for file in event.files if file["kept"]]


def _save(chat: Chat, name: str, digest: str, folder: str | None) -> str:
    if folder is None and chat.config.ephemeral:
        return f"{name} was made; --save-files DIR would keep it"
    try:
        directory = Path(folder).expanduser() if folder else tool_files.folder()
        directory.mkdir(parents=True, exist_ok=True)
        return f"saved {tool_files.write(directory, name, chat.store.blob(digest))}"
    except OSError as error:
        raise UsageError(f"{name} cannot be saved in {folder or 'LLMS_HOME'}: {error.strerror or error}") from error
