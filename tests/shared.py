"""Material beside the checkout that some tests compare with; they are skipped where it is absent."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1].parent / "shared"
ROWS = ROOT / "data" / "benchmarks"
GOLDEN = ROOT / "data" / "golden"
ARENA = ROOT / "data" / "arena"
needs_arena = pytest.mark.skipif(not ARENA.is_dir(), reason="needs public votes in ../shared/data/arena")
needs_rows = pytest.mark.skipif(not ROWS.is_dir(), reason="needs real benchmark rows in ../shared/data/benchmarks")
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="needs the reference harness's scores in ../shared/data/golden"
)
