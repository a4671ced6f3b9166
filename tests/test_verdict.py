"""Only the tests decide over a program in Python: whatever it does to its process, to Python, or to what it returns."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.benchmarks.benchmark import Program
from llms.benchmarks.humaneval import program
from llms.benchmarks.languages import passes
from llms.sandbox import Sandbox, probe
from llms.sandbox.plain_data import pack, unpack
from llms.workbench.checks import PassesTests, RunsAlone

isolated = pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
PROMPT = 'def double(n):\n    """Twice n."""\n'
ROW = {
    "prompt": PROMPT,
    "entry_point": "double",
    "test": "def check(candidate):\n    for n in range(5):\n        assert candidate(n) == 2 * n\n    assert candidate('ab') == 'abab'\n",
}
ENDINGS = {
    "exit status": "    import os; os._exit(0)",
    "sys.exit": "    import sys; sys.exit()",
    "SystemExit": "    raise SystemExit",
    "exit behind it": "    return n + n + 1\n\nexit()",
    "exit at once": "    return 2 * n\n\nimport os\nos._exit(0)",
    "atexit": "    import atexit, os\n    atexit.register(os._exit, 0)\n    raise ValueError",
    "excepthook": "    import os, sys\n    sys.excepthook = lambda *error: os._exit(0)\n    raise ValueError",
    "fork": "    import os\n    if os.fork(): os._exit(0)",
    "kill itself": "    import os\n    os.kill(os.getpid(), 15)",
    "kill the parent": "    import os\n    os.kill(os.getppid(), 9)",
    "interrupt the parent": "    import os, time\n    os.kill(os.getppid(), 2)\n    time.sleep(0.2)",
    "exec": "    import os\n    os.execvp('true', ['true'])",
    "closed descriptors": "    import os\n    os.closerange(0, 100)",
    "written descriptors": "    import os\n    for fd in range(3, 20):\n        try: os.write(fd, b'ok 0\\n' * 99)\n        except OSError: pass",
    "thread": "    import os, threading\n    threading.Thread(target=os._exit, args=(0,)).start()\n    import time; time.sleep(0.2)",
    "StopIteration": "    raise StopIteration",
    "harness": """    import sys
    frame = sys._getframe()
    while frame.f_back:
        frame = frame.f_back
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == 'Peer':
                for kind in 'ended', 'exit', 'answer', 'error':
                    value._send(kind, 0)""",
    "an import with its own end": "    raise __import__('unittest').SkipTest('well')",
}
ALIKE = "\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    __hash__ = None\n"
FALSE_EQUALS = {
    "object": f"    return Alike()\n\nclass Alike:{ALIKE}",
    "int": f"    return Alike(77)\n\nclass Alike(int):{ALIKE}",
    "str": f"    return Alike('no')\n\nclass Alike(str):{ALIKE}",
    "list": f"    return Alike()\n\nclass Alike(list):{ALIKE}",
    "mock": "    from unittest.mock import ANY\n    return ANY",
    "operator": "    import operator, builtins\n    operator.eq = builtins.all = lambda *a: True\n    return None",
    "json and struct": "    import json, struct\n    json.dumps = json.loads = struct.pack = lambda *a: 1\n    return None",
    "AssertionError": "    import builtins\n    builtins.AssertionError = type('Fine', (BaseException,), {})\n    return None",
    "check": "    return None\n\ndef check(candidate): pass",
    "range": "    return None\n\ndef range(*a): return []\nimport builtins\nbuiltins.range = range",
}
# each of these returns what a right program would if it found the tests' text anywhere
READERS = {
    "files": "for f in glob.glob('/tmp/**', recursive=True) + glob.glob('/files/*') + ['/proc/self/fd/0', '/proc/1/fd/0', '/dev/stdin']: read(f)",
    "processes": "for p in glob.glob('/proc/[0-9]*'):\n  for f in 'cmdline', 'environ', 'fd/0', 'fd/3', 'fd/4', 'fd/5', 'fd/6': read(f'{p}/{f}')",
    "parent's memory": "read_memory(os.getppid())",
    "own memory": "read_memory(os.getpid())",
    "frames": "frame = sys._getframe()\nwhile frame: seen.append(repr(frame.f_locals) + repr(frame.f_globals)); frame = frame.f_back",
    "objects": "seen.append(repr([o for o in gc.get_objects() if not isinstance(o, type(sys))]))",
    "modules": "seen.append(repr([vars(m) for m in list(sys.modules.values())]))",
}
READER = """import gc, glob, os, sys
seen = []
BACKWARDS = 'retfa-thguos'
def read(path):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        seen.append(os.read(descriptor, 1 << 20).decode('latin-1'))
    except OSError: pass
def read_memory(pid):
    try:
        lines = open(f'/proc/{pid}/maps').read().splitlines()
        memory = open(f'/proc/{pid}/mem', 'rb', 0)
    except OSError: return
    for line in lines:
        if 'rw-p' in line:
            low, high = (int(x, 16) for x in line.split()[0].split('-'))
            try: memory.seek(low); seen.append(memory.read(min(high - low, 1 << 24)).decode('latin-1'))
            except OSError: pass
def double(n):
    exec(HOW, globals())
    secret = BACKWARDS[::-1]
    return 2 * n if any(secret in text for text in seen) else None
"""


@pytest.fixture(scope="module")
def sandbox():
    return Sandbox()


@isolated
def test_a_right_program_passes_and_what_it_prints_does_no_harm(sandbox):
    noise = "    print(n, flush=True)\n    import sys; print('x', file=sys.stderr)\n    return n + n\n"
    assert passes(sandbox, program(ROW, noise)).ok
    assert passes(
        sandbox, program(ROW, f"```python\n{PROMPT}    return n * 2\n\nif __name__ == '__main__':\n    exit()\n```")
    ).ok


@isolated
@pytest.mark.parametrize("completion", (ENDINGS | FALSE_EQUALS).values(), ids=(ENDINGS | FALSE_EQUALS).keys())
def test_no_wrong_program_passes_whatever_it_does(sandbox, completion):
    assert not passes(sandbox, program(ROW, completion + "\n")).ok


@isolated
@pytest.mark.parametrize("how", READERS.values(), ids=READERS.keys())
def test_a_program_finds_the_tests_nowhere(sandbox, how):
    hidden = "# sought-after\n" + ROW["test"] + "\ncheck(double)"
    ran = passes(sandbox, Program("python", f"HOW = {how!r}\n{READER}", hidden, PROMPT, "double"))
    assert ran.end == "error", ran
    assert "AssertionError" in ran.stderr


def plain():
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary()
    keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())
    sets = st.sets(keys) | st.frozensets(keys) | st.binary().map(bytearray)
    return st.recursive(
        leaves | sets,
        lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner),
        max_leaves=20,
    )


def shape(value):
    """The same for the same types and values only: 1, 1.0 and True differ, -0.0 and 0.0 too; NaN is itself."""
    if isinstance(value, dict):
        return "dict", [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(shape(item)) for item in value)
    return type(value), [shape(item) for item in value] if isinstance(value, (list, tuple)) else repr(value)


@given(plain())
def test_plain_data_crosses_unchanged_types_and_order_included(value):
    assert shape(unpack(pack(value))) == shape(value)


@given(st.binary(max_size=60))
def test_bytes_that_nothing_wrote_are_refused_or_plain(data):
    try:
        value = unpack(data)
    except ValueError:
        return
    pack(value)


def test_what_is_deep_or_large_crosses_and_what_contains_itself_does_not():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    assert pack(unpack(pack(deep))) == pack(deep)
    assert unpack(pack([10**5000, -(2**63), math.inf, "\ud800"])) == [10**5000, -(2**63), math.inf, "\ud800"]
    own: list = []
    own.append(own)
    with pytest.raises(ValueError, match="contains itself"):
        pack(own)
    with pytest.raises(TypeError, match="object is not plain data"):
        pack([object()])


CLASSES = """
import math, json
from dataclasses import dataclass
from collections import OrderedDict, namedtuple
class Empty(LookupError):
    def __init__(self, left): super().__init__(left); self.left = left
class Stack(list):
    def push(self, item): self.append(item)
    def take(self):
        if not self: raise Empty(0)
        return self.pop()
class Cache(OrderedDict):
    def put(self, key, value): self[key] = value
@dataclass
class Point:
    x: int
    y: int = 0
    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)
Pair = namedtuple("Pair", "left right")
counter = 0
def count():
    global counter
    counter += 1
def sort(items): items.sort()
def twice(function, value): return function(function(value))
def numbers():
    n = 0
    while True:
        yield n
        n += 1
def main(arguments): raise SystemExit(2)
def decode(text): return json.loads(text)
"""
USES = """
stack = Stack(); stack.push(3); stack.push([4])
assert len(stack) == 2 and stack == [3, [4]] and stack[1] == [4] and list(stack) == [3, [4]] and stack.take() == [4]
try:
    Stack().take()
except Empty as error:
    assert error.left == 0 and isinstance(error, LookupError)
else:
    assert False
cache = Cache(); cache.put("a", 1); assert cache == {"a": 1} and "a" in cache
assert Point(1) + Point(2, 3) == Point(3, 3) and Point(1) != Point(2) and Point(1).x == 1 and isinstance(Point(1), Point)
assert Pair(1, 2) == (1, 2) and Pair(1, 2).right == 2
count(); count(); assert counter == 2
items = [3, 1, 2]; sort(items); assert items == [1, 2, 3]
assert twice(lambda n: n + 1, 0) == 2 and twice(str.strip, " a ") == "a"
first = [n for n, _ in zip(numbers(), range(3))]; assert first == [0, 1, 2]
assert math.isclose(0.1 + 0.2, 0.3)
try:
    main([])
except SystemExit as error:
    assert error.code == 2
try:
    decode("{")
except json.JSONDecodeError as error:
    assert error.pos == 1
"""


@isolated
def test_tests_of_an_agents_program_use_its_classes_errors_and_variables(sandbox):
    """Objects stay in the program; callbacks, changed arguments and errors cross."""
    assert PassesTests(sandbox, USES)(CLASSES) is None
    unittests = "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(f(2), 4)\nunittest.main()"
    assert PassesTests(sandbox, unittests)("def f(n):\n    return n + n") is None
    assert "AssertionError: 3 != 4" in PassesTests(sandbox, unittests)("def f(n):\n    return n + 1")


@isolated
@pytest.mark.parametrize(
    ("draft", "tests", "said"),
    [
        ("def f():\n    return 1\nexit()", "assert f() == 2", "ended itself before its tests were done"),
        ("def f():\n    raise __import__('unittest').SkipTest", "import unittest\nclass T(unittest.TestCase):\n    def test_it(self): f()\nunittest.main()", "SkipTest"),
        ("class f:\n    __enter__ = __exit__ = lambda *a: True", "with f():\n    assert False", "AssertionError"),
        ("def f(*a):\n    raise StopIteration", "assert all(map(f, [1])) and False", "StopIteration"),
        ("f = __import__('os')._exit", "assert f(0) == 1", "ended before its tests"),
        ("class f:\n    __sub__ = __abs__ = __lt__ = lambda *a: True", "assert abs(f() - 1) < 1", "TypeError"),
        ("def f(check):\n    try: check()\n    except BaseException: pass", "def check(): assert False\nf(check)", "an assertion fails"),
        ("sum = max", "assert sum([1, 2]) == 3", "the program defines anew: rename it"),
        ("def f(): return g()\ndef g(): raise ValueError('why')", "f()", "in g"),
    ],
)  # fmt: skip
def test_an_agents_program_that_fails_its_tests_is_told_why(sandbox, draft, tests, said):
    assert said in PassesTests(sandbox, tests)(draft)


@isolated
def test_a_program_without_tests_may_end_itself(sandbox):
    assert RunsAlone(sandbox)("print(1)\nexit()") is None
