"""Logs of training runs as they would have been written, for pages: losses that fall, with noise drawn from a seed."""

from math import cos, exp, pi
from pathlib import Path
from random import Random

from llms.training.progress import Aborted, Ended, Noticed, Progress, Saved, Started, Stepped, Validated, append

STEPS = 120
EVIDENCE = {
    "held_out": {"benchmark": "held-out rows", "text": "better by 1.87 nats per token (1.71 to 2.02)"},
    "kept": [
        {
            "benchmark": name,
            "text": f"forgetting: none detectable, minimum detectable effect {effect} points (80 % power)",
        }
        for name, effect in (("arc_easy", 2.1), ("hellaswag", 1.7))
    ],
    "notes": [],
}  # as far as a page shows it


def events(steps: int = STEPS, until: int | None = None, first: int = 0) -> list[Progress]:
    """A run of `steps`, to its end or up to step `until`."""
    random = Random(0)
    log: list[Progress] = [Started("2026-03-14T10:00:00+00:00", steps, first, 1900, 100, 182_400, 41_200, 139_399_488, 4_884_480)]  # fmt: skip
    for step in range(1, (until or steps) + 1):
        loss = 0.35 + 1.9 * exp(-step / 25) + random.gauss(0, 0.06)
        rate = 1e-3 * (step / 5 if step < 5 else 0.5 * (1 + cos(pi * step / steps)))
        if step > first:
            log.append(Stepped(step, step / steps, loss, rate, 1.2, 1520, 340, 5.4, 1_870_000_000))
        if step > first and step % 12 == 0:
            log.append(Validated(step, 0.42 + 1.8 * exp(-step / 25)))
            log.append(Saved(step, f"checkpoints/checkpoint-{step}", 58_000_000))
    return log


def write(folder: Path, log: list[Progress]) -> Path:
    folder.mkdir(parents=True)
    for event in log:
        append(folder, event)
    return folder


def done(folder: Path) -> Path:
    """A run that has ended with an adapter."""
    write(folder, [*events(), Noticed("3 of 2003 rows are longer than the window of 1024 tokens and were left out"), Ended(STEPS, "done", 650.0, str(folder))])  # fmt: skip
    (folder / "adapter_config.json").write_text("{}")
    return folder


def failed(folder: Path) -> Path:
    return write(folder, [*events(until=30), Aborted("the loss of step 31 is not a number; its rows: chats.jsonl, row 17", 31)])  # fmt: skip
