"""The command line as a user meets it: exit codes, one-line errors, JSON shapes."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from llms import settings
from llms.store.runs import Runs


def llms(*arguments: str, check: int | None = 0, cwd=None) -> subprocess.CompletedProcess:
    result = subprocess.run([sys.executable, "-m", "llms", *arguments], capture_output=True, text=True, cwd=cwd)
    if check is not None:
        assert result.returncode == check, result.stderr
    return result


def lines(*arguments: str) -> list[dict]:
    return [json.loads(line) for line in llms(*arguments, "--json").stdout.splitlines()]


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory):
    """A home in which the tiny model was run on two benchmarks, and its report lines."""
    home = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(home))
        found = lines("eval", f"hf:{tiny}", "-b", "arc_easy,gsm8k", "--limit", "6", "--workers", "1")
    return home, found


@pytest.fixture
def home(measured, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(measured[0]))
    return measured[0]


REPORT = {
    "run", "system", "benchmark", "version", "view", "shots", "draw", "chat_template", "system_prompt", "samples", "thinking",
    "sandbox", "data", "revision", "n", "available", "partial", "unparsed", "truncated", "refused", "failed", "failures", "cut", "thought",
    "thinking_tokens", "headline", "average", "chance", "scores", "subsets", "seconds", "tokens", "tokens_per_second",
    "peak_memory_bytes", "cost", "billed", "groups", "graded_from", "per_task",
}  # fmt: skip


def test_eval_prints_one_object_per_system_and_benchmark(measured):
    _, found = measured
    assert [row["benchmark"] for row in found] == ["arc_easy", "gsm8k"]
    for row in found:
        assert set(row) == REPORT
        assert row["n"] == 6
        assert row["partial"]
        for score in row["scores"].values():
            assert set(score) == {"value", "low", "high", "stderr", "n", "method", "clusters"}
            assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1


def test_leaderboard_lists_what_was_measured(home, measured):
    assert {row["run"] for row in lines("leaderboard")} == {row["run"] for row in measured[1]}
    assert set(lines("leaderboard")[0]) == REPORT | {"rank_low", "rank_high", "evidence"}
    text = llms("leaderboard").stdout
    assert "95 % interval" in text
    assert "* part of the data only" in text
    assert [row["benchmark"] for row in lines("leaderboard", "-b", "gsm8k")] == ["gsm8k"]


def test_samples_show_the_exact_prompt(home, measured):
    run = measured[1][0]["run"]
    rows = lines("samples", run)
    assert len(rows) == 6
    for row in rows:
        assert {"item", "subset", "status", "prompt", "logprob", "greedy", "extracted", "target", "scores", "seconds",
                "tokens"} == set(row)  # fmt: skip
        assert len(row["prompt"]) == len(row["logprob"]) == 4
        assert row["prompt"][0]["context"].count("Question:") == 6
    wrong = lines("samples", run, "--wrong")
    assert len(wrong) == sum(row["scores"]["acc_norm"] < 1 for row in rows)
    generated = lines("samples", measured[1][1]["run"])
    assert {"text", "prompt"} <= set(generated[0])
    text = llms("samples", run, "--item", rows[0]["item"]).stdout
    assert rows[0]["target"] in text
    assert "no item 'x/9'" in llms("samples", run, "--item", "x/9", check=2).stderr


def test_a_larger_limit_continues_the_run(home, tiny, measured):
    (row,) = lines("eval", f"hf:{tiny}", "-b", "arc_easy", "--limit", "8", "--workers", "1")
    assert row["run"] == measured[1][0]["run"]
    assert row["n"] == 8
    assert row["seconds"] > measured[1][0]["seconds"]


def test_runs_are_listed_exported_compared_and_deleted(home, tiny, tmp_path):
    (row,) = lines("eval", f"hf:{tiny}", "-b", "arc_easy", "--limit", "4", "--shots", "1", "--workers", "1")
    assert row["run"] in {run["run"] for run in lines("runs")}
    out = tmp_path / "items.jsonl"
    llms("runs", "export", row["run"], "-o", str(out))
    assert [json.loads(line)["item"] for line in out.read_text().splitlines()] == [
        item["item"] for item in lines("samples", row["run"])
    ]
    harness = json.loads(llms("runs", "export", row["run"], "--format", "lm-eval").stdout)
    assert harness["results"]["arc_easy"]["acc,none"] == row["scores"]["acc"]["value"]
    assert harness["n-shot"] == {"arc_easy": 1}
    other = next(
        run["run"] for run in lines("runs") if run["report"]["shots"] == 5 and run["report"]["benchmark"] == "arc_easy"
    )
    text = llms("runs", "diff", row["run"], other).stdout
    assert "shots: 1 -> 5" in text
    assert "the prompts differ" in text
    llms("runs", "delete", row["run"], "--yes")
    assert row["run"] not in {run["run"] for run in lines("runs")}


def test_a_dry_run_loads_nothing_and_says_what_would_be(home, tiny):
    (row,) = lines("eval", f"hf:{tiny}", "-b", "hellaswag", "--dry-run")
    assert row["items"] == 100
    assert row["tokens"] > 1000
    assert row["seconds"] > 0  # measured before
    assert "hellaswag" not in {report["benchmark"] for report in lines("leaderboard")}


def test_a_dry_run_of_the_embedded_model_does_not_convert_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "new"))
    done = llms("eval", "smollm2", "-b", "arc_easy,gsm8k", "--limit", "5", "--dry-run", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["items"], row["problem"], row["run"]) for row in rows] == [(5, None, None)] * 2
    assert all(row["tokens"] > 100 for row in rows)
    assert "not converted yet" in done.stderr
    assert "converting" not in done.stderr
    assert not list((tmp_path / "new").rglob("*.safetensors"))


def test_a_file_of_ones_own_is_a_benchmark(home, tiny, tmp_path):
    path = tmp_path / "capitals.csv"
    path.write_text("question,choices,answer\nCapital of Peru?,Lima|Quito,Lima\nCapital of Chad?,N'Djamena|Cairo,A\n")
    (row,) = lines("eval", f"hf:{tiny}", "--data", str(path), "--workers", "1")
    assert row["benchmark"] == "capitals"
    assert row["n"] == 2
    assert row["data"] == "file"
    path = tmp_path / "open.jsonl"
    path.write_text('{"question": "1+1?", "answer": "2"}\n')
    (row,) = lines("eval", f"hf:{tiny}", "--data", str(path), "--workers", "1")
    assert row["headline"] == "exact_match"


def test_chat_template_is_another_run(home, tiny, measured):
    (row,) = lines("eval", f"hf:{tiny}", "-b", "arc_easy", "--limit", "4", "--chat-template", "on", "--workers", "1")
    assert row["chat_template"]
    assert row["run"] != measured[1][0]["run"]
    context = lines("samples", row["run"])[0]["prompt"][0]["context"]
    assert context.startswith("<|user|>Question:")
    assert context.endswith("<|assistant|>")


@pytest.mark.slow
def test_long_prompts_are_cut_on_the_left_counted_and_said(tmp_path, monkeypatch):
    from tiny import save_checkpoint

    folder = save_checkpoint(tmp_path / "short", window=300)
    (row,) = lines("eval", f"hf:{folder}", "-b", "arc_easy", "--limit", "4", "--workers", "1")
    assert row["cut"] == 4
    assert row["n"] == 4
    assert "4 prompts were cut by" in llms("leaderboard").stdout
    strict = ("eval", f"hf:{folder}", "-b", "arc_easy", "--limit", "4", "--workers", "1", "--window", "strict")
    assert "none of 4 items fits the context window" in llms(*strict, check=2).stderr
    strict = (*strict, "--chat-template", "on")  # rendered prompts are not counted before
    row = json.loads(llms(*strict, "--json", check=1).stdout)
    assert row["failed"] == 4
    assert row["scores"] == {}
    failed = lines("samples", row["run"], "--failed")
    assert "longer than the context window" in failed[0]["reason"]
    assert "on arc_easy: 4 of 4 items failed: the prompt is " in llms(*strict, check=1).stderr


@pytest.mark.slow
def test_perplexity_of_a_text(tiny, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("The quick brown fox jumps over the lazy dog. " * 80)
    (row,) = lines("perplexity", f"hf:{tiny}", str(path))
    assert row["bytes"] == row["tokens"] == 45 * 80  # a token a byte
    assert row["windows"] == 2
    assert row["bits_per_byte"] > 0
    assert "cannot read" in llms("perplexity", f"hf:{tiny}", str(tmp_path / "none.txt"), check=1).stderr


def test_listings_print_json():
    assert {"name", "items", "chance", "metrics", "licence", "views"} <= set(lines("benchmarks")[0])
    assert "smollm2" in [model["name"] for model in lines("models")]
    assert lines("runs") == []
    assert "nothing is measured yet" in llms("leaderboard").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["evl"], 2, "no such command 'evl'; did you mean eval?"),
        (["eval", "smolm2"], 2, "unknown model 'smolm2'; did you mean smollm2?"),
        (["eval", "smollm2", "-b", "helaswag"], 2, "unknown benchmark 'helaswag'; did you mean hellaswag?"),
        (["eval", "smollm2", "-b", ""], 2, "it names no benchmark"),
        (["eval", "smollm2", "--view", "v9"], 2, "unknown view 'v9'"),
        (["eval", "smollm2", "-b", "arc_easy", "--view", "v1"], 2, "arc_easy is not part of the view v1"),
        (["eval", "smollm2", "--limt", "5"], 2, "--limit"),
        (["eval", "smollm2", "--limit", "0"], 2, "0 is not in the range"),
        (["eval", "smollm2?dtyp=float32"], 2, "did you mean dtype?"),
        (["eval", "smollm2?dtype=float23"], 2, "did you mean float32"),
        (["eval", "smollm2?device=gpu"], 2, "unknown value of device 'gpu'; did you mean cpu?"),
        (["eval"], 2, "Missing argument"),
        (["eval", "hf:./nowhere", "-b", "arc_easy"], 1, "the checkpoint folder ./nowhere does not exist"),
        (["eval", "smollm2", "-b", "arc_easy", "--data", "nowhere"], 1, "the data folder nowhere does not exist"),
        (["eval", "smollm2", "-b", "arc_easy", "--data", "rows.csv"], 1, "the data file rows.csv does not exist"),
        (["samples", "abc"], 2, "nothing is stored"),
        (["leaderboard", "-b", "arc_easy"], 2, "unknown measured benchmark"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_to_do(arguments, status, message, tmp_path):
    result = llms(*arguments, check=status, cwd=tmp_path)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_a_view_that_needs_more_shots_than_there_are_says_so(tiny):
    result = llms("eval", f"hf:{tiny}", "-b", "arc_challenge", "--view", "v1", check=2)
    assert "needs 25 few-shot examples; the data holds 10. Use --shots 10" in result.stderr


def test_a_corrupt_row_stops_before_anything_is_loaded(tiny, tmp_path):
    folder = tmp_path / "arc" / "ARC-Easy"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text('{"question": "q"}\n')
    result = llms("eval", f"hf:{tiny}", "-b", "arc_easy", "--data", str(tmp_path), check=1)
    assert "test.jsonl, line 1: no column 'choices'" in result.stderr


ROW = {"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"}


@pytest.mark.parametrize(
    ("split", "rows", "place"),
    [
        ("test", [ROW, {**ROW, "answerKey": "Z"}], "test.jsonl, line 3: not a row of arc_easy"),
        ("test", [{**ROW, "choices": {"text": ["a", "b"]}}], "test.jsonl, line 2: not a row of arc_easy"),
        ("train", [ROW, {**ROW, "answerKey": "Z"}], "train.jsonl, line 3: not a row of arc_easy"),
    ],
)
def test_a_row_without_an_answer_is_named_before_anything_is_loaded(tmp_path, split, rows, place):
    folder = tmp_path / "arc" / "ARC-Easy"
    folder.mkdir(parents=True)
    for name in ("test", "train"):
        given = rows if name == split else [ROW, ROW]
        (folder / f"{name}.jsonl").write_text("\n" + "".join(json.dumps(row) + "\n" for row in given))
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 64}')
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    result = llms(
        "eval",
        f"hf:{tmp_path}",
        "-b",
        "arc_easy",
        "--shots",
        "2",
        "--shot-draw",
        "fixed",
        "--data",
        str(tmp_path),
        check=1,
    )
    assert place in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_home_that_cannot_be_written_is_named(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "file" / "home"))
    result = llms("leaderboard", check=1)
    assert "set LLMS_HOME to another folder" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["runs"], ["leaderboard", "--json"], ["chats"], ["memory"]])
def test_a_store_of_a_newer_version_is_read_with_a_word_about_it(tmp_path, monkeypatch, command):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    Runs(settings.database()).close()
    with sqlite3.connect(settings.database()) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    result = llms(*command)
    assert result.stderr.count("has schema 999") == result.stderr.count("\n") == 1
    result = llms("memory", "add", "I like tea", check=1)
    assert result.stderr.count("has schema 999") == result.stderr.count("\n") == 1


def test_a_page_for_a_folder_that_is_not_there_is_one_line(home, tmp_path):
    result = llms("leaderboard", "--html", str(tmp_path / "nowhere" / "board.html"), check=1)
    assert "board.html: No such file or directory. Choose a folder that exists" in result.stderr
    assert result.stderr.count("\n") == 1


def test_output_into_a_closed_pipe_is_no_error(home):
    arguments = [sys.executable, "-m", "llms", "samples", "last", "--full"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    process.stdout.close()
    _, err = process.communicate()
    assert b"Traceback" not in err


def test_python_api(home, tiny, tmp_path):
    import llms as package

    with package.load(f"hf:{tiny}") as model:
        report = package.evaluate(model, ["arc_easy"], limit=3)
        scores = model.loglikelihood([("Question: 1 + 1?\nAnswer:", " 2"), ("Question: 1 + 1?\nAnswer:", " 3")])
        (made,) = model.generate(["abc"], max_tokens=5)
        assert model.count_tokens("abc") == 3
        assert model.count_tokens([package.Message("user", "abc")]) > 3
        assert model.context_window == 2048
    assert set(report.scores["arc_easy"]) == {"acc", "acc_norm"}
    assert len(report.outcomes["arc_easy"]) >= 3
    assert scores[0].tokens == 2
    assert made.tokens <= 5
    page = Path(tmp_path / "report.html")
    report.save(page)
    text = page.read_text()
    assert "arc_easy" in text
    assert "<script" not in text


def test_half_a_character_in_an_older_run_stops_no_listing():
    """It is written out as JSON has it; whole characters stand for themselves."""
    program = """
import sys
from llms.cli import main, output
main.cli.main = lambda **how: output.print_json([{"a": "é \\ud800"}])
main.main()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, env={**os.environ, "PYTHONUTF8": "1"})
    assert (result.stdout, result.stderr) == (rb'{"a": "%s \ud800"}' % "é".encode() + b"\n", b"")
