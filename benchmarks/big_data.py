"""What `llms eval --data FILE --dry-run` takes for files of a million rows and more: seconds and the peak of memory.

python benchmarks/big_data.py --rows 1000000 10000000
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write(path: Path, rows: int) -> None:
    """A file of open questions."""
    with path.open("w", encoding="utf-8") as file:
        file.write("question,answer\n")
        for start in range(0, rows, 10_000):
            numbers = range(start, min(start + 10_000, rows))
            file.writelines(f"What is {i} plus {i + 1}?,{2 * i + 1}\n" for i in numbers)


def measured(model: str, path: Path, home: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the peak of resident memory in MB of a dry run."""
    command = [str(Path(sys.executable).parent / "llms"), "eval", model, "--data", str(path), "--dry-run"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "LLMS_HOME": str(home)})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"the dry run ended with {process.returncode}"
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--model", default="smollm2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            path = Path(folder) / "rows.csv"
            write(path, rows)
            wall, cpu, peak = measured(options.model, path, Path(folder) / "home")
            size = path.stat().st_size / 1e6
            print(f"{rows:>12,} rows ({size:,.0f} MB): {wall:6.1f} s, {cpu:6.1f} CPU seconds, {peak:6.0f} MB")


if __name__ == "__main__":
    main()
