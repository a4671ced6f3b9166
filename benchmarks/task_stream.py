"""Peak memory of `llms task … --out FILE` over CSV files of 100,000 and 1,000,000 rows: it must not grow with them.

    python benchmarks/task_stream.py [--rows 100000,1000000]

The model is a random BERT of one layer, so that the rows are what takes memory. Prints one line a size, and the ratio of
the peaks; ends with 1 where they differ by more than a tenth.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

WORDS = ["good", "bad", "plot", "actor", "slow", "bright", "end", "music"]
TOLERANCE = 0.1


def save_model(folder: Path) -> Path:
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=32, id2label={0: "negative", 1: "positive"}, label2id={"negative": 0, "positive": 1},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def save_rows(path: Path, count: int) -> Path:
    """Rows whose texts differ: a number, and three words that follow from it."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        for number in range(count):
            rows.writerow([number, f"{number} " + " ".join(WORDS[number // 8**place % 8] for place in range(3))])
    return path


def measure(model: Path, table: Path, out: Path) -> tuple[float, float]:
    """(peak MB of resident memory, seconds) of the command."""
    command = [sys.executable, "-m", "llms", "task", "sentiment", str(table), "--column", "text"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "-m", f"hf:{model}?device=cpu", "-o", str(out)], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the command ended with {process.returncode}")
    return usage.ru_maxrss / 1024, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="100000,1000000")
    sizes = [int(size) for size in parser.parse_args().rows.split(",")]
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        model = save_model(Path(folder, "model"))
        for size in sizes:
            table, out = save_rows(Path(folder, f"{size}.csv"), size), Path(folder, f"{size}-out.csv")
            peak, seconds = measure(model, table, out)
            with out.open(newline="") as file:
                written = sum(1 for _ in csv.reader(file)) - 1
            assert written == size, f"{written} rows of {size}"
            peaks.append(peak)
            print(f"{size:>9,} rows  peak {peak:,.0f} MB  {seconds:,.0f} s  {size / seconds:,.0f} rows/s", flush=True)
    ratio = peaks[-1] / peaks[0]
    print(f"peak of {sizes[-1]:,} rows / peak of {sizes[0]:,} rows = {ratio:.3f}")
    sys.exit(abs(ratio - 1) > TOLERANCE)


if __name__ == "__main__":
    main()
