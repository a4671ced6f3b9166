"""One process that loads a model and answers requests which fill the window: what `measure_memory` looks at.

Run as a module: python -m llms.workbench.peak_worker NAME CONTEXT BATCH; with `--idle` it imports the modules that its
standard input names, and does nothing. It prints the modules that it holds when it is done, then waits until its input ends.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import suppress

from ..errors import LlmsError, ModelError
from ..models.load import load
from ..models.local.tokenizing_model import TokenizingModel
from ..models.system import Generate
from ..values import Failure

NEW_TOKENS = 16  # of each answer; the prompt fills the rest of the window
WORDS = [
    "the",
    "house",
    "by",
    "the",
    "sea",
    "is",
    "older",
    "than",
    "the",
    "wood",
    "behind",
    "it",
    "and",
    "nobody",
    "knows",
    "who",
    "built",
    "either",
]


def answer(name: str, context: int, batch: int) -> None:
    """Load `name` and answer `batch` prompts of a window, which share no beginning. Raises LlmsError."""
    model = load(name)
    assert isinstance(model, TokenizingModel)
    if context > model.context_window:
        raise ModelError(f"a window of {context} tokens; {name} was made for {model.context_window}. Ask for fewer")
    for _, result in model.complete(
        Generate(prompt, max_tokens=NEW_TOKENS) for prompt in _prompts(model, context, batch)
    ):
        if isinstance(result, Failure):
            raise ModelError(result.reason)


def _prompts(model: TokenizingModel, context: int, batch: int) -> Iterator[str]:
    for number in range(batch):
        text = " ".join([str(number), *(WORDS[(number + i) % len(WORDS)] for i in range(context))])
        yield model.tokenizer.decode(model.tokenizer.encode([text])[0][: max(1, context - NEW_TOKENS)])


if __name__ == "__main__":
    try:
        if sys.argv[1] == "--idle":
            for module in sys.stdin.readline().split():
                with suppress(Exception):  # some exist only once another one has put them there
                    importlib.import_module(module)
        else:
            answer(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        print("done", *sys.modules, flush=True)
    except LlmsError as error:
        print("failed", error, flush=True)
    sys.stdin.read()
