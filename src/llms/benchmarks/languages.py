"""How a program is compiled and run, a row a language; what must be installed, and which package brings it.

Commands follow MultiPL-E's runner (bigcode-evaluation-harness, multipl_e); a program passes if the last command exits with 0.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ..sandbox import Limits, Ran, Sandbox

MB = 1 << 20
SMALL = Limits(wall_seconds=5, cpu_seconds=5)
MACHINE = Limits(wall_seconds=15, cpu_seconds=20, memory_bytes=2000 * MB, address_space=False, processes=256)
COMPILER = Limits(
    wall_seconds=60, cpu_seconds=90, memory_bytes=2000 * MB, address_space=False, processes=256, disk_bytes=400 * MB
)
JAVATUPLES = "/usr/share/java/javatuples.jar"


@dataclass(frozen=True)
class Runner:
    """`file` is the program's name, `commands` (words separated by spaces) compile and run it, each with its Limits.

    `needs` are programs, or files by absolute path; `package` is Debian's unless it says otherwise. Output on standard
    error that holds `failure` means failure whatever the exit status.
    """

    file: str
    commands: tuple[str, ...]
    limits: tuple[Limits, ...]
    needs: tuple[str, ...]
    package: str
    failure: str = ""


RUNNERS: Mapping[str, Runner] = {
    "python": Runner("main.py", ("python3 -I main.py",), (Limits(wall_seconds=5, cpu_seconds=3),), ("python3",), "python3"),
    "cpp": Runner("main.cpp", ("g++ -std=c++17 main.cpp -o main", "./main"), (COMPILER, SMALL), ("g++",), "g++"),
    "cs": Runner(
        "main.cs", ("mcs -d:DEBUG main.cs -out:main.exe", "env MONO_TRACE_LISTENER=Console.Error mono main.exe"),
        (COMPILER, MACHINE), ("mcs", "mono"), "mono-mcs mono-runtime", failure="Fail",
    ),
    "d": Runner("main.d", ("rdmd -unittest main.d",), (COMPILER,), ("rdmd",), "dmd (from dlang.org), or ldc"),
    "go": Runner("main_test.go", ("env GO111MODULE=off go test main_test.go",), (COMPILER,), ("go",), "golang-go"),
    "java": Runner(
        "Problem.java",
        (f"javac -cp {JAVATUPLES} Problem.java", f"java -ea -Xmx512m -cp {JAVATUPLES}:. Problem"),
        (COMPILER, MACHINE), ("javac", "java", JAVATUPLES), "default-jdk-headless libjavatuples-java",
    ),
    "jl": Runner("main.jl", ("julia main.jl",), (MACHINE,), ("julia",), "julia (from julialang.org)"),
    "js": Runner("main.js", ("node main.js",), (MACHINE,), ("node",), "nodejs"),
    "lua": Runner("main.lua", ("lua main.lua",), (SMALL,), ("lua",), "lua5.4 lua-unit"),
    "php": Runner("main.php", ("php main.php",), (SMALL,), ("php",), "php-cli"),
    "pl": Runner("main.pl", ("perl main.pl",), (SMALL,), ("perl", "/usr/share/perl5/Test/Deep.pm"), "libtest-deep-perl"),
    "r": Runner("main.r", ("Rscript main.r",), (MACHINE,), ("Rscript",), "r-base-core"),
    "rb": Runner("main.rb", ("ruby main.rb",), (SMALL,), ("ruby",), "ruby ruby-test-unit"),
    "rkt": Runner("main.rkt", ("racket main.rkt",), (MACHINE,), ("racket",), "racket"),
    "rs": Runner("main.rs", ("rustc main.rs -o main", "./main"), (COMPILER, SMALL), ("rustc",), "rustc"),
    "scala": Runner(
        "main.scala", ("scalac -d . main.scala", "scala -cp . Problem"), (COMPILER, MACHINE), ("scalac", "scala"), "scala",
    ),
    "sh": Runner("main.sh", ("bash main.sh",), (SMALL,), ("bash",), "bash"),
    "swift": Runner("main.swift", ("swiftc main.swift -o main", "./main"), (COMPILER, SMALL), ("swiftc",), "swift (from swift.org)"),
    "ts": Runner("main.ts", ("tsc --target esnext main.ts", "node main.js"), (COMPILER, MACHINE), ("tsc", "node"), "node-typescript"),
}  # fmt: skip


def missing(language: str) -> str | None:
    """What keeps programs in `language` from running here, and how to get it; None if nothing does."""
    runner = RUNNERS[language]
    absent = [need for need in runner.needs if not _there(need)]
    return f"{language} needs {', '.join(absent)}; install {runner.package}" if absent else None


def execute(sandbox: Sandbox, language: str, source: str) -> Ran:
    """Compile and run one program."""
    runner = RUNNERS[language]
    commands = [command.split() for command in runner.commands]
    return sandbox.run({runner.file: source}, commands, runner.limits, path=_python_path())


def passed(language: str, ran: Ran) -> bool:
    failure = RUNNERS[language].failure
    return ran.ok and not (failure and failure in ran.stderr)


@cache
def _there(need: str) -> bool:
    if need.startswith("/"):
        return os.path.exists(need)
    folders = [*_python_path(), "/usr/local/bin", "/usr/bin", "/bin"]
    return shutil.which(need, path=os.pathsep.join(folders)) is not None


def _python_path() -> list[str]:
    """Programs in Python run under the interpreter that runs llms."""
    return [os.path.join(sys.base_prefix, "bin")]
