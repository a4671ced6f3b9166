"""Fresh items of BIG-Bench Hard's procedural tasks, in their wording, with the reasoning written out for few-shot rows."""

import itertools
from collections.abc import Callable, Iterator
from datetime import date, timedelta
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
WORDS = [
    "harbor",
    "lantern",
    "meadow",
    "pebble",
    "quartz",
    "ribbon",
    "saddle",
    "timber",
    "velvet",
    "walnut",
    "anchor",
    "basket",
    "candle",
    "dagger",
    "ember",
    "fabric",
    "gravel",
    "hammer",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "magnet",
    "needle",
    "oyster",
    "pillow",
    "quiver",
    "rocket",
    "silver",
    "tunnel",
    "urchin",
    "valley",
    "window",
    "yonder",
    "bottle",
    "castle",
    "desert",
    "engine",
    "forest",
    "garden",
    "hollow",
    "insect",
    "jungle",
    "kernel",
    "legend",
    "marble",
    "nickel",
    "orchid",
    "pepper",
    "saucer",
]


def boolean_expressions(r: Random) -> Made:
    def term(depth: int) -> str:
        if depth == 0:
            return r.choice(("", "", "not ")) + r.choice(("True", "False"))
        left, right = term(depth - 1), term(r.randrange(depth))
        joined = f"{left} {r.choice(('and', 'or'))} {right}"
        return f"not ( {joined} )" if r.random() < 0.3 else f"( {joined} )" if r.random() < 0.5 else joined

    expression = term(2)
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


def tracking(players: int) -> Callable[[Random], Made]:
    colors = ("yellow", "blue", "pink", "green", "purple", "orange", "white")

    def make(r: Random) -> Made:
        names, order = NAMES[:players], r.sample(colors, players)
        has = dict(zip(names, order, strict=True))
        swaps = [r.sample(names, 2) for _ in range(players)]
        for a, b in swaps:
            has[a], has[b] = has[b], has[a]
        start = _listed([f"{name} has a {color} ball" for name, color in zip(names, order, strict=True)])
        words = ["First", *["Then"] * (players - 2), "Finally"]
        moves = " ".join(f"{word}, {a} and {b} swap balls." for word, (a, b) in zip(words, swaps, strict=True))
        asked = r.choice(names)
        options = r.sample(order, players)
        question = (
            f"{_listed(list(names))} are playing a game. At the start of the game, they are each holding a ball: {start}. \n\n"
            f"As the game progresses, pairs of players trade balls. {moves} At the end of the game, {asked} has the\n"
            + _options([f"{color} ball" for color in options])
        )
        target = f"({chr(65 + options.index(has[asked]))})"
        return question, target, f"After all swaps {asked} has the {has[asked]} ball. So the answer is {target}."

    return make


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _options(texts: list[str]) -> str:
    return "Options:\n" + "\n".join(f"({chr(65 + i)}) {text}" for i, text in enumerate(texts))


def logical_deduction(count: int) -> Callable[[Random], Made]:
    birds = ("robin", "falcon", "quail", "raven", "crow", "owl", "hawk", "hummingbird", "cardinal")
    words = {3: "three", 5: "five", 7: "seven"}
    places = ("leftmost", "second from the left", "third from the left", "fourth from the left", "fifth from the left",
              "sixth from the left", "seventh from the left")  # fmt: skip

    def place(index: int) -> str:
        return "rightmost" if index == count - 1 else places[index]

    def make(r: Random) -> Made:
        order = r.sample(birds, count)
        possible = list(itertools.permutations(range(count)))  # possible[k][bird] = place
        clues: list[str] = []
        while len(possible) > 1:
            a, b = r.sample(range(count), 2)
            if r.random() < 0.3:
                clue, left = f"The {order[a]} is the {place(a)}.", [p for p in possible if p[a] == a]
            elif a < b:
                clue, left = f"The {order[a]} is to the left of the {order[b]}.", [p for p in possible if p[a] < p[b]]
            else:
                clue, left = f"The {order[a]} is to the right of the {order[b]}.", [p for p in possible if p[a] > p[b]]
            if len(left) < len(possible):
                possible = left
                clues.append(clue)
        asked = r.randrange(count)
        shown = r.sample(order, count)
        named = _listed([f"{_article(bird)} {bird}" for bird in r.sample(order, count)])
        question = (
            f"The following paragraphs each describe a set of {words[count]} objects arranged in a fixed order. The statements "
            f"are logically consistent within each paragraph. On a branch, there are {words[count]} birds: {named}. "
            + " ".join(clues) + "\n" + _options([f"The {bird} is the {place(asked)}" for bird in shown])
        )  # fmt: skip
        target = f"({chr(65 + shown.index(order[asked]))})"
        return (
            question,
            target,
            f"From left to right: {', '.join(order)}. The {place(asked)} is the {order[asked]}. So the answer is {target}.",
        )

    return make


def date_understanding(r: Random) -> Made:
    today = date(r.randint(1950, 2030), 1, 1) + timedelta(days=r.randrange(365))
    days = r.choice((1, 1, 7, 10, 30, -1, -7, -10))
    words = {1: "tomorrow", 7: "one week from today", 10: "10 days from now", 30: "30 days from now", -1: "yesterday",
             -7: "one week ago from today", -10: "10 days ago"}  # fmt: skip
    right = today + timedelta(days=days)
    wrong = {right + timedelta(days=d) for d in (1, -1, 7, 30, 365, -30, -7) if d}
    options = [*r.sample(sorted(wrong - {right}), 5), right]
    r.shuffle(options)
    question = (
        f"Today is {today:%b} {today.day}, {today.year}. What is the date {words[days]} in MM/DD/YYYY?\n"
        + _options([f"{option:%m/%d/%Y}" for option in options])
    )
    target = f"({chr(65 + options.index(right))})"
    return question, target, f"Today is {today:%m/%d/%Y}, so the date is {right:%m/%d/%Y}. So the answer is {target}."


def word_sorting(r: Random) -> Made:
    words = r.sample(WORDS, r.randint(4, 12))
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
    for _ in range(r.randint(4, 20)):
        if stack and r.random() < 0.45:
            sequence.append(pairs[stack.pop()])
        else:
            stack.append(r.choice(list(pairs)))
            sequence.append(stack[-1])
    if not stack:
        stack.append("(")
        sequence.append("(")
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
    told = ", ".join(
        f"{person} {'tells the truth' if true else 'lies'}" for person, true in zip(people, truths, strict=True)
    )
    question = f"Question: {' '.join(text)} Does {people[-1]} tell the truth?"
    return question, target, f"{told}. So the answer is {target}."


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
