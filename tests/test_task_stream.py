"""Answers come in the order of the inputs; a file that broke off, wherever, is gone on with: no row twice, none lost."""

import csv
import io
import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.data.row_stream import stream_rows
from llms.errors import UsageError
from llms.models.task_model import TaskInput, TaskOutput
from llms.values import Failure
from llms.workbench import task_stream
from llms.workbench.task_file import TaskFile, whole_rows
from llms.workbench.task_inputs import TaskRow
from llms.workbench.task_stream import in_order
from test_task_model import save_classifier

TEXTS = st.text(st.sampled_from('ab",\n\r\t é\\'), min_size=1, max_size=8)


class Shuffling:
    """Answers blocks of inputs, each in an order that is drawn; notes how far ahead it has read."""

    task = "sentiment"

    def __init__(self, draw, block: int):
        self.draw, self.block, self.read = draw, block, 0

    def answer(self, inputs):
        rows, first = iter(inputs), 0
        while True:
            block = []
            for each in rows:
                self.read += 1
                block.append(each)
                if len(block) == self.block:
                    break
            if not block:
                return
            for offset in self.draw(st.permutations(range(len(block)))):
                text = block[offset].text
                yield first + offset, Failure("infra", text) if text.startswith("bad") else TaskOutput(text)
            first += len(block)


@given(st.data(), st.integers(0, 40), st.integers(1, 7), st.integers(1, 11))
def test_answers_come_in_order_and_few_wait(data, count, block, window):
    unread = Failure("infra", "no file")
    kinds = data.draw(st.lists(st.sampled_from(["good", "bad", "unread"]), min_size=count, max_size=count))
    rows = [
        TaskRow(unread if kind == "unread" else TaskInput(f"{kind} {n}"), f"{kind} {n}") for n, kind in enumerate(kinds)
    ]
    model = Shuffling(data.draw, block)
    before, task_stream.WINDOW = task_stream.WINDOW, window
    try:
        results, pulled = [], 0

        def source():
            nonlocal pulled
            for row in rows:
                pulled += 1
                yield row

        for row, result in in_order(model, source()):
            assert pulled - len(results) <= window + 1
            results.append((row, result))
    finally:
        task_stream.WINDOW = before
    assert [row for row, _ in results] == rows
    for row, result in results:
        kind = row.shown.split()[0]
        expected = {"unread": unread, "bad": Failure("infra", row.shown), "good": TaskOutput(row.shown)}[kind]
        assert result == expected


def test_a_model_that_leaves_an_input_out_gives_a_failure_for_it():
    class Forgetful(Shuffling):
        def answer(self, inputs):
            yield from ((n, TaskOutput(each.text)) for n, each in enumerate(list(inputs)) if n != 1)

    rows = [TaskRow(TaskInput(text), text) for text in "abc"]
    results = [result for _, result in in_order(Forgetful(None, 1), rows)]
    assert [isinstance(result, Failure) for result in results] == [False, True, False]


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=6), st.data())
def test_a_torn_file_is_cut_after_its_last_whole_row(rows, data):
    ends, text = [0], ""
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        text += line.getvalue()
        ends.append(len(text.encode()))
    cut = data.draw(st.integers(0, ends[-1]))
    whole = max(end for end in ends if end <= cut)
    assert whole_rows(io.BytesIO(text.encode()[:cut]), "csv") == (ends.index(whole), whole)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.sampled_from(["csv", "tsv", "jsonl"]), st.data())
def test_a_file_gone_on_with_after_any_byte_is_the_file(tmp_path_factory, rows, form, data):
    folder = tmp_path_factory.mktemp("torn")
    made_by = {"task": "sentiment"}

    def write(path: Path, first: int) -> None:
        with TaskFile(path, ("id", "output"), made_by, "sentiment") as file:
            assert file.done >= first
            for name, text in rows[file.done :]:
                file.write({"id": name, "output": text}, {"output": "good", "score": 0.5, "truncated": False})
            file.finish()

    whole, torn = folder / f"whole.{form}", folder / f"torn.{form}"
    write(whole, 0)
    content = whole.read_bytes()
    torn.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    (folder / f"torn.{form}.llms.json").write_text(json.dumps(made_by))
    write(torn, 0)
    assert torn.read_bytes() == content
    assert not (folder / f"torn.{form}.llms.json").exists()
    assert b"sentiment_output" in content


def test_a_file_of_another_task_is_not_gone_on_with(tmp_path):
    path = tmp_path / "a.csv"
    with TaskFile(path, ("text",), {"task": "sentiment", "input": "1"}, "sentiment") as file:
        file.write({"text": "a"}, {"output": "good"})
    with pytest.raises(UsageError, match="begun with another input, and is not whole"):
        TaskFile(path, ("text",), {"task": "sentiment", "input": "2"}, "sentiment")
    with TaskFile(path, ("text",), {"task": "sentiment", "input": "1"}, "sentiment") as file:
        assert file.done == 1
        with pytest.raises(UsageError, match="another process is writing"):
            TaskFile(path, ("text",), {"task": "sentiment", "input": "1"}, "sentiment")
        file.finish()
    with pytest.raises(UsageError, match="is there already"):
        TaskFile(path, ("text",), {"task": "sentiment", "input": "1"}, "sentiment")
    with TaskFile(path, ("text",), {}, "sentiment", force=True) as file:
        assert file.done == 0
        file.finish()


def begun(path, made_by):
    with TaskFile(path, ("text",), made_by, "sentiment") as file:
        file.write({"text": "a"}, {"output": "good"})
    return path


def test_what_differs_from_the_command_that_began_a_file_is_told(tmp_path):
    before = {"task": "sentiment", "model": {"name": "hf:a", "dtype": "float32"}, "options": {"top": "1"}}
    path = begun(tmp_path / "out.csv", before)
    now = {**before, "model": {"name": "hf:b", "dtype": "float32"}, "options": {}}
    told_apart = (
        r"another model and another options.*\(model name: hf:a before, hf:b now; options top: 1 before, none now\)"
    )
    with pytest.raises(UsageError, match=told_apart):
        TaskFile(path, ("text",), now, "sentiment")


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_file_of_which_nobody_can_say_what_began_it_is_not_gone_on_with(tmp_path, content):
    path = begun(tmp_path / "out.csv", {})
    (tmp_path / "out.csv.llms.json").write_text(content)
    with pytest.raises(UsageError, match=r"out.csv.llms.json, which says what made .*out.csv so far, cannot be read"):
        TaskFile(path, ("text",), {}, "sentiment")


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_another_table_under_the_name_of_the_one_that_was_begun_stays_as_it_is(tmp_path, form):
    path = begun(tmp_path / f"out.{form}", {})
    path.write_text("name,age\nAnn,30\nBob,4")
    with pytest.raises(UsageError, match="no longer the table that was begun"):
        TaskFile(path, ("text",), {}, "sentiment")
    assert path.read_text() == "name,age\nAnn,30\nBob,4"


def test_parquet_is_written_once_all_is_there(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    with TaskFile(path, ("text",), {}, "sentiment") as file:
        file.write({"text": "a"}, {"output": "good", "score": 0.5, "truncated": False})
        assert not path.exists()
    with TaskFile(path, ("text",), {}, "sentiment") as file:
        assert file.done == 1
        file.write({"text": "b"}, {"error": "too long"})
        file.finish()
    assert parquet.read_table(path).to_pylist() == [
        {"text": "a", "output": "good", "score": 0.5, "truncated": False, "error": None},
        {"text": "b", "output": None, "score": None, "truncated": None, "error": "too long"},
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]


def test_a_parquet_column_may_have_its_first_value_late(tmp_path, monkeypatch):
    from pyarrow import parquet

    monkeypatch.setattr("llms.data.row_write.BATCH", 3)
    path, values = tmp_path / "a.parquet", [None] * 7 + [0.5, None, 2.5, None]
    notes = [None] * 4 + ["late"] + [None] * 6
    with TaskFile(path, ("text", "stars", "tags", "never"), {}, "sentiment") as file:
        for number, (stars, note) in enumerate(zip(values, notes, strict=True)):
            tags = [{"name": note}] if note else None
            file.write(
                {"text": str(number), "stars": stars, "tags": tags, "never": None}, {"output": "good", "error": note}
            )
        file.finish()
    rows = parquet.read_table(path).to_pylist()
    assert [row["text"] for row in rows] == [str(number) for number in range(11)]
    assert [row["stars"] for row in rows] == values
    assert [row["error"] for row in rows] == notes
    assert rows[4]["tags"] == [{"name": "late"}]
    assert {row["never"] for row in rows} == {None}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]


def save_rows(folder, count):
    """(a table, its texts): some of several lines, some empty."""
    table = folder / "rows.csv"
    texts = [f'the "{n}"th, of\n{n} lines' if n % 3 else "" for n in range(count)]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *([n, text] for n, text in enumerate(texts))])
    return table, texts


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_task_that_is_killed_from_outside_writes_the_file_of_one_that_is_not(tmp_path, form):
    model = save_classifier(tmp_path / "model")
    table, _ = save_rows(tmp_path, 6000)
    out = tmp_path / "out"
    out.mkdir()
    seed = secrets.randbelow(1_000_000)
    script = Path(__file__).with_name("killed_task.py")
    done = subprocess.run(
        [sys.executable, script, table, f"hf:{model}?device=cpu", out, form, "5", str(seed)],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert [state["killed"] for state in states] == [True] * 5 + [False], (seed, done.stdout, done.stderr)
    rows, whole = (list(stream_rows(out / f"{name}.{form}")) for name in ("out", "whole"))
    assert len(rows) == len(whole) == 6000, seed
    for one, other in zip(rows, whole, strict=True):
        # other texts are computed beside it: the last digits of its score may differ
        scores = [float(each.row.get("score") or 0) for each in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5), seed
        assert {**one.row, "score": None} == {**other.row, "score": None}, seed
    assert sorted(path.name for path in out.iterdir()) == [f"out.{form}", f"whole.{form}"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv"])
def test_a_task_that_is_killed_loses_no_row_and_repeats_none(tmp_path, form):
    model = save_classifier(tmp_path / "model")
    table, texts = save_rows(tmp_path, 24)
    out = tmp_path / "out"
    out.mkdir()
    script = Path(__file__).with_name("killed_task.py")
    done = subprocess.run(
        [sys.executable, script, table, f"hf:{model}?device=cpu", out, form], capture_output=True, text=True
    )
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert [state["ended"] for state in states] == [False] * 7 + [True], done.stdout + done.stderr
    sizes = [state["size"] for state in states]
    assert sizes == sorted(sizes)
    assert states[-2]["beside"] == [f"out.{form}", f"out.{form}.llms.json"]
    assert states[-1]["beside"] == [f"out.{form}"]
    with (out / f"out.{form}").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["text"]) for row in rows] == [(str(n), text) for n, text in enumerate(texts)]
    assert all(bool(row["output"]) == bool(row["text"]) == (not row["error"]) for row in rows)


class Numbering:
    """Fails each input by its number, as models do."""

    task = "sentiment"

    def answer(self, inputs):
        for number, _ in enumerate(inputs):
            yield number, Failure("infra", f"input {number} is bad")


def test_failures_are_numbered_on_from_one_window_to_the_next(monkeypatch):
    monkeypatch.setattr(task_stream, "WINDOW", 2)
    rows = [TaskRow(Failure("infra", "unread"), "x"), *(TaskRow(TaskInput("a"), "a") for _ in range(4))]
    reasons = [result.reason for _, result in in_order(Numbering(), rows)]
    assert reasons == ["unread", *(f"input {number} is bad" for number in range(1, 5))]
