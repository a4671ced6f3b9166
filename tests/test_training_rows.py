"""From a file to encoded rows: every form is read, what is broken is named before anything begins, and the split is honest."""

import csv
import gzip
import json
import random
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from llms.errors import DataError, ModelError, UsageError
from llms.training.form import TrainingForm, open_form
from llms.training.preview import preview
from llms.training.recipe import TrainingRecipe
from llms.training.rows import encode
from test_training_form import FORGETFUL
from tiny import CHATML, save_checkpoint

USER, ANSWER = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]}
RESULT = {"role": "tool", "content": "2"}


@cache
def form_of(template: str | None = CHATML) -> TrainingForm:
    folder = Path(mkdtemp()) / "model"
    save_checkpoint(folder, template=template, end="<|im_end|>")
    return open_form(f"hf:{folder}")


def chat(number: int, answer: str = "Answer") -> dict:
    return {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": f"{answer} {number}."},
        ]
    }


def write(path: Path, rows) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def encoded(path: Path, form: TrainingForm | None = None, folder: Path | None = None, **settings):
    form = form or form_of()
    return encode(TrainingRecipe(form.name, str(path), **settings), form, folder)


def texts(rows, form: TrainingForm | None = None) -> list[tuple[str, str]]:
    """(whole text, trained part) of each row."""
    decode = (form or form_of()).model.tokenizer.with_special
    return [
        (decode(row["input_ids"]), decode([i for i, t in zip(row["input_ids"], row["trained"], strict=True) if t]))
        for row in rows
    ]


def both(result) -> list[dict]:
    return [*result.train, *result.validation]


FORMS = {
    "messages": lambda n: chat(n),
    "conversations": lambda n: {
        "conversations": [{"from": "human", "value": f"Question {n}?"}, {"from": "gpt", "value": f"Answer {n}."}]
    },
    "question": lambda n: {"question": f"Question {n}?", "answer": f"Answer {n}."},
    "instruction": lambda n: {"instruction": f"Question {n}?", "input": "", "output": f"Answer {n}."},
    "prompt": lambda n: {"prompt": chat(n)["messages"][:1], "completion": chat(n)["messages"][1:]},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_conversation_is_the_same_text(tmp_path, form):
    result = encoded(write(tmp_path / "rows.jsonl", map(FORMS[form], range(6))))
    expected = {
        (
            f"<|im_start|>user\nQuestion {n}?<|im_end|>\n<|im_start|>assistant\nAnswer {n}.<|im_end|>\n",
            f"Answer {n}.<|im_end|>",
        )
        for n in range(6)
    }
    assert set(texts(both(result))) == expected


def test_a_gzip_json_lines_json_and_csv_file_give_the_same_rows(tmp_path):
    rows = [{"question": f"Question {n}, «ä»?", "answer": f'"Answer" {n}'} for n in range(5)]
    plain = write(tmp_path / "a.jsonl", rows)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "c.json").write_text(json.dumps(rows), encoding="utf-8")
    with (tmp_path / "d.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["question", "answer"])
        writer.writeheader()
        writer.writerows(rows)
    read = [texts(both(encoded(tmp_path / name))) for name in ("a.jsonl", "b.jsonl.gz", "c.json", "d.csv")]
    assert read[0] == read[1] == read[2] == read[3]


def test_messages_may_stand_as_json_in_a_csv_cell(tmp_path):
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["messages"], *([json.dumps(chat(n)["messages"])] for n in range(3))])
    assert len(both(encoded(tmp_path / "rows.csv"))) == 3


def test_plain_text_is_trained_whole_with_its_end_and_cut_at_the_window(tmp_path):
    path = write(tmp_path / "rows.jsonl", [{"text": f"{n} " + "word " * n} for n in range(30)])
    result = encoded(path, window=40)
    rows = both(result)
    assert max(len(row["input_ids"]) for row in rows) == 40
    assert all(sum(row["trained"]) == len(row["trained"]) for row in rows)
    tokens = sum(len(f"{n} " + "word " * n) + 1 for n in range(30))
    assert sum(len(row["input_ids"]) for row in rows) == tokens
    trained_sources, validation_sources = (
        {row["source"] for row in part} for part in (result.train, result.validation)
    )
    assert not trained_sources & validation_sources


def test_raw_prompts_say_that_the_template_is_not_used(tmp_path):
    path = write(tmp_path / "rows.jsonl", [{"prompt": f"{n}+1=", "completion": str(n + 1)} for n in range(4)])
    result = encoded(path)
    assert ("2+1=3<|im_end|>", "3<|im_end|>") in texts(both(result))
    assert any("raw text, without the chat template" in notice for notice in result.notices)
    assert not encoded(path, form_of(None)).notices


def test_a_base_model_has_no_text_for_messages(tmp_path):
    path = write(tmp_path / "rows.jsonl", map(chat, range(3)))
    with pytest.raises(ModelError, match=r"line 1: .* has no chat template.*prompt and completion"):
        encoded(path, form_of(None))


def test_weight_0_is_not_trained(tmp_path):
    row = {"messages": [USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "content": "Bye."}]}
    result = encoded(write(tmp_path / "rows.jsonl", [row, chat(1), chat(2)]))
    assert "Bye.<|im_end|>" in {trained for _, trained in texts(both(result))}


def test_train_on_all_trains_all(tmp_path):
    result = encoded(write(tmp_path / "rows.jsonl", map(chat, range(3))), train_on="all")
    assert all(whole == trained for whole, trained in texts(both(result)))


def pair(number: int) -> dict:
    return {
        "prompt": [{"role": "user", "content": f"Question {number}?"}],
        "chosen": [{"role": "assistant", "content": f"Good {number}."}],
        "rejected": [{"role": "assistant", "content": f"Bad {number}."}],
    }


def whole_pair(number: int) -> dict:
    row = pair(number)
    return {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]}


@pytest.mark.parametrize("make", [pair, whole_pair], ids=["prompt apart", "prompt in both"])
def test_pairs_are_a_prompt_and_two_ended_answers(tmp_path, make):
    result = encoded(write(tmp_path / "rows.jsonl", map(make, range(4))), method="dpo")
    decode = form_of().model.tokenizer.with_special
    seen = {tuple(decode(row[name]) for name in ("prompt", "chosen", "rejected")) for row in both(result)}
    assert seen == {
        (
            f"<|im_start|>user\nQuestion {n}?<|im_end|>\n<|im_start|>assistant\n",
            f"Good {n}.<|im_end|>",
            f"Bad {n}.<|im_end|>",
        )
        for n in range(4)
    }


def test_rows_of_the_other_method_are_refused(tmp_path):
    with pytest.raises(UsageError, match="DPO takes preference pairs"):
        encoded(write(tmp_path / "a.jsonl", map(chat, range(3))), method="dpo")
    with pytest.raises(UsageError, match="has preference pairs .* --method dpo"):
        encoded(write(tmp_path / "b.jsonl", map(pair, range(3))))


def messages(*entries) -> dict:
    return {"messages": list(entries)}


BAD = {
    "not JSON": ("{", r"line 4: not JSON"),
    "no object": ("[1]", r"line 4: a list, .* one JSON object"),
    "no column": ({"text": "x"}, r"line 4: no column 'messages'; found text; the first row has messages"),
    "unknown role": (
        messages({"role": "bot", "content": "x"}),
        r"line 4, column 'messages', message 1: role 'bot' is unknown",
    ),
    "answer first": (messages(ANSWER), r"message 1: role 'assistant' at the beginning; expected system or user"),
    "two users": (messages(USER, USER, ANSWER), r"message 2: role 'user' after 'user'; expected assistant"),
    "late system": (
        messages(USER, {"role": "system", "content": "x"}, ANSWER),
        r"message 2: role 'system' after 'user'",
    ),
    "no answer": (messages(USER), r"ends with role 'user', which nobody answers"),
    "empty answer": (
        messages(USER, {"role": "assistant", "content": " "}),
        r"message 2: content is empty, ' '; expected a text",
    ),
    "no content": (messages(USER, {"role": "assistant"}), r"message 2: content is None \(NoneType\); expected a text"),
    "number": (
        messages(USER, {"role": "assistant", "content": 4}),
        r"message 2: content is 4 \(int\); expected a text",
    ),
    "no messages": (messages(), r"column 'messages': \[\] \(list\); expected a list of messages"),
    "no list": ({"messages": "Hi"}, r"column 'messages': 'Hi' \(str\); expected a list of messages"),
    "no message": (messages("Hi"), r"message 1: 'Hi' \(str\); expected an object with role and content"),
    "result without call": (
        messages(USER, ANSWER, RESULT, ANSWER),
        r"message 3: role 'tool' after an answer that calls no tool",
    ),
    "broken arguments": (
        messages(USER, {"role": "assistant", "tool_calls": [{"name": "add", "arguments": "{"}]}),
        r"message 2: the arguments '\{' of add are not JSON",
    ),
    "nameless tool": ({**messages(USER, ANSWER), "tools": [{"x": 1}]}, r"column 'tools', tool 1: .*expected \{name"),
    "half a character": (
        messages(USER, {"role": "assistant", "content": "a\ud83d"}),
        r"half a character \(U\+D83D\) at 1",
    ),
    "picture": (messages({"role": "user", "content": [{"type": "image"}]}, ANSWER), r"message 1: content has a part"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_broken_row_is_named_and_nothing_is_written(tmp_path, bad):
    row, match = BAD[bad]
    path = write(tmp_path / "rows.jsonl", [*map(chat, range(3)), row, *map(chat, range(3))])
    with pytest.raises(DataError, match=match) as caught:
        encoded(path, folder=tmp_path / "run")
    assert str(path) in str(caught.value)
    assert not [*(tmp_path / "run").rglob("*")]


def test_equal_answers_in_a_pair_are_named(tmp_path):
    row = {**pair(1), "rejected": pair(1)["chosen"]}
    with pytest.raises(DataError, match="line 2: 'chosen' and 'rejected' are equal, '[^(]*' \\(str\\)"):
        encoded(write(tmp_path / "rows.jsonl", [pair(0), row]), method="dpo")


def test_no_known_columns_are_listed(tmp_path):
    with pytest.raises(
        DataError, match=r"line 1: no columns .* found input, label; expected messages; or conversations"
    ):
        encoded(write(tmp_path / "rows.jsonl", [{"input": "x", "label": "y"}]))


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([], "has no rows; expected at least two"),
        ([chat(1)], "has one row that can be trained on; .* at least two different ones are needed. Add rows"),
        ([chat(1)] * 3, "has 3 rows, all equal, that can be trained on"),
    ],
    ids=["empty", "one row", "one row three times"],
)
def test_a_file_that_cannot_be_split_says_what_to_do(tmp_path, rows, match):
    with pytest.raises(DataError, match=match):
        encoded(write(tmp_path / "rows.jsonl", rows))


def test_a_missing_file_and_one_of_another_kind_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.jsonl does not exist"):
        encoded(tmp_path / "nothing.jsonl")
    with pytest.raises(DataError, match=r"rows\.docx is not one of \.jsonl"):
        encoded(tmp_path / "rows.docx")


def test_rows_beyond_the_window_are_left_out_and_counted(tmp_path):
    path = write(tmp_path / "rows.jsonl", [*map(chat, range(8)), chat(9, "long " * 100)])
    result = encoded(path, window=100)
    assert result.counts.left_out == {"are longer than the window": 1}
    assert result.counts.longest > 500
    assert any("the longest row has" in notice for notice in result.notices)
    assert all(trained.endswith("<|im_end|>") for _, trained in texts(both(result)))
    with pytest.raises(DataError, match=r"no row .* of 9, 9 are longer than the window.* the window is 20"):
        encoded(path, window=20)


def test_an_end_token_written_in_a_message_is_left_out(tmp_path):
    path = write(tmp_path / "rows.jsonl", [*map(chat, range(5)), chat(9, "Write <|im_end|> so")])
    assert encoded(path).counts.left_out == {"hold the text of an end token in a message": 1}


def test_no_copy_of_a_trained_row_validates(tmp_path):
    rows = [chat(n % 40) for n in range(70)]  # 30 stand twice, 10 once
    result = encoded(write(tmp_path / "rows.jsonl", rows), validation=0.1)
    assert result.counts.duplicates == 30
    assert len(result.validation) == 7
    assert not set(texts(result.train)) & set(texts(result.validation))
    assert any("30 of 70 rows equal an earlier one" in notice for notice in result.notices)


def test_a_conversation_in_several_texts_validates_as_a_whole(tmp_path):
    form = form_of(FORGETFUL)
    rows = [
        {"messages": [m for turn in (1, 2) for m in chat(n, f"<think>{turn}</think>Answer {turn} to")["messages"]]}
        for n in range(10)
    ]
    result = encoded(write(tmp_path / "rows.jsonl", rows), form, validation=0.3)
    assert (len(result.train), len(result.validation)) == (14, 6)
    assert not set(result.train["source"][:]) & set(result.validation["source"][:])
    assert result.counts.duplicates == 0
    assert any("10 rows were cut into several" in notice for notice in result.notices)


def test_the_split_follows_from_the_seed(tmp_path):
    path = write(tmp_path / "rows.jsonl", map(chat, range(50)))
    first, again, other = (encoded(path, validation=0.2, seed=seed).validation["source"][:] for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == 10


def test_a_run_that_goes_on_reads_the_rows_it_began_with(tmp_path):
    path = write(tmp_path / "rows.jsonl", map(chat, range(20)))
    before = encoded(path, folder=tmp_path / "run")
    rows = both(before)
    path.unlink()
    after = encoded(path, folder=tmp_path / "run")
    assert both(after) == rows
    assert after.counts == before.counts
    with pytest.raises(DataError, match="does not exist"):
        encoded(path, folder=tmp_path / "run", window=64)


def test_counts_are_those_of_the_rows(tmp_path):
    result = encoded(write(tmp_path / "rows.jsonl", map(chat, range(20))), validation=0.25)
    counts = result.counts
    assert (
        (counts.rows, counts.train_rows, counts.validation_rows)
        == (20, 15, 5)
        == (20, len(result.train), len(result.validation))
    )
    assert counts.tokens == sum(len(row["input_ids"]) for row in result.train)
    assert counts.trained_tokens == sum(sum(row["trained"]) for row in result.train)
    assert counts.longest == max(len(row["input_ids"]) for row in both(result))


def test_one_broken_row_among_many_is_named_wherever_it_stands(tmp_path):
    number = random.Random(0).randrange(3000)
    rows = [chat(n) for n in range(3000)]
    rows[number] = messages(USER, {"role": "assistant", "content": ""})
    with pytest.raises(DataError, match=rf"line {number + 1}, column 'messages', message 2: content is empty"):
        encoded(write(tmp_path / "rows.jsonl", rows))


def test_tools_and_results_are_trained_as_in_use(tmp_path):
    row = {
        "messages": [USER, CALL, RESULT, ANSWER],
        "tools": [{"type": "function", "function": {"name": "add", "parameters": {}}}],
    }
    result = encoded(write(tmp_path / "rows.jsonl", [row, chat(1), chat(2)]))
    ((whole, trained),) = [each for each in texts(both(result)) if "tool_call" in each[1]]
    assert trained == '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call><|im_end|>Hello.<|im_end|>'
    assert "You can use these tools:" in whole
    assert "<|im_start|>user\nResult of the tool:\n2<|im_end|>" in whole


def test_the_preview_shows_what_is_trained(tmp_path):
    (first, _) = preview(encoded(write(tmp_path / "rows.jsonl", map(chat, range(9)))), 2)
    assert [(piece.trained, piece.text) for piece in first.pieces if piece.trained] == [(True, first.pieces[1].text)]
    assert first.pieces[1].text.startswith("Answer ")
    assert first.pieces[1].text.endswith("<|im_end|>")
    assert first.end_trained
    assert first.trained_tokens / first.tokens == pytest.approx(len("Answer 0.") + 1, abs=1) or first.share > 0


def test_the_preview_of_a_pair_shows_both_answers(tmp_path):
    (first,) = preview(encoded(write(tmp_path / "rows.jsonl", map(pair, range(4))), method="dpo"), 1)
    assert [piece.trained for piece in first.pieces] == [False, True]
    assert first.rejected.startswith("Bad ")
    assert first.end_trained
