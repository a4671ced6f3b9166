"""In each language that can run here: a right program passes, a wrong one fails, an endless one is stopped."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from llms.benchmarks import languages
from llms.benchmarks.catalogue import CATALOGUE
from llms.benchmarks.humaneval import program
from llms.benchmarks.languages import RUNNERS, execute, missing, unusable
from llms.data import open_source
from llms.sandbox import Sandbox, probe
from shared import ROWS, needs_rows

pytestmark = pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
# (right with {} for the expected sum of 1 + 1, endless)
PROGRAMS = {
    "python": ("assert 1 + 1 == {}", "while True: pass"),
    "cpp": (
        "#include <cassert>\nint main() {{ assert(1 + 1 == {}); }}",
        "int main() {{ for (volatile int i = 0;; i++); }}",
    ),
    "cs": (
        "using System.Diagnostics;\nclass P {{ static void Main() {{ Debug.Assert(1 + 1 == {}); }} }}",
        "class P {{ static void Main() {{ while (true) {{}} }} }}",
    ),
    "d": ("unittest {{ assert(1 + 1 == {}); }}\nvoid main(){{}}", "unittest {{ while (true) {{}} }}\nvoid main(){{}}"),
    "go": (
        'package p_test\nimport "testing"\nfunc TestP(t *testing.T) {{ if 1+1 != {} {{ t.Errorf("no") }} }}',
        'package p_test\nimport "testing"\nfunc TestP(t *testing.T) {{ for {{ }} }}',
    ),
    "java": (
        "import org.javatuples.*;\nclass Problem {{ public static void main(String[] a) {{ assert 1 + 1 == {}; }} }}",
        "class Problem {{ public static void main(String[] a) {{ while (true) {{}} }} }}",
    ),
    "jl": ("using Test\n@testset begin @test(1 + 1 == {}) end", "while true end"),
    "js": ("require('node:assert').deepEqual(1 + 1, {})", "while (true) {{}}"),
    "lua": ("lu = require('luaunit')\nlu.assertEquals(1 + 1, {})", "while true do end"),
    "php": ("<?php\nif (1 + 1 !== {}) {{ throw new Exception('no'); }}", "<?php\nwhile (true) {{}}"),
    "pl": ("use Test::Deep;\nexit 1 unless eq_deeply(1 + 1, {});", "while (1) {{}}"),
    "r": ("stopifnot(isTRUE(all.equal(1 + 1, {})))", "while (TRUE) {{}}"),
    "rb": (
        "require 'test/unit'\nclass T < Test::Unit::TestCase\n  def test_it\n    assert_equal({}, 1 + 1)\n  end\nend",
        "while true do end",
    ),
    "rkt": ("#lang racket\n(require rackunit)\n(unless (= (+ 1 1) {}) (exit 1))", "#lang racket\n(let loop () (loop))"),
    "rs": ("fn main() {{ assert_eq!(1 + 1, {}); }}", "fn main() {{ loop {{}} }}"),
    "scala": (
        "object Problem {{ def main(args: Array[String]) = {{ assert(1 + 1 == {}) }} }}",
        "object Problem {{ def main(args: Array[String]) = {{ while (true) {{}} }} }}",
    ),
    "sh": ("set -e\n[[ $((1 + 1)) = {} ]]", "while true; do :; done"),
    "swift": ("assert(1 + 1 == {})", "while true {{}}"),
    "ts": (
        "declare var require: any;\nconst n: number = {};\nrequire('node:assert').deepEqual(1 + 1, n)",
        "while (true) {{}}",
    ),
}


@pytest.fixture(scope="module")
def sandbox():
    return Sandbox()


def test_every_language_of_the_catalogue_has_a_runner_and_a_test():
    used = {benchmark.language for benchmark in CATALOGUE.values() if benchmark.kind == "code"}
    assert used == set(RUNNERS) == set(PROGRAMS)
    assert all(len(runner.commands) == len(runner.limits) for runner in RUNNERS.values())


@pytest.mark.parametrize("language", RUNNERS)
def test_right_passes_wrong_fails_endless_is_stopped(language, sandbox, monkeypatch):
    if reason := unusable(language):
        pytest.skip(reason)
    right, endless = PROGRAMS[language]
    runner = RUNNERS[language]
    last = replace(runner.limits[-1], wall_seconds=3)
    short = replace(runner, limits=(*runner.limits[:-1], last))
    monkeypatch.setattr(languages, "RUNNERS", {**RUNNERS, "short": short})
    nonsense = ("<?php " if language == "php" else "") + "this is ( no program"
    asked = [
        (language, right.format(2)),
        (language, right.format(3)),
        (language, nonsense),
        ("short", endless.format()),
    ]
    with ThreadPoolExecutor(2) as pool:
        good, wrong, broken, stopped = pool.map(lambda pair: execute(sandbox, *pair), asked)
    assert good.ok, good
    assert wrong.end in ("error", "killed"), wrong
    assert broken.end == "error", broken
    assert stopped.end == "timeout", stopped


def test_a_language_that_is_not_there_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(languages, "_there", lambda need: need != "javac")
    assert missing("java") == "java needs javac; install default-jdk-headless libjavatuples-java"
    assert missing("python") is None


def test_a_compiler_that_is_there_and_does_not_work_makes_its_language_unusable(monkeypatch):
    broken = replace(RUNNERS["cpp"], commands=("ls no-such-library",), limits=RUNNERS["cpp"].limits[:1], needs=("ls",))
    monkeypatch.setattr(languages, "RUNNERS", {**RUNNERS, "cpp": broken})
    unusable.cache_clear()
    try:
        assert "No such file or directory); install g++" in unusable("cpp")
        assert unusable("sh") is None
    finally:
        unusable.cache_clear()


def solutions(rows):
    with ThreadPoolExecutor(2) as pool:
        sandbox = Sandbox()
        return list(
            pool.map(lambda row: execute(sandbox, "python", program(row, row["canonical_solution"]).source), rows)
        )


def test_the_samples_solutions_pass_and_empty_ones_do_not():
    rows = open_source("sample").table(CATALOGUE["humaneval"].dataset, "openai_humaneval", "test").rows
    assert all(ran.ok for ran in solutions(rows))
    assert not any(
        ran.ok for ran in solutions([{**row, "canonical_solution": "    return 'no'\n"} for row in rows[:4]])
    )


@needs_rows
def test_humanevals_reference_solutions_all_pass():
    rows = open_source(str(ROWS)).table(CATALOGUE["humaneval"].dataset, "openai_humaneval", "test").rows
    failed = [row["task_id"] for row, ran in zip(rows, solutions(rows), strict=True) if not ran.ok]
    assert not failed


def test_a_run_on_code_stores_how_programs_ended(tiny):
    import llms

    report = llms.evaluate(f"hf:{tiny}", ["humaneval"], limit=3, samples=2, temperature=1.0)
    found = report.reports["humaneval"]
    assert found.key.sandbox == "isolated"
    assert set(found.scores) == {"pass@1", "pass@2"}
    assert all(outcome.extracted for outcome in report.outcomes["humaneval"])
    again = llms.evaluate(f"hf:{tiny}", ["humaneval"], limit=3, samples=2, temperature=1.0, seed=0)
    assert again.reports["humaneval"].key.run == found.key.run
    without = llms.evaluate(f"hf:{tiny}", ["humaneval"], limit=1, sandbox=False)
    assert without.reports["humaneval"].key.sandbox == "none"
