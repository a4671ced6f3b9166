"""Reading: short reports with computed questions (DROP), and little mysteries whose solution follows (MuSR)."""

from collections.abc import Iterator
from random import Random
from typing import Any

TOWNS = ("Elmford", "Norwick", "Stonebridge", "Lakeview", "Easthaven", "Millbrook", "Redhill", "Ashby")
PEOPLE = ("Marta", "Jonas", "Priya", "Tomas", "Lena", "Omar", "Ingrid", "Felix")
OBJECTS = ("notebook", "key", "map", "lens", "ledger", "whistle")
PLACES = ("desk", "shelf", "workbench", "drawer", "locker")


def match_report(r: Random) -> tuple[str, list[tuple[str, list[str]]]]:
    """A football match told quarter by quarter, and questions with their answers."""
    home, away = r.sample(TOWNS, 2)
    kicks = [(r.choice((home, away)), r.randint(18, 54), r.choice(PEOPLE)) for _ in range(r.randint(3, 4))]
    ordinal = ("first", "second", "third", "fourth")
    told = " ".join(
        f"In the {ordinal[i]} quarter {team} scored with a {yards}-yard field goal by {kicker}."
        for i, (team, yards, kicker) in enumerate(kicks)
    )
    passage = f"{home} played against {away} on a cold afternoon. {told} After that neither side scored again."
    longest, shortest = max(k[1] for k in kicks), min(k[1] for k in kicks)
    first = kicks[0]
    questions = [
        ("How many field goals were kicked?", [str(len(kicks)), ("three", "four")[len(kicks) - 3]]),
        ("How many yards longer was the longest field goal than the shortest?", [str(longest - shortest)]),
        ("Who kicked the first field goal?", [first[2]]),
        (f"How many field goals did {home} kick?", [str(sum(k[0] == home for k in kicks))]),
    ]
    return passage, questions


def drop(r: Random) -> Iterator[dict[str, Any]]:
    number = 0
    while True:
        passage, questions = match_report(r)
        for question, answers in questions:
            number += 1
            yield {
                "section_id": "sample",
                "query_id": f"sample-{number}",
                "passage": passage,
                "question": question,
                "answers_spans": {"spans": answers, "types": ["number" if a.isdigit() else "span" for a in answers]},
                "answers": [[answer] for answer in answers],
            }


def murder(r: Random) -> dict[str, Any]:
    guilty, innocent = r.sample(PEOPLE, 2)
    hour, place = r.randint(7, 11), r.choice(TOWNS)
    narrative = (
        f"The clockmaker of {place} was found dead in the workshop shortly after {hour} in the evening. Inspector Reed learned "
        f"that only two people had known where the spare key was kept: {guilty} and {innocent}. {innocent} had spent the whole "
        f"evening on the ferry, and the captain, who remembered the conversation well, confirmed it. {guilty} claimed to have "
        f"been at home reading, but a neighbor saw the windows dark. {guilty} had lost a large wager to the clockmaker the week "
        f"before and had asked in vain for more time. {innocent} had quarreled with the clockmaker too, about a broken watch, "
        "but the watch had since been mended and paid for. On the floor lay a glove, torn at the thumb; Reed had noticed that "
        f"{guilty} kept the left hand in the pocket all through the talk."
    )
    names = sorted((guilty, innocent))
    return {"narrative": narrative, "question": "Who is the most likely murderer?", "choices": str(names), "answer_index": names.index(guilty), "answer_choice": guilty}  # fmt: skip


def objects(r: Random) -> dict[str, Any]:
    mover, looker = r.sample(PEOPLE, 2)
    thing, places = r.choice(OBJECTS), r.sample(PLACES, 5)
    seen = r.random() < 0.5
    told = (
        f"{looker} stood in the doorway and watched every move."
        if seen
        else f"{looker} was out for lunch and learned nothing of it."
    )
    narrative = (
        f"{mover} and {looker} share a small studio in {r.choice(TOWNS)}. In the morning both saw the {thing} on the {places[0]}. "
        f"Toward noon {mover} took the {thing} and put it on the {places[1]}, to make room for the lamps. {told} In the afternoon "
        f"a courier came, and the two signed for a crate that was set beside the {places[2]}; nobody went near the {places[3]} or the "
        f"{places[4]}."
    )
    choices = sorted(places)
    answer = places[1] if seen else places[0]
    question = f"Which location is the most likely place {looker} would look to find the {thing} given the story?"
    return {"narrative": narrative, "question": question, "choices": str(choices), "answer_index": choices.index(answer), "answer_choice": answer}  # fmt: skip


def teams(r: Random) -> dict[str, Any]:
    cook, a, b = r.sample(PEOPLE, 3)
    narrative = (
        f"The festival in {r.choice(TOWNS)} needs one person in the kitchen and two to build the stage. {cook} has cooked for large "
        f"groups for years and grows dizzy on ladders. {a} once set a pot of water on fire and is not allowed near a stove again, "
        f"but has built three stages together with {b}, and the two finish each other's sentences. {b} can boil an egg, no more, "
        f"and is happiest with a hammer."
    )
    options = [f"Cooking: {c}, Stage: {x} and {y}" for c, x, y in ((cook, a, b), (a, cook, b), (b, cook, a))]
    right = options[0]
    r.shuffle(options)
    question = "Given the story, how would you uniquely allocate each person to make sure both tasks are done well?"
    return {"narrative": narrative, "question": question, "choices": str(options), "answer_index": options.index(right), "answer_choice": right}  # fmt: skip


MUSR = {"murder_mysteries": murder, "object_placements": objects, "team_allocation": teams}
