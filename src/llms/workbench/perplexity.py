"""The verb `perplexity`: a model on the user's own text."""

import time
from math import isfinite
from pathlib import Path

from ..errors import DataError, ModelError, NotNumbers
from ..evaluation.perplexity import Perplexity, windows
from ..models.load import load
from ..models.local.model import LocalModel


def measure(system: str, path: Path, window: int | None = None) -> Perplexity:
    """Bits per byte and perplexities of the UTF-8 text in `path`. `window` may shorten the model's own."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if not text.strip():
        raise DataError(f"{path} holds no text; expected at least one word")
    from ..engine import ScoreRequest  # torch, two seconds

    with load(system) as model:
        if not isinstance(model, LocalModel):
            raise ModelError(f"{system} does not show the log-probability of each token; perplexity needs a checkpoint")
        size = min(window or model.context_window, model.context_window)
        ids = model.tokenizer.encode([text], special=False)[0]
        requests = [ScoreRequest(tokens, count) for tokens, count in windows(ids, model.tokenizer.start, size)]
        model.prepare()
        started = time.perf_counter()
        logprob = sum(score.logprob for _, score in model.engine.score(requests))
        seconds = time.perf_counter() - started
        if not isfinite(logprob):
            raise NotNumbers(model.why_not_numbers)
    return Perplexity(logprob, len(ids), len(text.split()), len(text.encode()), len(requests), seconds)
