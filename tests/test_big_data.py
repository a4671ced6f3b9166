"""A file of any size is planned, estimated and run in little memory; each row is read where it stands."""

import csv
import gzip
import json
import os
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.data import own
from llms.data.files import BLOCK, read_table
from llms.errors import DataError
from llms.evaluation.config import EvalConfig
from llms.evaluation.report import Report
from llms.testing import ScriptedModel
from llms.workbench.estimate import estimate
from llms.workbench.evaluate import evaluate_all

MEGABYTE = 1 << 20


def grown(work) -> float:
    """Megabytes of the peak above what was held before."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        work()
        return (tracemalloc.get_traced_memory()[1] - before) / MEGABYTE
    finally:
        tracemalloc.stop()


def write(path, rows: int, width: int = 20):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "answer", "topic"])
        for i in range(rows):
            writer.writerow([f"n{i}", f"{'word ' * width}{i}?", f"answer {i}", f"t{i % 7}"])
    return path


@pytest.mark.slow
def test_a_file_is_read_in_memory_that_does_not_grow_with_it(tmp_path):
    path = write(tmp_path / "big.csv", 50_000, 100)  # 26 MB
    seen = []

    def look():
        table = own.read(path)
        seen.extend((len(table.content.rows), table.content.rows[49_999]["answer"], table.content.rows[3]["topic"]))

    assert grown(look) < 8
    assert seen == [50_000, "answer 49999", "t3"]


@pytest.mark.slow
def test_a_dry_run_counts_all_rows_and_says_from_how_many_it_estimates(tmp_path, monkeypatch):
    path = write(tmp_path / "big.csv", 50_000)
    model = ScriptedModel()
    monkeypatch.setattr("llms.workbench.estimate.load", lambda name: model)
    found = []
    assert grown(lambda: found.extend(estimate(["hf:scripted"], [], EvalConfig(data=str(path))))) < 8
    assert (found[0].items, found[0].counted) == (50_000, 1000)
    assert found[0].notes[-1] == "big: tokens are estimated from 1,000 of 50,000 items, spread over all"
    exact = sum(model.count_tokens(item.prompt.context) + 64 for item in found[0].plan.items)
    assert abs(found[0].tokens / exact - 1) < 0.02


class Forgetful(ScriptedModel):
    def complete(self, requests):
        for answer in super().complete(requests):
            self.requests.clear()
            yield answer


@pytest.mark.slow
def test_a_run_over_a_big_file_holds_neither_rows_nor_prompts(tmp_path, monkeypatch):
    path = write(tmp_path / "big.csv", 5_000, 400)  # 10 MB of text, more as prompts
    model = Forgetful(lambda text: text[-400:].split("word ")[-1])
    monkeypatch.setattr("llms.workbench.evaluate.load", lambda name: model)
    reports = []

    def work():
        for event in evaluate_all(["hf:scripted"], [], EvalConfig(data=str(path), by=("topic",))):
            if isinstance(event, Report):
                reports.append(event)

    assert grown(work) < 16
    assert reports[0].n == 5_000
    assert set(reports[0].groups["topic"]) == {f"t{i}" for i in range(7)}


CELLS = st.text(st.sampled_from('a,;"\n\r |é\u2028'), max_size=8)
TABLES = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=40)


@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", ";", "\t"]), st.integers(1, 60))
def test_blocks_of_any_size_give_the_rows_that_the_whole_text_gives(tmp_path_factory, rows, end, delimiter, size):
    path = tmp_path_factory.mktemp("rows") / "x.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerow(["first", "second", "third"])
        writer.writerows(rows)
    expected = [
        dict(zip(("first", "second", "third"), row, strict=True)) for row in rows if any(c.strip() for c in row)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llms.data.files.BLOCK", size)
        if not expected:
            with pytest.raises(DataError, match="has no rows"):
                read_table(path, {})
            return
        table = read_table(path, {})
        assert list(table.rows) == expected
        order = random.Random(0).sample(range(len(expected)), len(expected))
        assert [table.rows[i] for i in order] == [expected[i] for i in order]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.jsonl", "x.jsonl.gz", "x.parquet", "utf16.csv"])
def test_every_form_is_read_by_offset(tmp_path, name):
    rows = [{"question": f"Café {i}?\n" * (i % 3 + 1), "answer": f"{i}"} for i in range(9_000)]
    path = tmp_path / name
    if name == "x.parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2_500)
    else:
        if "jsonl" in name:
            text = "".join(json.dumps(row) + "\n" for row in rows)
        else:
            text = "question,answer\n" + "".join(f'"{row["question"]}",{row["answer"]}\n' for row in rows)
        content = text.encode("utf-16" if name.startswith("utf16") else "utf-8")
        assert len(content) > 2 * BLOCK
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table = own.read(path)
    assert [row["question"] for row in table.content.rows] == [row["question"] for row in rows]
    for index in (8_999, 0, 5_000, 4_999, 17):
        assert table.content.rows[index]["answer"] == str(index)


def test_a_wrong_row_far_inside_is_named_as_a_near_one_is(tmp_path):
    path = write(tmp_path / "big.csv", 20_000)
    text = path.read_text()
    for old, new, message in (
        ("\nn15000,", '\nn15000,"', "line 15002: .* close every quotation mark"),
        ("\nn15000,", "\nn15000,,", r"line 15002: the row and the header have different numbers of fields \(5 and 4"),
        ("\nn15000,", "\nn14,", "row 15001: id 'n14' appears in row 15 already"),
        ("\nn15000,", "\n ,", "row 15001: column 'id' is empty"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(DataError, match=message):
            own.read(path)
    path.write_bytes(text.encode().replace(b"n15000,word", b"n15000,w\xff\xffrd"))
    with pytest.raises(DataError, match="line 15002: not UTF-8"):
        own.read(path)


def test_a_file_that_changes_under_a_run_is_noticed(tmp_path):
    path = write(tmp_path / "big.csv", 20_000)
    rows = own.read(path).content.rows
    write(path, 19_000)
    os.utime(path, (1, 1))
    with pytest.raises(DataError, match="was changed while it was read"):
        rows[19_999]
