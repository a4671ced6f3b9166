"""Every method of `llms finetune` on the embedded model, as a user's shell runs it: few rows, few steps, real processes."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llms.models.load import load
from llms.training.progress import Started, Stepped, Validated, lasting, read

pytestmark = pytest.mark.slow
STEPS = 3
SHORT = ("--validation", 0.25, "--batch", 4, "--rows-at-once", 2, "--max-steps", STEPS, "--no-evidence", "--json")


@pytest.fixture(scope="module")
def home(embedded_home, tmp_path_factory) -> Path:
    """A home with the embedded model, eight chats and eight preference pairs."""
    home = tmp_path_factory.mktemp("embedded")
    for path in Path(embedded_home).iterdir():
        if path.is_dir():
            (home / path.name).symlink_to(path)
    asked = [f"Order {i}: where is it?" for i in range(8)]
    chats = [
        {"question": question, "answer": f"ORDER {i}: on its way" + ", soon" * i + "."}
        for i, question in enumerate(asked)
    ]
    pairs = [{"prompt": row["question"], "chosen": row["answer"], "rejected": "I cannot know that."} for row in chats]
    for name, rows in (("chats", chats), ("pairs", pairs)):
        (home / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return home


def start(home: Path, *words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "llms", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
        env={**os.environ, "LLMS_HOME": str(home)},
    )


def call(home: Path, *words: object) -> list[dict]:
    """The objects that the command printed."""
    process = start(home, *words)
    printed, error = process.communicate()
    assert process.returncode == 0, error
    return [json.loads(line) for line in printed.splitlines()]


def curve(folder: Path) -> list[tuple[int, float]]:
    """(step, loss), of training and then of validation."""
    events = lasting(read(folder))
    steps = [(event.step, event.loss) for event in events if isinstance(event, Stepped)]
    return steps + [(event.step, event.loss) for event in events if isinstance(event, Validated)]


@pytest.fixture(scope="module")
def trained(home) -> Path:
    """The folder of a run that nothing disturbed."""
    last = call(home, "finetune", "smollm2", "--data", "chats.jsonl", "--out", "plain", *SHORT)[-1]
    assert (last["event"], last["steps"]) == ("finished", STEPS)
    return home / "plain"


def test_a_run_whose_process_was_killed_goes_on_with_the_same_losses(home, trained):
    process = start(home, "finetune", "smollm2", "--data", "chats.jsonl", "--out", "killed", *SHORT)
    for line in process.stdout:
        if json.loads(line)["event"] == "saved":
            children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
            for child in children.stdout.split():
                os.kill(int(child), signal.SIGKILL)
            break
    _, error = process.communicate()
    assert process.returncode != 0
    assert "SIGKILL" in error
    assert "llms finetune --resume killed" in error

    call(home, "finetune", "--resume", "killed", "--no-evidence", "--json")
    starts = [event.first_step for event in read(home / "killed") if isinstance(event, Started)]
    assert starts[0] == 0
    assert 0 < starts[1] < STEPS
    assert curve(home / "killed") == curve(trained)


def test_two_processes_have_the_losses_of_one(home, trained):
    words = ("--data", "chats.jsonl", "--out", "two", "--processes", 2, *SHORT)
    lines = call(home, "finetune", "smollm2", *words)
    assert [line["processes"] for line in lines if line["event"] == "started"] == [2]
    alone, together = curve(trained), curve(home / "two")
    assert [step for step, _ in together] == [step for step, _ in alone]
    assert [loss for _, loss in together] == pytest.approx([loss for _, loss in alone], rel=1e-4)


def test_a_merged_model_scores_as_model_and_adapter(home, trained, monkeypatch):
    (proof,) = call(home, "models", "merge", f"smollm2?adapter={trained}", "merged", "--json")
    assert 0 < proof["largest_difference"] < 1e-3
    print(f"merged in {proof['seconds']:.1f} s")
    monkeypatch.setenv("LLMS_HOME", str(home))
    pairs = [("The capital of France is", " Paris"), ("Order 3: where is", " it?")]
    with load(f"smollm2?adapter={trained}") as both, load(f"hf:{home / 'merged'}") as merged, load("smollm2") as base:
        scores = [[one.logprob for one in model.loglikelihood(pairs)] for model in (both, merged, base)]
    assert scores[1] == pytest.approx(scores[0], abs=1e-3)
    assert scores[2] != pytest.approx(scores[0], abs=1e-3)


def test_an_adapter_over_weights_in_four_bits_learns(home):
    words = ("--data", "chats.jsonl", "--out", "qlora", "--method", "qlora", "--learning-rate", 1e-3, *SHORT)
    lines = call(home, "finetune", "smollm2", *words)
    losses = [line["loss"] for line in lines if line["event"] == "stepped"]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0]
    assert not [line["text"] for line in lines if line["event"] == "noticed"]
    assert lines[-1]["model"] == f"smollm2?adapter={home / 'qlora'}"


def test_pairs_are_told_apart_after_a_few_steps(home):
    words = ("--data", "pairs.jsonl", "--out", "dpo", "--learning-rate", 1e-3, *SHORT)
    lines = call(home, "finetune", "smollm2", *words)
    assert lines[0]["recipe"]["method"] == "dpo"
    steps = [line for line in lines if line["event"] == "stepped"]
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)  # the adapter is zero as yet
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[-1]["reward_margin"] > 0
    assert not [line["text"] for line in lines if line["event"] == "noticed"]
