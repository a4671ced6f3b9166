"""Where the tests of a MultiPL-E row say that they came to their end: a mark made for one run, printed behind the last of them.

An exit status of 0 says only that nothing failed; a program that ends the process before its tests has one too. The mark is a
word of the program's own source, so it does not defend against a program that reads its source or its memory and prints it.
"""

import re
from collections.abc import Callable

from ..errors import DataError

Marked = Callable[[str, str], str]


def marked(language: str, tests: str, mark: str) -> str:
    """`tests` that also print `mark`, on a line of its own, once all of them have passed.

    Raises DataError if they do not end as tests in that language do.
    """
    return MARKS[language](tests.rstrip() + "\n", mark)


def _behind(statement: str) -> Marked:
    """As a last statement, which is reached if nothing before it ends the program."""
    return lambda tests, mark: tests + statement.format(mark) + "\n"


def _in_main(statement: str, braces: int, before: str = "") -> Marked:
    """As the last statement of `main`, whose block `braces` closing braces from the end closes; `before` stands above it."""

    def insert(tests: str, mark: str) -> str:
        end = re.search(rf"(?:\}}\s*){{{braces}}}\Z", tests)
        if end is None:
            raise DataError(f"tests that end in {tests[-40:]!r} have no main to end in {braces} closing braces")
        body = tests[: end.start()] + statement.format(mark) + "\n" + end[0]
        return re.sub(r"^(?=int main\b)", before, body, count=1, flags=re.MULTILINE) if before else body

    return insert


def _luaunit(tests: str, mark: str) -> str:
    """In front of the exit with the number of failures, which is the last statement."""
    before, call, rest = tests.rpartition("os.exit(lu.LuaUnit.run())")
    if not call or rest.strip():
        raise DataError(f"tests that end in {tests[-40:]!r} do not end in os.exit(lu.LuaUnit.run())")
    return f"{before}local failed = lu.LuaUnit.run()\nif failed == 0 then print('\\n{mark}') end\nos.exit(failed)\n"


# test-unit would run its tests when the process ends, where nothing can tell that from an early end
_TEST_UNIT = """Test::Unit::AutoRunner.need_auto_run = false
passed = Test::Unit::AutoRunner.run
puts "\\n{}" if passed
exit(passed)"""

MARKS: dict[str, Marked] = {
    "cpp": _in_main('puts("\\n{}");', 1, 'extern "C" int puts(const char *);\n'),
    "cs": _in_main('System.Console.WriteLine("\\n{}");', 2),
    "d": _behind('unittest {{ import std.stdio; writeln("\\n{}"); }}'),  # they run in order, to the first that fails
    "go": _behind('func TestMain(m *testing.M) {{ if m.Run() == 0 {{ println("\\n{}") }} }}'),
    "java": _in_main('System.out.println("\\n{}");', 2),
    "jl": _behind('println("\\n{}")'),
    "js": _behind('console.log("\\n{}");'),
    "lua": _luaunit,
    "php": _behind('echo "\\n{}\\n";'),
    "pl": _behind('print "\\n{}\\n";'),
    "r": _behind('cat("\\n{}\\n")'),
    "rb": _behind(_TEST_UNIT),
    "rkt": _behind('(display "\\n{}\\n")'),
    "rs": _in_main('println!("\\n{}");', 1),
    "scala": _in_main('println("\\n{}")', 2),
    "sh": _behind("printf '\\n%s\\n' {}"),
    "swift": _behind('print("\\n{}")'),
    "ts": _behind('console.log("\\n{}");'),
}
