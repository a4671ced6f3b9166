"""The verb `serve`: which models answer, loaded."""

from collections.abc import Sequence

from ..errors import UsageError
from ..models.load import load
from ..models.local.embedding import EmbeddingModel, open_embedding
from ..models.local.model import LocalModel


def open_models(names: Sequence[str], embeddings: Sequence[str]) -> tuple[list[LocalModel], list[EmbeddingModel]]:
    """The models and the embedding models, with their weights. Raises UsageError and the errors of loading."""
    if doubled := sorted({name for name in (*names, *embeddings) if [*names, *embeddings].count(name) > 1}):
        raise UsageError(f"{doubled[0]} is named twice")
    models, vectors = [], [open_embedding(name) for name in embeddings]
    for name in names:
        model = load(name)
        if not isinstance(model, LocalModel):
            raise UsageError(f"{name} is not a checkpoint; llms serve takes smollm2, hf:./folder or hf:owner/name")
        model.prepare()
        models.append(model)
    for each in vectors:
        each.prepare()
    return models, vectors
