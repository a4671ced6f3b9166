"""`llms arena`: votes in the terminal, files of votes in and out, what is listed and taken back."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from llms import settings
from llms.cli.main import cli
from llms.errors import UnknownName, UsageError
from llms.store.battles import Battles
from llms.testing import ScriptedEndpoint
from llms.testing.endpoint import last_message
from llms.values import Identity
from llms.workbench.arena.battles import Contender, answered, begin, stored, vote
from shared import ARENA, needs_arena
from terminal import terminal

VOTES = """model_a,model_b,winner,judge,prompt
x,y,a,1,p
x,y,tie,2,p
y,z,b,1,q
z,x,tie (bothbad),2,q
"""


def llms(*arguments):
    return CliRunner().invoke(cli, ["arena", *map(str, arguments)])


def fought(**texts):
    battle = begin(
        "Where does the sun rise?", [Contender(name, Identity(name, f"w {name}")) for name in ("one", "two")]
    )
    for side, text in texts.items():
        answered(battle.id, side, text)
    return battle


@pytest.fixture
def votes(tmp_path):
    path = tmp_path / "crowd.csv"
    path.write_text(VOTES)
    return path


def test_a_file_of_votes_is_taken_in_once_and_taken_back(votes):
    assert "nothing is stored" in llms("import", votes, "--dry-run").stdout
    assert stored() == []
    assert "4 votes (1 a, 1 tie, 1 b, 1 both_bad) on 3 models, 2 judges, 2 prompts" in llms("import", votes).stdout
    assert "stored before, as crowd" in llms("import", votes, "--source", "again").stdout
    assert [(v.model_a, v.winner, v.judge, v.prompt) for v in stored()] == [
        ("x", "a", "crowd:1", "crowd:p"), ("x", "tie", "crowd:2", "crowd:p"), ("y", "b", "crowd:1", "crowd:q"),
        ("z", "both_bad", "crowd:2", "crowd:q"),
    ]  # fmt: skip
    assert "removed 4 battles" in llms("rm", "crowd", "--yes").stdout
    assert stored() == []
    assert "stored as crowd" in llms("import", votes).stdout


def test_another_file_does_not_join_a_source(votes, tmp_path):
    llms("import", votes)
    other = tmp_path / "other.csv"
    other.write_text(VOTES.replace("x", "w"))
    assert isinstance(llms("import", other, "--source", "crowd").exception, UsageError)
    assert isinstance(llms("import", other, "--source", "vote").exception, UsageError)
    assert len(stored()) == 4


def test_an_unknown_winner_names_its_line_and_stores_nothing(votes):
    votes.write_text(VOTES.replace("tie,2", "perhaps,2"))
    assert "line 3" in str(llms("import", votes).exception)
    assert stored() == []


def test_exported_votes_are_what_is_read_back(votes, tmp_path):
    llms("import", votes)
    vote(fought(a="# In the **east**.", b="I am two, in the east.").id, "a")
    for name in ("out.csv", "out.jsonl"):
        out = tmp_path / name
        assert f"wrote 5 votes to {out}" in llms("export", out).stdout
        with Battles(settings.database()) as store:
            store.delete(*[battle.id for battle in store.all()])
            before = [battle.id for battle in store.all()]
        assert before == []
        llms("import", out, "--source", name.replace(".", "-"))
        again = stored()
        assert [v.winner for v in again] == ["a", "tie", "b", "both_bad", "a"]
        assert (again[-1].style_a.headers, again[-1].style_a.bolds, again[0].style_a) == (1, 1, None)
    rows = list(csv.DictReader(io.StringIO(llms("export", "--source", "out-jsonl").stdout)))
    assert [row["anonymous"] for row in rows] == ["true"] * 5


@needs_arena
def test_a_public_file_keeps_its_pairs_judges_and_prompts():
    result = llms("import", ARENA / "llmfao/crowd-comparisons.csv")
    assert "8,931 votes" in result.stdout
    assert "on 59 models, 124 judges, 13 prompts" in result.stdout
    back = stored()
    assert len(back) == 8931
    assert len({v.id for v in back}) < 8931 / 2  # votes on the same pair of answers are of one battle
    assert sum(v.winner == "tie" for v in back) / len(back) == pytest.approx(0.388646, abs=1e-6)


def test_lists_and_one_battle_are_json_of_the_documented_shape(votes):
    battle = fought(a="In the *east*.", b="")
    vote(battle.id, "b")
    llms("import", votes)
    rows = [json.loads(line) for line in llms("list", "--json").stdout.splitlines()]
    assert len(rows) == 5
    assert rows[0].keys() == {
        "battle", "created", "source", "question", "prompt", "model_a", "model_b", "votes", "problem",
    }  # fmt: skip
    assert rows[0]["problem"] == "an answer was empty"
    assert [(v["judge"], v["winner"], v["anonymous"]) for v in rows[0]["votes"]] == [("user", "b", True)]
    one = json.loads(llms("show", battle.id[:7], "--json").stdout)
    assert (one["a"]["text"], one["b"]["characters"]) == ("In the *east*.", 0)
    shown = llms("list").stdout
    assert "crowd: 4 battles, 4 votes" in shown
    assert "an answer was empty" in shown
    assert "votes on it do not count" in llms("show", battle.id).stdout
    assert len(llms("list", "--source", "crowd", "--limit", "2", "--json").stdout.splitlines()) == 2


def test_the_last_vote_is_taken_back():
    vote(fought(a="x", b="y").id, "a")
    assert "took back: a on" in llms("undo").stdout
    assert "no vote" in llms("undo").stdout
    assert stored() == []


def test_what_is_not_there_is_said():
    assert "no battle is stored" in llms("list").stdout
    assert isinstance(llms("show", "last").exception, UsageError)
    assert isinstance(llms("rm", "crowd", "--yes").exception, UsageError)
    assert isinstance(llms("export").exception, UsageError)
    assert isinstance(llms("judge", "--judge", "http://127.0.0.1:9/v1#m").exception, UsageError)
    fought(a="x", b="y")
    assert isinstance(llms("rm", "crowd", "--yes").exception, UnknownName)
    assert isinstance(llms("vote", "--stored", "nothing").exception, UsageError)
    assert "did you mean vote" in llms("vot").output


@pytest.mark.parametrize("models", [(), ("smollm2",), ("smollm2", "smollm2")])
def test_a_vote_needs_two_models(models):
    result = llms("vote", *[word for model in models for word in ("-m", model)], "hello")
    assert isinstance(result.exception, UsageError)


@pytest.mark.parametrize("command", ["vote", "run", "list"])
def test_help_loads_no_heavy_library(command):
    script = (
        "import sys; from llms.cli.main import cli\n"
        f"try: cli.main(['arena', '{command}', '--help'], standalone_mode=False)\n"
        "finally: print([m for m in ('torch', 'pydantic_ai', 'fastapi', 'numpy', 'httpx2') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def reply(body):
    return f"**{body['model'][::-1]}** says {len(body.get('messages', []))} to {last_message(body)}"


@pytest.fixture(scope="module")
def server():
    with ScriptedEndpoint(reply, models=("alpha", "beta"), window=None) as server:
        yield server


def press(shown, key):
    shown.read(1)  # what is typed before a key is waited for is dropped
    shown.type(key)


@pytest.mark.slow
def test_votes_in_the_terminal_are_blind_kept_and_taken_back(server, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("first\nsecond\nthird\n")
    alpha, beta = (f"{server.url}#{name}" for name in ("alpha", "beta"))
    with terminal("arena", "vote", "-m", alpha, "-m", beta, "--prompts", str(prompts)) as shown:
        at = shown.wait_for("quit: ")
        assert alpha not in shown.text
        assert beta not in shown.text
        assert "ahpla" in shown.text
        press(shown, "f")
        shown.wait_for("to both: ", at)
        shown.type("and then?\n")
        at = shown.wait_for("quit: ", at)
        assert "3 to" in shown.text
        press(shown, "1")
        at = shown.wait_for("quit: ", shown.wait_for(re.escape(alpha), at))
        (first,) = stored()
        assert (first.winner, first.anonymous) == ("a", True)
        press(shown, "u")
        at = shown.wait_for("not blind", at)
        at = shown.wait_for("quit: ", at)
        press(shown, "t")
        at = shown.wait_for("back to:", at)
        at = shown.wait_for("quit: ", at)
        press(shown, "b")
        at = shown.wait_for("quit: ", at)
        shown.interrupt()
        assert shown.end() == 130
    assert sorted((v.winner, v.anonymous) for v in stored()) == [("both_bad", True), ("tie", False)]
    with Battles(settings.database()) as store:
        battles = store.all()
    assert sorted(battle.question for battle in battles) == ["first\n\nand then?", "second"]  # the third got no vote
    assert all(answer.text and answer.tokens for battle in battles for answer in battle.answers)


@pytest.mark.slow
def test_stored_answers_are_voted_on_without_asking_a_model(server):
    battle = fought(a="In the east.", b="In the west.")
    with terminal("arena", "vote", "--stored", "vote") as shown:
        shown.wait_for("quit: ")
        assert "one" not in shown.text.split("1 or 2")[0].replace("none", "")
        press(shown, "2")
        shown.wait_for("2: two")
        assert shown.end() == 0
    assert [(v.id, v.winner) for v in stored()] == [(battle.id, "b")]
