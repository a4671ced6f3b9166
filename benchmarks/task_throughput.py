"""Texts a second of a special model, against the pipeline of transformers over the same checkpoint.

    python benchmarks/task_throughput.py [--sizes tiny distilbert bert] [--rows 64] [--rounds 5]

Random weights, distinct texts of 8 to 256 tokens (log-uniform), one thread, float32. The sides are called in turn, the order
alternates. Printed are medians of the ratios pipeline : ours, in processor seconds and in wall time, of the pipeline called
row by row, and with a batch size of 8.
"""

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
import transformers

import encoders
from llms.models.name import parse
from llms.models.task_model import TaskOptions, as_inputs
from llms.tasks.catalogue import find_task
from llms.tasks.special import open_special

SIZES = {
    "tiny": ("Bert", {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}),
    "distilbert": ("DistilBert", {}),
    "bert": ("Bert", {}),
}


def save(folder: str, size: str) -> None:
    family, settings = SIZES[size]
    tokenizer = encoders.word_tokenizer(512)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(num_labels=2, **settings)
    getattr(transformers, f"{family}ForSequenceClassification")(config).save_pretrained(folder)


def draw(count: int) -> list[str]:
    chance = random.Random(0)
    lengths = [int(math.exp(chance.uniform(math.log(8), math.log(256)))) - 2 for _ in range(count)]
    return [" ".join(chance.choice(encoders.WORDS) for _ in range(length)) for length in lengths]


def measure(size: str, count: int, rounds: int) -> None:
    texts = draw(count)
    with tempfile.TemporaryDirectory() as folder:
        save(folder, size)
        pipeline = transformers.pipeline("text-classification", model=folder, device="cpu", top_k=None)
        model = open_special(find_task("classification"), parse(f"hf:{folder}?device=cpu"), TaskOptions())
        sides = {
            "ours": lambda: list(model.answer(as_inputs(texts))),
            "row by row": lambda: [pipeline(text) for text in texts],
            "batch of 8": lambda: pipeline(texts, batch_size=8),
        }
        for side in sides.values():
            side()
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for turn in range(rounds):
            for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                cpu, wall = time.process_time(), time.perf_counter()
                sides[name]()
                seconds[name].append((time.process_time() - cpu, time.perf_counter() - wall))
        model.close()
    for name in ("row by row", "batch of 8"):
        pairs = list(zip(seconds[name], seconds["ours"], strict=True))
        cpu, wall = (statistics.median(theirs[i] / ours[i] for theirs, ours in pairs) for i in (0, 1))
        rate = count / statistics.median(ours[0] for ours in seconds["ours"])
        print(
            f"{size:10} {name}: {cpu:.2f} in processor seconds, {wall:.2f} in wall time; ours {rate:.1f} texts per processor second",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    for size in arguments.sizes:
        measure(size, arguments.rows, arguments.rounds)
