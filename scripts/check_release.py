"""Looks into the distributions that `make release` built, then installs the wheel as a stranger would and starts it.

    python scripts/check_release.py dist

Ends with 1 and a line for each thing that is missing, that does not belong there, or that does not run.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.search(r'^__version__ = "(.+)"', (ROOT / "src/llms/__init__.py").read_text(encoding="utf-8"), re.M)[1]
IN_WHEEL = (
    "llms/py.typed",
    "llms/workbench/page.html",
    "llms/web/templates/*.html",
    "llms/web/static/*.js",
    "llms/web/static/*.css",
    "llms/web/static/vendor/katex.js",
    "llms/web/static/vendor/fonts/*.woff2",
    "llms/data/sample/*.jsonl",
    "llms/models/adapters/calculator/adapter_config.json",
    "llms/models/adapters/calculator/adapter_model.safetensors",
    "llms/models/adapters/calculator/*.tsv",
    "llms/testing/endpoint.py",
    f"llm_engineering-{VERSION}.dist-info/licenses/LICENSE",
)
IN_SDIST = (
    "src/llms/__init__.py",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "constraints.txt",
    "pyproject.toml",
)
UNWANTED = re.compile(r"(^|/)(tests?|__pycache__|\.env|\.git|\.venv)(/|$)|\.pyc$|\.sqlite3")
PROGRAM = "import llms, llms.testing; print(llms.__version__, llms.testing.ScriptedModel(lambda text: 'ok').generate(['x'])[0].text)"


def members(path: Path) -> Mapping[str, bytes]:
    """The files of a wheel or an sdist by name; an sdist's are named from its one folder on."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    with tarfile.open(path) as archive:
        files = [member for member in archive if member.isfile()]
        return {member.name.partition("/")[2]: archive.extractfile(member).read() for member in files}


def faults(path: Path) -> Iterator[str]:
    files = members(path)
    for wanted in IN_WHEEL if path.suffix == ".whl" else IN_SDIST:
        pattern = re.compile(re.escape(wanted).replace(r"\*", ".*"))
        if not any(pattern.fullmatch(name) for name in files):
            yield f"{path.name} lacks {wanted}"
    for name, content in files.items():
        if UNWANTED.search(name):
            yield f"{path.name} holds {name}"
        if name.startswith("/") or ".." in name.split("/"):
            yield f"{path.name}: {name} leads out of its folder"
        if str(ROOT).encode() in content or str(Path.home()).encode() + b"/" in content:
            yield f"{path.name}: {name} holds a path of this machine"


def installed(wheel: Path, folder: Path) -> Iterator[str]:
    """What does not run of a wheel that is installed with its base dependencies alone."""
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [scripts / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", wheel], check=True)
    environment = {**os.environ, "LLMS_HOME": str(folder / "home")}
    environment.pop("PYTHONPATH", None)

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    for command in ([scripts / "llms", "--version"], [scripts / "python", "-c", PROGRAM], [scripts / "llms", "--help"]):
        done = run(*command)
        if done.returncode or (command[-1] != "--help" and VERSION not in done.stdout):
            yield f"{command} ends with {done.returncode}: {done.stdout}{done.stderr}"
    listed = run(scripts / "llms", "benchmarks", "--json")
    if listed.returncode or "gsm8k" not in [json.loads(line)["name"] for line in listed.stdout.splitlines()]:
        yield f"llms benchmarks --json ends with {listed.returncode}: {listed.stderr}"
    for library in ("torch", "transformers", "fastapi", "pytest"):
        if run(scripts / "python", "-c", f"import {library}").returncode == 0:
            yield f"the base dependencies bring {library} along"


def main(folder: Path) -> int:
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    lines = [*faults(wheel), *faults(sdist)]
    with tempfile.TemporaryDirectory() as scratch:
        lines += installed(wheel.resolve(), Path(scratch))
    print("\n".join(lines) or f"{wheel.name} and {sdist.name}: complete, and the wheel runs")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
