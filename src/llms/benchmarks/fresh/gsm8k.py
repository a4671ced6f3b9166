"""Word problems of two or three steps in the shape of GSM8K. Numbers are drawn, answers computed, steps written out."""

from collections.abc import Callable, Iterator
from random import Random

from ...data import Row

Problem = tuple[str, str]
NAMES = ("Lena", "Omar", "Priya", "Tomas", "Ada", "Ravi", "Mei", "Jonas", "Nadia", "Felix")


def step(expression: str) -> str:
    """`expression` with its value, annotated as in GSM8K: `3 * 4 = <<3*4=12>>12`."""
    plain = expression.replace(" ", "")
    value = eval(plain, {"__builtins__": {}})
    assert value == int(value) > 0, expression
    return f"{expression} = <<{plain}={int(value)}>>{int(value)}"


def solution(*sentences: str) -> str:
    """The sentences, and the last value again behind ####."""
    last = sentences[-1].rsplit(">>", 1)[1]
    answer = "".join(c for c in last.split()[0] if c.isdigit())
    return "\n".join(sentences) + f"\n#### {answer}"


def shopping(r: Random, name: str) -> Problem:
    count, price, paid = r.randint(3, 9), r.randint(2, 6), r.choice((60, 80, 100))
    question = f"{name} buys {count} notebooks for ${price} each and pays with ${paid} in cash. How many dollars of change are due?"
    return question, solution(
        f"The notebooks cost {step(f'{count} * {price}')} dollars.",
        f"The change is {step(f'{paid} - {count * price}')} dollars.",
    )


def harvest(r: Random, name: str) -> Problem:
    rows, trees, share = r.randint(3, 8), r.randint(4, 9), r.randint(2, 6)
    question = (
        f"An orchard of {name}'s has {rows} rows with {trees} trees each. Every tree gives {share} baskets of apples. "
        "How many baskets does the orchard give?"
    )
    return question, solution(
        f"There are {step(f'{rows} * {trees}')} trees.", f"They give {step(f'{rows * trees} * {share}')} baskets."
    )


def reading(r: Random, name: str) -> Problem:
    days, pages, rest = r.randint(3, 7), r.randint(12, 30), r.randint(10, 60)
    total = days * pages + rest
    question = (
        f"{name}'s book has {total} pages. {name} reads {pages} pages a day for {days} days. How many pages are left?"
    )
    return question, solution(
        f"In {days} days {name} reads {step(f'{days} * {pages}')} pages.",
        f"That leaves {step(f'{total} - {days * pages}')} pages.",
    )


def travel(r: Random, name: str) -> Problem:
    first, slow, second, fast = r.randint(2, 4), r.randint(10, 18), r.randint(2, 4), r.randint(20, 30)
    question = (
        f"{name} cycles for {first} hours at {slow} kilometers per hour, then for {second} hours at {fast} kilometers "
        f"per hour. How many kilometers is that in all?"
    )
    return question, solution(
        f"The first part is {step(f'{first} * {slow}')} kilometers.",
        f"The second part is {step(f'{second} * {fast}')} kilometers.",
        f"Together that is {step(f'{first * slow} + {second * fast}')} kilometers.",
    )


def savings(r: Random, name: str) -> Problem:
    weeks, earned, spent = r.randint(4, 12), r.randint(15, 40), r.randint(3, 12)
    question = f"{name} earns ${earned} a week walking dogs and spends ${spent} of it. How many dollars are saved after {weeks} weeks?"
    return question, solution(
        f"Each week {name} saves {step(f'{earned} - {spent}')} dollars.",
        f"In {weeks} weeks that is {step(f'{weeks} * {earned - spent}')} dollars.",
    )


def sharing(r: Random, name: str) -> Problem:
    friends, each, eaten = r.randint(3, 8), r.randint(4, 12), r.randint(5, 15)
    total = friends * each + eaten
    question = (
        f"{name} bakes {total} cookies, eats {eaten} of them and shares the others equally among {friends} friends. "
        "How many cookies does each friend get?"
    )
    return question, solution(
        f"{step(f'{total} - {eaten}')} cookies are left.",
        f"Each friend gets {step(f'{total - eaten} / {friends}')} cookies.",
    )


def doubling(r: Random, name: str) -> Problem:
    monday, more = r.randint(11, 35), r.randint(4, 20)
    question = (
        f"{name} sells {monday} tickets on Monday, twice as many on Tuesday, and {more} more on Wednesday than on Tuesday. "
        "How many tickets are sold in the three days?"
    )
    tuesday = 2 * monday
    return question, solution(
        f"On Tuesday it is {step(f'2 * {monday}')} tickets.",
        f"On Wednesday it is {step(f'{tuesday} + {more}')} tickets.",
        f"In all that is {step(f'{monday} + {tuesday} + {tuesday + more}')} tickets.",
    )


def fencing(r: Random, name: str) -> Problem:
    long, wide, price = r.randint(8, 20), r.randint(3, 7), r.randint(3, 9)
    question = (
        f"{name} fences a garden {long} meters long and {wide} meters wide. A meter of fence costs ${price}. "
        "How many dollars does the fence cost?"
    )
    around = 2 * (long + wide)
    return question, solution(
        f"The way around is {step(f'2 * ({long} + {wide})')} meters.",
        f"The fence costs {step(f'{around} * {price}')} dollars.",
    )


KINDS: tuple[Callable[[Random, str], Problem], ...] = (
    shopping, harvest, reading, travel, savings, sharing, doubling, fencing,
)  # fmt: skip


def rows(random: Random) -> Iterator[Row]:
    """Endless problems, the kinds in turn."""
    number = 0
    while True:
        question, answer = KINDS[number % len(KINDS)](random, random.choice(NAMES))
        number += 1
        yield {"question": question, "answer": answer}
