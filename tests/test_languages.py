"""In each language that can run here: a right program passes; a wrong one and one that ends early fail; an endless one is stopped."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from llms.benchmarks import languages
from llms.benchmarks.benchmark import Program
from llms.benchmarks.catalogue import CATALOGUE
from llms.benchmarks.humaneval import program
from llms.benchmarks.languages import RUNNERS, missing, passes, unusable
from llms.data import open_source
from llms.sandbox import Sandbox, probe
from shared import ROWS, needs_rows

pytestmark = pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
# (a program with a function f whose body is to come, tests that f gives 2, then bodies: right, wrong, endless, ends early)
PROGRAMS = {
    "python": ("def f():\n    %s", "assert f() == 2", "return 2", "return 3", "while True: pass", "exit()"),
    "cpp": (
        "#include <cassert>\n#include <cstdlib>\nint f() { %s", "}\nint main() {\n    assert(f() == 2);\n}\n",
        "return 2;", "return 3;", "for (volatile int i = 0;; i++);", "std::exit(0);",
    ),
    "cs": (
        "using System;\nusing System.Diagnostics;\nclass Problem {\n    public static int F() { %s",
        "}\n    public static void Main(string[] args) {\n    Debug.Assert(F() == 2);\n    }\n\n}\n",
        "return 2;", "return 3;", "while (true) {}", "Environment.Exit(0); return 2;",
    ),
    "d": (
        "import core.stdc.stdlib;\nint f() { %s }", "unittest\n{\n    assert(f() == 2);\n}\nvoid main(){}",
        "return 2;", "return 3;", "while (true) {}", "exit(0); return 2;",
    ),
    "go": (
        'package f_test\n\nimport (\n    "testing"\n    "os"\n)\nvar _ = os.Exit\nfunc f() int { %s',
        '}\nfunc TestF(t *testing.T) {\n  if f() != 2 {\n    t.Errorf("no")\n  }\n}\n',
        "return 2", "return 3", "for {}", "os.Exit(0); return 2",
    ),
    "java": (
        "import org.javatuples.*;\nclass Problem {\n    public static int f() { %s",
        "}\n    public static void main(String[] args) {\n    assert(f() == 2);\n    }\n\n}\n",
        "return 2;", "return 3;", "while (true) {}", "System.exit(0); return 2;",
    ),
    "jl": (
        "function f()\n%s\nend", "using Test\n\n@testset begin\n\t@test(f() == 2)\nend\n",
        "return 2", "return 3", "while true end", "exit()",
    ),
    "js": (
        "function f() { %s", "}\nconst assert = require('node:assert');\nfunction test() { assert.deepEqual(f(), 2); }\ntest();",
        "return 2;", "return 3;", "while (true) {}", "process.exit(0);",
    ),
    "lua": (
        "local function f()\n%s\nend",
        "lu = require('luaunit')\nfunction test_f()\n    lu.assertEquals(f(), 2)\nend\nos.exit(lu.LuaUnit.run())",
        "return 2", "return 3", "while true do end", "return 2 end os.exit(0) do",
    ),
    "php": (
        "<?php\nfunction f() { %s", "}\nif (f() !== 2) { throw new Exception('no'); }\n",
        "return 2;", "return 3;", "while (true) {}", "exit(0);",
    ),
    "pl": (
        "sub f { %s", "}\nuse Test::Deep;\nif(eq_deeply(f(), 2)) {\n    print \"ok!\" }else{\n    exit 1;\n}\n",
        "return 2;", "return 3;", "while (1) {}", "exit 0;",
    ),
    "r": ("f <- function() { %s", "}\nstopifnot(isTRUE(all.equal(f(), 2)))", "2", "3", "while (TRUE) {}", "quit(status = 0)"),
    "rb": (
        "def f()\n%s\nend", "require 'test/unit'\nclass T < Test::Unit::TestCase\n  def test_f\n    assert_equal(2, f())\n  end\nend\n",
        "2", "3", "while true do end", "exit(0)",
    ),
    "rkt": (
        "#lang racket\n(define (f) %s", ")\n(require rackunit)\n(check-within (f) 2 0.001)", "2", "3", "(let loop () (loop))", "(exit 0)",
    ),
    "rs": (
        "fn f() -> i32 { %s", "}\n\nfn main() {\n    assert_eq!(f(), 2);\n}\n",
        "2", "3", "loop {}", "std::process::exit(0)",
    ),
    "scala": (
        "object Problem {\n    def f() : Int = { %s", "}\n    def main(args: Array[String]) = {\n    assert(f() == 2);\n    }\n\n}\n",
        "2", "3", "while (true) {}; 2", "sys.exit(0)",
    ),
    "sh": (
        "#!/bin/bash\nf() { %s", "}\nset -e\nrun_test() {\n    f\n    [[ $answer = 2 ]]\n}\nrun_test",
        "answer=2;", "answer=3;", "while true; do :; done;", "exit 0;",
    ),
    "swift": (
        "import Foundation\nfunc f() -> Int { %s", "}\nassert(f() == 2)", "return 2", "return 3", "while true {}", "exit(0)",
    ),
    "ts": (
        "declare var process: any;\nfunction f(): number { %s",
        "}\ndeclare var require: any;\nconst assert = require('node:assert');\nassert.deepEqual(f(), 2);",
        "return 2;", "return 3;", "while (true) {}", "process.exit(0); return 2;",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox():
    return Sandbox()


def test_every_language_of_the_catalogue_has_a_runner_and_a_test():
    used = {benchmark.language for benchmark in CATALOGUE.values() if benchmark.kind == "code"}
    assert used == set(RUNNERS) == set(PROGRAMS)
    assert all(len(runner.commands) == len(runner.limits) for runner in RUNNERS.values())


COMPILED_SLOWLY = ("ts", "go", "rs", "scala", "swift")


@pytest.mark.parametrize(
    "language",
    [pytest.param(name, marks=pytest.mark.slow if name in COMPILED_SLOWLY else ()) for name in RUNNERS],
)
def test_right_passes_wrong_and_early_ends_fail_endless_is_stopped(language, sandbox, monkeypatch):
    """An early end exits with status 0 in every language, and is no success in any."""
    if reason := unusable(language):
        pytest.skip(reason)
    source, tests, *bodies = PROGRAMS[language]
    runner = RUNNERS[language]
    last = replace(runner.limits[-1], wall_seconds=20, cpu_seconds=2)
    monkeypatch.setattr(
        languages, "RUNNERS", {**RUNNERS, language: replace(runner, limits=(*runner.limits[:-1], last))}
    )
    nonsense = ("<?php " if language == "php" else "") + "this is ( no program"
    programs = [Program(language, source % body, tests) for body in bodies] + [Program(language, nonsense, tests)]
    with ThreadPoolExecutor(2) as pool:
        right, wrong, endless, early, broken = pool.map(lambda one: passes(sandbox, one), programs)
    assert right.ok, right
    assert wrong.end in ("error", "killed"), wrong
    assert endless.end == "timeout", endless
    assert early.end == "error", early
    assert broken.end == "error", broken


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
        return list(pool.map(lambda row: passes(sandbox, program(row, row["canonical_solution"])), rows))


def test_the_samples_solutions_pass_and_empty_ones_do_not():
    rows = open_source("sample").table(CATALOGUE["humaneval"].dataset, "openai_humaneval", "test").rows
    assert all(ran.ok for ran in solutions(rows))
    assert not any(
        ran.ok for ran in solutions([{**row, "canonical_solution": "    return 'no'\n"} for row in rows[:4]])
    )


@needs_rows
@pytest.mark.slow
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
