"""`llms chat` on a terminal: what is typed and pasted, commands, what is shown; and nothing that is not ours."""

import os
import subprocess
import sys

import pytest

from llms.testing import ScriptedEndpoint, call


@pytest.fixture
def server():
    with ScriptedEndpoint(raw=False, window=8192) as server:
        yield server


@pytest.mark.parametrize(
    "command",
    [
        ("ask", "hello", "-m", "{model}"),
        ("agent", "say something", "--team", "single", "-m", "{model}"),
        ("eval", "{model}?tools=calculator", "-b", "gsm8k", "--limit", "1"),
    ],
)
def test_no_library_advertises_itself(server, command):
    server.answer = lambda body: [call("calculator", expression="1+1")] if len(body["messages"]) == 1 else "#### 2"
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_VERSION")}
    result = subprocess.run(
        [sys.executable, "-m", "llms", *(word.format(model=f"{server.url}#m") for word in command)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment | {"AI_AGENT": "1"},
    )  # fmt: skip
    assert any("messages" in body for _, body in server.posts), result.stderr
    assert "observability" not in result.stdout + result.stderr
    assert "pydantic" not in (result.stdout + result.stderr).lower()
