"""The training loop on tiny models: events, results, and equal losses however a step is cut."""

import json
import math
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file

from llms.errors import LlmsError
from llms.models.load import load
from llms.training.progress import Ended, Noticed, Started, Stepped, Validated
from llms.training.recipe import TrainingRecipe
from llms.training.train import train_rows
from tiny import save_checkpoint

WEIGHTS = "adapter_model.safetensors"
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


@pytest.mark.parametrize("packing", [True, False])
def test_a_resumed_run_has_the_losses_of_one_that_was_not_stopped(model, tmp_path, packing):
    whole = recipe(model, epochs=3, dropout=0.1, packing=packing, save_every=4)
    expected = losses(run(whole, tmp_path / "whole"))
    begun = run(replace(whole, max_steps=9), tmp_path / "begun")
    shutil.rmtree(tmp_path / "begun" / "checkpoints" / "checkpoint-9")
    resumed = run(replace(whole, max_steps=9), tmp_path / "begun")
    assert next(event for event in resumed if isinstance(event, Started)).first_step == 8
    assert losses(begun) == expected
    assert losses(resumed) == expected[8:]
    assert load_file(tmp_path / "begun" / WEIGHTS).keys() == load_file(tmp_path / "whole" / WEIGHTS).keys()
    for name, weights in load_file(tmp_path / "whole" / WEIGHTS).items():
        assert torch.equal(weights, load_file(tmp_path / "begun" / WEIGHTS)[name])


def test_a_torn_checkpoint_is_passed_over_and_named(model, tmp_path):
    plan = recipe(model, epochs=2, save_every=2)
    expected = losses(run(plan, tmp_path / "run"))
    (tmp_path / "run" / "checkpoints" / "checkpoint-6" / "optimizer.pt").write_bytes(b"")
    resumed = run(plan, tmp_path / "run")
    assert any("step 6 is torn" in event.text for event in resumed if isinstance(event, Noticed))
    assert losses(resumed) == expected[4:]


def test_a_loss_that_is_no_number_stops_the_run_with_its_step_and_rows(model, tmp_path):
    with pytest.raises(LlmsError, match=r"of step 2 is no number.*chats\.jsonl, row \d+.*in a new folder"):
        run(recipe(model, learning_rate=1e30, clip_norm=0.0, rows_per_step=2, rows_at_once=1), tmp_path / "run")
    assert not (tmp_path / "run" / WEIGHTS).exists()


def test_a_run_stops_when_its_patience_is_at_an_end(model, tmp_path):
    plan = recipe(model, epochs=20, patience=2, validate_every=1, learning_rate=0.3, schedule="constant")
    events = run(plan, tmp_path / "run")
    checked = [event.loss for event in events if isinstance(event, Validated)]
    assert events[-1].reason == "early stopping"
    assert len(checked) < 60
    assert min(checked) == checked[-3]
    assert any("stopped after step" in event.text for event in events if isinstance(event, Noticed))


def test_the_weights_at_the_end_are_validated_too_and_kept_where_they_are_the_best(model, tmp_path):
    plan = recipe(model, max_steps=5, patience=3, validate_every=2, save_every=2)
    events = run(plan, tmp_path / "run")
    checked = {event.step: event.loss for event in events if isinstance(event, Validated)}
    assert list(checked) == [2, 4, 5]
    assert checked[5] == min(checked.values())
    assert not [event.text for event in events if isinstance(event, Noticed)]
    last = load_file(tmp_path / "run" / "checkpoints" / "checkpoint-5" / WEIGHTS)
    assert all(torch.equal(last[name], tensor) for name, tensor in load_file(tmp_path / "run" / WEIGHTS).items())


def test_full_training_changes_the_weights_and_leaves_a_checkpoint_to_use(model, tmp_path):
    run(recipe(model, method="full", epochs=2, learning_rate=3e-3), tmp_path / "run")
    before = load_file(f"{model.removeprefix('hf:')}/model.safetensors")
    after = load_file(tmp_path / "run" / "model.safetensors")
    assert before.keys() == after.keys()
    assert not torch.equal(before["model.norm.weight"], after["model.norm.weight"])
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    original = json.loads(Path(model.removeprefix("hf:"), "config.json").read_text())
    assert config == original
    with load(f"hf:{tmp_path / 'run'}") as trained:
        assert trained.generate(["abc"], max_tokens=3)


def test_four_bits_under_an_adapter_are_trained(model, tmp_path):
    events = run(recipe(model, method="qlora", epochs=4), tmp_path / "run")
    assert losses(events)[-1] < losses(events)[0] / 2
    assert all(weights.dtype == torch.float32 for weights in load_file(tmp_path / "run" / WEIGHTS).values())


def pairs(count: int) -> Dataset:
    draw = random.Random(0)
    return Dataset.from_list(
        [
            {
                "prompt": SHARED + [draw.randrange(100, 200) for _ in range(draw.randrange(1, 9))],
                "chosen": [7, 8, 9, 0],
                "rejected": [9, 8] * draw.randrange(1, 3) + [0],
                "source": f"pairs.jsonl, row {number + 1}",
            }
            for number in range(count)
        ]
    )


@pytest.mark.parametrize("rank", [8, 0])
def test_preferences_are_learned(model, tmp_path, rank):
    plan = recipe(model, method="dpo", rank=rank, epochs=4, learning_rate=5e-3)
    events = run(plan, tmp_path / "run", pairs(24), pairs(4))
    steps = [event for event in events if isinstance(event, Stepped)]
    assert steps[0].loss == pytest.approx(math.log(2), abs=1e-5)
    assert steps[0].reward_margin == pytest.approx(0, abs=1e-5)
    assert steps[-1].loss < 0.3
    assert steps[-1].reward_accuracy == 1
    assert steps[-1].reward_margin > 1


def test_pairs_have_equal_losses_however_a_step_is_cut(model, tmp_path):
    plan = recipe(model, method="dpo", epochs=2, learning_rate=5e-3)
    one, other = (
        losses(run(replace(plan, rows_at_once=cut), tmp_path / str(cut), pairs(24), pairs(4))) for cut in (8, 3)
    )
    assert one == pytest.approx(other, rel=1e-5)


def test_nothing_is_sent_to_anybody(model, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda *a, **k: sent.append(k))
    run(recipe(model, max_steps=1), tmp_path / "run")
    assert sent == []


@pytest.mark.slow
def test_the_embedded_model_learns_an_answer_in_three_gigabytes(tmp_path):
    plan = recipe("smollm2", rows_per_step=4, rows_at_once=4, learning_rate=1e-3, max_steps=6)
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:  # the peak of this process may be another test's
        events = alone.submit(run, plan, tmp_path / "run", rows(24), rows(2, seed=1)).result()
    assert not [event.text for event in events if isinstance(event, Noticed)]
    assert losses(events)[-1] < 0.7 * losses(events)[0]
    assert max(event.memory_bytes for event in events if isinstance(event, Stepped)) < 3e9
