"""What the engine's settings are worth: each against its alternatives, interleaved, CPU seconds with one thread.

    python benchmarks/engine_choices.py [--model DIR] [--rounds 5] [--only chunk …]

The requests are those of the embedded sample: HellaSwag with 0 shots (short branches) and ARC-Challenge with 5 shots
drawn anew for each item (long, hardly shared prompts). Ratios are seconds of the alternative over seconds of the
setting in use: above 1 the setting is the better one. `dtype` also prints how far bfloat16 scores are from float32.
"""

import argparse
import logging
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
logging.disable(logging.WARNING)

import torch

from llms.benchmarks.benchmark import Draw
from llms.benchmarks.catalogue import find
from llms.data import open_source
from llms.engine import Engine, Scorer, ScoreRequest, layout, prepack
from llms.evaluation.config import EvalConfig
from llms.evaluation.plan import plan
from llms.models.local import embedded
from llms.models.local.build import Build
from llms.models.local.construct import construct
from llms.models.local.tokenizer import CheckpointTokenizer
from llms.tokens.pair import Pair, encode_pairs
from llms.values import Identity

torch.set_num_threads(1)


def requests(folder: Path, name: str, shots: int, draw: Draw, limit: int) -> list[ScoreRequest]:
    """The token ids of a benchmark's requests on the embedded sample."""
    benchmark = find(name)
    config = EvalConfig(shots=shots, draw=draw, limit=limit)
    made = plan(benchmark, open_source("sample"), config, Identity("x", "x"))
    pairs = [pair for item in made.items for pair in item.prompt.pairs]
    encoded = encode_pairs(CheckpointTokenizer(str(folder)), pairs, 2048)
    return [ScoreRequest(pair.ids, pair.scored) for pair in encoded if isinstance(pair, Pair)]


def interleaved(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each side; one untimed round first."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds + 1):
        for name, side in sides.items():
            started = time.process_time()
            side()
            if round_:
                spent[name].append(time.process_time() - started)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def show(what: str, workload: str, used: str, seconds: dict[str, float]) -> None:
    for name, value in seconds.items():
        mark = "in use" if name == used else f"ratio {value / seconds[used]:.2f}"
        print(f"{what:8} {workload:14} {name:>10} {value:7.2f} s  {mark}", flush=True)


def chunk(engine: Engine, workloads, rounds: int) -> None:
    for workload, asked in workloads.items():
        sides = {
            str(n): lambda n=n, asked=asked: list(Scorer(engine.network, n).score(asked))
            for n in (256, 512, 1024, 2048)
        }
        show("chunk", workload, "1024", interleaved(sides, rounds))


def masked(engine: Engine, workloads, rounds: int) -> None:
    used = layout.MASKED_TOKENS

    def score(tokens: int, asked):
        layout.MASKED_TOKENS = tokens
        try:
            return list(Scorer(engine.network).score(asked))
        finally:
            layout.MASKED_TOKENS = used

    for workload, asked in workloads.items():
        sides = {str(n): lambda n=n, asked=asked: score(n, asked) for n in (1, 64, 128, 256, 512)}
        show("masked", workload, str(used), interleaved(sides, rounds))


def packed(build: Build, engine: Engine, workloads, rounds: int) -> None:
    works, prepack._works = prepack._works, lambda layer: False
    try:
        plain = build()
    finally:
        prepack._works = works
    for workload, asked in workloads.items():
        sides = {
            "packed": lambda asked=asked: list(Scorer(engine.network).score(asked)),
            "plain": lambda asked=asked: list(Scorer(plain.network).score(asked)),
        }
        show("prepack", workload, "packed", interleaved(sides, rounds))


def dtype(folder: Path, engine: Engine, workloads, rounds: int) -> None:
    half = construct(Build(str(folder), "bfloat16", "cpu", False, False))
    for workload, asked in workloads.items():
        sides = {
            "float32": lambda asked=asked: list(Scorer(engine.network).score(asked)),
            "bfloat16": lambda asked=asked: list(Scorer(half.network).score(asked)),
        }
        seconds = interleaved(sides, rounds)
        print(f"dtype    {workload:14} float32 over bfloat16: {seconds['float32'] / seconds['bfloat16']:.2f}")
        one, two = dict(Scorer(engine.network).score(asked)), dict(Scorer(half.network).score(asked))
        apart = sorted(abs(one[i].logprob - two[i].logprob) for i in one)
        print(f"dtype    {workload:14} distance in nats: median {apart[len(apart) // 2]:.3f}, largest {apart[-1]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="checkpoint folder; the embedded model if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["chunk", "masked", "prepack", "dtype"])
    options = parser.parse_args()
    folder = options.model or embedded.checkpoint()
    workloads = {
        "hellaswag-0": requests(folder, "hellaswag", 0, "fixed", 30),
        "arc-drawn-5": requests(folder, "arc_challenge", 5, "harness", 10),
    }
    build = Build(str(folder), "float32", "cpu", False, False)
    engine = construct(build)
    if "chunk" in options.only:
        chunk(engine, workloads, options.rounds)
    if "masked" in options.only:
        masked(engine, workloads, options.rounds)
    if "prepack" in options.only:
        packed(build, engine, workloads, options.rounds)
    if "dtype" in options.only:
        dtype(folder, engine, workloads, options.rounds)


if __name__ == "__main__":
    main()
