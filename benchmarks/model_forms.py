"""Every form of the embedded model on the same text and the same items, against the memory and the time that it takes.

    python benchmarks/model_forms.py                        # measure what is not measured yet, then draw: docs/forms.svg
    python benchmarks/model_forms.py --adapter FOLDER       # with this adapter instead of the shipped `calculator`
    python benchmarks/model_forms.py --characters 2000 --items 20 --out /tmp/forms.jsonl --picture /tmp/forms.svg
    python benchmarks/model_forms.py --draw                 # the table and the picture of what is measured

Forms: float32, bfloat16, int8, nf4, GGUF; each with and without an adapter. Each is measured in a process of its own with one
thread; speed is per second of its processor time. The text is the prose of this repository's docs/*.md, which
is younger than the model; the items are questions with four answers, made here by a seed. Results are lines of JSON, one per
form; what stands there of the same text, items and adapter is not measured again.
"""

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from forms_picture import draw
from generated_items import items
from llms.engine.resident import stated_bytes
from llms.models.load import load
from llms.statistics.corpus import corpus_value
from llms.statistics.paired import Paired, compare
from llms.statistics.paired_corpus import compare_corpus

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ("choose", "gate", "hub-and-data", "published", "ratings", "task-evaluation", "tasks")
FORMS = {
    "float32": "smollm2?dtype=float32",
    "bfloat16": "smollm2?dtype=bfloat16",
    "int8": "smollm2?quantize=int8",
    "nf4": "smollm2?quantize=nf4",
    "GGUF": "gguf:smollm2",
}
WITH = " + adapter"
CHUNK = 1000  # characters of a piece of text, which is scored from its own beginning
TOKENS, ANSWERS = 32, 3
PROMPT = "A letter to a friend about a day by the sea.\n\nDear friend,"
BITS = "bits_per_byte"
BEGIN, END = "<!-- measured -->", "<!-- end -->"


def text(characters: int) -> list[str]:
    """Pieces of prose, `characters` in all at least; without code, tables and headings."""
    pieces: list[str] = []
    for name in TEXTS:
        plain = re.sub(r"```.*?```", "", (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8"), flags=re.S)
        for paragraph in plain.split("\n\n"):
            if re.match(r"\s*(\||#|!|    )", paragraph) or not paragraph.strip():
                continue
            if pieces and len(pieces[-1]) + len(paragraph) < CHUNK:
                pieces[-1] += "\n\n" + paragraph.strip()
            else:
                pieces.append(paragraph.strip())
            if sum(map(len, pieces)) >= characters:
                return pieces
    raise SystemExit(f"the docs hold {sum(map(len, pieces))} characters of prose; {characters} were asked for")


def work(name: str) -> None:
    """In a process of its own: load, answer, tell; then score what comes on standard input, one JSON object."""
    with load(name) as model:
        begun = time.process_time()
        model.generate([PROMPT], max_tokens=4)  # loads
        loaded = time.process_time() - begun
        rates = []
        for number in range(ANSWERS):
            begun = time.process_time()
            tokens = model.generate([f"{number + 1}. {PROMPT}"], max_tokens=TOKENS)[0].tokens
            rates.append(tokens / (time.process_time() - begun))
        print(json.dumps({"load_seconds": loaded, "tokens_per_second": statistics.median(rates)}), flush=True)
        asked = json.loads(sys.stdin.readline())
        begun = time.process_time()
        scored = model.loglikelihood([("", piece) for piece in asked["pieces"]])
        seconds = time.process_time() - begun
        pairs = [
            (f"Question: {item['question']}\nAnswer:", f" {choice}")
            for item in asked["items"]
            for choice in item["choices"]
        ]
        choices = iter(model.loglikelihood(pairs))
        right = []
        for item in asked["items"]:
            logprobs = [next(choices).logprob for _ in item["choices"]]
            right.append(float(logprobs.index(max(logprobs)) == item["answer"]))
    found = {
        "nats": [-each.logprob for each in scored],
        "read_tokens_per_second": sum(each.tokens for each in scored) / seconds,
        "right": right,
    }
    print(json.dumps(found), flush=True)


def measure(name: str, pieces: list[str], questions: list[dict]) -> dict:
    """All numbers of one form. Memory is the proportional set size of its process, seen from outside: the most until it has
    answered, and what it holds then."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--work", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "LLMS_WORKERS": "1"},
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()))
    reader.start()
    peak = held = 0
    while reader.is_alive():
        held = stated_bytes(f"/proc/{process.pid}/smaps_rollup", "Pss") or held
        peak = max(peak, held)
        time.sleep(0.02)
    if not lines[0].strip():
        raise SystemExit(f"{name} cannot be measured: its process ended, see above")
    held = stated_bytes(f"/proc/{process.pid}/smaps_rollup", "Pss") or held
    rest, _ = process.communicate(json.dumps({"pieces": pieces, "items": questions}) + "\n")
    if process.returncode:
        raise SystemExit(f"{name} cannot be measured: its process ended with {process.returncode}")
    memory = {"peak_bytes": max(peak, held), "held_bytes": held}
    return {**json.loads(lines[0]), **memory, **json.loads(rest.strip().splitlines()[-1])}


def named(adapter: str | None) -> dict[str, str]:
    """Form -> name of the system."""
    systems = dict(FORMS)
    if adapter:
        for form, name in FORMS.items():
            systems[form + WITH] = f"{name}{'&' if '?' in name else '?'}adapter={adapter}"
    return systems


def measured(out: Path, digest: str) -> dict[str, dict]:
    """Form -> its line, of this text, these items and this adapter; the last one counts."""
    if not out.is_file():
        return {}
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return {line["form"]: line for line in lines if line["of"] == digest}


def differences(line: dict, first: dict, sizes: list[int]) -> tuple[Paired, Paired]:
    """Of a form minus float32: bits per byte over the pieces, and the share of right answers over the items."""
    counts = [
        [(nats / 0.6931471805599453, float(size)) for nats, size in zip(each["nats"], sizes, strict=True)]
        for each in (line, first)
    ]
    return compare_corpus(BITS, counts[0], counts[1], range(len(sizes))), compare(line["right"], first["right"])


def rows(lines: dict[str, dict], pieces: list[str]) -> list[dict]:
    """What the table and the picture show of each form."""
    sizes = [len(piece.encode()) for piece in pieces]
    first = lines["float32"]
    shown = []
    for form, line in lines.items():
        bits, right = differences(line, first, sizes)
        counts = [(nats / 0.6931471805599453, float(size)) for nats, size in zip(line["nats"], sizes, strict=True)]
        shown.append(
            {
                "form": form,
                "bits_per_byte": corpus_value(BITS, counts),
                "bits": (bits.difference, bits.low, bits.high),
                "right": statistics.mean(line["right"]),
                "points": (right.difference, right.low, right.high),
                **{name: line[name] for name in ("peak_bytes", "held_bytes", "tokens_per_second", "read_tokens_per_second")},
            }
        )  # fmt: skip
    return shown


def table(shown: list[dict]) -> str:
    """The rows in Markdown."""

    def between(values: tuple, scale: float, digits: int) -> str:
        difference, low, high = (None if value is None else scale * value for value in values)
        if low is None or high is None:
            return f"{difference:+.{digits}f}"
        return f"{difference:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"

    lines = [
        "| form | bits per byte | against float32, 95 % | right, % | against float32, 95 % | peak memory, MB | held, MB | tokens/s, writing | tokens/s, reading |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in shown:
        same = row["form"] == "float32"
        lines.append(
            f"| {row['form']} | {row['bits_per_byte']:.4f} | {'' if same else between(row['bits'], 1, 4)} "
            f"| {100 * row['right']:.1f} | {'' if same else between(row['points'], 100, 1)} "
            f"| {row['peak_bytes'] / 1e6:.0f} | {row['held_bytes'] / 1e6:.0f} "
            f"| {row['tokens_per_second']:.1f} | {row['read_tokens_per_second']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=22_000)
    parser.add_argument("--items", type=int, default=320)
    parser.add_argument("--adapter", default="calculator", help="a folder, or a shipped one's name; empty: none")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "forms.jsonl")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "forms.svg")
    parser.add_argument("--page", type=Path, help="put the table between the marks of this page, as docs/forms.md")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work)
        return
    pieces, questions = text(given.characters), items(given.items)
    asked = json.dumps([pieces, questions, given.adapter])
    digest = hashlib.sha256(asked.encode()).hexdigest()[:12]
    lines = measured(given.out, digest)
    for form, name in named(given.adapter).items():
        if form in lines or given.draw:
            continue
        print(f"{form}: {name} …", file=sys.stderr)
        line = {"form": form, "system": name, "of": digest, **measure(name, pieces, questions)}
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        lines[form] = line
    order = list(named(given.adapter))
    shown = rows({form: lines[form] for form in order if form in lines}, pieces)
    print(table(shown))
    characters, count = sum(map(len, pieces)), len(questions)
    print(f"\n{characters:,} characters in {len(pieces)} pieces, {count} items; written in {given.picture}")
    given.picture.write_text(draw(shown, characters, count), encoding="utf-8")
    if given.page:
        before, _, rest = given.page.read_text(encoding="utf-8").partition(BEGIN)
        given.page.write_text(f"{before}{BEGIN}\n{table(shown)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
