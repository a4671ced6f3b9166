"""Fresh items of BIG-Bench Hard's procedural tasks, in their wording, with the reasoning written out for few-shot rows."""

import itertools
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from random import Random

from ...data import Row

Made = tuple[str, str, str]  # input, target, reasoning
NAMES = ("Alice", "Bob", "Claire", "Dave", "Eve", "Fred", "Gertrude")
SAYERS = (
    "Fidel",
    "Jerry",
    "Vina",
    "Millie",
    "Raymond",
    "Andree",
    "Bernita",
    "Crista",
    "Delfina",
    "Elanor",
    "Hector",
    "Osvaldo",
)
THINGS = {
    "fruits": ("apple", "banana", "orange", "peach", "plum", "grape", "strawberry", "nectarine"),
    "animals": ("cat", "dog", "goat", "duck", "snail", "frog", "rabbit", "donkey"),
    "musical instruments": ("violin", "flute", "drum", "trumpet", "piano", "clarinet", "accordion", "trombone"),
    "vegetables": ("carrot", "onion", "potato", "cabbage", "lettuce head", "garlic", "yam", "cauliflower"),
}
COUNTS = ("one", "two", "three", "four", "five")
WORDS = """
    harbor lantern meadow pebble quartz ribbon saddle timber velvet walnut anchor basket candle dagger ember fabric gravel hammer
    island jacket kettle ladder magnet needle oyster pillow quiver rocket silver tunnel urchin valley window yonder bottle castle
    desert engine forest garden hollow insect jungle kernel legend marble nickel orchid pepper saucer avalanche blacksmith
    chandelier drawbridge evergreen fisherman goldsmith hurricane icebreaker jellyfish kaleidoscope lighthouse marketplace
    northbound observatory parchment quicksand rhinoceros sandstone thunderous umbrella vineyard waterfall xylophone yesterday
    zeppelin accordion bewilder candlestick dandelion earthquake firewood grandfather honeycomb inkwell juniper knapsack
    loudspeaker mulberry nightfall overgrown peppermint rainfall silversmith tambourine undertow windmill
""".split()  # noqa: SIM905


def boolean_expressions(r: Random) -> Made:
    def leaf() -> str:
        return r.choice(("", "not ")) + r.choice(("True", "False"))

    parts = [leaf() for _ in range(r.choice((3, 3, 4)))]
    start = r.randrange(len(parts))
    inner = f"{'not ' if r.random() < 0.5 else ''}( {parts[start]} )"
    joined = [*parts[:start], inner, *parts[start + 1 :]]
    expression = joined[0]
    for part in joined[1:]:
        expression += f" {r.choice(('and', 'or'))} {part}"
    value = str(eval(expression, {"__builtins__": {}}))
    return f"{expression} is", value, f"Brackets first, then not, then and, then or: {expression} = {value}."


def multistep_arithmetic_two(r: Random) -> Made:
    def group() -> str:
        numbers = [str(r.choice([n for n in range(-9, 10) if n])) for _ in range(4)]
        return (
            "("
            + " ".join(
                a for pair in zip(numbers, (*(r.choice("+-*") for _ in range(3)), ""), strict=True) for a in pair
            ).strip()
            + ")"
        )

    left, right, sign = group(), group(), r.choice("+-*")
    a, b = (eval(side, {"__builtins__": {}}) for side in (left, right))
    value = eval(f"({a}) {sign} ({b})", {"__builtins__": {}})
    return f"({left} {sign} {right}) =", str(value), f"{left} = {a} and {right} = {b}. So ({a}) {sign} ({b}) = {value}."


def object_counting(r: Random) -> Made:
    kind = r.choice(list(THINGS))
    chosen = [(thing, r.choice((1, 1, 1, 2, 3))) for thing in r.sample(THINGS[kind], r.randint(3, 7))]
    other = r.choice([k for k in THINGS if k != kind])
    extra = [(thing, 1) for thing in r.sample(THINGS[other], r.randint(0, 2))]
    every = chosen + extra
    r.shuffle(every)
    parts = [f"{_article(thing)} {thing}" if n == 1 else f"{COUNTS[n - 1]} {_plural(thing)}" for thing, n in every]
    total = sum(n for _, n in chosen)
    shown = " + ".join(str(n) for _, n in chosen)
    question = f"I have {', '.join(parts[:-1])}, and {parts[-1]}. How many {kind} do I have?"
    return question, str(total), f"The {kind} are {', '.join(thing for thing, _ in chosen)}: {shown} = {total}."


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("rry") else word + ("es" if word.endswith(("h", "o")) else "s")


def navigate(r: Random) -> Made:
    ways = {"forward": (0, 1), "backward": (0, -1), "left": (-1, 0), "right": (1, 0)}
    opposite = {"forward": "backward", "backward": "forward", "left": "right", "right": "left"}
    steps = [(r.randint(1, 10), r.choice(list(ways))) for _ in range(r.randint(2, 4))]
    if r.random() < 0.5:  # the way back, in another order
        back = [(n, opposite[way]) for n, way in steps]
        r.shuffle(back)
        steps += back
    x = sum(n * ways[way][0] for n, way in steps)
    y = sum(n * ways[way][1] for n, way in steps)
    walk = " ".join(f"Take {n} step{'s' if n > 1 else ''} {way}." for n, way in steps)
    target = "Yes" if x == y == 0 else "No"
    question = f"If you follow these instructions, do you return to the starting point? Always face forward. {walk}\nOptions:\n- Yes\n- No"
    return question, target, f"Summing the steps gives ({x}, {y}), and the start is (0, 0). So the answer is {target}."


# what everyone has at first, how that is told, what an exchange is called, and the end of the question
SCENES = (
    ("are playing a game with colored balls", "has a {} ball", "swap balls", "has the", "{} ball",
     ("yellow", "blue", "pink", "green", "purple", "orange", "white")),
    ("are dancers at a square dance, and each of them has a partner", "is dancing with {}", "switch partners", "is dancing with", "{}",
     ("Nora", "Emil", "Greta", "Hugo", "Ines", "Pavel", "Tilda")),
    ("are friends who meet at a fair, where each of them buys a different book to read on the way home", "buys {}", "swap books", "has", "{}",
     ("Frozen Rivers", "The Lost Key", "Hidden Doors", "A Quiet House", "Seven Winters", "Tall Ships", "Red Lanterns")),
    ("are on the same team in a match, and at the beginning each of them plays in a position of their own", "is playing {}",
     "trade positions", "is playing", "{}",
     ("goalkeeper", "striker", "left winger", "right winger", "sweeper", "fullback", "left midfielder")),
)  # fmt: skip


def tracking(players: int) -> Callable[[Random], Made]:
    def make(r: Random) -> Made:
        scene, holds, swap, ends, shape, every = r.choice(SCENES)
        names, order = NAMES[:players], r.sample(every, players)
        has = dict(zip(names, order, strict=True))
        swaps = [r.sample(names, 2) for _ in range(players)]
        for a, b in swaps:
            has[a], has[b] = has[b], has[a]
        start = _listed([f"{name} {holds.format(thing)}" for name, thing in zip(names, order, strict=True)])
        words = ["First", *["Then"] * (players - 2), "Finally"]
        moves = " ".join(f"{word}, {a} and {b} {swap}." for word, (a, b) in zip(words, swaps, strict=True))
        asked = r.choice(names)
        options = r.sample(order, players)
        question = (
            f"{_listed(list(names))} {scene}. At the start of the event: {start}.\n\nAs time goes on, pairs of them {swap}. {moves} At "
            f"the end of the event, {asked} {ends}\n" + _options([shape.format(thing) for thing in options])
        )
        target = f"({chr(65 + options.index(has[asked]))})"
        end = f"At the end {asked} {ends} {shape.format(has[asked])}"
        return question, target, f"{end}. So the answer is {target}."

    return make


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _options(texts: list[str]) -> str:
    return "Options:\n" + "\n".join(f"({chr(65 + i)}) {text}" for i, text in enumerate(texts))


# the things, where they are, how one stands to another, and what the first and the last of them is called
ORDERS = (
    ("birds", "On a branch, there are {n} birds: {things}.", "is to the left of", "is to the right of", "leftmost", "rightmost", "from the left",
     ("robin", "falcon", "quail", "raven", "crow", "owl", "hawk", "hummingbird", "cardinal")),
    ("books", "On a shelf, there are {n} books: {things}.", "is to the left of", "is to the right of", "leftmost", "rightmost", "from the left",
     ("red book", "green book", "blue book", "orange book", "gray book", "white book", "purple book", "yellow book")),
    ("fruits", "A fruit stand sells {n} fruits: {things}.", "is less expensive than", "is more expensive than", "cheapest", "most expensive", "cheapest",
     ("mango", "kiwi", "peach", "plum", "pear", "apple", "cantaloupe", "watermelon", "loquat")),
    ("vehicles", "In an antique car show, there are {n} vehicles: {things}.", "is older than", "is newer than", "oldest", "newest", "oldest",
     ("truck", "tractor", "bus", "minivan", "sedan", "limousine", "motorcycle", "convertible")),
)  # fmt: skip
COUNTED = ("", "", "second", "third", "fourth", "fifth", "sixth")


def logical_deduction(count: int) -> Callable[[Random], Made]:
    number = {3: "three", 5: "five", 7: "seven"}[count]
    orders = list(itertools.permutations(range(count)))  # order[thing] = place

    def make(r: Random) -> Made:
        kind, where, before, after, first, last, counted, things = r.choice(ORDERS)
        order = r.sample(things, count)

        def place(index: int) -> str:
            if index in (0, count - 1):
                return first if index == 0 else last
            return f"{COUNTED[index + 1]}{'-' if counted != 'from the left' else ' '}{counted}"

        def agrees(p: tuple[int, ...], a: int, b: int) -> bool:
            return p[a] == a if a == b else (p[a] < p[b]) == (a < b)

        clues: list[tuple[str, Callable[[tuple[int, ...]], bool]]] = []
        possible = orders
        while len(possible) > 1:
            a, b = r.sample(range(count), 2)
            if r.random() < 0.3:
                text, b = f"The {order[a]} is the {place(a)}.", a
            else:
                text = f"The {order[a]} {before if a < b else after} the {order[b]}."
            holds = partial(agrees, a=a, b=b)
            left = [p for p in possible if holds(p)]
            if len(left) < len(possible):
                possible = left
                clues.append((text, holds))
        for clue in clues[:-1]:  # those that later ones have made needless
            others = [other for other in clues if other is not clue]
            left = [p for p in orders if all(agreed(p) for _, agreed in others)]
            if len(left) == 1:
                clues = others
        asked = r.randrange(count)
        shown = r.sample(order, count)
        named = _listed([f"{_article(thing)} {thing}" for thing in r.sample(order, count)])
        question = (
            f"The following paragraphs each describe a set of {number} objects arranged in a fixed order. The statements are logically "
            f"consistent within each paragraph. {where.format(n=number, things=named)} {' '.join(text for text, _ in clues)}\n"
            + _options([f"The {thing} is the {place(asked)}" for thing in shown])
        )
        target = f"({chr(65 + shown.index(order[asked]))})"
        reasoning = (
            f"The {kind} from the {first} to the {last}: {', '.join(order)}. The {place(asked)} is the {order[asked]}."
        )
        return question, target, f"{reasoning} So the answer is {target}."

    return make


def date_understanding(r: Random) -> Made:
    today = date(r.randint(1930, 2030), 1, 1) + timedelta(days=r.randrange(365))
    days = r.choice((0, 1, 1, 7, 10, 30, -1, -7, -10))
    words = {0: "today", 1: "tomorrow", 7: "one week from today", 10: "10 days later", 30: "30 days from today", -1: "yesterday",
             -7: "one week ago from today", -10: "10 days ago"}  # fmt: skip
    right = today + timedelta(days=days)
    wrong = {right + timedelta(days=d) for d in (1, -1, 7, 30, 365, -30, -7)}
    options = [*r.sample(sorted(wrong), 5), right]
    r.shuffle(options)
    name, away = r.choice(NAMES), r.choice((1, 2, 3, 5, 14))
    known = today - timedelta(days=away)
    ago = {1: "Yesterday", 2: "Two days ago", 3: "Three days ago", 5: "Five days ago", 14: "Two weeks ago"}[away]

    def told(day: date) -> str:
        return r.choice((f"{day:%b} {day.day}, {day.year}", f"{day:%m/%d/%Y}", f"{day:%B} {day.day}, {day.year}"))

    facts = [f"{ago} it was {told(known)}."]
    if days:
        facts += [
            f"Today is {told(today)}.",
            f"{name} looks at the calendar on the wall, which says that it is {told(today)} today.",
        ]
    facts += [
        f"The concert was planned for {told(known)}, but was put off by {away} day{'s' if away > 1 else ''} and takes place today.",
        f"{name} wrote a letter on {told(known)}, and it arrives today, exactly {away} day{'s' if away > 1 else ''} later.",
        f"{name} thought that today is {told(today + timedelta(days=1))}, but in truth that is tomorrow, as the newspaper shows.",
    ]
    shown = _options([f"{option:%m/%d/%Y}" for option in options])
    question = f"{r.choice(facts)} What is the date {words[days]} in MM/DD/YYYY?\n{shown}"
    target = f"({chr(65 + options.index(right))})"
    return question, target, f"Today is {today:%m/%d/%Y}, so the date is {right:%m/%d/%Y}. So the answer is {target}."


def word_sorting(r: Random) -> Made:
    words = r.sample(WORDS, r.randint(5, 19))
    target = " ".join(sorted(words))
    return (
        f"Sort the following words alphabetically: List: {' '.join(words)}",
        target,
        f"In alphabetical order: {target}.",
    )


def dyck_languages(r: Random) -> Made:
    pairs = {"(": ")", "[": "]", "{": "}", "<": ">"}
    sequence: list[str] = []
    stack: list[str] = []
    length, most = r.choice((6, 8, 12, 16, 24, 40, 60)), r.randint(2, 5)
    open_at_end = r.choice((1, 1, 2, 2, 3))
    while len(sequence) < length or len(stack) > open_at_end or not stack:
        close = len(stack) > most or (len(sequence) >= length and stack) or r.random() < 0.45
        if stack and close and (len(stack) > 1 or len(sequence) < length):
            sequence.append(pairs[stack.pop()])
        else:
            stack.append(r.choice(list(pairs)))
            sequence.append(stack[-1])
    target = " ".join(pairs[mark] for mark in reversed(stack))
    question = (
        "Complete the rest of the sequence, making sure that the parentheses are closed properly. Input: "
        + " ".join(sequence)
    )
    return question, target, f"Still open are {' '.join(stack)}, which close in reverse order: {target}."


def web_of_lies(r: Random) -> Made:
    people = r.sample(SAYERS, 5)
    truths = [r.random() < 0.5]
    text = [f"{people[0]} {'tells the truth' if truths[0] else 'lies'}."]
    for before, person in itertools.pairwise(people):
        says = r.random() < 0.5
        text.append(f"{person} says {before} {'tells the truth' if says else 'lies'}.")
        truths.append(says == truths[-1])
    target = "Yes" if truths[-1] else "No"
    reasoning = ", ".join(
        f"{person} {'tells the truth' if true else 'lies'}" for person, true in zip(people, truths, strict=True)
    )
    question = f"Question: {' '.join(text)} Does {people[-1]} tell the truth?"
    return question, target, f"{reasoning}. So the answer is {target}."


TASKS: dict[str, tuple[Callable[[Random], Made], str]] = {
    "boolean_expressions": (boolean_expressions, "Evaluate the result of a random Boolean expression."),
    "multistep_arithmetic_two": (multistep_arithmetic_two, "Solve multi-step arithmetic problems."),
    "object_counting": (object_counting, "Questions that involve enumerating objects and asking the model to count them."),
    "navigate": (navigate, "Given a series of navigation instructions, determine whether one would end up back at the starting point."),
    "date_understanding": (date_understanding, "Infer the date from context."),
    "word_sorting": (word_sorting, "Sort a list of words."),
    "dyck_languages": (dyck_languages, "Correctly close a Dyck-n word."),
    "web_of_lies": (web_of_lies, "Evaluate a random boolean function expressed as a word problem."),
    **{
        f"tracking_shuffled_objects_{word}_objects": (tracking(n), "A task requiring determining the final positions of a set of objects given their initial positions and a description of a sequence of swaps.")
        for n, word in ((3, "three"), (5, "five"), (7, "seven"))
    },
    **{
        f"logical_deduction_{word}_objects": (logical_deduction(n), "A logical deduction task which requires deducing the order of a sequence of objects.")
        for n, word in ((3, "three"), (5, "five"), (7, "seven"))
    },
}  # fmt: skip


def rows(task: str) -> Callable[[Random], Iterator[Row]] | None:
    if task not in TASKS:
        return None
    make, description = TASKS[task]

    def endless(random: Random) -> Iterator[Row]:
        while True:
            question, target, reasoning = make(random)
            ending = f"So the answer is {target}."
            steps = reasoning if reasoning.endswith(ending) else f"{reasoning} {ending}"
            yield {
                "input": question,
                "target": target,
                "cot": f"Let's think step by step.\n{steps}",
                "description": description,
            }

    return endless
