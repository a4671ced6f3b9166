"""What pages of comparisons show: a leaderboard as it usually is, one crowded, an answer of choose; numbers are fixed."""

import math
import random
from dataclasses import replace

from llms.arena.board import BoardCell, BoardColumn, BoardRow, Leaderboard
from llms.arena.choose.job import Candidate, Choice, ChoiceJob, ChoiceLimits, Separating
from llms.arena.evidence import Evidence

SETTINGS = {"benchmark": "arc_easy", "shots": "0", "view": "default", "data": "sample", "chat template": "off"}
COLUMNS = (
    BoardColumn("average.macro", "average", "Average, macro", "share", True, {"over": "arc_easy, gsm8k"}),
    BoardColumn("arc_easy", "benchmark", "arc_easy", "share", True, SETTINGS, chance=0.25),
    BoardColumn("gsm8k", "benchmark", "gsm8k", "share", True, {**SETTINGS, "benchmark": "gsm8k", "shots": "5"}),
    BoardColumn("mine", "own data", "tickets.csv", "share", True, {"scorer": "exact match"}),
    BoardColumn("mine.lang.de", "own group", "tickets.csv, language = de", "share", True, parent="mine"),
    BoardColumn("arena", "arena", "Arena", "elo", True, {"method": "Bradley–Terry, sandwich"}),
    BoardColumn("cost", "money", "Cost per task, gsm8k", "dollars", False),
    BoardColumn("time", "time", "Time per task, gsm8k", "seconds", False),
    BoardColumn("speed.1", "speed", "Speed alone", "tokens/s", True),
    BoardColumn("memory", "memory", "Peak memory", "bytes", False),
    BoardColumn("mmlu.published", "published", "mmlu", "share", True, {"source": "the model's card"}),
)
MARK = "in 12 answers (6 %) nothing could be read, which counts as wrong"


def share(value: float, n: int, ranks: tuple[int, int], evidence: Evidence = "benchmark", **more: object) -> BoardCell:
    error = math.sqrt(value * (1 - value) / n)
    low, high = max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)
    return BoardCell(value, low, high, n, evidence, "Wilson", error, rank_low=ranks[0], rank_high=ranks[1], **more)


def around(value: float, part: float, n: int = 200) -> BoardCell:
    return BoardCell(value, value * (1 - part), value * (1 + part), n, "benchmark", "bootstrap over items")


def usual() -> Leaderboard:
    """Six systems: three that cannot be told apart at the top, one that dominates none, one that is published only."""
    rows = []
    for index, (name, quality, cost, seconds, speed, memory) in enumerate(
        [
            ("openai:large-model", 0.82, 0.0123, 4.1, 60, None),
            ("openai:medium-model", 0.80, 0.0031, 2.4, 95, None),
            ("hf:local/small-7b-instruct?quantize=int8", 0.78, 0.0004, 3.2, 31, 8.1e9),
            ("smollm2", 0.41, 0.00002, 0.6, 110, 0.55e9),
            ("gguf:smollm2", 0.39, 0.00003, 0.5, 160, 0.21e9),
        ]
    ):
        ranks = (1, 3) if index < 3 else (4, 5)
        cells = {
            "average.macro": share(quality, 400, ranks),
            "arc_easy": share(min(0.97, quality + 0.1), 200, ranks, run=f"run{index}a", partial=index == 1),
            "gsm8k": share(quality - 0.1, 200, ranks, run=f"run{index}g", marks=(MARK,) if index == 3 else ()),
            "mine": share(quality - 0.05, 120, ranks, "own rows", run=f"run{index}m"),
            "mine.lang.de": share(quality - 0.15, 40, (1, 5), "own rows"),
            "arena": BoardCell(1000 + 400 * (quality - 0.6), 960 + 400 * (quality - 0.6), 1040 + 400 * (quality - 0.6), 90, "own rows", "sandwich", rank_low=ranks[0], rank_high=ranks[1]),
            "cost": around(cost, 0.2),
            "time": around(seconds, 0.1),
            "speed.1": around(speed, 0.05),
        }  # fmt: skip
        if memory:
            cells["memory"] = BoardCell(memory, None, None, 1, "benchmark", "peak PSS")
        if index == 0:
            cells["mmlu.published"] = share(0.86, 14042, (1, 1), "self-reported", source="https://example.com/card")
        rows.append(BoardRow(name, f"{index}" * 16, cells))
    published = {"mmlu.published": BoardCell(0.71, None, None, 0, "other recipe", source="https://example.com/table")}
    rows.append(BoardRow("meta/known-from-papers", "", published))
    steps = ("llms eval smollm2 -b mmlu --limit 200", "llms arena vote -m smollm2 -m gguf:smollm2")
    return Leaderboard(COLUMNS, tuple(rows), steps)


def crowded(systems: int = 200, columns: int = 40, seed: int = 0) -> Leaderboard:
    """Four in five cells are known, long names, every group of columns, marks and all grades of evidence."""
    draw = random.Random(seed)
    grades: tuple[Evidence, ...] = ("benchmark", "benchmark", "benchmark", "own rows", "self-reported")
    heads = list(COLUMNS[:3] + COLUMNS[5:10])
    heads += [BoardColumn(f"b{i}", "benchmark", f"benchmark_{i} with a long name", "share", True, SETTINGS) for i in range(columns - len(heads) - 4)]  # fmt: skip
    heads += [BoardColumn(f"own{i}", "own data", f"own data {i}", "share", True) for i in range(4)]
    rows = []
    for index in range(systems):
        level, cells = draw.betavariate(4, 3), {}
        for column in heads:
            if draw.random() < 0.2:
                continue
            if column.unit == "share":
                value = min(0.99, max(0.01, level + draw.gauss(0, 0.08)))
                marks = (MARK,) if draw.random() < 0.05 else ()
                cells[column.id] = share(value, draw.choice((50, 200, 1000)), (0, 0), draw.choice(grades), run=f"r{index}", partial=draw.random() < 0.1, marks=marks)  # fmt: skip
            elif column.unit == "elo":
                cells[column.id] = BoardCell(800 + 500 * level, 770 + 500 * level, 830 + 500 * level, 60, "own rows", "sandwich")  # fmt: skip
            else:
                scale = {"dollars": 0.001, "seconds": 2.0, "tokens/s": 50.0, "bytes": 5e9}[column.unit]
                cells[column.id] = around(scale * math.exp(draw.gauss(2 * level, 1)), 0.15)
        rows.append(BoardRow(f"provider{index % 9}:family-{index % 17}/model-{index}-instruct", f"{index:016x}", cells))
    return Leaderboard(tuple(heads), tuple(ranked(rows)))


def ranked(rows: list[BoardRow]) -> list[BoardRow]:
    """Each share with the ranks around its place in its column."""
    cells = [dict(row.cells) for row in rows]
    for column in {name for one in cells for name in one}:
        having = sorted((one for one in cells if column in one), key=lambda one: -one[column].value)
        for position, one in enumerate(having, 1):
            if one[column].rank_low is not None:
                low, high = max(1, position - 6), min(len(having), position + 6)
                one[column] = replace(one[column], rank_low=low, rank_high=high)
    return [replace(row, cells=one) for row, one in zip(rows, cells, strict=True)]


def choice() -> Choice:
    """Two that cannot be told apart, one worse, one that does not fit, one that was not measured."""
    large = "hf:Qwen/Qwen2.5-7B-Instruct"
    job = ChoiceJob(weights={"gsm8k": 2.0, "hellaswag": 1.0}, limits=ChoiceLimits(memory_bytes=8 * 10**9))
    candidates = (
        Candidate("openai:small", 0.812, 0.773, 0.846, 400, True, True, 0.61, 0.0004, 1.4),
        Candidate("openai:big", 0.826, 0.789, 0.859, 400, True, True, 0.39, 0.0061, 3.2),
        Candidate(
            large, 0.838, 0.801, 0.869, 400, False, True, 0.0, 0.0, 21.5, 31_400_000_000,
            ("needs 31.4 GB, more than the 8.0 GB there are",),
        ),
        Candidate(
            "smollm2?quantize=int8", 0.291, 0.249, 0.337, 400, True, True, 0.0, 0.0, 4.9, 890_000_000,
            ("worse than openai:big by 53.5 points (47.9 to 59.1)",),
        ),
        Candidate("gguf:smollm2", None, None, None, 0, True, True, None, 0.0, None, 390_000_000, ("not measured",)),
    )  # fmt: skip
    sentence = "openai:small and openai:big cannot be told apart on 400 items; openai:small costs less."
    more = "1,900 items more would tell openai:small and openai:big apart, if they differ by 1.4 points"
    return Choice(
        job, sentence, ("openai:small", "openai:big"), candidates, Separating(1900, 12.35, 2870.0, 0.014, more), (),
        "llms chat -m openai:small", 0.006, ("hellaswag counts a third, gsm8k two thirds.",),
    )  # fmt: skip
