"""Word problems of one or two steps whose numbers nobody multiplies by head, made by a seed; each wording is as often there."""

from collections.abc import Callable
from random import Random

Numbers = tuple[int, int, int]
# (wording, value of its numbers a, b, c), written for this measurement and for no training
WORDINGS: tuple[tuple[str, Callable[[Numbers], int]], ...] = (
    ("A printer puts out {a} leaflets a minute. How many leaflets lie in its tray after {b} minutes?", lambda n: n[0] * n[1]),
    ("At the reservoir {c} litres were left on Monday, and {a} litres ran off by Tuesday. How many litres remain?", lambda n: n[2] - n[0]),
    ("The choir sold {c} seats on the floor and {a} in the gallery. How many seats did it sell altogether?", lambda n: n[2] + n[0]),
    ("Every shelf of the archive holds {a} folders, and there are {b} shelves. How many folders does the archive hold?", lambda n: n[0] * n[1]),
    ("A tram has covered {a} kilometres before noon and {b} after it, on each of {c} days. How many kilometres is that?", lambda n: (n[0] + n[1]) * n[2]),
    ("One pallet weighs {a} kilograms. The lorry carries {b} of them and a forklift of {c} kilograms. What is the load in kilograms?", lambda n: n[0] * n[1] + n[2]),
    ("The mill ground {c} sacks this week, {a} fewer than the week before. How many sacks did it grind the week before?", lambda n: n[2] + n[0]),
    ("Out of {c} lambs on the hill, {a} have been shorn. How many still wear their wool?", lambda n: n[2] - n[0]),
    ("A swimmer does {a} lengths in each of {b} sessions. How many lengths are these?", lambda n: n[0] * n[1]),
    ("The bakery has flour for {a} loaves and rye for {b}. Each loaf is cut into {c} slices. How many slices can there be?", lambda n: (n[0] + n[1]) * n[2]),
    ("A theatre has {b} rows with {a} places, and {c} stools beside. How many people can sit there?", lambda n: n[0] * n[1] + n[2]),
    ("Grandfather was {a} when the bridge was built, which is {b} years ago. How old is he?", lambda n: n[0] + n[1]),
    ("The thermometer read {c} degrees in the kiln, then it fell by {a}. What does it read?", lambda n: n[2] - n[0]),
    ("Somebody typed {a} words a minute for {b} minutes. How long is the text, in words?", lambda n: n[0] * n[1]),
    ("There were {c} visitors at the fair; {a} of them left before dusk and {b} after it. How many stayed?", lambda n: n[2] - n[0] - n[1]),
    ("A crate of tiles covers {a} square metres. What do {b} crates cover, in square metres?", lambda n: n[0] * n[1]),
)  # fmt: skip


def word_problems(count: int, seed: int) -> list[dict[str, str]]:
    """`count` rows with `question`, `answer` and the number of the `wording`."""
    draw, rows = Random(f"word problems {seed}"), []
    for number in range(count):
        wording, value = WORDINGS[number % len(WORDINGS)]
        numbers = draw.randint(13, 97), draw.randint(13, 97), draw.randint(203, 997)
        question = wording.format(a=numbers[0], b=numbers[1], c=numbers[2])
        rows.append({"question": question, "answer": str(value(numbers)), "wording": str(number % len(WORDINGS) + 1)})
    return rows
