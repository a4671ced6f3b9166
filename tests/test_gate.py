"""GO or NO-GO: each requirement by its test, missing and open rules as documented, typos in a policy named."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llms import settings
from llms.arena.gate import GateRule, RuleEvidence, decide
from llms.arena.policy import POLICY_KEYS, RULE_KEYS, read_policy
from llms.cli.main import cli
from llms.errors import LlmsError, UsageError
from llms.evaluation.plan import Plan, RunKey
from llms.evaluation.report import report
from llms.store.runs import Bill, Runs
from llms.values import ChoicePrompt, Identity, LogLikelihood, Scored, Spent

pytest.importorskip("scipy")
PROMPT = ChoicePrompt("", "", ("q", "q"), (" a", " b"))
DOCS = Path(__file__).parents[1] / "docs" / "gate.md"


def key(system, benchmark="arc_easy", shots=5, data="hub"):
    return RunKey(
        Identity(system, "digest"), benchmark, "1", "default", shots, "fixed", False, "cut", "loglikelihood", 0, "1", data, "r",
    )  # fmt: skip


def store_run(system, scores, benchmark="arc_easy", seconds=0.1, usage=None, status="ok", available=0, **more):
    """A stored run whose items have these scores; its id."""
    its = key(system, benchmark, **more)
    outcomes = [
        Scored(f"{'even' if i % 2 == 0 else 'odd'}/{i}", "even" if i % 2 == 0 else "odd", f"c{i}", status, {"acc_norm": float(score)}, "t", "e",
               (LogLikelihood(-1.0, False, 1, seconds=seconds * (1 + (i % 7 - 3) / 30)), LogLikelihood(-2.0, False, 1)))
        for i, score in enumerate(scores)
    ]  # fmt: skip
    plan = Plan(its, (), available or len(scores), "acc_norm", "micro", 0.25)
    usage = usage or Spent(seconds * len(scores), 100 * len(scores), 10**9, 0.0)
    with Runs(settings.database()) as store:
        attempt = store.begin(its)
        for position, outcome in enumerate(outcomes):
            store.add(its.run, attempt, position, PROMPT, outcome, Bill(seconds))
        store.save_report(report(plan, outcomes, usage))
    return its.run


def policy(tmp_path, text, head='candidate = "new"\nbaseline = "old"\n'):
    path = tmp_path / "policy.toml"
    path.write_text(head + text)
    return path


def gate(path, *more, status=0):
    result = CliRunner().invoke(cli, ["gate", str(path), *more])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def rules(path, *more, status=0):
    return [json.loads(line) for line in gate(path, "--json", *more, status=status).stdout.splitlines()]


RIGHT, BETTER, WORSE = [1, 0] * 60, [1, 0] * 40 + [1] * 40, [1, 0] * 40 + [0] * 40
SYSTEMS = {"old": RIGHT, "same": RIGHT, "better": BETTER, "worse": WORSE, "other": [1 - x for x in RIGHT]}
RULE = '[[rules]]\nname = "r"\nbenchmark = "arc_easy"\n'
HEAD = 'candidate = "new"\nbaseline = "old"\n'


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A home with a run of each of SYSTEMS."""
    home = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(home))
        for system, scores in SYSTEMS.items():
            store_run(system, scores)
    return home


@pytest.mark.parametrize(
    ("candidate", "more", "verdict", "go"),
    [
        ("same", "margin = 0.03", "equivalent", True),
        ("same", "", "undecided", False),  # 120 items do not show a margin of one point
        ("better", "", "better", True),
        ("worse", "", "worse", False),
        ("same", 'require = "better"', "undecided", False),
        ("better", 'require = "better"\nby = 0.05', "better", True),
        ("better", 'require = "better"\nby = 0.4', "better", False),  # better, but not by so much
        ("same", 'require = "better"\nby = 0.2', "equivalent", False),
        ("same", 'require = "equivalent"\nmargin = 0.03', "equivalent", True),
        ("better", 'require = "equivalent"', "better", False),
        ("other", "", "undecided", False),
        ("other", 'undecided = "go"', "undecided", True),
        ("other", 'level = "supporting"', "undecided", True),
        ("other", 'level = "supporting"\nundecided = "no-go"', "undecided", False),
        ("worse", 'level = "supporting"', "worse", False),
        ("worse", 'level = "advisory"', "worse", True),
        ("same", 'require = "at least"\nvalue = 0.4', "better", True),
        ("same", 'require = "at least"\nvalue = 0.5', "undecided", False),
        ("same", 'require = "at least"\nvalue = 0.6', "worse", False),
        ("same", 'require = "at most"\nvalue = 0.6', "better", True),
        ("better", 'subset = "odd"', "better", True),
        ("worse", 'subset = "odd"\nmargin = 0.05', "equivalent", True),  # all that was lost stands in the other subset
    ],
)
def test_each_requirement_has_its_verdict(tmp_path, monkeypatch, stored, candidate, more, verdict, go):
    monkeypatch.setenv("LLMS_HOME", str(stored))
    (row,) = rules(policy(tmp_path, RULE + more), "--candidate", candidate, status=0 if go else 1)
    assert (row["rule"], row["verdict"]) == ("r", verdict)
    assert row["stops"] is not go


def test_what_is_missing_is_no_go_and_an_advisory_rule_never_decides(tmp_path):
    store_run("old", RIGHT)
    path = policy(tmp_path, RULE + "margin = 0.03\n")
    (row,) = rules(path, status=1)
    assert row["verdict"] == "missing"
    assert "nothing is stored of new" in row["reason"]
    store_run("new", RIGHT)
    gate(path)
    other = '[[rules]]\nname = "s"\nbenchmark = "gsm8k"\n'
    assert (
        "NO-GO: 1 of 2 rules stands against it: s (missing)"
        in gate(policy(tmp_path, RULE + "margin = 0.03\n" + other), status=1).stdout
    )
    for level, status in (("supporting", 1), ("advisory", 0)):
        gate(policy(tmp_path, RULE + "margin = 0.03\n" + other + f'level = "{level}"\n'), status=status)
    gate(policy(tmp_path, RULE + other, head='candidate = "new"\nbaseline = "old"\nundecided = "go"\n'), status=1)


def test_runs_that_were_asked_otherwise_or_of_other_items_are_not_comparable(tmp_path):
    store_run("old", RIGHT, shots=0)
    new = store_run("new", RIGHT)
    path = policy(tmp_path, RULE)
    (row,) = rules(path, status=1)
    assert row["verdict"] == "not comparable"
    assert "shots: 5 and 0" in row["reason"]
    assert row["candidate_run"] == new
    gate(policy(tmp_path, RULE, head='candidate = "new"\nbaseline = "old"\nundecided = "go"\n'))
    store_run("old", RIGHT[:50])  # like the candidate's, but of fewer items
    (row,) = rules(policy(tmp_path, RULE), status=1)
    assert "70 items are in one of the runs only" in row["reason"]


def test_answers_that_cannot_be_read_are_no_reason_to_call_a_candidate_worse(tmp_path):
    store_run("old", RIGHT)
    store_run("new", WORSE, status="unparsed")
    (row,) = rules(policy(tmp_path, RULE), status=1)
    assert row["verdict"] == "not comparable"
    assert "could not be read" in row["reason"]


def test_sides_may_be_runs_and_options_replace_the_policys(tmp_path):
    old, new = store_run("old", RIGHT), store_run("new", BETTER)
    path = policy(tmp_path, '[[rules]]\nname = "r"\n', head="")
    assert rules(path, "--candidate", new, "--baseline", old)[0]["verdict"] == "better"
    assert rules(path, "--candidate", old, "--baseline", new, status=1)[0]["verdict"] == "worse"
    for missing, more in (("candidate", ()), ("baseline", ("--candidate", new))):
        result = CliRunner().invoke(cli, ["gate", str(path), *more])
        assert isinstance(result.exception, UsageError)
        assert f"names no {missing}" in str(result.exception)


def test_time_is_paired_and_money_memory_and_speed_are_numbers(tmp_path):
    store_run("old", RIGHT, seconds=0.1, usage=Spent(20, 20000, 10**9, 0.2))
    store_run("new", RIGHT, seconds=0.12, usage=Spent(24, 20000, 2 * 10**9, None))
    text = "".join(
        f'[[rules]]\nname = "{name}"\nbenchmark = "arc_easy"\nmeasure = "{name.split()[0]}"\nlevel = "advisory"\n{more}\n'
        for name, more in (
            ("time", "margin = 0.1"), ("time wide", "margin = 0.3"), ("memory", ""), ("speed", "margin = 0.2"), ("money", ""),
            ("memory most", 'require = "at most"\nvalue = 3e9'), ("time most", 'require = "at most"\nvalue = 0.2'),
        )
    )  # fmt: skip
    found = {row["rule"]: row for row in rules(policy(tmp_path, text))}
    assert {name: row["verdict"] for name, row in found.items()} == {
        "time": "worse", "time wide": "equivalent", "memory": "worse", "speed": "equivalent", "money": "not comparable",
        "memory most": "better", "time most": "better",
    }  # fmt: skip
    assert found["time"]["difference"] == pytest.approx(0.02, rel=0.01)
    assert found["memory"]["p"] is None


def evidence(difference, half, p, n=100):
    return RuleEvidence(0.5 + difference, 0.5, difference - half, difference + half,
                        (difference - 0.8 * half, difference + 0.8 * half), p, n)  # fmt: skip


def test_holm_adjusts_within_a_level_and_not_across():
    one = evidence(-0.05, 0.045, 0.02)
    critical = [GateRule(f"c{i}") for i in range(3)]
    alone = decide(critical[:1], [one])
    assert alone.results[0].verdict == "worse"
    three = decide(critical, [one, evidence(0, 0.2, 1.0), evidence(0, 0.2, 0.9)])
    assert three.results[0].p == pytest.approx(0.06)
    assert three.results[0].verdict == "undecided"
    advisory = decide([critical[0], GateRule("a", "advisory"), GateRule("s", "supporting")], [one, one, one])
    assert [result.verdict for result in advisory.results] == ["worse"] * 3


def test_not_worse_is_shown_by_the_lower_bound_alone():
    known = evidence(0.015, 0.02, 0.15)  # 90 %: -0.001 to 0.031
    result = decide([GateRule("r", margin=0.01)], [known]).results[0]
    assert (result.verdict, result.passes) == ("not worse", True)
    assert decide([GateRule("r", margin=0.0005)], [known]).results[0].verdict == "undecided"


@given(
    difference=st.floats(-0.3, 0.3), half=st.floats(0.001, 0.3), p=st.floats(0, 1), margin=st.floats(0.001, 0.2),
    require=st.sampled_from(["not worse", "better", "equivalent"]), level=st.sampled_from(["critical", "supporting", "advisory"]),
)  # fmt: skip
def test_a_wider_margin_never_turns_a_pass_into_a_failure_and_a_stop_is_never_a_pass(
    difference, half, p, margin, require, level
):
    known = evidence(difference, half, p)
    rule = GateRule("r", level, margin=margin, require=require, undecided="go" if level == "supporting" else "no-go")
    (result,) = (decision := decide([rule], [known])).results
    assert not (result.stops and result.passes)
    assert decision.go is not result.stops
    assert not (level == "advisory" and result.stops)
    if require != "better" and result.passes:
        (wider,) = decide([GateRule("r", level, margin=2 * margin, require=require)], [known]).results
        assert wider.passes


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ('[[rules]]\nbenchmak = "arc_easy"', "unknown key of rule 1 in p.toml 'benchmak'; did you mean benchmark?"),
        ('baselin = "x"\n[[rules]]\nname = "x"', "did you mean baseline?"),
        ('[[rule]]\nname = "x"', "has no rules"),
        ('[[rules]]\nlevel = "critcal"', "did you mean critical?"),
        ('[[rules]]\nrequire = "no worse"', "did you mean not worse?"),
        ('[[rules]]\nmargin = "1"', "margin is '1'; expected a number"),
        ("[[rules]]\nmargin = 1", "one point is 0.01"),
        ('[[rules]]\nrequire = "at least"', "needs a value"),
        ('[[rules]]\nrequire = "at least"\nvalue = 80', "scores are shares of 1"),
        ('[[rules]]\nrequire = "better"\nmargin = 0.1', "margin is for not worse and equivalent"),
        ('[[rules]]\nname = "a"\n[[rules]]\nname = "a"', "two rules called 'a'"),
        ('[[rules]]\nmeasure = "memory"\nmargin = 10', "10 % is 0.1"),
        ('[[rules]]\nmeasure = "time"\nmetric = "acc"', "metric is for the score"),
        ('[[rules]]\ngroup = "a=b"', "of your own file"),
        ('[[rules]]\ndata = "own.csv"\nbenchmark = "arc_easy"', "leave out benchmark"),
        ("[[rules]]\nmargin = nan", "expected a number from 0 on"),
        ("rules = 3", "has no rules"),
        ("x = ", "cannot read p.toml"),
    ],
)
def test_what_is_wrong_in_a_policy_is_named_with_the_nearest_right_word(text, needle):
    with pytest.raises(UsageError, match=re.escape(needle)):
        read_policy(text, "p.toml")


def test_a_wrong_policy_ends_with_2_and_no_file_does_too(tmp_path):
    for path in (policy(tmp_path, '[[rules]]\nnme = "x"\n'), tmp_path / "absent.toml"):
        result = CliRunner().invoke(cli, ["gate", str(path)])
        assert isinstance(result.exception, LlmsError)
        assert result.exception.exit_status == 2
    store_run("old", RIGHT)
    store_run("new", RIGHT)
    result = CliRunner().invoke(cli, ["gate", str(policy(tmp_path, RULE + 'metric = "acc_nrm"'))])
    assert "did you mean acc_norm" in str(result.exception)


def test_the_page_says_the_decision_and_draws_each_interval(tmp_path):
    store_run("old", RIGHT)
    store_run("new", WORSE)
    path = policy(tmp_path, RULE + '[[rules]]\nname = "<i>"\nbenchmark = "gsm8k"\n')
    page = tmp_path / "gate.html"
    gate(path, "--html", str(page), status=1)
    text = page.read_text()
    assert "NO-GO" in text
    assert text.count("<svg") == 1
    assert "&lt;i&gt;" in text
    assert "http" not in text
    assert "<script" not in text


@pytest.mark.slow
def test_what_is_missing_is_measured_first_if_asked_for_and_groups_are_rows_of_ones_own_file(tiny, tmp_path):
    own = tmp_path / "own.csv"
    own.write_text(
        "question,choices,answer,topic\n" + "".join(f"{i}?,a|b,a,{'even' if i % 2 == 0 else 'odd'}\n" for i in range(8))
    )
    text = f'[[rules]]\nname = "all"\ndata = "{own}"\n[[rules]]\nname = "even"\ndata = "{own}"\ngroup = "topic=even"\n'
    path = policy(
        tmp_path, text, head=f'candidate = "hf:{tiny}?dtype=bfloat16"\nbaseline = "hf:{tiny}"\nundecided = "go"\n'
    )
    assert {row["verdict"] for row in rules(path, status=1)} == {"missing"}
    found = {row["rule"]: row for row in rules(path, "--run")}
    assert {name: row["n"] for name, row in found.items()} == {"all": 8, "even": 4}
    assert rules(path) == list(found.values())  # nothing is missing any more
    own.write_text(own.read_text() + "9?,a|b,b,odd\n")
    assert "has changed since run" in str(CliRunner().invoke(cli, ["gate", str(path)]).exception)


def table_of(heading):
    section = DOCS.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")
    ]
    return [(name.strip("`"), kind, default.strip("`"), meaning) for name, kind, default, meaning in rows]


@pytest.mark.parametrize(("heading", "keys"), [("Keys of the policy", POLICY_KEYS), ("Keys of a rule", RULE_KEYS)])
def test_the_documented_schema_is_that_of_the_code(heading, keys):
    def kind(key):
        return " \\ ".join(f"`{choice}`" for choice in key.choices) if key.choices else key.kind

    assert table_of(heading) == [(key.name, kind(key), key.default, key.meaning) for key in keys]


def test_the_policies_in_the_documentation_are_read():
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert read_policy(block, "docs").rules


def test_a_system_is_not_compared_with_itself(tmp_path):
    run = store_run("new", [1, 0] * 200)
    path = policy(
        tmp_path, '[[rules]]\nbenchmark = "arc_easy"\nmargin = 0.05\n', 'candidate = "new"\nbaseline = "new"\n'
    )
    (row,) = rules(path, status=1)
    assert row["verdict"] == "not comparable"
    assert run in row["reason"]
