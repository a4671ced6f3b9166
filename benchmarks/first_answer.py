"""A first answer from nothing: CPU seconds to the first word and to the end, against a plain transformers script.

    python benchmarks/first_answer.py [--rounds 5] [--road NAME …]

Each road is a command that starts, loads the embedded model, answers one question with 32 tokens, and ends. One thread
each, rounds interleaved, caches warm, the checkpoint converted before. CPU seconds are those of the process and all its
children, user and system; the first word is the first byte on standard output. Medians, and the ratios to the script.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from llms.models.local import embedded

QUESTION = "What is a language model?"
TOKENS = 32
SCRIPT = f"""
import sys
import torch
import transformers
torch.set_num_threads(1)
folder = sys.argv[1]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
asked = tokenizer.apply_chat_template(
    [{{"role": "user", "content": {QUESTION!r}}}], add_generation_prompt=True, return_tensors="pt", return_dict=True
)
class Show(transformers.TextStreamer):
    def on_finalized_text(self, text, stream_end=False):
        sys.stdout.write(text)
        sys.stdout.flush()
model.generate(
    **asked, max_new_tokens={TOKENS}, do_sample=False, streamer=Show(tokenizer, skip_prompt=True, skip_special_tokens=True)
)
"""
ASK = [sys.executable, "-m", "llms", "ask", QUESTION, "--max-tokens", str(TOKENS), "--no-store"]
PLAIN = "transformers"
TICK = os.sysconf("SC_CLK_TCK")


def roads() -> dict[str, list[str]]:
    """Commands by name; the first is what the others are compared with."""
    return {
        PLAIN: [sys.executable, "-c", SCRIPT, str(embedded.checkpoint())],
        "llms ask": ASK,
        "llms ask -m smollm2": [*ASK, "-m", "smollm2"],
    }


def measure(command: list[str]) -> tuple[float, float]:
    """CPU seconds (to the first byte, to the end) of a command and its children."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
                   "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
    before = _children()
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process:
            assert process.stdout is not None
            first = process.stdout.read(1)
            spent = _tree(process.pid)
            process.stdout.read()
        errors.seek(0)
        if process.returncode or not first:
            raise SystemExit(f"{command[:4]} failed: {errors.read().decode()[-2000:]}")
    return spent, _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(pid: int) -> float:
    """CPU seconds of a process, of its children that ended and of those that go on (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / TICK
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return own + sum(_tree(int(child)) for task in tasks for child in task.read_text().split())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--road", action="append", help="only these, beside transformers")
    given = options.parse_args()
    chosen = {name: line for name, line in roads().items() if name in (PLAIN, *(given.road or roads()))}
    for command in chosen.values():
        measure(command)  # warms the caches
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen}
    for _ in range(given.rounds):
        for name, command in chosen.items():
            spent[name].append(measure(command))
    first, whole = ({name: statistics.median(pair[i] for pair in spent[name]) for name in chosen} for i in (0, 1))
    print(f"{'CPU seconds':<24}{'first word':>12}{'ratio':>8}{'end':>8}{'ratio':>8}")
    for name in chosen:
        print(
            f"{name:<24}{first[name]:>12.2f}{first[name] / first[PLAIN]:>8.2f}"
            f"{whole[name]:>8.2f}{whole[name] / whole[PLAIN]:>8.2f}"
        )


if __name__ == "__main__":
    main()
