"""How long a step of a run from nothing takes, by trying."""

import time

import torch

from ..engine.allocator import keep_freed_memory
from .network import TrainedNetwork
from .recipe import TrainingRecipe

TRIES = 2


def measure_step(recipe: TrainingRecipe) -> float:
    """Seconds of an optimizer step of `recipe`, from forward and backward passes on random tokens; the faster of two tries."""
    if recipe.shape is None:
        return 0.0
    keep_freed_memory()
    network = TrainedNetwork(recipe.shape, 0, torch.bfloat16 if recipe.dtype == "bfloat16" else torch.float32).to(
        recipe.device
    )
    size = (recipe.rows_at_once, recipe.window)
    tokens = torch.randint(recipe.shape.vocabulary, size, device=recipe.device)
    best = float("inf")
    for _ in range(1 + TRIES):  # the first one takes memory from the system
        started = time.perf_counter()
        network(tokens, tokens)["loss"].backward()
        if recipe.device.startswith("cuda"):
            torch.cuda.synchronize(recipe.device)
        best = min(best, time.perf_counter() - started)
    return best * recipe.rows_per_step / recipe.rows_at_once
