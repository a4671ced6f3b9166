"""Makes the embedded sample, src/llms/data/sample, from the texts beside this file and from seeded generators.

Every row was written for this project; none comes from a benchmark. Run it after editing a text:

    python sample/make.py

The rows have the shapes of the benchmarks' own data sets on the hub. Where the right answer stands is shuffled by
a seed, each place equally often. The word problems' answers are computed.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import passages
import tasks

from llms.benchmarks.fresh import bbh, gsm8k, mathematics

HERE = Path(__file__).parent
TARGET = HERE.parent / "src" / "llms" / "data" / "sample"
FEW_SHOT = 10
Rows = list[dict[str, Any]]


def lines(name: str) -> list[list[str]]:
    """The fields of each line of a text; `#` lines are comments."""
    text = (HERE / f"{name}.txt").read_text(encoding="utf-8")
    return [[part.strip() for part in line.split("|")] for line in text.splitlines() if line and line[0] != "#"]


def places(count: int, options: int, seed: str) -> list[int]:
    """Where the right answer stands in each of `count` questions: every place equally often, in random order."""
    order = [index % options for index in range(count)]
    Random(seed).shuffle(order)
    return order


def choices(right: str, wrong: list[str], place: int) -> list[str]:
    return [*wrong[:place], right, *wrong[place:]]


def arc(name: str) -> Iterator[tuple[str, Rows]]:
    found = lines(name)
    rows = []
    for number, ((question, right, *wrong), place) in enumerate(
        zip(found, places(len(found), 4, name), strict=True), 1
    ):
        options = {"text": choices(right, wrong, place), "label": list("ABCD")}
        rows.append({"id": f"{name}-{number}", "question": question, "choices": options, "answerKey": "ABCD"[place]})
    config = {"arc_easy": "ARC-Easy", "arc_challenge": "ARC-Challenge"}[name]
    yield f"arc/{config}/train", rows[:FEW_SHOT]
    yield f"arc/{config}/test", rows[FEW_SHOT:]


def hellaswag() -> Iterator[tuple[str, Rows]]:
    found = lines("hellaswag")
    rows = []
    for number, (fields, place) in enumerate(zip(found, places(len(found), 4, "hellaswag"), strict=True)):
        activity, first, second, right, *wrong = fields
        rows.append(
            {
                "ind": number,
                "activity_label": activity,
                "ctx_a": first,
                "ctx_b": second,
                "ctx": f"{first} {second}",
                "endings": choices(right, wrong, place),
                "source_id": f"llms~{number}",
                "split": "train" if number < FEW_SHOT else "val",
                "split_type": "indomain",
                "label": str(place),
            }
        )
    yield "hellaswag/default/train", rows[:FEW_SHOT]
    yield "hellaswag/default/validation", rows[FEW_SHOT:]


def mmlu() -> Iterator[tuple[str, Rows]]:
    subjects: dict[str, list[list[str]]] = {}
    for fields in lines("mmlu"):
        if len(fields) == 1:
            subject = fields[0].strip("[]")
        else:
            subjects.setdefault(subject, []).append(fields)
    for subject, found in subjects.items():
        rows = [
            {"question": question, "subject": subject, "choices": choices(right, wrong, place), "answer": place}
            for (question, right, *wrong), place in zip(found, places(len(found), 4, subject), strict=True)
        ]
        yield f"mmlu/{subject}/dev", rows[:5]
        yield f"mmlu/{subject}/test", rows[5:]


def truthfulqa() -> Iterator[tuple[str, Rows]]:
    rows, written = [], []
    for question, *answers in lines("truthfulqa"):
        true = [answer[2:] for answer in answers if answer.startswith("+ ")]
        false = [answer[2:] for answer in answers if answer.startswith("- ")]
        one = {"choices": [true[0], *false], "labels": [1] + [0] * len(false)}
        every = {"choices": true + false, "labels": [1] * len(true) + [0] * len(false)}
        rows.append({"question": question, "mc1_targets": one, "mc2_targets": every})
        written.append(
            {
                "type": "sample",
                "category": "sample",
                "question": question,
                "best_answer": true[0],
                "correct_answers": true,
                "incorrect_answers": false,
                "source": "",
            }
        )
    yield "truthfulqa/multiple_choice/validation", rows
    yield "truthfulqa/generation/validation", written


def winogrande() -> Iterator[tuple[str, Rows]]:
    found = lines("winogrande")
    rows = []
    for (sentence, right, wrong), place in zip(found, places(len(found), 2, "winogrande"), strict=True):
        first, second = choices(right, [wrong], place)
        rows.append({"sentence": sentence, "option1": first, "option2": second, "answer": str(place + 1)})
    yield "winogrande/winogrande_xl/train", rows[:FEW_SHOT]
    yield "winogrande/winogrande_xl/validation", rows[FEW_SHOT:]


def word_problems() -> Iterator[tuple[str, Rows]]:
    rows = list(islice(gsm8k.rows(Random("llms sample gsm8k")), FEW_SHOT + 40))
    yield "gsm8k/main/train", rows[:FEW_SHOT]
    yield "gsm8k/main/test", rows[FEW_SHOT:]


def big_bench_hard() -> Iterator[tuple[str, Rows]]:
    for task in bbh.TASKS:
        rows = list(islice(bbh.rows(task)(Random(f"llms sample {task}")), 3 + 6))
        yield f"bbh/{task}/fewshot", rows[:3]
        yield f"bbh/{task}/test", [{"input": row["input"], "target": row["target"]} for row in rows[3:]]


CATEGORIES = {
    "astronomy": "physics",
    "high_school_geography": "other",
    "elementary_mathematics": "math",
    "high_school_biology": "biology",
    "computer_security": "computer science",
    "world_religions": "philosophy",
}


def mmlu_pro() -> Iterator[tuple[str, Rows]]:
    """MMLU's questions of ours with more wrong options, which are right answers of its neighbors."""
    rows: Rows = []
    test: Rows = []
    subjects: dict[str, list[list[str]]] = {}
    for fields in lines("mmlu"):
        if len(fields) == 1:
            subject = fields[0].strip("[]")
        else:
            subjects.setdefault(subject, []).append(fields)
    for subject, found in subjects.items():
        for number, (question, right, *wrong) in enumerate(found):
            random = Random(f"{subject} {number}")
            others = [other[1] for other in found if other[1] != right and other[1] not in wrong]
            options = [right, *wrong, *random.sample(others, 4)]
            random.shuffle(options)
            letter = "ABCDEFGH"[options.index(right)]
            made = {
                "question_id": len(rows) + len(test),
                "question": question,
                "options": options,
                "answer": letter,
                "answer_index": options.index(right),
                "cot_content": f"A: Let's think step by step. Of the options, {right} fits the question. The answer is ({letter})."
                if number < 5
                else "",
                "category": CATEGORIES[subject],
                "src": "sample",
            }
            (rows if number < 5 else test).append(made)
    yield "mmlu_pro/default/validation", rows
    yield "mmlu_pro/default/test", test


def reading() -> Iterator[tuple[str, Rows]]:
    rows = list(islice(passages.drop(Random("llms sample drop")), FEW_SHOT + 40))
    yield "drop/default/train", rows[:FEW_SHOT]
    yield "drop/default/validation", rows[FEW_SHOT:]
    for domain, make in passages.MUSR.items():
        random = Random(f"llms sample {domain}")
        yield f"musr/default/{domain}", [make(random) for _ in range(12)]


def doing() -> Iterator[tuple[str, Rows]]:
    random = Random("llms sample ifeval")
    yield "ifeval/default/train", [{"key": number, **tasks.ifeval(random)} for number in range(30)]
    yield "humaneval/openai_humaneval/test", [tasks.humaneval(index) for index in range(30)]


def math() -> Iterator[tuple[str, Rows]]:
    for subject in mathematics.SUBJECTS:
        yield f"math/{subject}/test", list(islice(mathematics.rows(subject)(Random(f"llms sample {subject}")), 5))
    yield "math/minerva_4shot/fewshot", list(islice(mathematics.rows("minerva_4shot")(Random("llms sample shots")), 10))


def tables() -> dict[str, Rows]:
    """Every table of the sample, by its path below the root."""
    made: dict[str, Rows] = {}
    for part in (
        arc("arc_easy"),
        arc("arc_challenge"),
        hellaswag(),
        mmlu(),
        truthfulqa(),
        winogrande(),
        word_problems(),
        big_bench_hard(),
        math(),
        mmlu_pro(),
        reading(),
        doing(),
    ):
        made |= dict(part)
    return made


def text(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    for name, rows in tables().items():
        path = TARGET / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
