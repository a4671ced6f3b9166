"""The scripts that compare forms of a model, and a model with and without tools: their rows, their statistics, their picture."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

pytest.importorskip("scipy", reason="needs scipy: pip install 'llm-engineering[eval]'")

import model_forms
from forms_picture import draw
from generated_items import items
from word_problems import WORDINGS, word_problems

PIECES = ["a" * 100, "b" * 300, "c" * 200]
FLOAT32 = {"nats": [70.0, 200.0, 130.0], "right": [1.0, 0.0, 1.0, 1.0], "peak_bytes": 9e8, "held_bytes": 8e8,
           "tokens_per_second": 20.0, "read_tokens_per_second": 200.0}  # fmt: skip


def line(**changes) -> dict:
    return {**FLOAT32, **changes}


def test_items_are_different_and_their_right_answer_is_among_four():
    made = items(320)
    assert made == items(320)
    assert len({item["question"] for item in made}) == 320
    assert all(len(set(item["choices"])) == 4 and 0 <= item["answer"] < 4 for item in made)
    places = [item["answer"] for item in made]
    assert min(places.count(place) for place in range(4)) > 50, "always taking one place gets chance"


def test_a_sum_s_right_answer_is_its_value():
    sums = [item for item in items(320) if re.fullmatch(r"How much is \d+ [+-] \d+\?", item["question"])]
    assert len(sums) > 50
    for item in sums:
        assert item["choices"][item["answer"]] == str(eval(item["question"][12:-1]))


def test_there_is_enough_prose_without_code_and_tables():
    pieces = model_forms.text(20_000)
    assert sum(map(len, pieces)) >= 20_000
    assert not [piece for piece in pieces if "```" in piece or piece.lstrip().startswith("|")]
    with pytest.raises(SystemExit, match="characters of prose"):
        model_forms.text(10**9)


def test_bits_per_byte_are_of_the_whole_text_and_differences_are_paired():
    lines = {"float32": line(), "nf4": line(nats=[77.0, 220.0, 143.0], right=[1.0, 0.0, 0.0, 1.0])}
    first, second = model_forms.rows(lines, PIECES)
    assert first["bits_per_byte"] == pytest.approx(400 / 0.6931471805599453 / 600)
    assert second["bits"][0] == pytest.approx(40 / 0.6931471805599453 / 600)
    assert second["points"][0] == pytest.approx(-0.25)
    assert "| nf4 |" in model_forms.table([first, second])


def test_the_picture_is_well_formed_and_shows_each_form_in_each_panel():
    lines = {
        "float32": line(),
        "nf4": line(nats=[77.0, 221.0, 143.0]),
        "nf4 + adapter": line(nats=[78.0, 222.0, 144.0]),
    }
    picture = draw(model_forms.rows(lines, PIECES), 600, 4)
    root = ElementTree.fromstring(picture)
    titles = [node.text for node in root.iter() if node.tag.endswith("title")]
    for form in lines:
        assert sum(text.startswith(f"{form}:") for text in titles) == 4
    assert "prefers-color-scheme: dark" in picture


def test_a_form_that_is_measured_of_the_same_text_is_not_measured_again(tmp_path):
    out = tmp_path / "forms.jsonl"
    out.write_text(
        '{"form": "int8", "of": "abc", "nats": []}\n{"form": "nf4", "of": "other"}\n{"form": "GGUF", "of": "ab'
    )
    assert list(model_forms.measured(out, "abc")) == ["int8"]


def test_word_problems_have_positive_answers_and_every_wording_as_often():
    rows = word_problems(4 * len(WORDINGS), 3)
    assert all(int(row["answer"]) > 0 for row in rows)
    assert {len([r for r in rows if r["wording"] == row["wording"]]) for row in rows} == {4}
    assert not [row for row in rows if "{" in row["question"]]
