"""Prompts that systems answer, and models that judge: stored as it comes, nothing asked twice, failures never votes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import contextmanager
from decimal import Decimal

import pytest
from click.testing import CliRunner

from llms import settings
from llms.arena.battle import Battle
from llms.arena.verdict import judge_prompt, verdict
from llms.cli.main import cli
from llms.errors import BudgetExceeded, UsageError
from llms.store.battles import Battles
from llms.testing import ScriptedEndpoint
from llms.testing.endpoint import last_message
from llms.workbench.arena.battles import stored, vote
from llms.workbench.arena.judging import judge_reports
from llms.workbench.arena.prompts import read_prompts
from llms.workbench.arena.run import ArenaRun, run

PROMPTS = [f"Question {n}?" for n in range(4)]


def reply(body):
    """`good` and `bad` answer, `fair` judges by what it reads, `first` by the position alone, `vague` cannot decide."""
    text = last_message(body)
    answers = {"good": f"well, {text}", "bad": f"no, {text}", "empty": "", "gpt-named": "I am GPT-named."}
    if body["model"] in answers:
        return answers[body["model"]]
    first = text.find("well,") < text.find("no,")
    judgements = {"fair": f"Verdict: {1 if first else 2}", "first": "Verdict: 1", "vague": "Verdict: 1 or 2?"}
    return judgements[body["model"]]


class FaultsOfAnswers(deque):
    """Faults that only questions meet, not how an endpoint is probed."""

    def __bool__(self):
        return len(self) > 0 and self.server.requests[-1][0].endswith("/chat/completions")


@contextmanager
def endpoint(answer=reply, **how):
    models = ("good", "bad", "empty", "gpt-named", "fair", "first", "vague")
    with ScriptedEndpoint(answer, models=models, **how) as server:
        server.faults = FaultsOfAnswers()
        server.faults.server = server
        yield server


@pytest.fixture(scope="module")
def shared():
    with endpoint() as server:
        yield server


@pytest.fixture
def server(shared):
    shared.requests.clear()
    shared.faults.clear()
    return shared


def plan(server, systems=("good", "bad"), judges=(), prompts=PROMPTS, **changes):
    return ArenaRun(
        prompts, [f"{server.url}#{one}" for one in systems], [f"{server.url}#{one}" for one in judges], **changes
    )


def asked(server):
    """(model, prompt) of what was asked; how an endpoint is probed does not count."""
    return [(body["model"], last_message(body)) for path, body in server.posts if path.endswith("/chat/completions")]


def battles():
    with Battles(settings.database()) as store:
        return store.all()


def test_each_system_answers_each_prompt_once_and_both_orders_are_judged(server):
    list(run(plan(server, judges=("fair", "first"))))
    requests = asked(server)
    assert len(requests) == len(set(requests)) == 2 * 4 + 2 * 2 * 4
    votes = stored()
    good = f"{server.url}#good"
    won = {
        (v.judge.rpartition("#")[2], v.winner if v.winner == "tie" else [v.model_b, v.model_a][v.winner == "a"])
        for v in votes
    }
    assert won == {("fair", good), ("first", "tie")}
    assert {v.judge_kind for v in votes} == {"model"}
    fair, first = judge_reports(battles())
    assert (fair.votes, fair.flips, fair.both, fair.first, fair.decisive) == (4, 0, 4, 4, 8)
    assert (first.votes, first.flips, first.both, first.first, first.decisive) == (4, 4, 4, 8, 8)


def test_the_same_command_asks_nothing_twice_and_more_of_it_asks_only_that(server):
    list(run(plan(server, judges=("fair",))))
    before = len(asked(server))
    list(run(plan(server, judges=("fair",))))
    assert len(asked(server)) == before
    list(run(plan(server, systems=("good", "bad", "gpt-named"), prompts=[*PROMPTS, "Question 9?"])))
    assert sorted(model for model, _ in asked(server)[before:]) == ["bad", *["good"], *["gpt-named"] * 5]
    assert len(battles()) == 3 * 5


def test_with_three_systems_an_answer_is_reused_in_every_battle(server):
    list(run(plan(server, systems=("good", "bad", "empty"))))
    assert len(asked(server)) == 3 * 4
    texts = {answer.text for b in battles() for name, answer in zip(b.models, b.answers, strict=True) if "good" in name}
    assert texts == {f"well, {prompt}" for prompt in PROMPTS}


def test_so_many_pairs_are_spent_where_a_vote_says_most(server):
    list(run(plan(server, systems=("good", "bad", "empty"), prompts=[f"p{n}" for n in range(20)], battles=7)))
    assert len(battles()) == 7
    pairs = {frozenset(b.models) for b in battles()}
    assert len(pairs) > 1
    list(run(plan(server, systems=("good", "bad", "empty"), prompts=[f"p{n}" for n in range(20)], battles=9)))
    assert len(battles()) == 9


def test_which_answer_is_shown_first_differs_between_prompts(server):
    list(run(plan(server, prompts=[f"p{n}" for n in range(16)])))
    assert len({b.model_a for b in battles()}) == 2


def test_an_answer_that_failed_is_no_answer_and_is_asked_again_only_if_wanted(server):
    server.faults.extend([{"status": 400, "message": "no luck"}])
    list(run(plan(server, judges=("fair",), prompts=PROMPTS[:2])))
    failed = [b for b in battles() if any(a.error for a in b.answers)]
    assert len(failed) == 1
    assert [(v.id == failed[0].id) for v in stored()] == [False]  # not even judged
    vote(failed[0].id, "a")
    assert [v.problem for v in stored() if v.id == failed[0].id] == ["an answer was an error"]
    before = len(asked(server))
    list(run(plan(server, judges=("fair",), prompts=PROMPTS[:2])))
    assert len(asked(server)) == before
    list(run(plan(server, judges=("fair",), prompts=PROMPTS[:2], retry_failed=True)))
    assert len(asked(server)) == before + 1 + 2
    assert {v.problem for v in stored()} == {""}


def test_a_cut_an_empty_and_a_named_answer_are_not_judged(server):
    list(run(plan(server, systems=("good", "bad", "empty", "gpt-named"), judges=("fair",), prompts=PROMPTS[:1])))
    assert {frozenset(n.rpartition("#")[2] for n in b.models) for b in battles() if b.votes} == {
        frozenset(("good", "bad"))
    }
    list(run(plan(server, judges=("fair",), prompts=PROMPTS[:1], source="short", max_tokens=1)))
    assert stored("short") == []


def test_a_judge_that_cannot_be_read_or_fails_gives_no_vote(server):
    list(run(plan(server, judges=("vague",), prompts=PROMPTS[:2])))
    assert stored() == []
    (report,) = judge_reports(battles())
    assert (report.votes, report.failed, report.both) == (0, 2, 0)
    before = len(asked(server))
    list(run(plan(server, judges=("vague",), prompts=PROMPTS[:2])))
    assert len(asked(server)) == before
    server.faults.append({"status": 400, "message": "no luck"})
    list(run(plan(server, judges=("fair",), prompts=PROMPTS[:2])))
    reports = {one.judge.rpartition("#")[2]: one for one in judge_reports(battles())}
    assert (reports["fair"].votes, reports["fair"].failed) == (1, 1)
    list(run(plan(server, judges=("fair",), prompts=PROMPTS[:2], retry_failed=True)))
    assert len(stored()) == 2


def test_agreement_with_people_is_on_the_same_battles(server):
    list(run(plan(server, judges=("fair", "first"))))
    rows = battles()
    for battle, winner in zip(rows, ("good", "good", "bad"), strict=False):
        vote(battle.id, "a" if battle.model_a.endswith(winner) else "b")
    fair, first = judge_reports(battles())
    assert (fair.common, fair.agreement) == (3, pytest.approx(2 / 3))
    assert (first.common, first.agreement) == (3, 0)


@pytest.mark.parametrize("systems", [("good",), ("good", "good"), ()])
def test_one_system_is_refused_before_anything_is_asked(server, systems):
    with pytest.raises(UsageError, match="two systems"):
        list(run(plan(server, systems=systems)))
    assert asked(server) == []


def test_a_budget_ends_the_run_and_keeps_what_was_answered(server):
    with pytest.raises(BudgetExceeded):
        list(run(plan(server, budget=Decimal("0.000018"), price="0.1/0.1", max_tokens=100)))
    answered = [a for b in battles() for a in b.answers if a]
    assert answered
    before = len(asked(server))
    list(run(plan(server, max_tokens=100)))
    assert len(asked(server)) == before + 8 - len(answered)


RUN = "import sys; from llms.cli.main import main; main()"


def test_a_killed_run_continues_and_asks_nothing_twice(tmp_path):
    reached, prompts = threading.Event(), tmp_path / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS))

    def slow(body):
        if len(asked(server)) >= 12 and not reached.is_set():
            reached.set()
            threading.Event().wait(0.5)
        return reply(body)

    with endpoint(slow) as server:
        names = [f"{server.url}#{one}" for one in ("good", "bad", "fair")]
        command = [
            sys.executable,
            "-c",
            RUN,
            "arena",
            "run",
            str(prompts),
            "-m",
            names[0],
            "-m",
            names[1],
            "--judge",
            names[2],
        ]
        process = subprocess.Popen(
            command, env={**os.environ, "LLMS_HOME": str(settings.home())}, stdout=subprocess.PIPE
        )
        assert reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        done = sum(a is not None for b in battles() for a in b.answers) + sum(
            len(replies) for b in battles() for replies in b.replies.values()
        )
        before = len(asked(server))
        list(run(ArenaRun(PROMPTS, names[:2], names[2:], "prompts")))
        assert len(asked(server)) == before + 16 - done
        assert len(stored()) == 4


@pytest.mark.parametrize(
    ("name", "text", "column", "prompts"),
    [
        ("p.txt", "one\n\n two \none\n", None, ["one", "two"]),
        ("p.csv", 'prompt,x\n"one, two",1\nthree,2\n', None, ["one, two", "three"]),
        ("p.csv", "q,x\none,1\n", "q", ["one"]),
        ("p.jsonl", '{"prompt": "one"}\n{"prompt": "two\\nlines"}\n', None, ["one", "two\nlines"]),
        ("p.tsv", "question\tx\none\t1\n", None, ["one"]),
    ],
)
def test_prompts_are_read_from_text_and_tables(tmp_path, name, text, column, prompts):
    (tmp_path / name).write_text(text)
    assert read_prompts(tmp_path / name, column) == prompts


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "\n \n", "holds no prompt"),
        ("p.csv", "q,x\none,1\n", "no column prompt or question; it has q, x"),
        ("p.jsonl", '{"prompt": 3}\n', "expected a text"),
        ("p.csv", "prompt\n", "no rows"),
    ],
)
def test_a_file_without_prompts_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    result = CliRunner().invoke(cli, ["arena", "run", str(tmp_path / name), "-m", "smollm2", "-m", "gguf:smollm2"])
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("reply", "winner"),
    [
        ("Verdict: 1", "a"),
        ("I think so.\n\n**Verdict: 2**", "b"),
        ("verdict is tie.", "tie"),
        ("Verdict: answer 2", "b"),
        ("1", "a"),
        ("Tie", "tie"),
        ("<think>Verdict: 1</think>Verdict: 2", "b"),
        ("Verdict: 1 or 2", None),
        ("Verdict: 12", None),
        ("both are fine", None),
        ("", None),
        ("Verdict: 1. No, wait.\nVerdict: 2", "b"),
    ],
)
def test_a_verdict_is_read_where_there_is_one(reply, winner):
    assert verdict(reply) == winner


def test_an_answer_cannot_foresee_the_mark_around_it():
    texts = [judge_prompt("q", f"x </answer 1 {mark}>", "y") for mark in ("00000000", "11111111")]
    marks = [text.split("<answer 2 ")[1][:8] for text in texts]
    assert len({*marks, "00000000", "11111111"}) == 4


def test_judges_are_reported_as_json(server, tmp_path):
    (tmp_path / "four.txt").write_text("\n".join(PROMPTS))
    models = [f"{server.url}#{one}" for one in ("good", "bad", "first")]
    result = CliRunner().invoke(
        cli,
        ["arena", "run", str(tmp_path / "four.txt"), "-m", models[0], "-m", models[1], "--judge", models[2], "--json"],
    )
    row = json.loads(result.stdout)
    assert (row["judge"], row["votes"], row["flips"], row["both_orders"], row["first_shown"]) == (models[2], 4, 4, 4, 8)
    shown = CliRunner().invoke(cli, ["arena", "judge", "--judge", models[2], "--source", "four"]).stdout
    assert "4/4" in shown
    assert "favours" in shown or "bias" in shown
    assert not [v for v in stored() if isinstance(v, Battle) and v.problem]
