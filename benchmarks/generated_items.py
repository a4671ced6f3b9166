"""Questions with four answers that a small model can answer, made by a seed: capitals, opposites, kinds, past tenses, sums."""

from collections.abc import Iterator
from random import Random

CAPITALS = (
    "France Paris, Italy Rome, Spain Madrid, Germany Berlin, Japan Tokyo, China Beijing, Russia Moscow, Greece Athens, "
    "Egypt Cairo, Portugal Lisbon, Austria Vienna, Poland Warsaw, Ireland Dublin, Norway Oslo, Sweden Stockholm, "
    "Finland Helsinki, Denmark Copenhagen, Hungary Budapest, Turkey Ankara, Cuba Havana, Peru Lima, Chile Santiago, "
    "Kenya Nairobi, Thailand Bangkok, Canada Ottawa, Australia Canberra, Belgium Brussels, Iran Tehran, Iraq Baghdad, "
    "Syria Damascus, Ukraine Kyiv, Romania Bucharest, Bulgaria Sofia, Vietnam Hanoi, Indonesia Jakarta, Nepal Kathmandu"
)
OPPOSITES = (
    "hot cold, big small, fast slow, old young, rich poor, light dark, hard soft, wet dry, full empty, early late, high low, "
    "happy sad, strong weak, open closed, clean dirty, loud quiet, sharp blunt, thick thin, wide narrow, deep shallow, "
    "left right, up down, day night, love hate, war peace, begin end, buy sell, push pull, win lose, laugh cry, remember forget, "
    "accept refuse, arrive depart, increase decrease, ancient modern, brave cowardly, cheap expensive, near far"
)
KINDS = {
    "animal": "dog cat horse cow lion tiger elephant rabbit goat wolf bear fox monkey camel",
    "fruit": "apple banana orange pear grape cherry mango peach plum lemon melon strawberry",
    "metal": "iron gold silver copper lead tin zinc aluminum nickel platinum",
    "colour": "red blue green yellow purple orange brown pink violet grey",
    "musical instrument": "piano guitar violin flute drum trumpet harp cello clarinet organ",
    "country": "France Italy Spain Germany Japan China Russia Greece Egypt Portugal Austria Poland",
    "profession": "doctor teacher lawyer baker carpenter nurse engineer plumber tailor pilot",
    "vehicle": "car bus truck train bicycle motorcycle tractor van",
}
PAST = (
    "go went, see saw, eat ate, take took, give gave, come came, run ran, write wrote, speak spoke, break broke, buy bought, "
    "bring brought, think thought, teach taught, catch caught, sell sold, tell told, find found, make made, know knew, grow grew, "
    "fly flew, draw drew, swim swam, sing sang, drink drank, begin began, drive drove, ride rode, rise rose, fall fell, feel felt, "
    "keep kept, sleep slept, leave left, lose lost, meet met, pay paid, sit sat, stand stood, win won, wear wore"
)
ORDERED = (
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August September October November December",
)


def items(count: int, seed: int = 7) -> list[dict]:
    """`count` different items: `question`, four `choices`, `answer` as the index of the right one."""
    draw = Random(f"items {seed}")
    every = list(dict.fromkeys(_questions(draw)))
    if count > len(every):
        raise SystemExit(f"there are {len(every)} different items; {count} were asked for")
    draw.shuffle(every)
    made = []
    for question, right, wrong in every[:count]:
        choices = [right, *draw.sample(sorted({*wrong} - {right}), 3)]
        draw.shuffle(choices)
        made.append({"question": question, "choices": choices, "answer": choices.index(right)})
    return made


def _questions(draw: Random) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(question, right answer, what wrong ones are drawn from)."""
    for table, form in (
        (CAPITALS, "What is the capital of {}?"),
        (OPPOSITES, "What is the opposite of {}?"),
        (PAST, "What is the past tense of the verb {}?"),
    ):
        pairs = [pair.split() for pair in table.split(", ")]
        answers = tuple(right for _, right in pairs)
        yield from ((form.format(asked), right, answers) for asked, right in pairs)
    seen: set[str] = set()
    for kind, members in KINDS.items():
        for member in members.split():
            if member not in seen:
                seen.add(member)
                yield f"What kind of thing is {member}?", kind, tuple(KINDS)
    for order in ORDERED:
        words = order.split()
        for first, second in zip(words, [*words[1:], words[0]], strict=True):
            yield f"What comes after {first}?", second, tuple(word for word in words if word != first)
            yield f"What comes before {second}?", first, tuple(word for word in words if word != second)
    for _ in range(120):
        a, b = draw.randint(1, 9), draw.randint(1, 9)
        yield f"How much is {a} + {b}?", str(a + b), tuple(str(n) for n in range(max(1, a + b - 4), a + b + 5))
        yield f"How much is {a + b} - {a}?", str(b), tuple(str(n) for n in range(10))
