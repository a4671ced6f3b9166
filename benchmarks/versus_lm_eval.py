"""CPU seconds of the scoring call: lm-evaluation-harness 0.4.13 against the engine, same requests, one thread.

Both sides get the requests that the harness itself builds from the rows of a data root, on the same float32
checkpoint, at the harness's best batch size. Runs are interleaved; medians, ratios and the fraction of the
arithmetic limit are printed. Log-likelihoods are compared too, those of both sides from this processor: another one
rounds otherwise, by up to some twice the tolerance.

    python -m venv /tmp/versus && /tmp/versus/bin/pip install torch==2.13.0 && /tmp/versus/bin/pip install lm_eval==0.4.13 -e '.[local,eval]'
    /tmp/versus/bin/python benchmarks/versus_lm_eval.py --data ROOT [--model DIR] [--only hellaswag-0 …]
"""

import argparse
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
logging.disable(logging.WARNING)

import torch

torch.set_num_threads(1)

FOLDERS = {
    "allenai/ai2_arc": ("arc", None),
    "Rowan/hellaswag": ("hellaswag", "default"),
    "cais/mmlu": ("mmlu", None),
    "openai/gsm8k": ("gsm8k", None),
    "gsm8k": ("gsm8k", None),
}
MMLU_SUBJECTS = ("abstract_algebra", "anatomy", "astronomy", "business_ethics")
NEW_TOKENS = 64


def _first(task, n, eval_doc=None, df=None, **_):
    """The first n few-shot rows, for every item."""
    return list(df or task.fewshot_docs())[:n]


@dataclass(frozen=True)
class Case:
    """`batch_sizes` are tried for the harness; the best one counts. `floor` and `aim` are ratios to reach."""

    tasks: tuple[str, ...]
    shots: int
    items: int
    batch_sizes: tuple[int, ...]
    floor: float
    aim: float
    fixed: bool = False


CASES = {
    "hellaswag-0": Case(("hellaswag",), 0, 30, (4, 8), 2.5, 3.0),
    "hellaswag-10": Case(("hellaswag",), 10, 5, (1,), 4.0, 5.0),
    "arc-challenge-25": Case(("arc_challenge",), 25, 5, (1,), 3.7, 5.0),
    "mmlu-5": Case(tuple(f"mmlu_{s}" for s in MMLU_SUBJECTS), 5, 12, (1,), 5.0, 6.5),
    "gsm8k-5": Case(("gsm8k",), 5, 16, (8,), 1.4, 2.0),
    "gsm8k-5-fixed": Case(("gsm8k",), 5, 16, (8,), 2.8, 4.0, fixed=True),
    "arc-challenge-25-fixed": Case(("arc_challenge",), 25, 20, (1,), 12.0, 12.0, fixed=True),
}


def local_rows(root: Path):
    """A `datasets.load_dataset` that reads ROOT/<folder>/<config>/<split>.jsonl.gz."""
    import datasets

    original = datasets.load_dataset

    def load(path=None, name=None, **_):
        folder, config = FOLDERS[path]
        files = {f.name.split(".")[0]: str(f) for f in (root / folder / (config or name)).glob("*.jsonl.gz")}
        return original("json", data_files=files)

    return load


def instances(case: Case) -> list:
    """The harness's own requests of a case, few-shot examples drawn its way (or the first rows, if fixed)."""
    from lm_eval.tasks import TaskManager, get_task_dict

    found = []
    for name in case.tasks:
        task = get_task_dict([name], TaskManager())[name]
        task.set_config("num_fewshot", case.shots)
        if case.fixed:
            task.config.fewshot_config.sampler = "first_n"
            task.sampler = type(task.sampler)(task.sampler.df)
            task.sampler.sample = partial(_first, task)
        task.set_fewshot_seed(1234)
        task.build_all_requests(limit=case.items, rank=0, world_size=1)
        found += task.instances
    for instance in found:
        if instance.request_type == "generate_until":
            instance.args[1]["max_gen_toks"] = NEW_TOKENS
            instance.args[1]["until"] = ["\u0000never"]  # every row runs to its end on both sides
    return found


def measure(call: Callable[[], object]) -> tuple[float, object]:
    started = time.process_time()
    result = call()
    return time.process_time() - started, result


def matrix_rate() -> float:
    """The best float32 rate of one core in this run, FLOP/s, over the matrix kernels that PyTorch has."""
    best = 0.0
    for rows, inner, columns in ((512, 576, 1536), (1024, 1024, 1024), (512, 1536, 576)):
        x, w = torch.randn(rows, inner), torch.randn(columns, inner)
        calls = [lambda x=x, w=w: torch.nn.functional.linear(x, w)]
        packed = torch.ops.mkldnn._reorder_linear_weight(w, rows)
        calls.append(lambda x=x, p=packed: torch.ops.mkldnn._linear_pointwise(x, p, None, "none", [], ""))
        for call in calls:
            call()
            seconds = statistics.median(measure(call)[0] for _ in range(15))
            best = max(best, 2 * rows * inner * columns / seconds)
    return best


def needed_flops(config, sequences: Sequence[tuple[tuple[int, ...], int]]) -> float:
    """FLOPs that the distinct tokens need: matrices, attention over visible keys, vocabulary where a token is scored."""
    width, layers = config.hidden_size, config.num_hidden_layers
    head = getattr(config, "head_dim", None) or width // config.num_attention_heads
    attention = width * head * (2 * config.num_attention_heads + 2 * config.num_key_value_heads)
    per_token = 2 * layers * (attention + 3 * width * config.intermediate_size)
    per_pair = 4 * layers * config.num_attention_heads * head
    nodes: set = set()
    scored: set = set()
    for tokens, count in sequences:
        node: tuple = ()
        for position, token in enumerate(tokens[:-1]):
            node = (hash(node), token, position)
            nodes.add(node)
            if position >= len(tokens) - 1 - count:
                scored.add(node)
    pairs = sum(position + 1 for _, _, position in nodes)
    return len(nodes) * per_token + pairs * per_pair + len(scored) * 2 * width * config.vocab_size


def compare_choice(lm, engine, case: Case, rounds: int) -> dict:
    from llms.engine import ScoreRequest

    found = instances(case)
    encoded = [(i.args, *lm._encode_pair(*i.args)) for i in found]
    requests = [ScoreRequest(tuple(context + continuation), len(continuation)) for _, context, continuation in encoded]
    from llms.engine import Scorer

    def ours():
        scores = dict(Scorer(engine.network).score(requests))
        return [scores[i] for i in range(len(requests))]

    def theirs(size: int):
        lm.batch_size_per_gpu = size
        return lm._loglikelihood_tokens(encoded, disable_tqdm=True)

    theirs(case.batch_sizes[0]) if len(encoded) < 50 else None
    times: dict = {}
    for _ in range(rounds):
        for size in case.batch_sizes:
            seconds, reference = measure(lambda size=size: theirs(size))
            times.setdefault(size, []).append(seconds)
        seconds, result = measure(ours)
        times.setdefault("engine", []).append(seconds)
    error = max(abs(a.logprob - b[0]) / (1e-4 + 1e-6 * abs(b[0])) for a, b in zip(result, reference, strict=True))
    flags = sum(a.greedy != b[1] for a, b in zip(result, reference, strict=True))
    flops = needed_flops(lm.model.config, [(r.tokens, r.scored) for r in requests])
    medians = {name: statistics.median(values) for name, values in times.items()}
    best = min(case.batch_sizes, key=lambda size: medians[size])
    return {
        "requests": len(requests),
        "harness_seconds": medians[best],
        "batch_size": best,
        "engine_seconds": medians["engine"],
        "ratio": medians[best] / medians["engine"],
        "limit_fraction": flops / RATE / medians["engine"],
        "error_of_tolerance": error,
        "greedy_differences": flags,
    }


def compare_generation(lm, engine, case: Case, rounds: int) -> dict:
    from llms.engine import DecodeRequest

    found = instances(case)
    prompts = [tuple(lm.tok_encode(i.args[0])) for i in found]
    written: list[tuple[int, ...]] = []

    def ours():
        new: dict[int, list[int]] = {i: [] for i in range(len(prompts))}
        for index, got in engine.complete([DecodeRequest(i, prompt, NEW_TOKENS) for i, prompt in enumerate(prompts)]):
            new[index] = list(got.tokens)
        written[:] = [(*prompt, *new[i]) for i, prompt in enumerate(prompts)]
        return [lm.tok_decode(new[i], skip_special_tokens=True) for i in range(len(prompts))]

    def theirs(size: int):
        lm.batch_size_per_gpu = size
        return lm.generate_until(found, disable_tqdm=True)

    times: dict = {}
    for _ in range(rounds):
        for size in case.batch_sizes:
            seconds, reference = measure(lambda size=size: theirs(size))
            times.setdefault(size, []).append(seconds)
        seconds, result = measure(ours)
        times.setdefault("engine", []).append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    best = min(case.batch_sizes, key=lambda size: medians[size])
    sequences = [(whole, len(whole) - len(prompt)) for whole, prompt in zip(written, prompts, strict=True)]
    return {
        "requests": len(prompts),
        "harness_seconds": medians[best],
        "batch_size": best,
        "engine_seconds": medians["engine"],
        "ratio": medians[best] / medians["engine"],
        "limit_fraction": needed_flops(lm.model.config, sequences) / RATE / medians["engine"],
        "equal_texts": sum(a == b for a, b in zip(result, reference, strict=True)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="checkpoint folder (default: the embedded model)")
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    import datasets
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM

    from llms.engine import Engine

    datasets.load_dataset = local_rows(options.data)
    folder = options.model
    if folder is None:
        from llms.models.local.embedded import checkpoint

        folder = str(checkpoint())
    lm = HFLM(pretrained=folder, dtype="float32", device="cpu", batch_size=1)
    engine = Engine(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), frozenset([lm.eot_token_id]))
    global RATE
    RATE = matrix_rate()
    print(f"{folder}: one core computes {RATE / 1e9:.0f} GFLOP/s in float32; engine: {engine.verdict}", file=sys.stderr)
    missed = 0
    for name in options.only:
        case = CASES[name]
        compare = compare_generation if name.startswith("gsm8k") else compare_choice
        row = {"case": name, **compare(lm, engine, case, options.rounds), "floor": case.floor, "aim": case.aim}
        missed += row["ratio"] < case.floor
        print(
            json.dumps(row)
            if options.json
            else "  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()),
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
