"""`llms serve`."""

import click

from .. import settings

WEB = ("fastapi", "starlette", "uvicorn")


@click.command()
@click.argument("models", nargs=-1)
@click.option("--embeddings", multiple=True, metavar="MODEL", help="A model that makes embeddings; may be repeated.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Any but a loopback address needs a key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--api-key", help="What callers must send; better set as LLMS_SERVE_KEY, which no process list shows.")
@click.option(
    "--max-waiting",
    type=click.IntRange(min=0),
    default=256,
    show_default=True,
    help="Answers that may wait for their turn; more are refused with 429.",
)
def serve(models, embeddings, host, port, api_key, max_waiting) -> None:
    """Answer OpenAI's protocol with local MODELS, on this machine only.

    \b
    llms serve                                    # the embedded model
    llms serve 'smollm2?dtype=bfloat16' --embeddings hf:sentence-transformers/all-MiniLM-L6-v2

    Chat and plain completions (streams, tools, JSON schemas, log-probabilities, several answers), embeddings, tokens.
    Requests are worked on together as they come; one whose client goes away ends within a token.
    """
    try:
        from ..serve.served import ServerLimits, Shelf
        from ..serve.server import ApiServer, address, bind, build
        from ..workbench.serve import open_models
    except ImportError as error:
        from ..errors import MissingExtra

        missing = error.name or "fastapi"
        raise MissingExtra(missing, "llms serve", "web" if missing in WEB else "local") from error
    key = api_key or settings.get("LLMS_SERVE_KEY")
    bound = bind(host, port, key)
    limits = ServerLimits(waiting=max_waiting)
    if not models and not embeddings:
        models = ("smollm2",)
    shelf = Shelf(*open_models(models, embeddings), limits.waiting)

    def ready() -> None:
        click.echo(f"ready: {address(bound)}  serving {', '.join([*shelf.generating, *shelf.embedding])}")
        click.echo(_example(address(bound), shelf, key is not None))

    try:
        ApiServer(build(shelf, limits, key), bound, limits, ready).serve_until_interrupted()
    finally:
        shelf.close()


def _example(url: str, shelf, key: bool) -> str:
    """A command that shows the server at work."""
    header = "-H 'content-type: application/json'" + (' -H "authorization: Bearer $LLMS_SERVE_KEY"' if key else "")
    if not shelf.generating:
        body = f'{{"model": "{next(iter(shelf.embedding))}", "input": "Hello"}}'
        return f"try:   curl {url}/embeddings {header} -d '{body}'"
    body = f'{{"model": "{next(iter(shelf.generating))}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return f"try:   curl {url}/chat/completions {header} -d '{body}'"
