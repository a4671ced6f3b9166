"""Importing is free, and the command line loads only what a command needs."""

import json
import subprocess
import sys

import pytest

from llms.testing import ScriptedEndpoint
from test_layout import KEPT_AWAY

MODELS = {"torch", "transformers", "datasets", "accelerate", "xllamacpp", "safetensors"}
NUMBERS = {"numpy", "scipy", "pyarrow", "tokenizers", "huggingface_hub", "jinja2"}
CHATS = {"pydantic_ai", "openai"}
SERVERS = {"fastapi", "starlette", "uvicorn"}
TERMINAL = {"click", "rich"}


def modules_after(code: str) -> set[str]:
    """The top-level modules that are loaded once `code` has run in a process of its own."""
    script = (
        f"import sys, json\n{code}\nprint('\\n' + json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.strip().splitlines()[-1]))


def modules_of_command(*arguments: str) -> set[str]:
    return modules_after(f"""
from llms.cli.main import main
sys.argv = ['llms', *{list(arguments)!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
""")


def test_import_llms_loads_nothing_else():
    loaded = modules_after("import llms")
    assert not loaded & (MODELS | NUMBERS | CHATS | SERVERS | TERMINAL | {"sqlite3", "asyncio", "pydantic"})


def test_a_model_that_is_not_used_loads_no_library_of_models(embedded_home, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    assert not modules_after("import llms; llms.load('smollm2')") & (MODELS | CHATS | SERVERS)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["leaderboard"], ["runs"], ["benchmarks"], ["calc", "1+1"], ["mcp"]]
)
def test_listing_commands_load_no_heavy_library(arguments):
    assert not modules_of_command(*arguments) & (MODELS | NUMBERS | SERVERS)


def test_the_help_of_llms_loads_click_alone():
    loaded = modules_of_command("--help")
    assert "click" in loaded
    assert not loaded & (MODELS | NUMBERS | CHATS | SERVERS | {"rich", "sqlite3", "asyncio", "pydantic"})


@pytest.mark.parametrize(
    "command", ["ask", "chat", "chats", "presets", "memory", "models", "runs", "doctor", "web", "serve", "minutes"]
)
def test_the_help_of_a_command_waits_for_no_library_of_chats_or_servers(command):
    assert not modules_of_command(command, "--help") & (MODELS | NUMBERS | CHATS | SERVERS)


def test_a_question_to_an_endpoint_loads_no_local_model_and_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    with ScriptedEndpoint(raw=False) as server:
        loaded = modules_of_command("ask", "-m", f"{server.url}#m", "how many?")
    assert "pydantic_ai" in loaded
    assert not loaded & (MODELS | SERVERS | {"scipy", "pyarrow", "tokenizers", "huggingface_hub"})


@pytest.mark.slow
@pytest.mark.parametrize(("file", "library"), sorted({(file, library) for (file, _), library in KEPT_AWAY.items()}))
def test_what_is_imported_inside_a_function_keeps_a_library_away(file, library):
    inside = {name for (home, name), kept_away in KEPT_AWAY.items() if (home, kept_away) == (file, library)}
    names = [name if name != "llms.engine" else "llms.engine.scorer" for name in sorted(inside)]  # it is lazy itself
    assert library not in modules_after(f"import {file}")
    assert all(library in modules_after(f"import {name}") for name in names)


def test_the_lazy_names_exist():
    import llms

    assert callable(llms.load)
    assert callable(llms.evaluate)
    assert set(llms._HOME_OF) <= set(dir(llms))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = llms.lod
