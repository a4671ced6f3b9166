"""Rows from files and folders; what is wrong with them is named by file, line and column."""

import gzip
import json

import pytest

from llms.benchmarks.arc import ARC_EASY
from llms.benchmarks.catalogue import CATALOGUE
from llms.data import Dataset, open_source
from llms.data.files import read_table
from llms.data.own import read
from llms.errors import DataError

COLUMNS = {"question": str, "answer": int}
GOOD = '{"question": "q", "answer": 1}\n'


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + '{"question": "q"\n', "rows.jsonl, line 2: not JSON"),
        (GOOD + "\n" + '{"question": "q"}\n', r"rows.jsonl, line 3: no column 'answer'; found question"),
        (GOOD + '{"question": "q", "answer": "1"}\n', r"line 2: column 'answer' is '1' \(str\); expected int"),
        (GOOD + '{"question": "q", "answer": true}\n', r"line 2: column 'answer' is True \(bool\)"),
        (GOOD + "[1]\n", "line 2: a row must be a JSON object; found list"),
        ("\n", "has no rows"),
    ],
)
def test_a_corrupt_row_is_named_by_file_and_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path / "rows.jsonl", text), COLUMNS)


def test_text_that_is_not_utf8_is_named_by_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD.encode() + b'{"question": "\xff", "answer": 1}\n')
    with pytest.raises(DataError, match="line 2: not UTF-8"):
        read_table(path, COLUMNS)


def test_bytes_that_are_no_text_show_nothing_of_a_withheld_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"question": "secret\xff", "answer": 1}\n')
    with pytest.raises(DataError) as shown:
        read_table(path, COLUMNS)
    with pytest.raises(DataError) as withheld:
        read_table(path, COLUMNS, withheld=True)
    assert "secret" in str(shown.value)
    assert "secret" not in str(withheld.value)


def test_a_cut_gzip_file_is_an_error(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD.encode() * 1000)[:-20])
    with pytest.raises(DataError, match="not a whole gzip file"):
        read_table(path, COLUMNS)


def test_parquet_gzip_and_plain_give_the_same_rows(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    rows = [{"question": f"q{i}", "answer": i} for i in range(5)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write(tmp_path / "a.jsonl", text)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
        assert list(read_table(tmp_path / name, COLUMNS).rows) == rows
    (tmp_path / "b.parquet").write_bytes(b"PAR1nonsense")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(tmp_path / "b.parquet", COLUMNS)


def test_the_revision_is_the_contents(tmp_path):
    one = read_table(write(tmp_path / "one.jsonl", GOOD), COLUMNS)
    same = read_table(write(tmp_path / "same.jsonl", GOOD), COLUMNS)
    other = read_table(write(tmp_path / "other.jsonl", GOOD * 2), COLUMNS)
    assert one.revision == same.revision != other.revision


def test_a_folder_that_is_not_there_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match="does not exist; expected a folder"):
        open_source(str(tmp_path / "nowhere"))


def test_a_file_that_is_not_there_says_what_is(tmp_path):
    write(tmp_path / "arc" / "ARC-Chalenge" / "test.jsonl", GOOD)
    with pytest.raises(DataError, match=r"no file .*ARC-Easy/test\.jsonl\.gz .*/arc holds ARC-Chalenge"):
        open_source(str(tmp_path)).table(ARC_EASY.dataset, "ARC-Easy", "test")


def test_the_environment_may_name_the_data(tmp_path, monkeypatch):
    write(tmp_path / "d" / "c" / "s.jsonl", GOOD)
    monkeypatch.setenv("LLMS_DATA", str(tmp_path))
    assert len(open_source(None).table(Dataset("x/y", "r", "d", COLUMNS), "c", "s").rows) == 1


SAMPLED = [b for b in CATALOGUE.values() if not b.name.startswith(("gpqa", "multipl_e"))]


@pytest.mark.parametrize("benchmark", SAMPLED, ids=lambda benchmark: benchmark.name)
def test_every_benchmark_runs_on_the_sample(benchmark):
    source = open_source("sample")
    parts = [part for part in benchmark.parts if source.has(benchmark.dataset, part.config, part.split)]
    items = sum(len(source.table(benchmark.dataset, part.config, part.split).rows) for part in parts)
    assert items >= 30
    for part in parts:
        if part.shots_split:
            pool = source.table(benchmark.dataset, part.shots_config or part.config, part.shots_split).rows
            assert len(pool) >= benchmark.views["default"].shots


OWN = "question,choices,answer\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN + "q,a|b,c\n", "row 1: answer 'c' is not one of the choices"),
        (OWN + "q,a|b,a\nq,only,only\n", "row 2: column 'choices' is 'only'; expected at least two"),
        (OWN + "q,a|b\n", "line 2: the row and the header have different numbers of fields"),
        ("question,choice,answer\nq,a|b,a\n", "unknown column 'choice'; did you mean choices"),
        ("frage,answer\nq,a\n", "no column 'question'; found frage, answer; expected question, and answer"),
    ],
)
def test_a_bad_file_of_ones_own_is_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "own.csv", text))


def test_answers_may_be_texts_letters_or_indices(tmp_path):
    text = OWN + "q,red|blue,blue\nq,red|blue,B\nq,red|blue,b\nq,red|blue,1\nq,b|a,a\n"
    table = read(write(tmp_path / "own.csv", text))
    assert [row["answer"] for row in table.content.rows] == [1, 1, 1, 1, 1]
    rows = [
        {"question": "q", "choices": ["x", "y"], "answer": 0},
        {"question": "q", "choices": ["x", "y"], "answer": "y"},
    ]
    table = read(write(tmp_path / "own.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    assert [row["answer"] for row in table.content.rows] == [0, 1]
    with pytest.raises(DataError, match="unlike row 1"):
        read(write(tmp_path / "mixed.jsonl", json.dumps(rows[0]) + '\n{"question": "q", "answer": "a"}\n'))
