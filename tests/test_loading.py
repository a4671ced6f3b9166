"""Nothing is converted or loaded in silence: lines where standard error is no terminal, a spinner where it is one."""

import os
import pty
import subprocess
import sys

import pytest

from llms.models import loading

LLMS = [sys.executable, "-m", "llms"]


@pytest.fixture
def heard():
    events: list[loading.Loading] = []
    loading.listen(events.append)
    yield events
    loading.listen(loading._nobody)


def test_who_listens_hears_the_beginning_and_the_end(heard):
    with loading.loading("converting", "a"):
        assert heard == [loading.Loading("converting", "a")]
    assert heard[-1].seconds is not None
    assert not heard[-1].failed
    with pytest.raises(OSError, match="full"), loading.loading("loading", "b"):
        raise OSError("full")
    assert heard[-1].failed


@pytest.mark.parametrize("single", [True, False])
def test_a_model_says_that_it_loads_once(tiny, heard, single):
    from llms.models.load import load

    with load(f"hf:{tiny}", chat=single) as model:
        assert heard == []
        model.prepare()
        model.prepare()
        assert model.engine_loop.ends
    assert [(event.stage, event.seconds is None) for event in heard] == [("loading", True), ("loading", False)]


@pytest.mark.parametrize(
    "command", [["next", "ab", "-m", "{}"], ["ask", "ab", "-m", "{}", "--max-tokens", "1", "--no-store"]]
)
def test_lines_on_standard_error_where_it_is_no_terminal(tiny, command):
    arguments = [*LLMS, *(part.format(f"hf:{tiny}") for part in command)]
    told = subprocess.run(arguments, capture_output=True, text=True, check=True).stderr.splitlines()
    assert told[0] == f"llms: loading hf:{tiny} …"
    assert told[1].startswith(f"llms: hf:{tiny} is ready in ")


def test_a_spinner_that_leaves_nothing_on_a_terminal():
    code = """
from llms.cli.output import show_loading
from llms.models import loading
loading.listen(show_loading)
with loading.loading("converting", "smollm2"):
    pass
"""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True, env=environment)
    os.close(theirs)
    seen = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "converting smollm2 (once) …" in seen
    assert seen.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))  # the line is empty again, the cursor is back
    assert "\x1b[?25h" in seen
