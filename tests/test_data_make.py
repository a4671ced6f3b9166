"""Rows that a language model writes: checked by their task's columns, marked, no two alike, gone on with after a kill."""

import csv
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llms.cli.main import cli
from llms.data.made_rows import BadMade, check_made, written_rows
from llms.data.near import NEAR, NearTexts, grams, jaccard, plain_form
from llms.errors import LlmsError
from llms.testing import ScriptedEndpoint
from llms.testing.endpoint import last_message

WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
]


def sentence(chance: random.Random) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(9))


class Writer:
    """Answers requests for rows of a label with four of them; other requests, which are an endpoint's probes, with a word."""

    def __init__(self, spoil=lambda number, rows: rows, seed=0):
        self.count, self.spoil, self.chance, self.asked = 0, spoil, random.Random(seed), []

    def __call__(self, body):
        text = last_message(body)
        if not text.startswith("Write 4 different rows"):
            return "hello"
        self.asked.append(body)
        self.count += 1
        label = re.search(r"label of all rows is '(\w+)'", text)
        rows = [{"label": label and label[1], "text": sentence(self.chance)} for _ in range(4)]
        return json.dumps({"rows": self.spoil(self.count, rows)})


def make(server, out, *more, status=0):
    arguments = [
        "data",
        "make",
        "reviews of phones",
        "--task",
        "sentiment",
        "-m",
        f"{server.url}#m",
        "--out",
        str(out),
        "--json",
    ]
    result = CliRunner().invoke(cli, [*arguments, *map(str, more)])
    if isinstance(result.exception, LlmsError):
        assert result.exception.exit_status == status
        return str(result.exception)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_are_balanced_marked_and_asked_for_in_varied_words(tmp_path):
    writer = Writer()
    with ScriptedEndpoint(writer) as server:
        report = make(server, tmp_path / "a.csv", "-n", 24)
    rows = read(tmp_path / "a.csv")
    assert len(rows) == 24 == report["rows"] == report["valid"]
    assert report["labels"] == {"positive": 12, "negative": 12}
    assert {(row["generated"], row["model"]) for row in rows} == {("true", f"{server.url}#m")}
    assert {int(row["seed"]) for row in rows} == set(range(6))
    assert len({last_message(body) for body in writer.asked}) == 6
    assert len({body["seed"] for body in writer.asked}) == 6
    schema = writer.asked[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["rows"]["items"]["properties"]["label"]["enum"] == ["positive", "negative"]
    assert report["tokens"] > 0
    assert any("terms of the provider" in note for note in report["notes"])
    assert json.loads((tmp_path / "a.csv.make.json").read_text())["report"] == report


def test_what_is_refused_is_counted_by_reason_with_an_example(tmp_path):
    def spoil(number, rows):
        rows[0]["label"] = "odd"
        rows[1]["text"] = rows[3]["text"].upper()
        rows[2]["text"] = f"{rows[3]['text']} again"
        return rows

    with ScriptedEndpoint(Writer(spoil)) as server:
        report = make(server, tmp_path / "a.jsonl", "-n", 5)
    refused = report["refused"]["a label that is none of the labels"]
    assert refused["count"] == report["requests"] == 5
    assert '"odd"' in refused["example"]
    assert (report["valid"], report["same"], report["near"]) == (5, 4, 4)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert all(row["generated"] is True and row["label"] in ("positive", "negative") for row in rows)
    texts = [row["text"] for row in rows]
    assert all(jaccard(grams(a), grams(b)) < NEAR for a in texts for b in texts if a is not b)


def test_nothing_like_an_example_is_written_and_examples_show_the_form(tmp_path):
    examples = tmp_path / "e.csv"
    examples.write_text("text,label\nalpha beta gamma delta,positive\n")

    def spoil(number, rows):
        rows[0]["text"] = "Alpha  beta gamma DELTA"
        return rows

    writer = Writer(spoil)
    with ScriptedEndpoint(writer) as server:
        report = make(server, tmp_path / "a.csv", "-n", 6, "--examples", examples)
    assert report["of_examples"] == report["requests"] == 2
    assert "alpha beta gamma delta" in last_message(writer.asked[0])


def test_it_ends_where_nothing_new_comes_and_says_why(tmp_path):
    with ScriptedEndpoint(
        Writer(lambda number, rows: [{"label": "positive", "text": "always the same text"}] * 4)
    ) as server:
        report = make(server, tmp_path / "a.csv", "-n", 100, status=1)
    assert report["valid"] == 1
    assert "5 requests in a row brought no new row" in report["stopped"]
    with ScriptedEndpoint(lambda body: "I cannot do that.") as server:
        report = make(server, tmp_path / "b.csv", "-n", 100, status=1)
    assert report["refused"]["no rows in the answer"] == {"count": 5, "example": "I cannot do that."}
    assert "no rows in the answer" in report["stopped"]


def test_a_killed_run_goes_on_and_loses_no_row(tmp_path):
    out, go_on = tmp_path / "a.csv", threading.Event()

    def slow(number, rows):
        if number > 3:
            go_on.wait(60)
        return rows

    with ScriptedEndpoint(Writer(slow)) as server:
        command = [
            sys.executable, "-m", "llms", "data", "make", "reviews of phones", "--task", "sentiment", "-n", "80", "-m",
            f"{server.url}#m", "--out", str(out),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not out.exists() or len(out.read_bytes().splitlines()) < 13):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        go_on.set()
        assert len(read(out)) == 12
        with out.open("ab") as file:
            file.write(b'"a row that was not writ')
        report = make(server, out, "-n", 80)
    assert report["before"] == 12
    rows = read(out)
    assert len(rows) == 80
    assert len({plain_form(row["text"]) for row in rows}) == 80
    assert {row["generated"] for row in rows} == {"true"}
    assert report["labels"] == {"positive": 40, "negative": 40}


def test_a_file_of_another_recipe_or_of_the_user_is_not_touched(tmp_path):
    out = tmp_path / "a.csv"
    out.write_text("text,label\nmine,positive\n")
    with ScriptedEndpoint(Writer()) as server:
        assert "not written with this description" in make(server, out, "-n", 4, status=2)
        assert out.read_text() == "text,label\nmine,positive\n"
        assert make(server, out, "-n", 4, "--force")["rows"] == 4
        assert "not written with this labels" in make(server, out, "-n", 8, "--labels", "a,b", status=2)
        assert make(server, out, "-n", 4)["requests"] == 0
        assert "need labels" in str(
            CliRunner()
            .invoke(cli, ["data", "make", "x", "--task", "classification", "-m", f"{server.url}#m"])
            .exception
        )
        assert "cannot be written by a language model" in str(
            CliRunner()
            .invoke(cli, ["data", "make", "x", "--task", "speech-to-text", "-m", f"{server.url}#m"])
            .exception
        )


def test_a_budget_ends_it_with_what_was_written_kept(tmp_path):
    with ScriptedEndpoint(Writer()) as server:
        reason = make(server, tmp_path / "a.csv", "-n", 400, "--price", "1000/1000", "--budget", "3", status=3)
    assert "budget" in reason
    assert json.loads((tmp_path / "a.csv.make.json").read_text())["report"]["rows"] == len(read(tmp_path / "a.csv"))


ENTITIES, ANSWERS = ("text", "entities"), ("context", "question", "answer")


def test_places_of_entities_are_found_in_the_text():
    value = {"text": "  Ann met Ann in Annaberg.", "entities": [
        {"text": "Ann", "label": "person"}, {"text": "Ann", "label": "person"}, {"text": "Annaberg", "label": "place"},
    ]}  # fmt: skip
    row = check_made(ENTITIES, value, ("person", "place"))
    assert isinstance(row, dict)
    assert [(each["start"], each["end"]) for each in row["entities"]] == [(0, 3), (8, 11), (15, 23)]
    assert all(row["text"][each["start"] : each["end"]] == each["text"] for each in row["entities"])


@pytest.mark.parametrize(
    ("columns", "value", "reason"),
    [
        (
            ENTITIES,
            {"text": "Ann was here.", "entities": [{"text": "Bob", "label": "person"}]},
            "does not stand in its text",
        ),
        (ENTITIES, {"text": "Ann was here.", "entities": [{"text": "Ann", "label": "dog"}]}, "none of the labels"),
        (ENTITIES, {"text": "Ann was here.", "entities": "Ann"}, "no list"),
        (
            ANSWERS,
            {"context": "The sea is blue today.", "question": "Which colour?", "answer": "Blue"},
            "does not stand",
        ),
        (ANSWERS, {"context": "The sea is blue today.", "question": "Which colour?"}, "no answer"),
        (("text", "summary"), {"text": "It is short.", "summary": "It is not shorter."}, "no shorter"),
        (("source", "target"), {"source": "The same words", "target": "the same words"}, "is its source"),
        (("text", "label"), {"text": "..........", "label": "person"}, "placeholder"),
        (("text", "label"), {"text": "   ", "label": "person"}, "no text"),
        (("text", "label"), ["text"], "no object"),
    ],
)
def test_what_does_not_suit_the_columns_is_no_row(columns, value, reason):
    result = check_made(columns, value, ("person", "place"))
    assert isinstance(result, BadMade)
    assert reason in result.reason


json_rows = st.lists(st.dictionaries(st.sampled_from("ab"), st.text('a"]},{\\ä', max_size=5), max_size=2), max_size=3)


@given(json_rows, st.integers(0, 80))
def test_the_rows_of_an_answer_that_breaks_off_are_those_that_are_whole(rows, cut):
    text = json.dumps({"rows": rows})
    assert written_rows(text) == rows
    assert written_rows(f"Here they are:\n```json\n{text}\n```") == rows
    part = written_rows(text[:cut])
    assert part == rows[: len(part)]


@given(st.lists(st.text("abc ", min_size=1, max_size=14), max_size=25), st.text("abc ", min_size=1, max_size=14))
def test_near_texts_are_those_that_comparing_all_would_find(texts, wanted):
    near = NearTexts()
    for text in texts:
        near.add(text)
    alike = [text for text in texts if jaccard(grams(text), grams(wanted)) >= NEAR]
    same = [text for text in texts if plain_form(text) == plain_form(wanted)]
    expected = (same[0], True) if same else (alike[0], False) if alike else None
    assert near.like(wanted) == expected
