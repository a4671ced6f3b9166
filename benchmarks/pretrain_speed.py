"""Training from nothing: tokens per second of `llms pretrain` against transformers' Trainer over LlamaForCausalLM, on the same terms.

Both train the same shape (2,048 tokens, 4 layers of width 128, a million parameters) with the same tokens in a step, AdamW,
clipping, schedule, dtype and threads, on the same windows of random tokens; a fresh process each, in turns. Seconds are of the
processor: what else the machine does meanwhile counts little, and rounds are compared pair by pair.

    python benchmarks/pretrain_speed.py --rounds 5
    python benchmarks/pretrain_speed.py --dtype bfloat16 --parameters 3M
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llms.training.recipe import ModelShape, TrainingRecipe
from llms.training.sizes import count_of, shape_of

SIDES = ("llms", "Trainer", "Trainer, memory kept")
WARM = 4  # steps that are not counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--parameters", type=count_of, default=1_000_000)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(run(options)))
        return
    results = {side: [] for side in SIDES}
    for number in range(options.rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results[side].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"round {number + 1} {side}: {results[side][-1]['rate']:,.0f} tokens per CPU second", flush=True)
    for side in SIDES:
        rates = [result["rate"] for result in results[side]]
        ratios = [mine["rate"] / their["rate"] for mine, their in zip(results["llms"], results[side], strict=True)]
        losses = {round(result["loss"], 3) for result in results[side]}
        print(
            f"{side}: median {statistics.median(rates):,.0f} tokens per CPU second; llms is {statistics.median(ratios):.2f} times "
            f"as fast ({min(ratios):.2f} to {max(ratios):.2f}); loss at the end {losses}"
        )


def run(options: argparse.Namespace) -> dict[str, float]:
    """One side, in this process: tokens per CPU second over the steps after the first few, and the last loss."""
    import torch
    from transformers import LlamaForCausalLM, Trainer, TrainerCallback

    from llms.engine.allocator import keep_freed_memory
    from llms.training import pretrain as ours
    from llms.training.network import TrainedNetwork
    from llms.training.token_file import TokenWindows

    torch.set_num_threads(options.threads)
    shape = shape_of(options.parameters, 2048)
    if options.parameters == 1_000_000:
        assert shape == ModelShape(4, 128, 4, 352, 2048)
    recipe = TrainingRecipe(
        "", "", method="pretrain", learning_rate=3e-3, warmup=0.05, least_rate=0.1, beta2=0.95, weight_decay=0.1, shape=shape,
        max_steps=options.steps + WARM, rows_per_step=options.rows, rows_at_once=options.rows, window=options.window,
        dtype=options.dtype, save_every=10**6,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (torch.randint(2048, (1_000_000,), generator=torch.Generator().manual_seed(0)).numpy().astype("<u2")).tofile(
            folder / "t"
        )
        windows = TokenWindows(folder / "t", 2048, options.window, recipe.max_steps * options.rows, seed=0)
        arguments = ours._arguments(recipe, folder, 1)
        network = TrainedNetwork(shape, 0, torch.bfloat16 if options.dtype == "bfloat16" else torch.float32)
        seen = []

        class Clock(TrainerCallback):
            def on_log(self, args, state, control, logs=None, **_):
                if "loss" in (logs or {}):
                    seen.append((time.process_time(), logs["loss"]))

        if options.side == "llms":
            keep_freed_memory()
            trainer = ours.WindowTrainer(network, arguments, ours.as_batch, windows)
            trainer.begin(recipe, folder, lambda event: None, None)
        else:
            if options.side != "Trainer":
                keep_freed_memory()
            model = LlamaForCausalLM(ours.llama_config(shape, options.window))
            model.load_state_dict(network.llama_state(), strict=False)
            arguments.bf16 = options.dtype == "bfloat16"  # by autocast, as ours
            arguments = type(arguments)(**{**_given(arguments), "bf16": options.dtype == "bfloat16"})
            trainer = Trainer(model, arguments, theirs, windows)
        trainer.add_callback(Clock())
        trainer.train()
    first, last = seen[WARM - 1], seen[-1]
    tokens = options.steps * options.rows * options.window
    return {"rate": tokens / (last[0] - first[0]), "loss": last[1]}


def _given(arguments) -> dict[str, object]:
    names = (
        "output_dir", "use_cpu", "per_device_train_batch_size", "gradient_accumulation_steps", "max_steps", "learning_rate",
        "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "weight_decay", "adam_beta2", "max_grad_norm", "optim", "seed",
        "train_sampling_strategy", "logging_steps", "logging_nan_inf_filter", "save_strategy", "save_steps", "report_to",
        "disable_tqdm", "remove_unused_columns", "dataloader_pin_memory",
    )  # fmt: skip
    return {name: getattr(arguments, name) for name in names}


def theirs(rows):
    """The same windows as `input_ids` and `shift_labels`, which LlamaForCausalLM takes as the tokens that follow."""
    import numpy
    import torch

    tokens = torch.from_numpy(numpy.stack(rows))
    return {"input_ids": tokens[:, :-1], "labels": tokens[:, :-1], "shift_labels": tokens[:, 1:].contiguous()}


if __name__ == "__main__":
    main()
