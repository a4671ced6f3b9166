"""The plan of the house: who may import whom, where each dependency lives, how files are named."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "llms"
ORDER = (
    ("errors", "settings", "values", "bridge", "lazy"),
    ("tokens", "sandbox", "scoring", "statistics", "data"),
    ("engine",),
    ("models",),
    ("tasks",),
    ("tools", "benchmarks"),
    ("training", "chat"),
    ("agents", "evaluation"),
    ("trust",),
    ("arena",),
    ("store",),
    ("workbench",),
    ("serve", "web"),
    ("cli", "testing"),
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
FREE = {("settings", "errors"), ("values", "errors")}  # within the bottom line errors may be imported by all
HOMES = {
    "torch": {"engine", "models", "tasks", "training"},
    "transformers": {"engine", "models", "tasks", "training"},
    "tokenizers": {"tokens"},
    "tiktoken": {"tokens"},
    "sqlite3": {"store", "tools"},  # tools: a model's questions to a file of the user's, never to the store
    "click": {"cli"},
    "rich": {"cli"},
    "fastapi": {"serve", "web"},
    "starlette": {"serve", "web"},
    "uvicorn": {"serve", "web"},
    "openai": {"models"},
    "httpx2": {"models", "tools"},  # tools: the page a model asks for, never a model
    "genai_prices": {"models"},
    "llguidance": {"engine", "models"},
    "scipy": {"statistics", "tasks"},
    "regex": {"chat"},
    "pyarrow": {"data"},
    "jinja2": {"tokens", "workbench", "web"},
    "huggingface_hub": {"data", "engine", "models", "workbench"},  # engine: the error of a refused configuration
}
FORBIDDEN = {"utils", "util", "common", "misc", "manager", "handler", "handlers", "helper", "helpers"}
FILES = sorted(PACKAGE.rglob("*.py"))


def top(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether it is llms' own) of each import; relative ones are resolved."""
    found = []
    inside = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, alias.name.split(".")[0] == "llms") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = inside[: len(inside) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [(".".join(("llms", *base, name)), True) for name in names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", (node.module or "").split(".")[0] == "llms"))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_stands_above_it(path):
    own = top(path)
    if own in ("__init__", "__main__"):
        return
    assert own in LEVEL, f"{own} has no place in the order of packages"
    for module, ours in imports(path):
        other = module.split(".")[1] if ours and "." in module else None
        if other and other != own and not other.startswith("__") and (own, other) not in FREE:
            assert LEVEL[other] < LEVEL[own], f"{own} must not import {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_dependency_has_its_home(path):
    for module, ours in imports(path):
        name = module.split(".")[0]
        if not ours and name in HOMES:
            assert top(path) in HOMES[name], f"{name} belongs in {', '.join(sorted(HOMES[name]))}"


def test_only_settings_reads_the_environment():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if path.name != "settings.py":
            assert "getenv" not in text, path
            if "os.environ" in text:  # handed on to a child process, not read
                assert "**os.environ" in text, path
                assert text.count("os.environ") == text.count("**os.environ"), path


def test_nothing_computes_under_a_lock_that_all_instances_share():
    for path in FILES:
        if "cached_property" in path.read_text(encoding="utf-8"):
            assert path.name == "lazy.py", f"{path}: use llms.lazy, whose lock is the instance's own"


def test_no_file_has_a_name_that_says_nothing():
    for path in FILES:
        assert path.stem not in FORBIDDEN, path


def test_files_are_of_a_size_to_be_read():
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 420, path


def test_every_module_says_what_it_is():
    for path in FILES:
        if path.name != "__main__.py":
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_the_map_in_the_readme_names_every_package():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in sorted(PACKAGE.iterdir()):
        if path.is_dir() and (path / "__init__.py").is_file():
            assert f"{path.name}/" in readme, path.name
        elif path.suffix == ".py" and not path.name.startswith("__"):
            assert path.name in readme, path.name


def test_exceptions_are_all_in_the_tree_that_errors_draws():
    import llms.errors as errors

    text = errors.__doc__
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.LlmsError):
            assert name in text, name
