"""The embedded sample is what its texts and generators make, and its word problems come out right."""

import importlib.util
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "llms" / "data" / "sample"


def make():
    sys.path.insert(0, str(ROOT / "sample"))
    try:
        spec = importlib.util.spec_from_file_location("sample_make", ROOT / "sample" / "make.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(ROOT / "sample"))


def test_the_committed_sample_is_what_its_source_makes():
    module = make()
    made = {f"{name}.jsonl": module.text(rows) for name, rows in module.tables().items()}
    there = {str(path.relative_to(SAMPLE)): path.read_text(encoding="utf-8") for path in SAMPLE.rglob("*.jsonl")}
    assert there == made


def test_right_answers_stand_at_every_place_equally_often():
    for name, place in (
        ("arc/ARC-Easy", "answerKey"),
        ("arc/ARC-Challenge", "answerKey"),
        ("hellaswag/default", "label"),
    ):
        rows = [json.loads(line) for path in (SAMPLE / name).glob("*.jsonl") for line in path.read_text().splitlines()]
        counts = [[row[place] for row in rows].count(value) for value in sorted({row[place] for row in rows})]
        assert counts == [10, 10, 10, 10]


def test_no_question_stands_twice():
    for folder in SAMPLE.iterdir():
        for config in folder.iterdir():
            lines = [line for path in config.glob("*.jsonl") for line in path.read_text().splitlines()]
            assert len(set(lines)) == len(lines), config


def test_word_problems_are_worked_out_right():
    for path in (SAMPLE / "gsm8k" / "main").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            answer = json.loads(line)["answer"]
            steps = re.findall(r"<<([-+*/()0-9]+)=([0-9]+)>>([0-9]+)", answer)
            assert len(steps) >= 2
            for expression, value, shown in steps:
                assert eval(expression) == int(value) == int(shown)
            assert answer.endswith(f"\n#### {steps[-1][1]}")
