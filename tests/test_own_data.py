"""A file as people have it: what spreadsheets and scripts save is read, what is wrong or ambiguous is named."""

import gzip
import json

import pytest

import llms
from llms.benchmarks.own import Asking, OpenScorer, ambiguous, declare, of_version
from llms.cli.arguments import template_of
from llms.cli.main import cli
from llms.data.own import OwnTable, read
from llms.errors import DataError, UsageError
from llms.testing import ScriptedModel

TEXT = "question,answer,region\nCapital of Perú?,Lima,south\n2+2?,4,none\n"
ROWS = [
    {"question": "Capital of Perú?", "answer": "Lima", "answers": ("Lima",), "region": "south"},
    {"question": "2+2?", "answer": "4", "answers": ("4",), "region": "none"},
]


def own(folder, content: str | bytes, name: str = "own.csv") -> OwnTable:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


def told(path, *more: str, status: int = 0):
    from click.testing import CliRunner

    result = CliRunner().invoke(cli, ["eval", "hf:scripted", "--data", str(path), *more])
    assert result.exit_code == status, (result.output, result.exception)
    return result


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("own.csv", TEXT.encode(), "CSV, fields separated by commas, UTF-8"),
        ("own.CSV", TEXT.encode("utf-8-sig"), "CSV, fields separated by commas, UTF-8 with BOM"),
        ("own.csv", TEXT.replace(",", ";").encode(), "CSV, fields separated by semicolons, UTF-8"),
        ("own.csv", b"sep=;\r\n" + TEXT.replace(",", ";").encode(), "CSV, fields separated by semicolons, UTF-8"),
        ("own.csv", TEXT.replace(",", "\t").encode("utf-16"), "CSV, fields separated by tabs, UTF-16"),
        ("own.tsv", TEXT.replace(",", "\t").encode(), "TSV, fields separated by tabs, UTF-8"),
        ("own.csv", TEXT.replace("question,answer", ' Question , "ANSWER"').replace("\n", "\r\n").encode(), "CSV, fields separated by commas, UTF-8"),
        ("own.csv", TEXT.replace(",", ",,").encode(), "CSV, fields separated by commas, UTF-8"),
        ("own.csv", TEXT.replace("\n", "\r").encode(), "CSV, fields separated by commas, UTF-8"),
        ("own.csv", (TEXT.replace("\n", ",,\n") + ",,,,\n\n").encode(), "CSV, fields separated by commas, UTF-8"),
        ("own.csv.gz", gzip.compress(TEXT.encode(), mtime=0), "CSV, fields separated by commas, UTF-8, gzip"),
        ("own.json", json.dumps([{**row, "answers": None} for row in ROWS]).replace(', "answers": null', "").replace('"4"', "4").encode(), "JSON, UTF-8"),
        ("own.json", "".join(json.dumps({"Question": r["question"], "answer": r["answer"], "region": r["region"]}) + "\n" for r in ROWS).encode("utf-8-sig"),
         "JSON Lines, UTF-8 with BOM"),
    ],
)  # fmt: skip
def test_what_spreadsheets_and_scripts_save_gives_the_same_rows(tmp_path, name, content, form):
    table = own(tmp_path, content, name)
    assert list(table.content.rows) == ROWS
    assert table.content.form == form
    assert table.metadata == ("region",)


def test_several_accepted_answers_are_a_list_or_separated_by_bars(tmp_path):
    csv = own(tmp_path, 'question,answers\nq,Lima|the city of Lima\nq,"[""a|b"", 4]"\n')
    assert [row["answers"] for row in csv.content.rows] == [("Lima", "the city of Lima"), ("a|b", "4")]
    lines = own(tmp_path, '{"question": "q", "answers": ["Lima", 4.5]}\n', "own.jsonl")
    assert lines.content.rows[0]["answers"] == ("Lima", "4.5")
    system = ScriptedModel(lambda text: "The city of Lima.")
    assert llms.evaluate(system, [], data=str(tmp_path / "own.csv"), limit=1).scores["own"]["exact_match"].value == 1


def test_a_bar_in_a_single_answer_is_part_of_it_and_said(tmp_path):
    table = own(tmp_path, "question,answer\nq,a|b\nq,c\n")
    assert table.content.rows[0]["answers"] == ("a|b",)
    (said,) = table.notices
    assert "row 1: answer 'a|b' is read as one text; several accepted ones go into a column answers" in said


def test_choices_may_be_numbers_and_a_text_comes_before_a_letter_or_an_index(tmp_path):
    rows = [{"question": "q", "choices": [1, 2, 3], "answer": 2}, {"question": "q", "choices": ["x", "y"], "answer": 1}]
    table = own(tmp_path, json.dumps(rows), "own.json")
    assert [row["answer"] for row in table.content.rows] == [1, 1]
    assert "row 1: answer '2' is read as the choice '2', not as the index from 0 of '3'" in table.notices[0]
    assert len(table.notices) == 1
    table = own(tmp_path, "question,choices,answer\nq,B|A|C,A\nq,b|a,B\nq,1|2|3,2\nq,x|y,B\n")
    assert [row["answer"] for row in table.content.rows] == [1, 0, 1, 1]
    assert len(table.notices) == 3


def test_choices_that_are_read_otherwise_than_once_are_scored_anew_and_others_are_not(tmp_path):
    plain = declare(own(tmp_path, "question,choices,answer\nq,1|2|3,2\nq,x|y,B\n"))
    reread = declare(own(tmp_path, '{"question": "q", "choices": ["1", "2", "3"], "answer": 2}\n', "own.jsonl"))
    assert (plain.scorer, reread.scorer) == ("1", "2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question,answer,answer\nq,a,b\n", "column 'answer' appears 2 times in the header"),
        ("question,answer,Answer\nq,a,b\n", "line 2: column 'answer' appears twice"),
        ("question,answer\nq,a\n  ,b\n", "row 2: column 'question' is empty"),
        ("question,answer\nq,a\nq,\n", "row 2: column 'answer' is empty"),
        ("question,answers\nq,a|\n", "row 1: column 'answers' is empty"),
        ("question,choices,answer\nq,a|b|a,a\n", "row 1: column 'choices' holds 'a' 2 times"),
        ("question,answer\nq,a\0b\n", "row 1: column 'answer' holds a NUL character"),
        ("question,anwser\nq,a\n", "unknown column 'anwser'; did you mean answer"),
        ("questoin,answer\nq,a\n", "unknown column 'questoin'; did you mean question"),
        ("question,answer,chioces\nq,a,b\n", "unknown column 'chioces'; did you mean choices"),
        ("question,answer,answers\nq,a,b\n", "columns 'answers' and 'answer'; expected answer, or answers"),
        ('question,answer\nq,"a\nq,b\n', "line 2: unexpected end of data; close every quotation mark"),
        ("question,answer,,\nq,a,,b\n", "line 2: the row and the header have different numbers of fields"),
        ("question,,answer\nq,,a\nq,a,b\n", "line 3: column 2 holds 'a' and has no name"),
        (",question,answer\n0,q,a\n", "line 2: column 1 holds '0' and has no name; give it one"),
        ("question,answer\nq,a\n".encode("utf-16-le"), "every second byte is 0, as in UTF-16 without a byte order mark"),
        ("My table,\nquestion,answer\nq,a\n", r"different numbers of fields \(2 and 1: My table\)"),
        ("id,question,answer\n,q,a\n,q,b\n", "row 1: column 'id' is empty"),
        ("question,answer\n\u200b,b\n", "row 1: column 'question' is empty"),
        ("question,choices,answer\nq,x|y,2\n", r"nor the letter or \(from 0\) the index of one; they are 'x \| y'"),
        (b"question,answer\nq,a\nCaf\xe9?,b\n", "line 3: not UTF-8 .*0xE9; in Windows-1252 it would read 'Café.* save the file as UTF-8"),
        ("question,answer\n", "has no rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_row_and_column(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        own(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question": "q", "answer": true}\n', "row 1: column 'answer' is True; expected a text or a number"),
        ('{"question": "q", "answer": NaN}\n', "row 1: column 'answer' is nan"),
        ('{"question": "q", "answer": "a", "answer": "b"}\n', "line 1: not JSON .column 'answer' appears 2 times"),
        ('{"question": 5, "answer": "a"}\n', "row 1: column 'question' is 5; expected a text"),
        ('{"question": "q", "choices": ["a", true], "answer": "a"}\n', "column 'choices' is True"),
        (
            '{"question": "q", "answer": "a"}\n{"question": "q", "choices": ["a", "b"], "answer": "a"}',
            "row 2: a column 'choices', unlike row 1",
        ),
        ('{"question": "q \\ud800", "answer": "a"}', r"row 1: column 'question' holds half a character \(.ud800"),
        ('{"question": "q", "answer": "a", "topic": "\\udc00"}', "row 1: column 'topic' holds half a character"),
        ('{"question": "q", "answer": ["a", "b"]}', "several accepted ones go into a column answers"),
    ],
)
def test_what_is_wrong_in_json_is_named_too(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        own(tmp_path, content, "own.jsonl")


def test_rows_inside_one_object_are_found_and_named(tmp_path):
    with pytest.raises(DataError, match=r"one object with rows, n; expected the list of objects itself \(rows\)"):
        own(tmp_path, '{"rows": [\n{"question": "q", "answer": "a"}],\n"n": 1}', "own.json")


def test_commas_in_the_header_of_another_delimiter_do_not_hide_it(tmp_path):
    table = own(tmp_path, "question;answer;notes, remarks, more, and more\nq;1,5;n\n")
    assert table.content.rows[0]["answer"] == "1,5"
    assert table.metadata == ("notes, remarks, more, and more",)


def test_a_choice_is_found_however_unicode_composes_it(tmp_path):
    assert own(tmp_path, "question,choices,answer\nq,the|café,cafe\u0301\n").content.rows[0]["answer"] == 1


def test_columns_that_seem_to_be_choices_are_named(tmp_path):
    table = own(tmp_path, "question,A,B,answer\nq,x,y,B\nq,x,y,A\n")
    assert "each answer is the name of a column, such as 'B'" in table.notices[0]
    assert not own(tmp_path, "question,A,B,answer\nq,x,y,B\nq,x,y,x\n").notices


def test_a_file_that_is_no_table_of_text_is_refused_as_such(tmp_path):
    path = tmp_path / "own.xlsx"
    path.write_bytes(b"PK\3\4")
    with pytest.raises(
        DataError, match=r"own.xlsx is not one of .csv, .tsv, .json, .jsonl or .parquet; save or export it"
    ):
        llms.evaluate(ScriptedModel(), [], data=str(path))


def test_a_field_may_be_longer_than_a_csv_reader_takes_as_it_comes(tmp_path):
    assert len(own(tmp_path, f"question,answer\n{'x' * 200_000},a\n").content.rows[0]["question"]) == 200_000


@pytest.mark.parametrize(
    ("scorer", "answer", "message"),
    [
        ("regex", "a(", "not a regular expression"),
        ("regex", ".*", "matches every reply"),
        ("regex", "x|", "matches every reply"),
        ("numeric", "many", "holds no number; --scorer numeric compares one"),
        ("numeric", '"1,2,3"', r"holds 3 numbers \(1, 2, 3\)"),
        ("numeric", "5-10", r"holds 2 numbers \(5, 10\)"),
        ("exact", "\u200b", "of which nothing is seen"),
    ],
)
def test_an_answer_that_a_scorer_cannot_use_is_named_at_load(tmp_path, scorer, answer, message):
    table = own(tmp_path, f"question,answer\nq,{answer}\n")
    with pytest.raises(DataError, match=f"row 1: .*{message}"):
        declare(table, OpenScorer(scorer))


def test_ambiguous_numbers_are_named_at_load(tmp_path):
    table = own(tmp_path, 'question,answer\nq,"1,234"\nq,1.234\nq,12.34\nq,0.125\nq,"1,234.5"\n')
    (first, second), more = ambiguous(table, "numeric")
    assert more == 0
    assert "row 1: answer '1,234' is read as 1234, not as 1.234" in first
    assert "row 2: answer '1.234' is read as 1.234, not as 1234" in second
    assert ambiguous(table, "exact") == ([], 0)


def test_scores_are_grouped_by_a_column_of_metadata_and_the_run_stays_the_same(tmp_path, monkeypatch):
    rows = "".join(f"q{i},{i % 3 > 0},{'north' if i % 2 else ''},{i}\n" for i in range(12))
    (tmp_path / "own.csv").write_text("question,answer,region,n\n" + rows)
    system = ScriptedModel(lambda text: "True")
    monkeypatch.setattr("llms.workbench.evaluate.load", lambda name: system)
    plain = llms.evaluate(system, [], data=str(tmp_path / "own.csv")).reports["own"]
    said = told(tmp_path / "own.csv", "--by", "region", "--json")
    report = json.loads(said.stdout)
    assert len(system.requests) == 12, "grouping asks nothing again"
    assert report["run"] == plain.key.run
    groups = report["groups"]["region"]
    assert {value: scores["exact_match"]["n"] for value, scores in groups.items()} == {"(none)": 6, "north": 6}
    assert groups["north"]["exact_match"]["value"] == pytest.approx(4 / 6)
    assert groups["north"]["exact_match"]["low"] < 4 / 6 < groups["north"]["exact_match"]["high"]
    assert "by region" in told(tmp_path / "own.csv", "--by", "region").stdout
    assert "region = north" in report_page(report["run"], tmp_path)
    assert "no column 'rgion' to group by; its metadata: region, n" in str(told_error(tmp_path, "--by", "rgion"))


def report_page(run: str, folder) -> str:
    from llms.workbench.html_report import write_report

    return write_report(run, folder / "page.html").read_text()


def told_error(folder, *more: str):
    return told(folder / "own.csv", *more, status=1).exception


def test_a_prompt_stop_and_token_limit_of_ones_own_are_sent_and_part_of_the_run(tmp_path):
    (tmp_path / "own.csv").write_text("question,answer,hint\n1+1?,2,add\n")
    system, how = (
        ScriptedModel(lambda text: "2"),
        {"prompt": "{hint}\nQ: {question}\nA:", "stop": ["END"], "max_tokens": 7},
    )
    plain = llms.evaluate(system, [], data=str(tmp_path / "own.csv")).reports["own"]
    mine = llms.evaluate(system, [], data=str(tmp_path / "own.csv"), **how).reports["own"]
    chat = llms.evaluate(system, [], data=str(tmp_path / "own.csv"), chat_template=True, **how).reports["own"]
    assert [(r.prompt, r.stop, r.max_tokens) for r in system.requests] == [
        ("Question: 1+1?\nAnswer:", ("\n",), 64),
        ("add\nQ: 1+1?\nA:", ("END",), 7),
        ("<user>add\nQ: 1+1?\nA:", ("END",), 7),
    ]
    assert len({plain.key.run, mine.key.run, chat.key.run}) == 3
    assert of_version(mine.key.version) == (Asking(how["prompt"], ("END",), 7), "exact")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{answer}", r"asks for \{answer\}; expected fields of \{question\}, \{hint\}"),
        ("{qestion}", r"asks for \{qestion\}"),
        ("{question!r}", r"asks for \{question!r\}"),
        ("{}", "asks for"),
        ("{question", "is not a template"),
        ("What?", "has no field"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(tmp_path, prompt, message):
    table = own(tmp_path, "question,answer,hint\nq,a,h\n")
    with pytest.raises(UsageError, match=message):
        declare(table, asking=Asking(prompt=prompt))


def test_what_is_for_ones_own_file_is_refused_elsewhere(tmp_path):
    for name, value in (("prompt", "{question}"), ("stop", ["x"]), ("max_tokens", 3), ("by", ["x"])):
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is for a file of your own"):
            llms.evaluate(ScriptedModel(), ["gsm8k"], **{name: value})
    choices = own(tmp_path, "question,choices,answer\nq,a|b,a\n")
    with pytest.raises(UsageError, match="--stop and --max-tokens are for open answers"):
        declare(choices, asking=Asking(stop=("x",)))


def test_typed_escapes_mean_line_breaks_and_a_file_stands_as_it_is(tmp_path):
    assert template_of(r"Q: {question}\nA:\\n") == "Q: {question}\nA:\\n"
    (tmp_path / "prompt.txt").write_text("\\nabla {question}\n")
    assert template_of(f"@{tmp_path / 'prompt.txt'}") == "\\nabla {question}"


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_was_understood_is_said_before_anything_is_asked(tmp_path, monkeypatch, more):
    (tmp_path / "own.csv").write_text("Question;choices;answer;region\n[b]1+1?[/b];2|1|4;1;x\n")
    system = ScriptedModel(likelihood=lambda context, continuation: -1.0)
    for module in ("evaluate", "estimate"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", lambda name: system)
    said = told(tmp_path / "own.csv", *more).stderr
    for line in (
        "1 rows, CSV, fields separated by semicolons, UTF-8; metadata: region",
        "row 1, question: [b]1+1?[/b]",
        "    2\n  = 1\n    4\n",
        "row 1, sent (then each choice is scored):\n  Question: [b]1+1?[/b]\n  Answer:\n",
    ):
        assert line in said, line
    system = ScriptedModel(lambda text: "2")
    (tmp_path / "open.csv").write_text('question,answer\nq,"1,234"\n')
    said = told(tmp_path / "open.csv", "--scorer", "numeric", *more).stderr
    assert "; scored by numeric" in said
    assert "row 1, right: 1,234\n" in said
    assert "until '\\n'" in said
    assert "is read as 1234, not as 1.234" in said
