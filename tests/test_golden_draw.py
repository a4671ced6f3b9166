"""The few-shot draw against the positions that random.Random(1234) gives, as the reference harness uses it."""

import json
from pathlib import Path

import pytest

from llms.benchmarks.shots import draw

DRAW = json.loads(Path(__file__).with_name("golden").joinpath("draw.json").read_text())


@pytest.mark.parametrize(("size", "shots", "positions"), DRAW)
def test_the_draw_is_that_of_the_reference_harness(size, shots, positions):
    pool = [{"row": i} for i in range(size)]
    documents = [{"document": i} for i in range(len(positions))]
    drawn = draw("random", pool, shots, documents, range(len(positions)))
    assert [[row["row"] for row in drawn[at]] for at in range(len(positions))] == positions


def test_a_document_that_is_drawn_twice_is_replaced_from_the_rest():
    """The pool holds the document so often that the spare row does not suffice: the rest is drawn from the others."""
    pool = [{"row": 0}] * 6 + [{"row": 1}, {"row": 2}, {"row": 3}]
    drawn = draw("random", pool, 3, [{"row": 0}] * 20, range(20), same_split=True)
    assert all(sorted(row["row"] for row in rows) == [1, 2, 3] for rows in drawn.values())
