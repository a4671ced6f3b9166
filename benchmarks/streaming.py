"""One stream of tokens: this project's against `model.generate` of transformers, on one thread, greedy, the same prompt.

    python benchmarks/streaming.py [--tokens 96] [--rounds 5] [--dtype float32]

Rounds are interleaved in one process; CPU seconds per generated token, medians, and the ratios. `gguf:smollm2` is
measured where llama.cpp is installed.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch
import transformers

import llms
from llms.models.gguf import library
from llms.models.local import embedded
from llms.models.system import Generate

PROMPT = "The history of the city begins with a small harbour at the mouth of the river, where"


def plain(dtype: str, tokens: int) -> Callable[[], int]:
    folder = str(embedded.checkpoint())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    asked = tokenizer(PROMPT, return_tensors="pt")

    def run() -> int:
        with torch.inference_mode():
            made = model.generate(**asked, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
        return made.shape[1] - asked.input_ids.shape[1]

    return run


def ours(name: str, tokens: int) -> Callable[[], int]:
    model = llms.load(name)

    def run() -> int:
        *_, last = model.stream(Generate(PROMPT, tokens))
        assert last.usage is not None
        return last.usage.tokens

    return run


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tokens", type=int, default=96)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--dtype", default="float32")
    given = options.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    sides = {
        f"generate, {given.dtype}": plain(given.dtype, given.tokens),
        f"smollm2?dtype={given.dtype}": ours(f"smollm2?dtype={given.dtype}", given.tokens),
        "generate, bfloat16": plain("bfloat16", given.tokens),
        "smollm2?quantize=int8": ours("smollm2?quantize=int8", given.tokens),
        "smollm2?quantize=nf4": ours("smollm2?quantize=nf4", given.tokens),
    }
    if library.missing() is None:
        sides["gguf:smollm2"] = ours("gguf:smollm2", given.tokens)
    for run in sides.values():
        run()
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(given.rounds):
        for name, run in sides.items():
            before = time.process_time()
            made = run()
            spent[name].append((time.process_time() - before) / made)
    median = {name: statistics.median(values) for name, values in spent.items()}
    whole, half = median[f"generate, {given.dtype}"], median["generate, bfloat16"]
    print(f"{'':<26}{'ms of CPU a token':>18}{'tokens/CPU s':>14}{'× generate ' + given.dtype:>20}{'× bfloat16':>12}")
    for name, seconds in median.items():
        print(f"{name:<26}{1000 * seconds:>18.1f}{1 / seconds:>14.1f}{whole / seconds:>20.2f}{half / seconds:>12.2f}")


if __name__ == "__main__":
    main()
