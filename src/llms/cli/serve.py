"""`llms serve`."""

from collections.abc import Sequence

import click

from .. import settings
from ..errors import MissingExtra
from ..models.default import for_serving

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
def serve(
    models: tuple[str, ...], embeddings: tuple[str, ...], host: str, port: int, api_key: str | None, max_waiting: int
) -> None:
    """Answer OpenAI's protocol with local MODELS, on this machine only.

    \b
    llms serve                                    # the default model, if its weights are here; else the embedded one
    llms serve 'smollm2?dtype=bfloat16' --embeddings hf:sentence-transformers/all-MiniLM-L6-v2

    Chat and plain completions (streams, tools, JSON schemas, log-probabilities, several answers), embeddings, tokens.
    Requests are worked on together as they come; one whose client goes away ends within a token.
    """
    try:
        from ..serve import start  # FastAPI and local models: seconds, and of other extras
    except ImportError as error:
        missing = error.name or "fastapi"
        raise MissingExtra(missing, "llms serve", "web" if missing in WEB else "local") from error
    key = api_key or settings.get("LLMS_SERVE_KEY")
    if not models and not embeddings:
        models = (for_serving(),)

    def ready(url: str, generating: Sequence[str], embedding: Sequence[str]) -> None:
        click.echo(f"ready: {url}  serving {', '.join([*generating, *embedding])}")
        click.echo(_example(url, generating, embedding, key is not None))

    start.serve(models, embeddings, host, port, key, max_waiting, ready)


def _example(url: str, generating: Sequence[str], embedding: Sequence[str], key: bool) -> str:
    """A command that shows the server at work."""
    header = "-H 'content-type: application/json'" + (' -H "authorization: Bearer $LLMS_SERVE_KEY"' if key else "")
    if not generating:
        return f"""try:   curl {url}/embeddings {header} -d '{{"model": "{embedding[0]}", "input": "Hello"}}'"""
    body = f'{{"model": "{generating[0]}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return f"try:   curl {url}/chat/completions {header} -d '{body}'"
