"""A user's type checker sees the public API: every name has its type, and none of them is Any."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow  # most of a minute while the type checker remembers nothing
USE = """
import llms

reveal_type(llms.load)
reveal_type(llms.evaluate)
reveal_type(llms.compare)
reveal_type(llms.task)
reveal_type(llms.Chat)
reveal_type(llms.Team)
reveal_type(llms.tool)
reveal_type(llms.Message)
reveal_type(llms.task("sentiment")("a"))
reveal_type(llms.task("sentiment")(["a"]))
reveal_type(llms.load("smollm2"))
reveal_type(llms.load("smollm2").generate)
reveal_type(llms.load("smollm2").loglikelihood)
reveal_type(llms.evaluate("smollm2", ["arc_easy"]).scores)
llms.lode
"""
EXPECTED = (  # the end of each type: what one gets
    "llms.models.system.Model",
    "llms.workbench.evaluate.Evaluation",
    "list[llms.workbench.compare.Comparison]",
    "llms.workbench.task_python.OpenedTask",
    "llms.workbench.chat.chat.Chat",
    "llms.workbench.agent.Teams",
    "llms.tools.tool.Tool)",
    "llms.values.Message",
    "llms.models.task_model.TaskOutput",
    "list[llms.models.task_model.TaskOutput | llms.values.Failure]",
    "llms.models.system.Model",
    "list[llms.values.Completion]",
    "list[llms.values.LogLikelihood]",
    "dict[str, dict[str, llms.values.Score]]",
)
# Libraries that no public type speaks of; reading them takes a type checker minutes.
SETTINGS = """
[mypy]
python_version = 3.11
strict = true
mypy_path = {source}
follow_imports = silent
[mypy-torch.*,transformers.*,datasets.*,accelerate.*,peft.*,numpy.*,scipy.*,pyarrow.*]
follow_imports = skip
ignore_missing_imports = true
"""


@pytest.fixture(scope="module")
def revealed(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("types")
    (folder / "use.py").write_text(USE)
    (folder / "mypy.ini").write_text(SETTINGS.format(source=ROOT / "src"))
    command = [sys.executable, "-m", "mypy", "--config-file", str(folder / "mypy.ini")]
    cache = ROOT / ".mypy_cache" / "public"
    done = subprocess.run(
        [*command, "--cache-dir", str(cache), str(folder / "use.py")], capture_output=True, text=True, cwd=folder
    )
    return re.findall(r"use\.py:\d+: (.*)", done.stdout)


def test_every_public_name_has_a_type_without_any(revealed):
    types = [line for line in revealed if "Revealed type" in line]
    assert len(types) == USE.count("reveal_type")
    for line in types:
        assert not re.search(r"\bAny\b", line.replace("*Any, **Any", "...")), (
            line
        )  # so a Callable[..., object] is shown
    for line, expected in zip(types, EXPECTED, strict=True):
        assert line.endswith(f'{expected}"')


def test_a_name_that_is_not_there_is_an_error(revealed):
    assert any('Module has no attribute "lode"' in line for line in revealed)
