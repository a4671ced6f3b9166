"""Importing is free, and the command line loads only what a command needs."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "numpy", "scipy", "pyarrow", "tokenizers", "huggingface_hub", "jinja2", "datasets"}


def modules_after(code: str) -> set[str]:
    script = f"import sys, json\n{code}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.strip().splitlines()[-1]))


def test_import_llms_loads_nothing_else():
    loaded = modules_after("import llms")
    assert not loaded & (HEAVY | {"click", "rich", "sqlite3"})


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["leaderboard"], ["runs"], ["benchmarks"], ["calc", "1+1"], ["mcp"]]
)
def test_listing_commands_load_no_heavy_library(arguments):
    code = f"""
from llms.cli.main import main
sys.argv = ['llms', *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert not modules_after(code) & HEAVY


def test_the_lazy_names_exist():
    import llms

    assert callable(llms.load)
    assert callable(llms.evaluate)
    assert set(llms._HOME_OF) <= set(dir(llms))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = llms.lod
