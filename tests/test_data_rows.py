"""Rows of files: read one by one, filtered by a condition that is never run as code, split so that nothing crosses over."""

import contextlib
import gzip
import json
import string
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llms.cli.main import cli
from llms.data.row_stream import BadRow, PlacedRow, stream_rows
from llms.data.row_write import RowFile
from llms.data.splitting import RowKeys, split_rows
from llms.data.where import Condition, Incomparable
from llms.errors import DataError, LlmsError, UsageError

pytest.importorskip("pyarrow")
REVIEWS = [
    {"text": "good", "label": "positive", "stars": 5},
    {"text": 'so\nlong, and "quoted"', "label": "negative", "stars": 2},
    {"text": "Überraschend gut", "label": "positive", "stars": 4},
    {"text": "bad", "label": "negative", "stars": 1},
]


def run(*arguments: object, status: int = 0):
    result = CliRunner().invoke(cli, ["data", *map(str, arguments)])
    if isinstance(result.exception, LlmsError):
        assert result.exception.exit_status == status
        return str(result.exception)
    assert result.exit_code == status, result.output
    return result


def written(path: Path, rows=REVIEWS) -> Path:
    columns = dict.fromkeys(name for row in rows for name in row)
    with RowFile(path, columns) as file:
        for row in rows:
            file.write(row, "here")
    return path


def rows_of(path: Path) -> list[dict]:
    streamed = list(stream_rows(path))
    assert all(isinstance(row, PlacedRow) for row in streamed), streamed
    return [row.row for row in streamed]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.csv.gz", "a.jsonl.gz", "a.parquet"])
def test_rows_come_back_from_every_format(tmp_path, name):
    typed = "jsonl" in name or "parquet" in name
    expected = REVIEWS if typed else [{key: str(value) for key, value in row.items()} for row in REVIEWS]
    assert rows_of(written(tmp_path / name)) == expected


def test_a_json_list_is_read_item_by_item_however_it_is_laid_out(tmp_path):
    path = tmp_path / "a.json"
    rows = [{"n": number, "text": "ä]},{" * 3000, "more": [{"a": [1, 2]}]} for number in range(50)]
    for text in (json.dumps(rows), json.dumps(rows, indent=2), json.dumps(rows, ensure_ascii=False)):
        path.write_text(text, encoding="utf-8")
        assert rows_of(path) == rows


@pytest.mark.parametrize(
    ("name", "content", "place", "why"),
    [
        ("a.csv", "text,label\ngood,positive\nbad\nfine,positive\n", "line 3", "different numbers of fields"),
        ("a.csv", b"text,label\ngood,positive\n\xff\xfe,x\nfine,positive\n", "line 3", "no UTF-8"),
        ("a.csv", 'text,label\ngood,positive\n"a"b,x\nfine,positive\n', "line 3", "close every quotation mark"),
        ("a.jsonl", '{"text": "good"}\n{"text": \n{"text": "fine"}\n', "line 2", "not JSON"),
        ("a.jsonl", '{"text": "good"}\n[1]\n{"text": "fine"}\n', "line 2", "a row is one JSON object"),
        ("a.json", '[{"text": "good"}, 7, {"text": "fine"}]', "row 2", "a row is one JSON object"),
    ],
)
def test_what_is_no_row_is_named_and_the_rest_goes_on(tmp_path, name, content, place, why):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    streamed = list(stream_rows(path))
    (bad,) = [row for row in streamed if isinstance(row, BadRow)]
    assert bad.location == f"{path}, {place}"
    assert why in bad.reason
    assert [row.row["text"] for row in streamed if isinstance(row, PlacedRow)] == ["good", "fine"]
    result = run("save", path, "--out", tmp_path / "b.jsonl")
    assert "2 rows" in result.output
    assert f"{place}: " in result.output


def test_a_file_that_breaks_off_or_is_none_says_so(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 10_000)[:-20])
    with pytest.raises(DataError, match="whole gzip|to its end"):
        list(stream_rows(path))
    assert "does not exist" in run("head", tmp_path / "b.csv", status=1)
    (tmp_path / "c.csv").write_text("text,label\n")
    assert "no row that can be read" in run("head", tmp_path / "c.csv", status=1)
    (tmp_path / "d.parquet").write_bytes(b"PAR1 nothing")
    assert "cannot be read as Parquet" in run("head", tmp_path / "d.parquet", status=1)
    assert "neither a file that is there nor a data set" in run("head", "no such thing!", status=2)


def test_nothing_is_overwritten_and_nothing_half_written_stays(tmp_path):
    path, out = written(tmp_path / "a.csv"), tmp_path / "b.csv"
    out.write_text("mine")
    assert "--force" in run("filter", path, "--where", "stars > 1", "--out", out, status=2)
    assert out.read_text() == "mine"
    run("filter", path, "--where", "stars > 1", "--out", out, "--force")
    assert len(rows_of(out)) == 3
    mixed = tmp_path / "m.jsonl"
    mixed.write_text("".join('{"a": 1}\n' for _ in range(1100)) + '{"a": 1, "b": 2}\n')
    assert "column 'b'" in run("save", mixed, "--out", tmp_path / "m.csv", status=1)
    assert "column 'b'" in run("save", mixed, "--out", tmp_path / "m.parquet", status=1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.csv", "b.csv", "m.jsonl"]


@pytest.mark.parametrize("name", ["p-train.csv", "link.csv", "hard.csv"])
def test_a_file_that_is_read_is_never_written_over(tmp_path, name):
    path = written(tmp_path / "p-train.csv")
    before = path.read_bytes()
    (tmp_path / "link.csv").symlink_to(path)
    (tmp_path / "hard.csv").hardlink_to(path)
    out = tmp_path / name
    for arguments in (
        ("filter", path, "--where", "stars > 1", "--out", out, "--force"),
        ("save", path, "--limit", 1, "--out", out, "--force"),
        ("split", path, "--out", tmp_path / "p", "--force"),
    ):
        assert "is an input" in run(*arguments, status=2)
        assert path.read_bytes() == before


def test_head_and_info_show_rows_and_columns(tmp_path):
    path = written(tmp_path / "a.jsonl")
    result = run("head", path, "-n", 2, "--columns", "label,stars", "--json")
    assert [json.loads(line) for line in result.output.splitlines()] == [
        {"label": "positive", "stars": 5},
        {"label": "negative", "stars": 2},
    ]
    assert "did you mean label?" in run("head", path, "--columns", "labels", status=2)
    assert "so↵long" in run("head", path).output
    facts = json.loads(run("info", path, "--json").output)
    assert facts["rows"] == 4
    assert facts["columns"]["stars"] == {
        "name": "stars", "types": ["number"], "empty": 0, "longest": 1, "different": 4, "many": False,
    }  # fmt: skip


def test_a_filter_says_what_it_read_wrote_and_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n{"n": "x"}\n{"n": 3}\n{"m": 1}\n')
    result = run("filter", path, "--where", "n >= 1", "--out", tmp_path / "b.jsonl")
    assert "2 of 4 rows" in result.output
    assert "2 rows did not suit the condition" in result.output
    assert f"{path}, line 2: 'x' and 1 cannot be compared" in result.output
    assert "unknown column of" in run("filter", path, "--where", "nn == 1", "--out", tmp_path / "c.jsonl", status=2)
    none = run("filter", written(tmp_path / "e.csv"), "--where", "stars == 9", "--out", tmp_path / "f.csv")
    assert "0 of 4" in none.output
    assert (tmp_path / "f.csv").read_text() == "text,label,stars\n"


def test_cells_of_csv_are_read_as_numbers_where_they_meet_one():
    row = {"n": "10", "ok": "True", "text": "7 apples"}
    for text in ("n > 9", "9 < n < 11", "n == 10", "n in [1, 10]", "ok == True", 'n == "10"', "text != 7"):
        assert Condition(text, loose=True).holds(row), text
    assert not Condition("n == 10").holds(row)
    with pytest.raises(Incomparable):
        Condition("text > 3", loose=True).holds(row)


names = st.sampled_from(["a", "b", "text"])
values = st.one_of(st.integers(-5, 5), st.floats(-2, 2), st.text("abB ", max_size=4), st.booleans(), st.none())
atoms = st.one_of(names, values.map(repr), st.lists(values, max_size=3).map(repr))
simple = st.one_of(
    atoms,
    st.tuples(st.sampled_from(["len", "lower", "upper", "strip"]), atoms).map(lambda each: f"{each[0]}({each[1]})"),
    st.tuples(st.sampled_from(["contains", "startswith", "endswith"]), atoms, atoms).map(
        "{0[0]}({0[1]}, {0[2]})".format
    ),
)
compared = st.tuples(
    simple,
    st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]),
    simple,
    st.sampled_from(["", " < 3", " is None"]),
).map(lambda each: f"({each[0]} {each[1]} {each[2]}{each[3]})")
conditions = st.recursive(
    st.one_of(compared, simple),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
        inner.map(lambda each: f"(not {each})"),
    ),
    max_leaves=6,
)
PYTHON = {
    "len": len, "lower": str.lower, "upper": str.upper, "strip": str.strip, "startswith": str.startswith,
    "endswith": str.endswith, "contains": lambda whole, part: part in whole, "__builtins__": {},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*with .* literal:SyntaxWarning")  # Python's own, of a text such as 0 is None
@given(conditions, st.fixed_dictionaries({"a": values, "b": values, "text": st.text("abB ", max_size=4)}))
def test_a_condition_means_what_python_means_by_it(text, row):
    condition = Condition(text)
    try:
        expected = bool(eval(text, PYTHON, dict(row)))  # the oracle: of this test's own texts
    except (TypeError, AttributeError):
        with pytest.raises(Incomparable):
            condition.holds(row)
        return
    assert condition.holds(row) is expected
    assert condition.columns <= {"a", "b", "text"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "text.lower() == 'a'", "open('x')", "len.__class__", "(lambda: 1)()", "[x for x in text]",
        "text[0] == 'a'", "9**9**9 > 1", "f'{text}'", "text if a else b", "a := 1", "*a", "{1: 2}", "{a}", "len(*a)", "len(a, b)",
        "len(obj=a)", "a is 1", "b'x' == a", "1j", "...", "", "a ==", "a; b", "import os", "(" * 500 + "a" + ")" * 500, "a\0",
        "not " * 9000 + "a", "-a < 1", "a @ b", "exec('1')", "column(a)", "await a", "len()",
    ],
)  # fmt: skip
def test_nothing_else_that_python_knows_is_allowed(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        Condition(text)


@given(st.text(string.printable, max_size=30))
def test_any_text_is_a_condition_or_refused(text):
    with contextlib.suppress(UsageError):
        Condition(text)


def test_a_column_whose_name_has_blanks_is_named_as_a_text():
    condition = Condition('column("my label") == "x" and lower(text) != "b"')
    assert condition.columns == {"my label", "text"}
    assert condition.holds({"my label": "x", "text": "A"})


rows_to_split = st.lists(
    st.fixed_dictionaries(
        {"text": st.sampled_from("abcdefghijkl"), "author": st.sampled_from("uvwxyz"), "label": st.sampled_from("pn")}
    ),
    min_size=2,
    max_size=60,
)


def sides(rows, share, by="", stratify="", alike=(), seed=0):
    keys = RowKeys(by, stratify, alike)
    for row in rows:
        keys.add(row)
    return split_rows(keys, share, seed).tolist()


@given(
    rows_to_split,
    st.floats(0.1, 0.9),
    st.sampled_from(["", "author"]),
    st.sampled_from(["", "label"]),
    st.integers(0, 5),
)
def test_no_group_and_no_two_rows_alike_are_on_both_sides(rows, share, by, stratify, seed):
    try:
        apart = sides(rows, share, by, stratify, ["text"], seed)
    except UsageError:  # one unit holds nearly all
        assert len({row["text"] for row in rows}) < 3 or by or share < 0.5 or len(rows) < 6
        return
    assert len(apart) == len(rows)
    assert set(apart) == {True, False}
    for column in ("text", by):
        if column:
            for value in {row[column] for row in rows}:
                assert len({side for row, side in zip(rows, apart, strict=True) if row[column] == value}) == 1
    assert apart == sides(rows, share, by, stratify, ["text"], seed)


@given(st.lists(st.sampled_from("pqr"), min_size=20, max_size=200), st.floats(0.2, 0.8), st.integers(0, 5))
def test_single_rows_are_set_apart_to_the_share_of_each_stratum(labels, share, seed):
    rows = [{"text": str(number), "label": label} for number, label in enumerate(labels)]
    apart = sides(rows, share, stratify="label", seed=seed)
    for label in set(labels):
        chosen = sum(side for row, side in zip(rows, apart, strict=True) if row["label"] == label)
        assert abs(chosen - share * labels.count(label)) <= 0.5 + 1e-9


def test_split_writes_both_sides_and_says_how_many(tmp_path):
    rows = [{"id": n, "text": f"t{n % 40}", "author": f"a{n % 10}", "label": "pn"[n % 2]} for n in range(80)]
    path = written(tmp_path / "a.csv", rows)
    report = json.loads(
        run("split", path, "--test", 0.25, "--stratify", "label", "--out", tmp_path / "s", "--json").output
    )
    assert (report["train_rows"], report["test_rows"], report["groups"], report["alike"]) == (60, 20, 40, 40)
    assert report["strata"] == [["n", 30, 10], ["p", 30, 10]]
    both = rows_of(tmp_path / "s-train.csv") + rows_of(tmp_path / "s-test.csv")
    assert sorted(int(row["id"]) for row in both) == list(range(80))
    text = run("split", path, "--by", "author", "--alike", "text", "--out", tmp_path / "g.csv").output
    assert "10 groups that stay together, 40 rows alike" in text
    train, test = ({row["author"] for row in rows_of(tmp_path / f"g-{side}.csv")} for side in ("train", "test"))
    assert not train & test
    assert "--force" in run("split", path, "--out", tmp_path / "s", status=2)
    assert "unknown column" in run("split", path, "--by", "writer", "--out", tmp_path / "x", status=2)


@pytest.mark.slow
def test_a_million_rows_are_filtered_in_constant_memory(tmp_path):
    import subprocess
    import sys

    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    for path, count in ((few, 10_000), (many, 1_000_000)):
        with path.open("w") as file:
            file.write("text,label,n\n")
            file.writelines(f"a text of some length that stands in row {n},{'pn'[n % 2]},{n}\n" for n in range(count))
    script = (
        "import sys, resource; from pathlib import Path; from llms.workbench.data_rows import open_source, filter_rows\n"
        "condition = 'label == \"p\" and len(text) > 5 and n >= 0'\n"
        "result = filter_rows(open_source(sys.argv[1]), condition, Path(sys.argv[1] + '.out.csv'))\n"
        "print(result.read, result.written, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for path in (few, many):
        output = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
        ).stdout
        read, kept_rows, peak = map(int, output.split())
        assert kept_rows == read / 2
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 20_000, peaks  # kilobytes


def test_the_commands_of_the_documentation_run_as_they_stand(tmp_path, monkeypatch):
    import shlex

    monkeypatch.chdir(tmp_path)
    words = ["good", "bad", "loud", "soft"]
    written(
        Path("reviews.csv"),
        [{"text": f"{words[n % 4]} {n}", "label": ["positive", "negative"][n % 2]} for n in range(40)],
    )
    text = (Path(__file__).parents[1] / "docs" / "hub-and-data.md").read_text(encoding="utf-8")
    commands = [
        line.strip() for line in text.splitlines() if line.startswith("    llms data ") and "reviews.csv" in line
    ]
    assert len(commands) == 4
    for command in [*commands, "llms data save short.csv --out short.parquet"]:
        assert command in text
        run(*shlex.split(command)[2:])
    assert len(rows_of(Path("short.parquet"))) == 20
    assert len(rows_of(Path("reviews-test.csv"))) == 10
