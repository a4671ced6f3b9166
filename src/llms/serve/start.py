"""Everything that `llms serve` does once its arguments are known."""

from collections.abc import Callable, Sequence

from ..workbench.serve import open_models
from .served import ServerLimits, Shelf
from .server import ApiServer, address, bind, build


def serve(
    models: Sequence[str],
    embeddings: Sequence[str],
    host: str,
    port: int,
    key: str | None,
    max_waiting: int,
    ready: Callable[[str, Sequence[str], Sequence[str]], None],
) -> None:
    """Load the models and answer for them until interrupted; `ready` is told the address and which models generate and
    which embed. Raises UsageError before anything is loaded if the address cannot be had."""
    bound, limits = bind(host, port, key), ServerLimits(waiting=max_waiting)
    shelf = Shelf(*open_models(models, embeddings), limits.waiting)

    def tell() -> None:
        ready(address(bound), [*shelf.generating], [*shelf.embedding])

    try:
        ApiServer(build(shelf, limits, key), bound, limits, tell).serve_until_interrupted()
    finally:
        shelf.close()
