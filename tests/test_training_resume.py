"""Runs that are killed and gone on with, and runs of several processes, against one that nothing disturbed."""

import os
import random
import signal
import time
from dataclasses import replace

import pytest

import tiny
from llms.errors import WorkerDied
from llms.training.checkpoints import newest_intact, steps
from llms.training.launch import launch
from llms.training.progress import Ended, Noticed, Saved, Started, Stepped, Validated, lasting, read
from llms.training.recipe import TrainingRecipe

STEPS = 10


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    checkpoint = tiny.save_checkpoint(tmp_path_factory.mktemp("model"))
    return TrainingRecipe(
        f"hf:{checkpoint}", "rows", rank=4, dropout=0.1, learning_rate=1e-3, epochs=2, rows_per_step=8, rows_at_once=4,
        save_every=2, validate_every=5, seed=3,
    )  # fmt: skip


def start(recipe, folder, processes=1):
    folder.mkdir(exist_ok=True)
    recipe.write(folder)
    return launch(folder, processes, "tiny_training")


def curve(folder):
    """Steps, losses, gradients, validation losses: all that two runs have in common if they are the same."""
    events = lasting(read(folder))
    trained = [
        (event.step, event.loss, event.gradient_norm, event.learning_rate)
        for event in events
        if isinstance(event, Stepped)
    ]
    return trained, [(event.step, event.loss) for event in events if isinstance(event, Validated)]


def weights(folder):
    return (folder / "adapter_model.safetensors").read_bytes()


def kill_after(step, events, folder):
    """SIGKILL to the process that trains, a moment after it has reported `step`."""
    for event in events:
        if isinstance(event, Stepped) and event.step == step:
            time.sleep(random.uniform(0, 0.3))
            os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


@pytest.fixture(scope="module")
def undisturbed(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert isinstance(list(start(recipe, folder))[-1], Ended)
    return folder


def test_a_run_killed_at_a_random_moment_and_within_a_save_ends_as_if_nothing_had_happened(
    recipe, undisturbed, tmp_path
):
    folder = tmp_path / "run"
    with pytest.raises(WorkerDied, match="SIGKILL"):  # within the second checkpoint, which is left torn
        list(start(replace(recipe, data="rows, killed while saving 2"), folder))
    assert steps(folder) == [4, 2]
    assert newest_intact(folder)[0][0] == 2

    with pytest.raises(WorkerDied, match=f"llms finetune --resume {folder}"):
        kill_after(5, start(replace(recipe, data="rows, slowly"), folder), folder)
    (resumed,) = [event.first_step for event in read(folder) if isinstance(event, Started)][1:]
    assert resumed == 2
    assert any("step 4 is torn" in event.text for event in read(folder) if isinstance(event, Noticed))

    assert isinstance(list(start(recipe, folder))[-1], Ended)
    assert curve(folder) == curve(undisturbed)
    assert weights(folder) == weights(undisturbed)


def test_a_run_that_is_whole_trains_every_step_once_and_keeps_two_checkpoints_and_the_best(undisturbed):
    trained, validated = curve(undisturbed)
    assert [step for step, *_ in trained] == list(range(1, STEPS + 1))
    assert [step for step, _ in validated] == [5, 10]
    assert [event.step for event in read(undisturbed) if isinstance(event, Saved)] == [2, 4, 6, 8, 10]
    assert steps(undisturbed) == [10, 8]


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(recipe, tmp_path):
    """With the same rows in each step; without dropout, whose random numbers are each process's own."""
    one, two = tmp_path / "one", tmp_path / "two"
    plain = replace(recipe, dropout=0.0)
    list(start(plain, one))
    events = list(start(plain, two, 2))
    assert events[0].processes == 2
    (alone, checked), (together, checked_together) = curve(one), curve(two)
    assert len(alone) == STEPS
    for a, b in zip(alone, together, strict=True):
        assert b[:2] == (a[0], pytest.approx(a[1], rel=1e-5))
        assert b[2:] == (pytest.approx(a[2], rel=1e-4), a[3])
    assert checked_together == [(step, pytest.approx(loss, rel=1e-5)) for step, loss in checked]
    tokens = [[event.trained_tokens for event in read(folder) if isinstance(event, Stepped)] for folder in (one, two)]
    assert tokens[0] == tokens[1]
