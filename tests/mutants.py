"""Would the tests notice wrong code? A seeded draw of single mutations, each run against the tests that stand for it.

    python tests/mutants.py [--count 200] [--seed 0] [--only PATH] [--jobs 2]

The mutations are mutmut's; what it has no option for is done here: a draw, one table of source and tests, and a run in a
forked process that has every foreign library loaded and takes one module's source from memory, so that no file
changes. A draw takes the mutants whose seed, function and number within it have the smallest hashes, so that a change of one
function moves no other's.
Left out are words for people: what stands in a `raise`, and texts with a blank.

`mutants_survivors.json` names survivors that were looked at, with the reason: those that mean the same are not counted,
others are. Exit status 1 if fewer than FLOOR of the rest are noticed.
"""

import argparse
import difflib
import hashlib
import importlib
import importlib.abc
import importlib.util
import json
import math
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import libcst
from mutmut.mutation.file_mutation import create_mutations

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
SURVIVORS = Path(__file__).with_name("mutants_survivors.json")
FLOOR = 0.8
SLACK_SECONDS = 5.0  # beyond twice what the tests take on unchanged code

# source, a file or a folder under src/llms -> test files under tests, the quickest first
TABLE: dict[str, tuple[str, ...]] = {
    "statistics": ("test_golden_statistics.py", "test_statistics.py", "test_comparison.py"),
    "scoring": ("test_golden_scoring.py", "test_scoring.py", "test_open_scorers.py", "test_extraction.py"),
    "chat/window/fit.py": ("test_window_cuts.py", "test_chat_fit.py"),
    "chat/window/layout.py": ("test_window_cuts.py", "test_chat_fit.py"),
    "agents/budget.py": ("test_ledgers.py", "test_agents.py"),
    "models/spending.py": ("test_ledgers.py", "test_spending.py"),
    "tools/arithmetic.py": ("test_golden_arithmetic.py", "test_calculator.py"),
    "tools/functions.py": ("test_golden_arithmetic.py", "test_calculator.py"),
    "tools/expression.py": ("test_golden_arithmetic.py", "test_calculator.py"),
    "benchmarks/shots.py": ("test_golden_draw.py", "test_shots.py"),
    "tokens/stop.py": ("test_stop_and_stream.py", "test_streaming.py"),
    "tokens/stream.py": ("test_stop_and_stream.py", "test_streaming.py"),
    "engine/layout.py": ("test_tree_layout.py",),
}
# tests that start other processes, which would not see the mutation, or that take long
LEFT_OUT = re.compile(
    "test_(the_command|ten_thousand|random_teams|the_paired_test_rejects|stopping_whenever|intervals_of_few_clusters_cover)"
)
MODELS = {"tiny", "embedded_home"}  # fixtures of whole models, which none of the mutated files needs to show its fault


@dataclass(frozen=True)
class Mutant:
    path: str  # below src
    function: str
    old: str
    new: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.path, self.function, self.old, self.new

    def __str__(self) -> str:
        return f"{self.path} {self.function}\n    - {self.old}\n    + {self.new}"


def sources() -> dict[str, tuple[str, ...]]:
    """Every file to mutate, below src, with its tests."""
    table: dict[str, tuple[str, ...]] = {}
    for name, tests in TABLE.items():
        path = SOURCE / "llms" / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        table |= {str(file.relative_to(SOURCE)): tests for file in files}
    return table


def draw(paths: Iterable[str], count: int, seed: int) -> tuple[list[Mutant], int]:
    """(`count` mutants of these files, the number of all there are)."""
    ranked = []
    for path in paths:
        text = (SOURCE / path).read_text()
        module, mutations, _, _ = create_mutations(path, text)
        words = _words(module)
        number: Counter[str] = Counter()
        for mutation in mutations:
            old, new = mutation.original_node, mutation.mutated_node
            if id(old) in words:
                continue
            owner = mutation.contained_by_top_level_function
            function = owner.name.value if isinstance(owner, libcst.FunctionDef) else ""
            number[function] += 1
            rank = hashlib.sha256(f"{seed} {path} {function} {number[function]}".encode()).hexdigest()
            ranked.append((rank, path, function, module, old, new))
    ranked.sort(key=lambda entry: entry[0])
    mutants = []
    for _, path, function, module, old, new in ranked[:count]:
        changed = module.deep_replace(old, new).code
        mutants.append(Mutant(path, function, *_changed_lines(module.code, changed), changed))
    return mutants, len(ranked)


def _words(module: libcst.Module) -> set[int]:
    """Nodes that only say something to people: all below a `raise`, texts with a blank, and what types are made of."""

    class Collector(libcst.CSTVisitor):
        def __init__(self) -> None:
            self.ids: set[int] = set()
            self.depth = 0

        def on_visit(self, node: libcst.CSTNode) -> bool:
            prose = isinstance(node, libcst.SimpleString) and " " in node.value and "r" not in node.prefix.lower()
            if self.depth or prose:
                self.ids.add(id(node))
            self.depth += isinstance(node, libcst.Raise)
            return True

        def on_leave(self, node: libcst.CSTNode) -> None:
            self.depth -= isinstance(node, libcst.Raise)

    collector = Collector()
    module.visit(collector)
    return collector.ids


def _changed_lines(old: str, new: str) -> tuple[str, str]:
    """The lines that differ, without indentation, joined by blanks."""
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    return (
        " ".join(line[2:].strip() for line in lines if line.startswith("- ")),
        " ".join(line[2:].strip() for line in lines if line.startswith("+ ")),
    )


class FromMemory(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports one module from a text instead of its file."""

    def __init__(self, path: str, source: str):
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.name, self.path, self.source = name, str(SOURCE / path), source

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None):
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=self, submodule_search_locations=self._folder()
        )

    def _folder(self) -> list[str] | None:
        return [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None

    def get_source(self, fullname: str) -> str:
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec")


class InOrder:
    """A pytest plugin: without shrinking, without the tests LEFT_OUT, quickest first; takes times and foreign modules."""

    def __init__(self, seconds: dict[str, float]):
        self.known, self.seconds = seconds, dict[str, float]()

    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        usual = settings.get_profile("llms")
        settings.register_profile("mutants", usual, phases=(Phase.explicit, Phase.generate), database=None)
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = [item for item in items if not LEFT_OUT.match(item.name) and MODELS.isdisjoint(item.fixturenames)]
        if self.known:
            items.sort(key=lambda item: self.known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration


def run_tests(
    tests: Sequence[str], seconds: dict[str, float], base: str, mutant: Mutant | None, collect_only: bool
) -> int:
    """In a process of its own: pytest's exit status; what it learned is written into `base`."""
    import pytest

    if mutant is not None:
        sys.meta_path.insert(0, FromMemory(mutant.path, mutant.source))
    plugin = InOrder(seconds)
    files = [f"tests/{name}" for name in tests if (ROOT / "tests" / name).exists()]
    options = ["-x", "-q", "--tb=line", "--no-header", "-p", "no:cacheprovider", f"--basetemp={base}/pytest"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins that are loaded already
    options += ["--collect-only"] if collect_only else []
    status = pytest.main([*options, *files], plugins=[plugin])
    own = ("llms", "tests", "test_", "conftest", "__m", *(path.stem for path in (ROOT / "tests").glob("*.py")))
    foreign = [name for name in sys.modules if not name.startswith(own)]
    Path(base, "learned.json").write_text(json.dumps({"seconds": plugin.seconds, "foreign": foreign}))
    return int(status)


@dataclass
class Job:
    tests: tuple[str, ...]
    mutant: Mutant | None = None
    collect_only: bool = False
    limit: float = 600.0  # seconds of processor time, so that a busy machine changes no outcome
    base: str = ""
    began: float = 0.0
    took: float = 0.0
    status: int = 0  # pytest's; negative: the signal that ended it because it took too long

    def start(self, seconds: dict[str, float]) -> int:
        self.base, self.began = tempfile.mkdtemp(prefix="mutant-"), time.monotonic()
        if child := os.fork():
            return child
        status = 3
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(self.limit), math.ceil(self.limit) + 1))
            output = os.open(f"{self.base}/output", os.O_WRONLY | os.O_CREAT)
            os.dup2(output, 1)
            os.dup2(output, 2)
            status = run_tests(self.tests, seconds, self.base, self.mutant, self.collect_only)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def learned(self) -> dict:
        return json.loads(Path(self.base, "learned.json").read_text())

    def last_words(self) -> str:
        return Path(self.base, "output").read_text(errors="replace")[-2000:]


def run(jobs: Sequence[Job], seconds: dict[str, float], at_once: int) -> Iterator[Job]:
    """The jobs as they end, at most `at_once` at a time."""
    waiting, running = list(reversed(jobs)), dict[int, Job]()
    while waiting or running:
        while waiting and len(running) < at_once:
            job = waiting.pop()
            running[job.start(seconds)] = job
        child, status, usage = os.wait4(-1, os.WNOHANG)
        if child in running:
            job = running.pop(child)
            job.status, job.took = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
            yield job
            shutil.rmtree(job.base, ignore_errors=True)
            continue
        for child, job in running.items():
            if time.monotonic() - job.began > 60 + 10 * job.limit:  # it waits for something that does not come
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)


def warm_up(groups: Iterable[tuple[str, ...]], at_once: int) -> tuple[dict[str, float], dict[tuple[str, ...], float]]:
    """(seconds of each test, seconds of each group of tests) on unchanged code, which must pass as mutants are run."""
    seconds, totals, groups = dict[str, float](), dict[tuple[str, ...], float](), list(groups)
    for collect_only in (True, False):
        foreign: dict[str, None] = {}
        for job in run([Job(group, collect_only=collect_only) for group in groups], {}, at_once):
            if job.status != 0:
                sys.exit(f"{job.tests} fail on unchanged code:\n{job.last_words()}")
            seconds |= job.learned()["seconds"]
            foreign |= dict.fromkeys(job.learned()["foreign"])
            totals[job.tests] = job.took
        _load(foreign)
    return seconds, totals


def _load(names: Iterable[str]) -> None:
    """Foreign libraries into this process, so that no mutant has to wait for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            if name not in sys.modules:
                try:
                    importlib.import_module(name)
                except Exception:  # a plugin's alias, or one that wants to be loaded in another order
                    continue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="files whose path holds this")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    sys.path.insert(0, str(ROOT / "tests"))
    began = time.monotonic()
    table = {path: tests for path, tests in sources().items() if options.only in path}
    mutants, population = draw(table, options.count, options.seed)
    listed = {(e["path"], e["function"], e["old"], e["new"]): e for e in json.loads(SURVIVORS.read_text())}
    same = {key for key, entry in listed.items() if entry["equivalent"]}
    counted = [mutant for mutant in mutants if mutant.key not in same]
    print(f"{len(mutants)} of {population} mutants, seed {options.seed}; {len(mutants) - len(counted)} mean the same")
    seconds, totals = warm_up(dict.fromkeys(table[mutant.path] for mutant in counted), options.jobs)
    print(f"tests of unchanged code pass ({time.monotonic() - began:.0f} s)", flush=True)
    jobs = [Job(table[m.path], m, limit=2 * totals[table[m.path]] + SLACK_SECONDS) for m in counted]
    results: Counter[str] = Counter()
    for job in run(jobs, seconds, options.jobs):
        outcome = "too slow" if job.status < 0 else "survived" if job.status == 0 else "noticed"
        results[outcome] += 1
        if outcome != "noticed":
            assert job.mutant is not None
            reason = listed.get(job.mutant.key, {}).get("reason", "")
            print(f"{outcome} ({job.took:.0f} s){': ' + reason if reason else ''}: {job.mutant}", flush=True)
    share = 1 - results["survived"] / max(1, len(counted))
    print(f"{results['noticed']} noticed, {results['too slow']} too slow, {results['survived']} survived: {share:.1%}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(share < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
