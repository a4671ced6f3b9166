"""The training loop on tiny models: events, results, and equal losses however a step is cut."""

import json
import random

import pytest
from datasets import Dataset

from llms.training.progress import Ended, Started, Stepped, Validated
from llms.training.recipe import TrainingRecipe
from llms.training.train import train_rows
from tiny import save_checkpoint

SHARED = list(range(20, 40))


def rows(count: int, seed: int = 0) -> Dataset:
    """Questions of random letters behind one prefix, whose answer repeats three tokens."""
    draw = random.Random(seed)
    result = []
    for number in range(count):
        question = [draw.randrange(100, 200) for _ in range(draw.randrange(3, 30))]
        answer = [7, 8, 9] * draw.randrange(1, 5)
        result.append(
            {
                "input_ids": SHARED + question + answer,
                "trained": [0] * (len(SHARED) + len(question)) + [1] * len(answer),
                "prefix": len(SHARED),
                "source": f"chats.jsonl, row {number + 1}",
            }
        )
    return Dataset.from_list(result)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return f"hf:{save_checkpoint(tmp_path_factory.mktemp('model'))}"


def recipe(model: str, **options) -> TrainingRecipe:
    return TrainingRecipe(
        **{"model": model, "data": "chats.jsonl", "learning_rate": 1e-2, "rows_per_step": 8, "warmup": 0.0, **options}
    )


def run(recipe: TrainingRecipe, folder, train: Dataset | None = None, validation: Dataset | None = None) -> list:
    events = []
    folder.mkdir(exist_ok=True)
    train_rows(recipe, folder, events.append, train or rows(24), validation or rows(4, seed=1))
    return events


def losses(events: list) -> list[float]:
    return [event.loss for event in events if isinstance(event, Stepped)]


def test_an_adapter_is_trained_and_what_it_took_is_told(model, tmp_path):
    events = run(recipe(model, epochs=4), tmp_path / "run")
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [event.step for event in steps] == list(range(1, 13))
    assert sum(event.tokens for event in steps) == 4 * events[0].tokens
    assert sum(event.trained_tokens for event in steps) == 4 * events[0].trained_tokens
    assert steps[-1].loss < steps[0].loss / 2
    checked = [event.loss for event in events if isinstance(event, Validated)]
    assert checked[-1] < checked[0]
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "checkpoints"}
    targets = json.loads((tmp_path / "run" / "adapter_config.json").read_text())["target_modules"]
    assert "lm_head" not in targets
    assert "embed_tokens" not in targets


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_losses_are_equal_however_a_step_is_cut(model, tmp_path, cut):
    whole = losses(run(recipe(model, rows_at_once=8, epochs=2), tmp_path / "whole"))
    parts = losses(run(recipe(model, rows_at_once=cut, epochs=2), tmp_path / "parts"))
    assert parts == pytest.approx(whole, rel=1e-5)
