"""How a program is compiled, run and tested, a row a language; what must be installed, and which package brings it.

Commands follow MultiPL-E's runner (bigcode-evaluation-harness, multipl_e). A program that only runs is right if the last command
exits with 0; one that is tested passes if its tests came to their end as well, which it cannot say for them.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from secrets import token_hex

from ..sandbox import Ran, Sandbox, SandboxLimits, tester
from .benchmark import Program
from .marks import marked

MB = 1 << 20
# CPU time is what a program is given; wall time is there for those that wait, and generous, so that no score depends on
# what else the machine does
SMALL = SandboxLimits(wall_seconds=30, cpu_seconds=5)
MACHINE = SandboxLimits(wall_seconds=60, cpu_seconds=20, memory_bytes=2000 * MB, address_space=False, processes=256)
COMPILER = SandboxLimits(
    wall_seconds=180, cpu_seconds=90, memory_bytes=2000 * MB, address_space=False, processes=256, disk_bytes=400 * MB
)
COMPILED = replace(SMALL, address_space=False)  # by a runtime that reserves more than it uses
JAVATUPLES = "/usr/share/java/javatuples.jar"


@dataclass(frozen=True)
class Runner:
    """`file` is the program's name, `commands` (words separated by spaces) compile and run it, each with its Limits.

    `needs` are programs, looked for before a run; `package` is Debian's unless it says otherwise. `trial` is a right program
    that loads what the tests load: if it fails, the language cannot be used here. Output on standard error that holds
    `failure` means failure whatever the exit status.
    """

    file: str
    commands: tuple[str, ...]
    limits: tuple[SandboxLimits, ...]
    needs: tuple[str, ...]
    package: str
    trial: str = ""
    failure: str = ""


RUNNERS: Mapping[str, Runner] = {
    "python": Runner("main.py", ("python3 -I main.py",), (SandboxLimits(wall_seconds=30, cpu_seconds=3),), ("python3",), "python3"),
    "cpp": Runner(
        "main.cpp", ("g++ -std=c++17 main.cpp -o main", "./main"), (COMPILER, SMALL), ("g++",), "g++",
        "#include <cassert>\nint main() {}",
    ),
    "cs": Runner(
        "main.cs", ("mcs -d:DEBUG main.cs -out:main.exe", "env MONO_TRACE_LISTENER=Console.Error mono main.exe"),
        (COMPILER, MACHINE), ("mcs", "mono"), "mono-mcs mono-runtime",
        "using System;\nusing System.Collections.Generic;\nusing System.Diagnostics;\nusing System.Linq;\n"
        "class Problem { static void Main() { Debug.Assert(new List<int> { 1 }.Sum() == 1); } }", failure="Fail",
    ),
    "d": Runner(
        "main.d", ("ldc2 -unittest -of=main main.d", "./main"), (COMPILER, SMALL), ("ldc2",), "ldc",
        "import std.math;\nunittest { assert(abs(-1) == 1); }\nvoid main() {}",
    ),
    "go": Runner(
        "main_test.go", ("env GO111MODULE=off go test -c -o main main_test.go", "./main"), (COMPILER, COMPILED), ("go",), "golang-go",
        'package p_test\nimport "testing"\nfunc TestP(t *testing.T) {}',
    ),
    "java": Runner(
        "Problem.java",
        (f"javac -cp {JAVATUPLES} Problem.java", f"java -ea -Xmx512m -cp {JAVATUPLES}:. Problem"),
        (COMPILER, MACHINE), ("javac", "java"), "default-jdk-headless libjavatuples-java",
        "import org.javatuples.*;\nclass Problem { public static void main(String[] a) { Pair.with(1, 2); } }",
    ),
    "jl": Runner("main.jl", ("julia main.jl",), (MACHINE,), ("julia",), "julia (from julialang.org)", "using Test"),
    "js": Runner("main.js", ("node main.js",), (MACHINE,), ("node",), "nodejs", "require('node:assert')"),
    "lua": Runner("main.lua", ("lua main.lua",), (SMALL,), ("lua",), "lua5.4 lua-unit", "require('luaunit')"),
    "php": Runner("main.php", ("php main.php",), (SMALL,), ("php",), "php-cli", "<?php"),
    "pl": Runner("main.pl", ("perl main.pl",), (SMALL,), ("perl",), "libtest-deep-perl", "use Test::Deep;"),
    "r": Runner("main.r", ("Rscript main.r",), (MACHINE,), ("Rscript",), "r-base-core", "stopifnot(TRUE)"),
    "rb": Runner("main.rb", ("ruby main.rb",), (SMALL,), ("ruby",), "ruby ruby-test-unit", "require 'test/unit'"),
    "rkt": Runner("main.rkt", ("racket main.rkt",), (MACHINE,), ("racket",), "racket", "#lang racket\n(require rackunit)", failure="FAILURE"),
    "rs": Runner("main.rs", ("rustc main.rs -o main", "./main"), (COMPILER, SMALL), ("rustc",), "rustc", "fn main() {}"),
    "scala": Runner(
        "main.scala", ("scalac -d . main.scala", "scala -cp . Problem"), (COMPILER, MACHINE), ("scalac", "scala"), "scala",
        "object Problem { def main(args: Array[String]) = {} }",
    ),
    "sh": Runner("main.sh", ("bash main.sh",), (SMALL,), ("bash",), "bash", "true"),
    "swift": Runner("main.swift", ("swiftc main.swift -o main", "./main"), (COMPILER, SMALL), ("swiftc",), "swift (from swift.org)"),
    "ts": Runner(
        "main.ts", ("tsc --target esnext main.ts", "node main.js"), (COMPILER, MACHINE), ("tsc", "node"), "node-typescript",
        "declare var require: any;\nrequire('node:assert')",
    ),
}  # fmt: skip


def missing(language: str) -> str | None:
    """A message naming the commands `language` lacks here and how to install them; None if it has all. Runs nothing."""
    runner = RUNNERS[language]
    absent = [need for need in runner.needs if not _there(need)]
    return f"{language} needs {', '.join(absent)}; install {runner.package}" if absent else None


@cache
def unusable(language: str, isolate: bool = True) -> str | None:
    """`missing`, or what a right program met: a compiler that is there and does not work. None if programs can run."""
    if reason := missing(language):
        return reason
    runner = RUNNERS[language]
    ran = execute(Sandbox(isolate), language, runner.trial)
    if ran.ok:
        return None
    return f"a right program in {language} fails here ({failure_reason(ran)}); install {runner.package}"


def passes(sandbox: Sandbox, program: Program) -> Ran:
    """Compile one program and run its tests; it is `ok` if they all ran and none failed.

    In Python the tests run in a process of their own, and what the program does decides nothing. In other languages they run in
    the program's process, and a mark that they print behind the last of them tells their end from the program's.
    """
    if program.language == "python":
        job = tester.job(program.source, program.tests, program.setup, program.entry)
        limits = RUNNERS["python"].limits
        return sandbox.run(_tester_files(), [tester.COMMAND], limits, path=_python_path(), stdin=job)
    mark = token_hex(16)
    ran = execute(sandbox, program.language, f"{program.source}\n{marked(program.language, program.tests, mark)}")
    if not ran.ok or mark in ran.stdout.splitlines() + ran.stderr.splitlines():
        return ran
    return replace(ran, end="error", stderr=f"{ran.stderr}\nthe program ended itself before its tests were done")


@cache
def _tester_files() -> dict[str, str]:
    folder = Path(tester.__file__).parent
    return {name: (folder / name).read_text(encoding="utf-8") for name in tester.FILES}


def execute(sandbox: Sandbox, language: str, source: str) -> Ran:
    """Compile and run one program that has no tests; it is `ok` if it ended without an error, as it may at any point."""
    runner = RUNNERS[language]
    commands = [command.split() for command in runner.commands]
    ran = sandbox.run({runner.file: source}, commands, runner.limits, path=_python_path())
    return replace(ran, end="error") if ran.ok and runner.failure and runner.failure in ran.stderr else ran


def failure_reason(ran: Ran) -> str:
    """How a program that failed ended: the limit that was met, or the last line of its output."""
    last = (ran.stderr.strip() or ran.stdout.strip()).splitlines()[-1:] or [f"exit status {ran.exit_code}"]
    return ran.end if ran.end != "error" else last[0][:200]


@cache
def _there(need: str) -> bool:
    folders = [*_python_path(), "/usr/local/bin", "/usr/bin", "/bin"]
    return shutil.which(need, path=os.pathsep.join(folders)) is not None


def _python_path() -> list[str]:
    """Programs in Python run under the interpreter that runs llms."""
    return [os.path.join(sys.base_prefix, "bin")]
