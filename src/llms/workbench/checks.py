"""Checks that a program makes better than a critic: does the code run, pass its tests, say what the original says, faster?

A check takes an agent's draft and returns what is wrong with it in words for the agent, or None.
"""

import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..benchmarks.benchmark import Program
from ..benchmarks.languages import RUNNERS, execute, missing, passes
from ..errors import UsageError
from ..sandbox import Ran, Sandbox

RUNS = 3  # of which the median time counts
RELATIVE = 1e-9  # two numbers are equal within this, unless both are whole
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")


def code_of(text: str) -> str:
    """The longest fenced block of a reply, or the reply itself if it has none."""
    return max(_FENCE.findall(text), key=len, default=text).strip() + "\n"


@dataclass
class PassesTests:
    """`tests` (assertions over its names) hold for the draft's Python program, which runs in a process apart from theirs."""

    sandbox: Sandbox
    tests: str

    def __call__(self, draft: str) -> str | None:
        ran = passes(self.sandbox, Program("python", code_of(draft), self.tests))
        return None if ran.ok else f"the tests fail: {last_words(ran)}"


@dataclass
class RunsAlone:
    """The draft's Python program ends without an error. There are no tests to come to an end: it may end itself anywhere."""

    sandbox: Sandbox

    def __call__(self, draft: str) -> str | None:
        ran = execute(self.sandbox, "python", code_of(draft))
        return None if ran.ok else f"the program fails: {last_words(ran)}"


@dataclass(frozen=True, slots=True)
class Measured:
    """Median seconds of the original and of the port, over RUNS runs each, compiling not counted."""

    original_seconds: float
    port_seconds: float

    @property
    def times(self) -> float:
        return self.original_seconds / self.port_seconds if self.port_seconds else math.inf


@dataclass
class SaysTheSame:
    """The draft's program in `language` compiles and prints what the Python program `original` prints.

    What it prints is the test, so it may end itself where it likes. Three ends are told apart: it does not compile, it prints something else, it is equal and takes so long. `measured`
    holds the times of the last draft that was equal.
    """

    sandbox: Sandbox
    language: str
    original: str
    measured: Measured | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.language not in RUNNERS:
            raise UsageError(f"there is no runner for {self.language!r}; known are {', '.join(RUNNERS)}")
        if reason := missing(self.language):
            raise UsageError(reason)
        self._expected = execute(self.sandbox, "python", self.original)
        if not self._expected.ok:
            raise UsageError(f"the Python program itself fails: {last_words(self._expected)}")

    def __call__(self, draft: str) -> str | None:
        self.measured = None
        runs = [execute(self.sandbox, self.language, code_of(draft))]
        compiling = len(RUNNERS[self.language].commands) > 1
        if compiling and runs[0].command == 0 and not runs[0].ok:
            return f"it does not compile: {last_words(runs[0], 1200)}"
        if not runs[0].ok:
            return f"it fails when it runs: {last_words(runs[0])}"
        if difference := first_difference(self._expected.stdout, runs[0].stdout):
            return f"it prints something else than the Python program: {difference}"
        self.measured = Measured(
            statistics.median(execute(self.sandbox, "python", self.original).seconds for _ in range(RUNS)),
            self._median(draft),
        )
        return None

    @property
    def finding(self) -> str:
        """How much faster the last draft was, if it was equal."""
        if self.measured is None:
            return ""
        now, before = self.measured.port_seconds, self.measured.original_seconds
        return f"It prints the same and takes {now:.3g} s instead of {before:.3g} s: {self.measured.times:.1f} times as fast."

    def _median(self, draft: str) -> float:
        """Seconds of the compiled program alone: compiled and run, less compiled only."""
        runner = RUNNERS[self.language]
        commands = [command.split() for command in runner.commands]
        files: Mapping[str, str] = {runner.file: code_of(draft)}
        whole, only = [], []
        for _ in range(RUNS):
            whole.append(self.sandbox.run(files, commands, runner.limits).seconds)
            only.append(self.sandbox.run(files, commands[:-1], runner.limits[:-1]).seconds if commands[:-1] else 0.0)
        return max(1e-3, statistics.median(whole) - statistics.median(only))


def first_difference(expected: str, printed: str) -> str | None:
    """The first line in which two outputs differ; whole numbers must be equal, others within a relative 1e-9."""
    left, right = expected.rstrip().splitlines(), printed.rstrip().splitlines()
    for number, (a, b) in enumerate(zip(left, right, strict=False), 1):
        if not _equal(a.rstrip(), b.rstrip()):
            return f"line {number} should be {a[:200]!r} and is {b[:200]!r}"
    if len(left) != len(right):
        return f"it should print {len(left)} lines and prints {len(right)}"
    return None


def _equal(a: str, b: str) -> bool:
    if a == b:
        return True
    if _NUMBER.sub("#", a) != _NUMBER.sub("#", b):
        return False
    pairs = zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
    return all(x == y or ("." in x + y and math.isclose(float(x), float(y), rel_tol=RELATIVE)) for x, y in pairs)


def last_words(ran: Ran, most: int = 600) -> str:
    """How a program ended: the limit it met, or the end of what it said."""
    output = (ran.stderr.strip() or ran.stdout.strip())[-most:]
    limit = "" if ran.end in ("ok", "error") else f"{ran.end}; "
    return limit + (output or f"exit status {ran.exit_code}")
