"""`llms chats`: the stored conversations: list, search, title, tag, pin, archive, export, import, delete."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from .. import settings
from .output import console, print_json, table, visible

if TYPE_CHECKING:
    from .stored_chats import StoredChats

_ID = click.argument("id")
_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID...")
_JSON = click.option("--json", "as_json", is_flag=True, help="One object a line.")
MARK = ("\x02", "\x03")  # around the words that were searched for


def _store() -> "StoredChats":
    from .stored_chats import StoredChats  # pydantic-ai, which --help need not wait for

    return StoredChats(settings.database())


@click.group(invoke_without_command=True)
@click.option("--tag", help="Only those with this tag.")
@click.option("--archived", is_flag=True, help="The archived ones instead.")
@_JSON
@click.pass_context
def chats(context: click.Context, tag: str | None, archived: bool, as_json: bool) -> None:
    """List the stored conversations, the pinned and the last used first. ID is a conversation's, a beginning of it, or `last`.

    \b
    llms chats search "word embeddings"
    llms chats export last notes.md
    llms chat --conversation ID
    """
    if context.invoked_subcommand:
        return
    with _store() as store:
        listed = store.all(tag=tag, archived=archived)
    if as_json:
        print_json({**asdict(one), "tags": list(one.tags)} for one in listed)
    elif not listed:
        click.echo("no conversation is stored" + (" with this tag" if tag else '; begin with: llms ask "…"'))
    else:
        rows = table("id", "title", "model", "messages", "used", "tags", right=("messages",))
        for one in listed:
            when = one.updated[:16].replace("T", " ")
            cells = [Text(visible(text)) for text in (one.title, one.model, " ".join(one.tags))]
            rows.add_row(one.id, cells[0], cells[1], str(one.messages), when, cells[2])
        console().print(rows)


@chats.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@_JSON
def search(words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find messages by their words.

    All WORDS must occur; the last one may be a beginning. tag:, model:, before: and after: narrow it.
    """
    with _store() as store:
        hits = store.matching(" ".join(words), limit, ("", "") if as_json else MARK)
    if as_json:
        return print_json(asdict(hit) for hit in hits)
    if not hits:
        click.echo("nothing found")
    out = console()
    for hit in hits:
        out.print(
            Text(hit.conversation, style="bold")
            + Text(f"  {hit.created[:10]}  {hit.role or 'title'}  {visible(hit.title)}")
        )
        out.print(Text("  ") + _marked(" ".join(hit.snippet.split())))


@chats.command()
@_ID
@click.argument("title")
def rename(id: str, title: str) -> None:
    """Give a conversation a title.

    An empty one lets its first question give one again."""
    with _store() as store:
        conversation = store.find(id)
        store.rename(conversation, title)
        click.echo(f"{conversation}: {visible(store.about(conversation).title)}")


@chats.command()
@_ID
@click.argument("tags", nargs=-1)
@click.option("--remove", multiple=True, metavar="TAG", help="Take this tag away; may be given again.")
def tag(id: str, tags: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Add tags, take them away, show them."""
    with _store() as store:
        conversation = store.find(id)
        store.tag(conversation, tags, remove)
        click.echo(f"{conversation}: {visible(' '.join(store.about(conversation).tags)) or 'no tags'}")


@chats.command()
@_IDS
@click.option("--undo", is_flag=True, help="Let them stand by their date again.")
def pin(ids: tuple[str, ...], undo: bool) -> None:
    """Let conversations stand first in the list."""
    with _store() as store:
        for conversation in [store.find(id) for id in ids]:
            store.pin(conversation, not undo)
            click.echo(f"{conversation}: {'unpinned' if undo else 'pinned'}")


@chats.command()
@_IDS
@click.option("--undo", is_flag=True, help="Take them out of the archive.")
def archive(ids: tuple[str, ...], undo: bool) -> None:
    """Take conversations out of the list.

    They stay as they are: `llms chats --archived` lists them, search finds them."""
    with _store() as store:
        for conversation in [store.find(id) for id in ids]:
            store.archive(conversation, not undo)
            click.echo(f"{conversation}: {'out of the archive' if undo else 'archived'}")


@chats.command()
@_ID
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def export(id: str, file: Path | None) -> None:
    """Write a conversation to a file.

    The whole tree with its attachments as an archive, or the active path as Markdown.
    FILE ending in .md is Markdown, any other an archive that `llms chats import` reads; without FILE, Markdown goes to
    standard output.
    """
    with _store() as store:
        data = store.exported(id, file)
    if file is None:
        return click.echo(data.decode(), nl=not data.endswith(b"\n"))
    file.write_bytes(data)
    click.echo(f"wrote {file}", err=True)


@chats.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be taken, and take nothing.")
def import_(file: Path, dry_run: bool) -> None:
    """Take in conversations from a file.

    FILE is an archive of `llms chats export`, or ChatGPT's export (the zip, its JSON, or the unpacked folder). Each message is
    taken once; what is left out is listed with the reason.
    """
    with _store() as store:
        for line in store.take_in(file, dry_run):
            click.echo(visible(line))


@chats.command()
@_IDS
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(ids: tuple[str, ...], yes: bool) -> None:
    """Delete conversations for good.

    With all branches, and attachments that no other one has; this cannot be undone."""
    with _store() as store:
        every = list(dict.fromkeys(store.find(id) for id in ids))
        names = [f"{id} “{visible(store.about(id).title) or 'no title'}”" for id in every]
        if not (yes or click.confirm(f"delete {', '.join(names)}?")):
            return click.echo("nothing was deleted")
        store.delete(*every)
    click.echo(f"deleted {', '.join(names)}")


def _marked(snippet: str) -> Text:
    """The words that were searched for stand out."""
    first, *rest = snippet.split(MARK[0])
    line = Text(visible(first))
    for piece in rest:
        match, _, after = piece.partition(MARK[1])
        line.append(visible(match), "bold yellow").append(visible(after))
    return line
