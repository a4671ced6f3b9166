"""New items of the same kind as public ones, by seeded generators whose answers are computed.

A model that has seen a benchmark's items does better on them than on these. `--data fresh` or `--data fresh:SEED` runs GSM8K,
MATH and the procedural tasks of BIG-Bench Hard on them; the embedded sample is made of them as well.
"""

from .source import Fresh, is_fresh

__all__ = ["Fresh", "is_fresh"]
