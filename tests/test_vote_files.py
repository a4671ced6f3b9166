"""Files of votes: the spellings that are read, and rows that are none, named by line and value."""

import json

import pytest
from click.testing import CliRunner

from llms.arena.battle import Battle, Style
from llms.arena.vote_files import read_votes
from llms.cli.arena_rate import rate
from llms.errors import DataError, UsageError

VOTES = "model_a,model_b,winner,judge,prompt\na,b,a,j1,p1\nb,a,tie,j2,p1\na,b,b,j1,p2\nb,a,both_bad,j2,p2\n"


def written(tmp_path, text, name="votes.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_json_lines_say_the_same(tmp_path):
    csv = read_votes(written(tmp_path, VOTES))
    header, *rows = [line.split(",") for line in VOTES.splitlines()]
    lines = "\n".join(json.dumps(dict(zip(header, row, strict=True))) for row in rows)
    assert read_votes(written(tmp_path, lines, "votes.jsonl")) == csv
    assert read_votes(written(tmp_path, "[" + lines.replace("\n", ",") + "]", "votes.json")) == csv
    assert csv[1] == Battle("b", "a", "tie", judge="j2", prompt="p1")


@pytest.mark.parametrize(
    ("word", "winner"),
    [("model_a", "a"), ("left", "a"), ("MODEL_B", "b"), ("right", "b"), ("tie", "tie"), ("tie (bothbad)", "both_bad")],
)
def test_other_spellings_of_the_winner(tmp_path, word, winner):
    assert read_votes(written(tmp_path, f"model_a,model_b,winner\nx,y,{word}\n"))[0].winner == winner


def test_left_and_right_may_hold_the_models_and_worker_the_judge(tmp_path):
    text = "id,prompt,model_x,model_y,worker,winner,left,right\n0,8,97,98,58,right,Airoboros,Weaver\n"
    assert read_votes(written(tmp_path, text)) == [Battle("Airoboros", "Weaver", "b", judge="58", prompt="8", id="0")]


def test_fastchats_own_facts_are_read(tmp_path):
    row = {
        "model_a": "x", "model_b": "y", "winner": "model_b", "judge": "arena_user_1", "anony": False,
        "tstamp": 1687000000.5, "question_id": "q1", "tokens_a": 10, "tokens_b": 20, "bolds_b": 3,
    }  # fmt: skip
    (battle,) = read_votes(written(tmp_path, json.dumps(row), "votes.jsonl"))
    assert not battle.anonymous
    assert battle.created.startswith("2023-06-17T")
    assert battle.style_a == Style(10)
    assert battle.style_b == Style(20, bolds=3)


def test_a_column_of_verdicts_is_named_by_judge(tmp_path):
    path = written(tmp_path, "model_a,model_b,human1,gpt_judge\nx,y,model_a,tie\nx,y,model_b,invalid\n")
    assert [b.winner for b in read_votes(path, "human1")] == ["a", "b"]
    machine = read_votes(path, "gpt_judge")
    assert [(b.judge_kind, b.problem) for b in machine] == [("model", ""), ("model", "verdict could not be read")]
    with pytest.raises(UsageError, match="human1, gpt_judge; name one of them: --judge human1"):
        read_votes(path)


def test_judge_picks_the_votes_of_one(tmp_path):
    path = written(tmp_path, VOTES)
    assert [b.prompt for b in read_votes(path, "j2")] == ["p1", "p2"]
    with pytest.raises(UsageError, match="no votes of the judge 'j3'"):
        read_votes(path, "j3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_a,model_b,winner\nx,y,a\nx,y,draw\n", r"line 3: winner is 'draw'; expected a, b, tie or both_bad"),
        ("model_a,model_b,winner\nx,,a\n", r"line 2: no model_b .*expected the name of a model"),
        ("model_a,model_b,winner\nx,y\n", r"line 2: fewer cells than the header's 3 columns"),
        ("model_a,model_b,winner\nx,y,a,1\n", r"line 2: more cells than the header's 3 columns"),
        ("one,two\n1,2\n", r"columns one, two; expected model_a, model_b and winner"),
        ("model_a,model_b,winner\n", r"has no votes"),
        ("", r"has no votes"),
        (
            "model_a,model_b,winner,tokens_a,tokens_b\nx,y,a,-1,2\n",
            r"line 2: tokens_a is '-1'; expected a whole number",
        ),
        ("model_a,model_b,winner,anonymous\nx,y,a,perhaps\n", r"anonymous is 'perhaps'; expected true or false"),
        ("model_a,model_b,winner,judge_kind\nx,y,a,cat\n", r"judge_kind is 'cat'; expected human or model"),
    ],
)
def test_a_bad_row_is_named_by_line_and_value(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_votes(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_a": "x", "model_b": "y", "winner": "a"}\n{oops\n', r"line 2: '\{oops' is not JSON"),
        ('{"model_a": "x", "model_b": "y", "winner": "a"}\n[1]\n', r"line 2: '\[1\]' is no vote"),
        ('{"data": [[0, 0]]}', r"item 1 of data: \[0, 0\]; expected \[winner, loser\]"),
    ],
)
def test_bad_json_is_named_too(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_votes(written(tmp_path, text, "votes.jsonl"))


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read_votes(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_votes(tmp_path / "bytes.csv")


RING = "model_a,model_b,winner,judge\n" + "".join(
    f"{a},{b},{w},j{i % 3}\n"
    for i, (a, b, w) in enumerate(
        [("x", "y", "a"), ("y", "z", "a"), ("z", "x", "a"), ("x", "z", "tie"), ("y", "x", "b")] * 4
    )
)
KEYS = [
    "model", "rating", "low", "high", "stderr", "battles", "method", "component", "rank_low", "rank_high", "unbounded",
]  # fmt: skip


def test_the_command_prints_one_object_per_model(tmp_path):
    result = CliRunner().invoke(rate, [str(written(tmp_path, RING)), "--json"], catch_exceptions=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(row) for row in rows] == [KEYS] * 3
    assert rows[0]["model"] == "x"
    assert [row["battles"] for row in rows] == [16, 12, 12]
    assert rows[0]["low"] < rows[0]["rating"] < rows[0]["high"]
    assert rows[0]["method"].startswith("Bradley-Terry, ties as half a win, sandwich")


def test_json_has_null_and_a_note_where_nothing_bounds_a_rating(tmp_path):
    path = written(tmp_path, RING + "star,x,a,j0\n")
    result = CliRunner().invoke(rate, [str(path), "--json"], catch_exceptions=False)
    first = json.loads(result.stdout.splitlines()[0])
    assert (first["model"], first["rating"], first["unbounded"]) == ("star", None, "above")
    assert "star: never lost or tied" in result.stderr


def test_the_table_draws_intervals_and_tells_what_was_left_out(tmp_path):
    path = written(tmp_path, RING + "x,x,a,j0\n")
    text = CliRunner().invoke(rate, [str(path), "--anchor", "y=1200"], catch_exceptions=False).stdout
    assert "20 votes · 3 models · Bradley-Terry" in text
    assert "●" in text
    assert "1200 – 1200" in text
    assert "left out: 1 × self-battle" in text


def test_matrix_and_history(tmp_path):
    path = str(written(tmp_path, RING))
    matrix = CliRunner().invoke(rate, [path, "--matrix"], catch_exceptions=False).stdout
    assert "100% 8" in matrix  # x won all eight votes against y
    assert "75% 8" in matrix  # z won four against x, and four were ties
    history = CliRunner().invoke(rate, [path, "--history", "--json"], catch_exceptions=False).stdout
    rows = [json.loads(line) for line in history.splitlines()]
    assert {row["model"] for row in rows} == {"x", "y", "z"}
    assert all(row["elo"][0] == 1000 and row["votes"][-1] == 20 for row in rows)
    assert "▁" in CliRunner().invoke(rate, [path, "--history"], catch_exceptions=False).stdout


@pytest.mark.parametrize("text", ["x", "=1200", "x=high"])
def test_an_anchor_is_a_model_and_a_rating(tmp_path, text):
    result = CliRunner().invoke(rate, [str(written(tmp_path, RING)), "--anchor", text])
    assert result.exit_code == 2
    assert "expected MODEL=RATING" in result.stderr


def test_without_a_file_the_stored_votes_are_rated(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    result = CliRunner().invoke(rate, ["--json"])
    assert isinstance(result.exception, UsageError)
    assert "no votes are stored; vote first" in str(result.exception)


@pytest.mark.parametrize(("name", "text"), [
    ("votes.jsonl", '{"model_a": "a", "model_b": "b", "winner": "a", "prompt": "x\u2028y"}\n' * 2),
    ("votes.csv", "model_a,model_b,winner,prompt\na,b,a,x\u2028y\n" * 1 + "a,b,a,x\u2028y\n"),
])  # fmt: skip
def test_a_line_separator_within_a_prompt_ends_no_row(tmp_path, name, text):
    assert [vote.prompt for vote in read_votes(written(tmp_path, text, name))] == ["x\u2028y"] * 2


def test_json_that_is_nested_too_deeply_is_refused(tmp_path):
    with pytest.raises(DataError, match="nested too deeply"):
        read_votes(written(tmp_path, "[" * 100_000, "votes.json"))
