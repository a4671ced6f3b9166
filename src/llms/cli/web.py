"""`llms web`."""

import socket
import threading
import webbrowser

import click

from ..errors import MissingExtra, UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only: the pages have no password.")
@click.option("-m", "--model", help="The model of new chats.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Of an answer, at most.")
@click.option("--open/--no-open", "open_", default=False, help="Open the browser.")
def web(port: int, host: str, model: str | None, max_tokens: int | None, open_: bool) -> None:
    """Chat, agents and lessons in the browser, on this machine only. Ends with Ctrl-C."""
    if host not in LOOPBACK:
        raise UsageError(
            f"llms web listens on loopback only; got --host {host}. Reach it from elsewhere through an SSH tunnel"
        )
    try:
        from ..web.listen import serve
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "the pages", "web") from error
    from ..workbench.desk import Desk

    listening = _listen(host, port)
    address = f"http://{'[::1]' if host == '::1' else host}:{listening.getsockname()[1]}"
    desk = Desk(model, max_tokens)
    threading.Thread(target=desk.warm_up, name="llms-warm-up", daemon=True).start()
    click.echo(f"llms is at {address} (Ctrl-C ends it)")
    if open_:
        webbrowser.open(address)
    try:
        serve(desk, listening)
    finally:
        desk.close()


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
