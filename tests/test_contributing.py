"""CONTRIBUTING.md does what it says: its blocks are applied to a copy of the package, and what they add is used."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"(?:# |<!-- )(src/\S+)(?: -->)?\n")
RECIPES = ("Add a benchmark", "Add a provider", "Add a tool", "Add a team", "Add a page")


@dataclass(frozen=True)
class Block:
    """A fenced block; `path` is the file that its first line names."""

    language: str
    content: str
    path: str | None = None


def blocks(section: str) -> list[Block]:
    text = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    result = []
    for language, content in BLOCK.findall(text):
        named = FILE.match(content)
        result.append(Block(language, content[named.end() :] if named else content, named[1] if named else None))
    return result


def hunks(diff: str) -> list[tuple[str, str]]:
    """(before, after) of each run of lines that stand together in the file: one ends where unchanged lines follow
    unchanged ones behind a change, or where lines are taken away behind lines that were added."""
    result: list[tuple[list[str], list[str]]] = []
    last = ""
    for line in diff.splitlines():
        mark, text = line[:1], line[1:]
        changed = result and any(a != b for a, b in zip(*result[-1], strict=False)) | (
            len(set(map(len, result[-1]))) > 1
        )
        if not result or (last == "+" and mark == "-") or (changed and last == " " and mark == " "):
            result.append(([], []))
        if mark in " -":
            result[-1][0].append(text)
        if mark in " +":
            result[-1][1].append(text)
        last = mark
    return [("\n".join(before), "\n".join(after)) for before, after in result]


def apply(source: Path, block: Block) -> None:
    """Write the file of a block, or change the one that is there; every hunk must fit in exactly one place."""
    path = source / block.path
    if block.language != "diff":
        assert not path.exists(), f"{block.path} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.content, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    for before, after in hunks(block.content):
        assert text.count(f"\n{before}\n") == 1, f"CONTRIBUTING.md changes lines that {block.path} has not:\n{before}"
        text = text.replace(f"\n{before}\n", f"\n{after}\n")
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, and the environment in which it is the one that is imported."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    return tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "LLMS_WEB_TOKEN": "of-the-tests"}


@pytest.mark.slow
@pytest.mark.parametrize("section", RECIPES)
def test_what_a_recipe_adds_works_as_it_says(copy, section):
    folder, environment = copy
    steps = blocks(section)
    for block in steps:
        if block.path:
            apply(folder, block)
    programs = [block for block in steps if block.language == "python" and not block.path]
    expected = [block.content for block in steps if block.language == "text"]
    assert len(programs) == len(expected)
    assert programs or section == "Add a page"
    for program, output in zip(programs, expected, strict=True):
        command = [sys.executable, "-c", program.content]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout) == (0, output), done.stderr


@pytest.mark.slow
def test_a_page_that_is_added_answers_and_stands_in_the_bar(copy):
    folder, environment = copy
    for block in blocks("Add a page"):
        if block.path:
            apply(folder, block)
    command = [sys.executable, "-m", "llms", "web", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as web:
        try:
            address = re.search(r"http://[\w.:]+", web.stdout.readline())[0]
            answer = httpx2.get(f"{address}/benchmarks", headers={"authorization": "Bearer of-the-tests"}, timeout=60)
        finally:
            web.terminate()
    assert answer.status_code == 200
    assert "<li>GSM8K: guessing gets 0 %</li>" in answer.text
    assert 'href="/benchmarks"' in answer.text


def test_recipes_stay_short_and_touch_few_files():
    for section in RECIPES:
        changed = [block.path for block in blocks(section) if block.language == "diff"]
        assert len(changed) <= 2, section


def test_every_make_target_that_is_named_exists_and_has_its_minutes():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", TEXT)) <= targets
    header = makefile.partition("PYTHON ?=")[0]
    assert targets - {"lint", "types", "layout"} == set(re.findall(r"^# make ([a-z-]+) ", header, re.M))


def test_the_version_has_one_source():
    import llms

    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in project
    assert llms.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "llms", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == llms.__version__


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/**/*.yml")), ids=lambda path: path.name)
def test_what_is_hosted_calls_commands_that_are_here(path):
    text = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"run: make ([a-z-]+)", text):
        assert f"\n{target}:" in makefile
    for script in re.findall(r"run: bash (\S+)", text):
        assert (ROOT / script).is_file()
