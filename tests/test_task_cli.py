"""`llms task`: inputs of every kind in, answers as text, as JSON Lines, in files; exit statuses."""

import csv
import json
import subprocess
import sys
from zlib import crc32

import pytest
from click.testing import CliRunner

import encoders
import llms
import sighted
from llms.cli.task import task
from llms.errors import LlmsError
from llms.models.task_model import TaskInput
from test_task_model import save_classifier
from tiny_sound import save_vits


@pytest.fixture(scope="session")
def classifier(tmp_path_factory) -> str:
    return f"hf:{save_classifier(tmp_path_factory.mktemp('classifier'))}?device=cpu"


def run(*arguments, input=None):
    return CliRunner().invoke(task, [str(argument) for argument in arguments], input=input)


def rows(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_answers_are_json_lines_in_the_order_of_the_inputs(classifier):
    result = run("sentiment", "good", "a longer one", "x" * 90, "-m", classifier, "--json")
    assert result.exit_code == 0
    answers = rows(result)
    assert [row["input"] for row in answers] == ["good", "a longer one", "x" * 90]
    assert all(row["truncated"] is False for row in answers)  # the long one was read in windows
    for row in answers:
        assert row["output"] == row["scores"][0]["label"]
        assert row["model"] == classifier
        assert row["seconds"] > 0


def test_a_person_sees_bars(classifier):
    result = run("sentiment", "good", "-m", classifier)
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"negative", "neutral", "positive"}
    assert "█" in result.stdout


def test_one_bad_input_ends_no_other_and_the_exit_status_tells(classifier, tmp_path):
    good, empty, picture = tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.png"
    good.write_text("fine", encoding="utf-16")
    empty.write_text("")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + bytes(20))
    result = run("sentiment", tmp_path, "-m", classifier, "--json")
    assert result.exit_code == 1
    answers = rows(result)
    assert "output" in answers[0]
    assert answers[1]["error"] == f"{empty} is empty"
    assert answers[2]["error"] == f"{picture} is a picture; sentiment takes a text"
    assert "output" not in answers[1]
    assert "2 inputs failed" in result.stderr


def test_an_empty_text_fails_alone_and_is_named(classifier):
    for more in ((), ("--text",)):
        result = run("sentiment", "good", " ", "bad", "-m", classifier, "--json", *more)
        assert result.exit_code == 1
        assert [row.get("error") for row in rows(result)] == [None, "input 2 is empty; sentiment takes a text", None]


def test_folders_and_links_that_are_no_input_say_so(classifier, tmp_path):
    (tmp_path / "x.wav").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("sentiment", "speech-to-text"):
        assert "x.wav is a folder, and holds no file" in str(run(name, tmp_path / "x.wav", "-m", classifier).exception)
        assert "loop is a link that leads" in str(run(name, tmp_path / "loop", "-m", classifier).exception)


def test_a_file_is_named_once(tmp_path):
    model = f"hf:{sighted.save_vit(tmp_path / 'model')}?device=cpu"
    huge = tmp_path / "huge.png"
    header = b"IHDR" + (60_000).to_bytes(4) * 2 + b"\1\0\0\0\0"
    huge.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + crc32(header).to_bytes(4) + b"\0\0\0\0IDAT5\xaf\x06\x1e")
    (failed,) = rows(run("image-classification", huge, "-m", model, "--json"))
    assert failed["error"].startswith(f"{huge} has ")


@pytest.mark.parametrize("verb", ["data", pytest.param("task", marks=pytest.mark.slow)])
def test_a_reader_that_has_read_enough_is_no_failure(classifier, tmp_path, verb):
    lines = tmp_path / "lines.csv"
    lines.write_text("text\n" + "".join(f"{number}\n" for number in range(500 if verb == "task" else 30_000)))
    command = ["task", "sentiment", lines, "-m", classifier, "--json"]
    if verb == "data":
        command = ["data", "head", lines, "-n", "30000"]  # a table, which rich prints
    words = [sys.executable, "-m", "llms", *map(str, command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0
    assert b"Traceback" not in errors


def test_an_argument_that_is_a_file_is_read_unless_it_is_the_text(classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note").write_text("what stands in it")
    assert rows(run("sentiment", "note", "-m", classifier, "--json"))[0]["input"] == "note"
    read = rows(run("sentiment", "note", "-m", classifier, "--json"))[0]["scores"]
    typed = rows(run("sentiment", "what stands in it", "--text", "-m", classifier, "--json"))[0]["scores"]
    named = rows(run("sentiment", "note", "--text", "-m", classifier, "--json"))[0]["scores"]
    assert read == typed != named


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sentiment", "missing.csv"), "there is no file missing.csv"),
        (("sentiment", "x", "-o", "nowhere/out.csv"), "nowhere/out.csv: there is no folder nowhere; make it"),
        (("image-classification", "nothing.png"), "image-classification takes an image"),
        (("sentimnt", "x"), "did you mean"),
        (("zero-shot", "x"), "needs its labels: add --labels"),
        (("question-answering", "x"), "needs its question"),
        (("sentiment", "x", "--column", "text"), "no table is named"),
        (("sentiment", "x", "--labels", "a,a"), "the label 'a' is named twice"),
        (("sentiment", "x", "--labels", "positive,Positive"), "the label 'Positive' is named twice"),
        (("zero-shot", "x", "--labels", "a,A"), "the label 'A' is named twice"),
        (("sentiment", "x", "--labels", " , "), "--labels ' , ' names no label"),
        (("sentiment", "x", "--labels", ""), "--labels '' names no label"),
        (("translation", "x", "--to", "de", "--labels", "a,b"), "translation takes no labels (--labels); leave it out"),
        (("sentiment", "x", "--to", "de"), "takes no target (--to); leave it out. Tasks that take it: translation, sp"),
        (("summarization", "x", "--voice", "3"), "Tasks that take it: text-to-speech"),
        (("entities", "x", "--steps", "4"), "takes no steps (--steps)"),
        (("sentiment", "x", "--question", "why?", "--show-code"), "takes no question (--question)"),
        (("speech-to-text", "nothing.wav"), "there is no file nothing.wav"),
    ],
)
def test_a_wrong_request_says_so(arguments, message, classifier):
    result = run(*arguments, "-m", classifier)
    assert isinstance(result.exception, LlmsError)
    assert result.exception.exit_status == 2
    assert message in str(result.exception)


def test_columns_of_a_table(classifier, tmp_path):
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "review"], ["1", "good, really"], ["2", ""], ["3", "bad\nin two lines"]])
    result = run("sentiment", path, "--column", "review", "-m", classifier, "--json")
    assert result.exit_code == 1
    assert [row["input"] for row in rows(result)] == ["good, really", "", "bad\nin two lines"]
    assert rows(result)[1]["error"] == f"{path}, line 3: column 'review' is ''; expected a text"
    missing = run("sentiment", path, "-m", classifier)
    assert "say with --column which one is the input" in str(missing.exception)


def test_standard_input_is_one_text(classifier):
    answers = rows(run("sentiment", "-m", classifier, "--json", input="one\ntwo\n"))
    assert [row["input"] for row in answers] == ["one\ntwo\n"]


def test_all_tasks_are_listed():
    listed = rows(run("--json"))
    assert {"sentiment", "translation", "text-to-image"} <= {row["task"] for row in listed}
    assert run().exit_code == 0


def test_two_texts_are_compared_and_so_are_the_columns_of_a_table(tmp_path):
    model = f"hf:{encoders.save_encoder(tmp_path / 'model', 'Model')}?device=cpu"
    (one,) = rows(run("similarity", "a red house", "the green river", "-m", model, "--json"))
    assert (one["input"], one["other"]) == ("a red house", "the green river")
    first, second = (tmp_path / "a.txt", tmp_path / "b.txt")
    first.write_text("a red house")
    second.write_text("the green river")
    table = tmp_path / "pairs.csv"
    table.write_text("left,right\na red house,the green river\na book,a book\n")
    (read,) = rows(run("similarity", first, second, "-m", model, "--json"))
    same, equal = rows(run("similarity", table, "--column", "left", "--column", "other=right", "-m", model, "--json"))
    with llms.task("similarity", model) as answers:
        expected = float(answers(TaskInput("a red house", other="the green river")).text)
    assert [one["output"], read["output"], same["output"]] == pytest.approx([expected] * 3, abs=1e-5)
    assert equal["output"] == pytest.approx(1, abs=1e-5)
    for given in (["alone"], ["one", "two", "three"]):
        refused = run("similarity", *given, "-m", model)
        assert isinstance(refused.exception, LlmsError)
        assert f"compares two texts; got {len(given)}" in str(refused.exception)
    first.write_bytes(b"")
    (failed,) = rows(run("similarity", first, "a house", "-m", model, "--json"))
    assert failed["error"] == f"{first} is empty"


@pytest.mark.parametrize("name", ["in.csv", "link.csv", "hard.csv"])
def test_an_input_is_never_written_over(classifier, tmp_path, name):
    path = tmp_path / "in.csv"
    path.write_text("text\ngood\n")
    (tmp_path / "link.csv").symlink_to(path)
    (tmp_path / "hard.csv").hardlink_to(path)
    result = run("sentiment", path, "-m", classifier, "-o", tmp_path / name, "--force")
    assert "is an input" in str(result.exception)
    assert path.read_text() == "text\ngood\n"


def test_a_voice_is_never_written_over(tmp_path):
    voice = tmp_path / "me.wav"
    voice.write_bytes(b"my voice")
    (tmp_path / "out-files").mkdir()
    (tmp_path / "out-files" / "1.wav").hardlink_to(voice)
    model = f"hf:{save_vits(tmp_path / 'model')}?device=cpu"
    for out in ("me.wav", "out.csv"):
        result = run("text-to-speech", "hello", "-m", model, "--voice", voice, "-o", tmp_path / out, "--force")
        assert "is an input" in str(result.exception)
        assert result.exception.exit_status == 2
    assert voice.read_bytes() == b"my voice"


def test_a_failure_names_the_line_and_not_the_number_among_the_readable(classifier, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": 1}\n{"text": "good"}\n\n{"text": "nul\\u0000"}\n')
    assert rows(run("sentiment", path, "-m", classifier, "--json"))[2]["error"].startswith(
        f"{path}, line 4: the text holds a NUL"
    )
    answers = rows(run("sentiment", "good", "a\0b", "-m", classifier, "--json", "--text"))
    assert answers[1]["error"].startswith("input 2: the text holds a NUL")


def test_the_nearest_column_is_named(classifier, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("text,n\ngood,1\n")
    assert "no column 'txet'; did you mean text?" in str(
        run("sentiment", path, "--column", "txet", "-m", classifier).exception
    )
