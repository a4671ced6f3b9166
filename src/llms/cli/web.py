"""`llms web`."""

import html
import os
import socket
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click

from .. import settings
from ..errors import MissingExtra, UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("-m", "--model", help="The model of new chats.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Of an answer, at most.")
@click.option(
    "--folder", "folders", multiple=True, metavar="DIR", help="Tools and teams may read here; may be repeated."
)
@click.option("--open/--no-open", "open_", default=False, help="Open the browser.")
def web(port: int, host: str, model: str | None, max_tokens: int | None, folders: tuple[str, ...], open_: bool) -> None:
    """Chat, agents and lessons in the browser, on this machine and for you only. Ends with Ctrl-C.

    The printed address carries a token, which the browser then keeps as a cookie; without it every answer is 401, so that
    other accounts of the machine stay out. LLMS_WEB_TOKEN sets one of your own.
    """
    if host not in LOOPBACK:
        raise UsageError(
            f"llms web listens on loopback only; got --host {host}. Reach it from elsewhere through an SSH tunnel"
        )
    try:
        from ..web.server import Pages  # FastAPI and pydantic-ai: a second or more, and of another extra
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "the pages", "web") from error
    listening = _listen(host, port)
    pages = Pages(model, max_tokens, folders, settings.get("LLMS_WEB_TOKEN"))
    address = pages.address(f"http://{'[::1]' if host == '::1' else host}:{listening.getsockname()[1]}")
    click.echo(f"llms is at {address} (Ctrl-C ends it)")
    try:
        with _browser_at(address) if open_ else nullcontext():
            pages.serve(listening)
    finally:
        pages.close()


@contextmanager
def _browser_at(address: str) -> Iterator[None]:
    """The browser at `address`, sent there by a page of one's own: other accounts see the command line of a browser."""
    page = settings.private(settings.home() / f"web-{os.getpid()}.html")
    page.write_text(f'<meta http-equiv="refresh" content="0; url={html.escape(address)}">', encoding="utf-8")
    try:
        webbrowser.open(page.as_uri())
        yield
    finally:
        page.unlink(missing_ok=True)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # whoever reads the address below may connect at once
    except OSError as error:
        listening.close()
        raise UsageError(
            f"port {port} of {host} is taken ({error.strerror}); choose another with --port, or 0 for a free one"
        ) from error
    return listening
