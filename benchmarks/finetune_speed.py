"""Trained tokens a CPU second: LoRA of the embedded model by trl's SFTTrainer and by the training loop, under the same terms.

    python benchmarks/finetune_speed.py [--rounds 3] [--steps 3] [--also trl-packed trl-defaults] [--device cuda]

Both sides have the same rows, float32, rank 16 on all linear layers, AdamW, as many rows in a step and in a forward pass, no
activation checkpointing and trl's loss nll. Each run is a process of its own on one thread; rounds are interleaved, ratios
paired within a round. `plain` rows are chats of unlike lengths; those of `shared` begin with the same 215 tokens. Seconds count
from the first step to the last; with --device cuda they are those of the clock.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS_PER_STEP, ROWS_AT_ONCE, RANK = 8, 4, 16
PREFIX = {"plain": 0, "shared": 215}
SIDES = ("ours", "trl")
OTHERS = {
    "trl-packed": {"packing": True, "max_length": 1024},
    "trl-defaults": {"bf16": True, "activation_checkpointing": True},
}


def draw_rows(case: str, steps: int) -> list[dict[str, object]]:
    """Rows of random tokens: a prompt of 75 tokens and an answer of 45 in the median, lengths log-normal."""
    draw = random.Random(0)

    def tokens(count: int) -> list[int]:
        return [draw.randrange(10, 40000) for _ in range(count)]

    def length(median: int, spread: float, longest: int) -> int:
        return max(5, min(longest, round(median * draw.lognormvariate(0, spread))))

    prefix, rows = tokens(PREFIX[case]), []
    for number in range(steps * ROWS_PER_STEP):
        prompt, answer = tokens(length(75, 0.7, 400)), tokens(length(45, 0.7, 300))
        trained = [0] * (len(prefix) + len(prompt)) + [1] * len(answer)
        rows.append(
            {
                "input_ids": prefix + prompt + answer,
                "trained": trained,
                "prefix": len(prefix),
                "source": f"row {number}",
            }
        )
    return rows


class Clock:
    """Seconds from the first beginning of a step to the last end of one."""

    def __init__(self, device: str):
        self.read = time.process_time if device == "cpu" else time.perf_counter
        self.first = self.last = 0.0

    def begin(self) -> None:
        self.first = self.first or self.read()

    def end(self) -> None:
        self.last = self.read()


def run_ours(rows: list[dict[str, object]], device: str, folder: Path) -> float:
    from datasets import Dataset

    from llms.training.progress import Noticed, Started, Stepped
    from llms.training.recipe import TrainingRecipe
    from llms.training.train import train_rows

    clock = Clock(device)

    def emit(event: object) -> None:
        if isinstance(event, Noticed):
            print(event.text, file=sys.stderr)
        clock.begin() if isinstance(event, Started) else None
        clock.end() if isinstance(event, Stepped) else None

    recipe = TrainingRecipe(
        "smollm2",
        "",
        rank=RANK,
        rows_per_step=ROWS_PER_STEP,
        rows_at_once=ROWS_AT_ONCE,
        save_every=10**6,
        device=device,
    )
    train_rows(recipe, folder, emit, Dataset.from_list(rows), Dataset.from_list([]))
    return clock.last - clock.first


def run_trl(rows: list[dict[str, object]], device: str, folder: Path, options: dict[str, object]) -> float:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from llms.models.local.embedded import checkpoint

    clock = Clock(device)

    class Watch(TrainerCallback):
        def on_step_begin(self, *_: object, **__: object) -> None:
            clock.begin()

        def on_step_end(self, *_: object, **__: object) -> None:
            clock.end()

    labelled = [
        {
            "input_ids": row["input_ids"],
            "labels": [id if one else -100 for id, one in zip(row["input_ids"], row["trained"], strict=True)],
        }
        for row in rows
    ]
    terms = {"bf16": False, "activation_checkpointing": False, "max_length": None, "learning_rate": 2e-4, **options}
    arguments = SFTConfig(
        output_dir=str(folder), use_cpu=device == "cpu", per_device_train_batch_size=ROWS_AT_ONCE,
        gradient_accumulation_steps=ROWS_PER_STEP // ROWS_AT_ONCE, num_train_epochs=1, report_to="none", save_strategy="no",
        logging_steps=1, disable_tqdm=True, dataloader_pin_memory=False, **terms,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(checkpoint(), dtype=torch.float32),
        args=arguments,
        train_dataset=Dataset.from_list(labelled),
        processing_class=AutoTokenizer.from_pretrained(checkpoint()),
        peft_config=LoraConfig(r=RANK, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[Watch()],
    )
    trainer.train()
    return clock.last - clock.first


def run(side: str, case: str, steps: int, device: str) -> None:
    """One run in this process, reported as a line of JSON."""
    import torch

    from llms.training.reporter import peak_memory

    torch.set_num_threads(1)
    rows = draw_rows(case, steps)
    with tempfile.TemporaryDirectory() as folder:
        if side == "ours":
            seconds = run_ours(rows, device, Path(folder))
        else:
            seconds = run_trl(rows, device, Path(folder), OTHERS.get(side, {}))
    trained = sum(sum(row["trained"]) for row in rows)
    print(json.dumps({"speed": trained / seconds, "seconds": seconds, "memory": peak_memory(device)}))


def run_apart(side: str, case: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        "--run",
        side,
        case,
        "--steps",
        str(arguments.steps),
        "--device",
        arguments.device,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--also", nargs="*", default=[], choices=OTHERS)
    parser.add_argument("--cases", nargs="*", default=list(PREFIX), choices=PREFIX)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*arguments.run, arguments.steps, arguments.device)
        return
    if arguments.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise SystemExit("no CUDA device is at hand; nothing was measured")
    for case in arguments.cases:
        rounds = []
        for number in range(arguments.rounds):
            sides = [*SIDES, *arguments.also]
            rounds.append({side: run_apart(side, case, arguments) for side in (sides if number % 2 else sides[::-1])})
        for side in (*SIDES, *arguments.also):
            speed = statistics.median(one[side]["speed"] for one in rounds)
            ratio = statistics.median(one["ours"]["speed"] / one[side]["speed"] for one in rounds)
            memory = max(one[side]["memory"] for one in rounds) / 1e9
            print(
                f"{case:8} {side:13} {speed:7.1f} trained tokens/s   ours is {ratio:.2f} times   {memory:.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    main()
