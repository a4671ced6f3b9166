"""Training rows that hold items of a benchmark are noticed, and others are not."""

import json

from llms.data import open_source
from llms.training.recipe import TrainingRecipe
from llms.training.row_forms import ChatRow, RawRow
from llms.training.rows import encode
from llms.values import Message
from llms.workbench.training_overlap import find_overlap, mark_overlap
from test_training_rows import chat, form_of, write


def items(path: str) -> list[dict]:
    source = open_source("sample")
    return [json.loads(line) for line in (source.root / path).read_text(encoding="utf-8").splitlines()]


def row(*words: str) -> ChatRow:
    messages = tuple(Message("assistant" if index % 2 else "user", word) for index, word in enumerate(words))
    return ChatRow("rows.jsonl, line 7", messages, (), (1,))


def test_an_item_in_a_longer_message_is_noticed_whatever_its_case_and_points():
    question = items("gsm8k/main/test.jsonl")[1]["question"]
    (overlap,) = find_overlap([row("Solve:  " + question.upper().replace(".", " !") + " Think.", "30")])
    assert overlap.benchmark == "gsm8k"
    assert overlap.items == {"gsm8k/1": "rows.jsonl, line 7"}
    assert "1 of" in str(overlap)
    assert "gsm8k/1 in rows.jsonl, line 7" in str(overlap)


def test_a_part_of_25_words_is_noticed_and_one_of_12_is_not():
    words = items("gsm8k/main/test.jsonl")[1]["question"].split()
    assert find_overlap([RawRow("rows.jsonl, line 1", "", " ".join(words[3:32]))])
    assert not find_overlap([RawRow("rows.jsonl, line 1", "", " ".join(words[3:15]))])


def test_plain_talk_is_no_overlap():
    assert (
        find_overlap(
            [row("What is the capital of France, and how many people live there today?", "Paris; two million.")]
        )
        == []
    )


def test_the_marks_go_with_the_encoded_rows(tmp_path):
    question = items("gsm8k/main/test.jsonl")[0]["question"]
    path = write(tmp_path / "rows.jsonl", map(chat, range(4)))
    recipe = TrainingRecipe(form_of().name, str(path))
    assert mark_overlap(encode(recipe, form_of()), recipe).marks == ()
    rows = [{"question": f"{n}?", "answer": "!"} for n in range(4)]
    recipe = TrainingRecipe(
        form_of().name, str(write(tmp_path / "held.jsonl", [*rows, {"question": question, "answer": "24"}]))
    )
    (mark,) = mark_overlap(encode(recipe, form_of()), recipe).marks
    assert "items of gsm8k" in mark
    assert "held.jsonl, line 5" in mark
