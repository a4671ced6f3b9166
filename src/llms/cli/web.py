"""`llms web`."""

import html
import os
import socket
import threading
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
        from ..web.listen import serve
        from ..web.secret import Secret
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "the pages", "web") from error
    from ..web.service.service import ChatService

    secret = Secret(settings.get("LLMS_WEB_TOKEN"))
    listening = _listen(host, port)
    address = secret.address(f"http://{'[::1]' if host == '::1' else host}:{listening.getsockname()[1]}")
    desk = ChatService(model, max_tokens, folders)
    threading.Thread(target=desk.warm_up, name="llms-warm-up", daemon=True).start()
    click.echo(f"llms is at {address} (Ctrl-C ends it)")
    try:
        with _shown(address) if open_ else nullcontext():
            serve(desk, listening, secret)
    finally:
        desk.close()


@contextmanager
def _shown(address: str) -> Iterator[None]:
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
