"""Makes the example that `llms scaling fit` shows without a file: a grid of small models, trained on this project's own text.

python benchmarks/scaling_example.py GRID        # some ten minutes on a quiet core; the same command goes on after an interruption

The text is every Markdown and Python file of the checkout at --revision, in order of names.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "llms" / "training" / "scaling" / "sample.csv"


def write_text(path: Path, revision: str) -> None:
    """All files of the revision that end in .md or .py, one after another."""
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", revision], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = sorted(name for name in listed.stdout.splitlines() if name.endswith((".md", ".py")))
    with path.open("wb") as file:
        for name in names:
            file.write(
                subprocess.run(["git", "show", f"{revision}:{name}"], cwd=ROOT, capture_output=True, check=True).stdout
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, help="a folder for the text, the runs and their table")
    parser.add_argument("--revision", default="HEAD")
    arguments = parser.parse_args()
    arguments.grid.mkdir(parents=True, exist_ok=True)
    text = arguments.grid / "text.txt"
    if not text.is_file():
        write_text(text, arguments.revision)
    run = [sys.executable, "-m", "llms", "scaling", "run", str(text), "--out", str(arguments.grid / "grid")]
    subprocess.run(run, check=True)
    shutil.copyfile(arguments.grid / "grid" / "runs.csv", SAMPLE)
    print(f"wrote {SAMPLE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
