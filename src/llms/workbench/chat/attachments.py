"""Files that go with a message, from wherever they come: paths, names with bytes, files that were examined before."""

from collections.abc import Sequence
from pathlib import Path

from pydantic_ai.messages import UserContent

from ...chat.conversation.messages import user
from ...chat.files.examine import ExaminedFile, examine, examine_path
from ...chat.window.sizes import Payload
from ...models.system import Model
from .token_budget import counter

Attachment = str | Path | tuple[str, bytes] | ExaminedFile | UserContent


def examined(file: str | Path | tuple[str, bytes]) -> ExaminedFile:
    """The file of that path, or of that name and bytes. Raises UsageError if it cannot be attached, MissingExtra."""
    return examine(*file) if isinstance(file, tuple) else examine_path(Path(file))


def attach(files: Sequence[Attachment]) -> list[UserContent]:
    """Contents of a message; pydantic-ai's own stay as they are. Raises as `examined`."""
    contents: list[UserContent] = []
    for file in files:
        if isinstance(file, str | Path | tuple):
            file = examined(file)
        contents.append(file.content() if isinstance(file, ExaminedFile) else file)
    return contents


def tokens_of(model: Model, file: ExaminedFile) -> int:
    """The tokens that the file adds to a message; estimated where the model's tokenizer is not here."""
    count, _ = counter(model)
    return max(0, count(Payload((user("", [file.content()]),))) - count(Payload((user(""),))))


def described(model: Model, file: ExaminedFile) -> str:
    """One line on what was read of the file: "report.pdf: 12 pages, 4,310 tokens"."""
    size = f", {tokens_of(model, file):,} tokens" if file.kind == "text" else ""
    return "; ".join([f"{file.name}: {file.about}{size}", *file.notes])
