"""Labelled rows for four tasks, drawn by seed from templates: some for training, others for measuring.

    rows("sentiment", "train", 4000, seed=1)

No template of the one part stands in the other; subjects, names and words of feeling are shared, so that what is measured
is whether a model reads a sentence that it has not seen, not whether it knows a word. All sentences are our own.
"""

import json
import random
from collections.abc import Iterator, Sequence

Row = dict[str, str]
TASKS = ("sentiment", "entities", "question-answering", "embeddings")

THINGS = (
    "hotel",
    "soup",
    "phone",
    "novel",
    "lesson",
    "train ride",
    "coffee",
    "museum",
    "keyboard",
    "concert",
    "jacket",
    "bakery",
    "film",
    "tour",
    "printer",
    "garden",
    "play",
    "app",
    "bicycle",
    "lamp",
    "sofa",
    "camera",
    "recipe",
    "market",
    "ferry",
)
GOODS = (  # what is bought
    "phone",
    "novel",
    "keyboard",
    "jacket",
    "printer",
    "bicycle",
    "lamp",
    "sofa",
    "camera",
    "kettle",
    "radio",
    "tent",
    "clock",
    "mirror",
    "desk",
    "chair",
    "drill",
    "vase",
    "helmet",
    "scooter",
)
GOOD = (
    "wonderful",
    "excellent",
    "lovely",
    "superb",
    "delightful",
    "great",
    "fantastic",
    "pleasant",
    "brilliant",
    "charming",
    "impressive",
    "perfect",
    "enjoyable",
    "outstanding",
    "reliable",
)
BAD = (
    "awful",
    "terrible",
    "dreadful",
    "poor",
    "horrible",
    "disappointing",
    "useless",
    "unpleasant",
    "boring",
    "miserable",
    "annoying",
    "broken",
    "tedious",
    "shoddy",
    "unreliable",
)
FEELING = {  # how a sentence begins, what it says and whether that is turned around, how it ends
    "train": (
        ("", "", "Honestly, ", "My sister says ", "After a week I can say ", "In short, ", "Everyone agreed: ", "Yes, ", "At first sight "),
        (
            ("the {thing} was {word}", 1), ("the {thing} is {word}", 1), ("it was a {word} {thing}", 1), ("this is a {word} {thing}", 1),
            ("we had a {word} {thing}", 1), ("I found the {thing} {word}", 1), ("the {thing} seemed {word}", 1), ("they have a {word} {thing}", 1),
            ("the {thing} was not {word}", -1), ("the {thing} is not {word}", -1), ("it was not a {word} {thing}", -1),
            ("the {thing} never seemed {word}", -1), ("I did not find the {thing} {word}", -1), ("it was never a {word} {thing}", -1),
        ),
        (".", ".", "!", ", I think.", " to me.", " and {word2} too.", ", as usual.", " from start to end."),
    ),
    "test": (
        ("In the end ", "My brother thinks ", "To be fair, ", "As I told you, ", "We all know that "),
        (
            ("the {thing} they sold us was {word}", 1), ("our {thing} is {word}", 1), ("that was such a {word} {thing}", 1),
            ("the {thing} proved to be {word}", 1),
            ("their {thing} was not {word}", -1), ("the {thing} here is never {word}", -1), ("that was not such a {word} {thing}", -1),
        ),
        (", if you ask me.", " this time.", " once again.", "."),
    ),
}  # fmt: skip

FIRST = (
    "Anna",
    "Bruno",
    "Clara",
    "David",
    "Elena",
    "Felix",
    "Greta",
    "Hugo",
    "Irene",
    "Jonas",
    "Karla",
    "Leon",
    "Marta",
    "Nils",
    "Olga",
    "Paul",
    "Rosa",
    "Simon",
    "Tina",
    "Viktor",
)
LAST = (
    "Albrecht",
    "Brandt",
    "Castro",
    "Dahl",
    "Eriksen",
    "Fontana",
    "Gruber",
    "Hansen",
    "Ivanov",
    "Jensen",
    "Keller",
    "Lindgren",
    "Moreno",
    "Novak",
    "Olsen",
    "Petrov",
    "Quist",
    "Rossi",
    "Schmitt",
    "Weber",
)
PLACES = (
    "Oslo",
    "Lisbon",
    "Vienna",
    "Madrid",
    "Prague",
    "Dublin",
    "Athens",
    "Warsaw",
    "Helsinki",
    "Zurich",
    "Naples",
    "Porto",
    "New Haven",
    "San Marino",
    "Cape Town",
    "Hamburg",
)
FIRMS = (
    "Nordlicht AG",
    "Blue River Ltd",
    "Sundial Systems",
    "Oakfield Bank",
    "Helix Labs",
    "Granite Motors",
    "Lumen Foods",
    "Harbor Press",
    "Quartz Energy",
    "Meadow Insurance",
    "Falcon Freight",
    "Tidewater Group",
)
NAMED = {
    "train": (
        "{per} lives in {loc}.", "{per} works for {org}.", "{org} opened an office in {loc}.", "Yesterday {per} met {per2} in {loc}.",
        "The head of {org} is {per}.", "In {loc}, {org} hired {per}.", "{per} left {org} for {org2}.", "A letter from {per} reached {loc}.",
        "Many people in {loc} know {per}.", "{org} and {org2} will merge.", "It was {per} who moved to {loc}.",
        "The trip from {loc} to {loc2} took a day.", "{per} and {per2} met in {loc}.", "We asked {per} about {org}.", "According to {org}, {per} is in {loc}.",
        "The weather was fine and nobody called.", "She bought bread, milk and two lamps.", "A new road leads to the harbor now.",
        "They had lunch in the garden and talked until late.", "Most shops will open again in the spring.", "He sold his car for a bicycle.",
        "We heard music from the house next door.", "The train was held up by snow for an hour.", "Children played between the trees.",
        "Two doors were closed, the third was not.", "Nothing is older than that tower.", "Each summer the lake dries up a little.",
        "It took a year to build the long wall.", "The team found a good way to save water.", "Somebody travelled all night by bus.",
        "A week has seven days.", "The company of old friends is a great pleasure.", "My neighbour wrote a book about birds.",
        "{per} bought a house in {loc}, and {org} paid for it.", "Since last week {per} has been the guest of {per2}.",
        "What {org} wants from {per}, nobody in {loc} can say.", "People say that {per} and {org} had a quarrel.",
        "The road between {loc} and {loc2} was closed.", "Only {org} knows why {per} travels so much.",
    ),
    "test": (
        "Next spring {per} will travel to {loc}.", "{org} sold its house in {loc} to {per}.", "Nobody at {org} had heard of {per}.",
        "{per} and {per2} founded {org}.", "From {loc}, {per} wrote to {org}.", "The meeting between {org} and {org2} was held in {loc}.",
        "Only {per} stayed in {loc}.", "The old bridge was closed for a week.",
    ),
}  # fmt: skip
KIND = {"per": "PER", "loc": "LOC", "org": "ORG"}

FACTS = {
    "lives": ("{per} lives in {loc}.", "loc"),
    "works": ("{per} works for {org}.", "org"),
    "bought": ("{per} bought a {thing} last week.", "thing"),
    "born": ("{per} was born in {year}.", "year"),
    "paid": ("{per} paid {price} euros for the ticket.", "price"),
    "friend": ("The best friend of {per} is {per2}.", "per2"),
}
ASKED = {
    "train": {
        "lives": ("Where does {per} live?", "In which city does {per} live?", "What is the city where {per} lives?", "{per} lives where?"),
        "works": ("Who does {per} work for?", "Where does {per} work?", "Which firm does {per} work for?", "{per} works for whom?"),
        "bought": ("What did {per} buy?", "What was it that {per} bought?", "Which thing did {per} buy last week?"),
        "born": ("When was {per} born?", "In which year was {per} born?", "What is the year when {per} was born?"),
        "paid": ("How much did {per} pay?", "How many euros did {per} pay?", "What did {per} pay for the ticket?"),
        "friend": ("Who is the best friend of {per}?", "What is the name of the best friend of {per}?", "The best friend of {per} is who?"),
    },
    "test": {
        "lives": ("Tell me where {per} lives.", "In what city is it that {per} lives?"),
        "works": ("For which firm does {per} work?", "Tell me who {per} works for."),
        "bought": ("Tell me what {per} bought.", "Last week {per} bought what?"),
        "born": ("Tell me when {per} was born.", "{per} was born in which year?"),
        "paid": ("For the ticket, how much did {per} pay?", "Tell me how many euros {per} paid."),
        "friend": ("Tell me who the best friend of {per} is.", "Who is called the best friend of {per}?"),
    },
}  # fmt: skip

NEEDS = {
    "refund": "The shop returns the full price of a {thing} within thirty days.",
    "repair": "A broken {thing} is mended in our workshop, which takes about a week.",
    "delivery": "A {thing} is brought to your door by a van between eight and noon.",
    "warranty": "Every {thing} is covered against faults for two years after the purchase.",
    "colour": "The {thing} is sold in red, green and a dark blue.",
    "cleaning": "Wipe the {thing} with a damp cloth and never use strong soap.",
    "price": "The {thing} is offered for forty euros until the end of the month.",
    "size": "The {thing} is sixty centimetres wide and weighs two kilograms.",
}
WANTED = {
    "train": {
        "refund": ("How do I get my money back for the {thing}?", "Can I return the {thing} and be paid back?"),
        "repair": ("Who mends my {thing}?", "My {thing} is broken; can it be repaired?"),
        "delivery": ("When will the {thing} be delivered?", "Is the {thing} brought to my door?"),
        "warranty": ("Is there a guarantee on the {thing}?", "How long is the {thing} covered?"),
        "colour": ("Which colours does the {thing} come in?", "Is the {thing} sold in red?"),
        "cleaning": ("How do I clean the {thing}?", "Can I use soap on the {thing}?"),
        "price": ("What does the {thing} cost?", "How many euros is the {thing}?"),
        "size": ("How big is the {thing}?", "What is the weight of the {thing}?"),
    },
    "test": {
        "refund": ("I want my money back, the {thing} was wrong.",),
        "repair": ("Do you have a workshop where a {thing} is mended?",),
        "delivery": ("At what hour does the van come with my {thing}?",),
        "warranty": ("For how many years is a {thing} under guarantee?",),
        "colour": ("Do you sell the {thing} in blue or green?",),
        "cleaning": ("What cloth should I clean the {thing} with?",),
        "price": ("For how many euros is the {thing} offered?",),
        "size": ("How wide is the {thing} in centimetres?",),
    },
}  # fmt: skip


def rows(task: str, part: str, count: int, seed: int) -> list[Row]:
    """`count` rows of a task's own columns; `part` is train or test. Equal arguments give equal rows."""
    draw = {"sentiment": _sentiment, "entities": _entities, "question-answering": _questions, "embeddings": _pairs}[
        task
    ]
    source = draw(part, random.Random(f"{task} {part} {seed}"))
    drawn: dict[str, Row] = {}
    for _ in range(100 * count):
        row = next(source)
        drawn.setdefault(json.dumps(row), row)
        if len(drawn) == count:
            break
    return list(drawn.values())


def _sentiment(part: str, dice: random.Random) -> Iterator[Row]:
    while True:
        starts, sayings, ends = FEELING[part]
        saying, sign = dice.choice(sayings)
        good = dice.random() < 0.5
        words = dice.sample(GOOD if good else BAD, 2)
        template = dice.choice(starts) + saying + dice.choice([end for end in ends if sign == 1 or "word2" not in end])
        text = template.format(thing=dice.choice(THINGS), word=words[0], word2=words[1])
        yield {"text": text[0].upper() + text[1:], "label": "positive" if good == (sign == 1) else "negative"}


def _person(dice: random.Random) -> str:
    return f"{dice.choice(FIRST)} {dice.choice(LAST)}"


def _entities(part: str, dice: random.Random) -> Iterator[Row]:
    while True:
        filled = {
            "per": _person(dice), "per2": _person(dice), **dict(zip(("loc", "loc2"), dice.sample(PLACES, 2), strict=True)),
            **dict(zip(("org", "org2"), dice.sample(FIRMS, 2), strict=True)),
        }  # fmt: skip
        text, spans = _fill(dice.choice(NAMED[part]), filled)
        yield {"text": text, "entities": json.dumps(spans)}


def _fill(template: str, values: dict[str, str]) -> tuple[str, list[dict[str, str | int]]]:
    """The text of a template, and where each value stands in it."""
    text, spans = "", []
    for piece in template.split("{"):
        field, brace, rest = piece.partition("}")
        if not brace:
            text += piece
            continue
        spans.append({"start": len(text), "end": len(text) + len(values[field]), "label": KIND[field.rstrip("2")]})
        text += values[field] + rest
    return text, spans


def _questions(part: str, dice: random.Random) -> Iterator[Row]:
    """Four facts about two people, each of another kind; one is asked for."""
    while True:
        people = [_person(dice) for _ in range(2)]
        facts = [(kind, _values(dice, dice.choice(people))) for kind in dice.sample(sorted(FACTS), 4)]
        asked = dice.randrange(len(facts))
        texts = [FACTS[kind][0].format(**values) for kind, values in facts]
        kind, values = facts[asked]
        before = " ".join([*texts[:asked], ""]) + FACTS[kind][0].partition("{" + FACTS[kind][1] + "}")[0].format(
            **values
        )
        if len(set(people)) == 2:
            yield {
                "context": " ".join(texts),
                "question": dice.choice(ASKED[part][kind]).format(per=values["per"]),
                "answer": values[FACTS[kind][1]],
                "answer_start": str(len(before)),
            }


def _values(dice: random.Random, person: str) -> dict[str, str]:
    return {
        "per": person, "per2": _person(dice), "loc": dice.choice(PLACES), "org": dice.choice(FIRMS), "thing": dice.choice(GOODS),
        "year": str(dice.randrange(1930, 2005)), "price": str(dice.randrange(5, 95)),
    }  # fmt: skip


def _pairs(part: str, dice: random.Random) -> Iterator[Row]:
    while True:
        need, thing = dice.choice(sorted(NEEDS)), dice.choice(GOODS)
        question = dice.choice(WANTED[part][need]).format(thing=thing)
        yield {"query": question, "relevant": NEEDS[need].format(thing=thing)}


def texts_of(task: str, drawn: Sequence[Row]) -> list[str]:
    """All texts of rows, for a tokenizer to learn from."""
    columns = {"sentiment": ("text",), "entities": ("text",), "question-answering": ("context", "question")}
    return [row[column] for row in drawn for column in columns.get(task, ("query", "relevant"))]
