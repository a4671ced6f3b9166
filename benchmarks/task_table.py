"""The table "task × special model × language model × constrained choice": each trained or asked, each measured on the same rows.

    python benchmarks/task_table.py [--rows 200] [--model smollm2] [--folder build/task-models]

Special models are trained from nothing by `task_training.py` on generated rows and kept in the folder; all are measured by
`llms eval --task` on rows from templates that no row of training has. Each cell is the leading metric with its 95 % interval,
rows per second on one core, and the most memory that the process took. Prints Markdown.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import task_rows

WAYS = {
    "sentiment": ("prompt", "choice"),
    "entities": ("prompt",),
    "question-answering": ("prompt",),
    "embeddings": (),
}
OPTIONS = {"sentiment": ("--labels", "negative,positive"), "entities": ("--labels", "PER,LOC,ORG")}


def main(arguments: argparse.Namespace) -> None:
    print("| task | special model | language model, prompt | language model, constrained choice |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for task in arguments.tasks:
            folder = arguments.folder / task
            if not (folder / "config.json").is_file():
                train(task, folder)
            data = Path(scratch) / f"{task}.csv"
            write(data, task_rows.rows(task, "test", arguments.rows, seed=0))
            cells = [measure(f"hf:{folder}", task, data, ())]
            for way in ("prompt", "choice"):
                asked = way in WAYS[task]
                cells.append(
                    measure(arguments.model, task, data, ("--way", way, *OPTIONS.get(task, ()))) if asked else "—"
                )
            print(f"| {task} | {' | '.join(cells)} |", flush=True)


def train(task: str, folder: Path) -> None:
    script = Path(__file__).with_name("task_training.py")
    subprocess.run([sys.executable, script, task, folder], check=True)


def write(path: Path, rows: Sequence[task_rows.Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "answer_start"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def measure(model: str, task: str, data: Path, options: Sequence[str]) -> str:
    """The cell of one model: metric [interval], speed, memory."""
    command = [
        sys.executable,
        "-m",
        "llms",
        "eval",
        model,
        "--task",
        task,
        "--data",
        str(data),
        "--workers",
        "1",
        "--json",
        *options,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    report = json.loads(done.stdout)
    score = report["scores"][report["headline"]]
    value = f"{report['headline']} {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
    speed = report["n"] / report["seconds"]
    return f"{value}; {speed:,.{0 if speed >= 10 else 1}f}/s; {report['peak_memory_bytes'] / 1e6:,.0f} MB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--folder", type=Path, default=Path("build/task-models"))
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(task_rows.TASKS))
    main(parser.parse_args())
