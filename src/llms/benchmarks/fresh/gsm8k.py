"""Word problems of two to six steps in the shape of GSM8K. Numbers are drawn, answers computed, steps written out.

Length, number of steps and size of numbers are near those of the public items (tests hold how near).
"""

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
    count, price, pens, pen, paid = (
        r.randint(3, 9),
        r.randint(2, 6),
        r.randint(2, 8),
        r.randint(1, 3),
        r.choice((80, 100)),
    )
    question = (
        f"{name} buys {count} notebooks for ${price} each and {pens} pens for ${pen} each, and pays with ${paid} in cash. "
        "How many dollars of change are due?"
    )  # fmt: skip
    return question, solution(
        f"The notebooks cost {step(f'{count} * {price}')} dollars.",
        f"The pens cost {step(f'{pens} * {pen}')} dollars.",
        f"Together that is {step(f'{count * price} + {pens * pen}')} dollars.",
        f"The change is {step(f'{paid} - {count * price + pens * pen}')} dollars.",
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
    days, pages, fast, rest = r.randint(3, 7), r.randint(12, 30), r.randint(2, 4), r.randint(10, 60)
    total = days * pages + fast * 2 * pages + rest
    question = (
        f"{name}'s book has {total} pages. {name} reads {pages} pages a day for {days} days. Then the story becomes so "
        f"exciting that for {fast} more days {name} reads twice as many pages a day. How many pages are left after that?"
    )
    return question, solution(
        f"In the first {days} days {name} reads {step(f'{days} * {pages}')} pages.",
        f"Twice as many a day is {step(f'2 * {pages}')} pages.",
        f"In the next {fast} days {name} reads {step(f'{fast} * {2 * pages}')} pages.",
        f"That leaves {step(f'{total} - {days * pages} - {fast * 2 * pages}')} pages.",
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
    weeks, earned, spent, has = r.randint(4, 12), r.randint(15, 40), r.randint(3, 12), 10 * r.randint(2, 30)
    price = has + weeks * (earned - spent)
    question = (
        f"{name} wants to buy a bicycle that costs ${price} and has ${has} already. Walking dogs brings ${earned} a week, of "
        f"which {name} spends ${spent} and saves the rest. After how many weeks is there enough for the bicycle?"
    )
    return question, solution(
        f"Each week {name} saves {step(f'{earned} - {spent}')} dollars.",
        f"What is missing is {step(f'{price} - {has}')} dollars.",
        f"That takes {step(f'{price - has} / {earned - spent}')} weeks.",
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
    long, wide, price, gate = r.randint(8, 20), r.randint(3, 7), r.randint(3, 9), r.randint(2, 4)
    question = (
        f"{name} fences a garden {long} meters long and {wide} meters wide, but leaves an opening of {gate} meters for a gate. "
        f"A meter of fence costs ${price} and the gate costs ${20 * gate}. How many dollars do fence and gate cost together?"
    )
    around = 2 * (long + wide)
    return question, solution(
        f"The way around is {step(f'2 * ({long} + {wide})')} meters.",
        f"Of that, fence is {step(f'{around} - {gate}')} meters.",
        f"The fence costs {step(f'{around - gate} * {price}')} dollars.",
        f"With the gate it is {step(f'{(around - gate) * price} + {20 * gate}')} dollars.",
    )


def bakery(r: Random, name: str) -> Problem:
    trays, each, price = r.randint(4, 12), 2 * r.randint(5, 12), 2 * r.randint(1, 3)
    total = trays * each
    question = (
        f"A bakery of {name}'s makes {trays} trays of {each} rolls every morning. By noon half of the rolls are sold at ${price} "
        "apiece. In the afternoon the price is cut in half, and everything that is left is sold before the shop closes. How many "
        "dollars do the rolls bring in a day?"
    )
    return question, solution(
        f"There are {step(f'{trays} * {each}')} rolls.",
        f"Half of them is {step(f'{total} / 2')} rolls.",
        f"Before noon they bring {step(f'{total // 2} * {price}')} dollars.",
        f"In the afternoon a roll costs {step(f'{price} / 2')} dollars.",
        f"Then they bring {step(f'{total // 2} * {price // 2}')} dollars.",
        f"The day brings {step(f'{total // 2 * price} + {total // 2 * price // 2}')} dollars.",
    )


def wages(r: Random, name: str) -> Problem:
    wage, days, hours, extra, weeks = (
        2 * r.randint(6, 15),
        r.randint(4, 5),
        r.randint(6, 8),
        r.randint(2, 8),
        r.randint(2, 6),
    )
    normal = wage * days * hours
    more = extra * wage * 3 // 2
    question = (
        f"{name} earns ${wage} an hour and works {hours} hours a day, {days} days a week. Hours beyond that are paid at one and a "
        f"half times the usual wage. If {name} works {extra} extra hours every week, how many dollars is the pay for {weeks} weeks?"
    )  # fmt: skip
    return question, solution(
        f"The usual hours of a week are {step(f'{days} * {hours}')}.",
        f"They pay {step(f'{days * hours} * {wage}')} dollars.",
        f"An extra hour pays {step(f'{wage} * 3 / 2')} dollars.",
        f"The extra hours pay {step(f'{extra} * {wage * 3 // 2}')} dollars.",
        f"A week pays {step(f'{normal} + {more}')} dollars.",
        f"The weeks pay {step(f'{weeks} * {normal + more}')} dollars.",
    )


def eggs(r: Random, name: str) -> Problem:
    hens, laid, dozens, price = 12 * r.randint(2, 6), r.randint(4, 6), r.randint(2, 6), r.randint(2, 5)
    total = hens * laid // 12
    question = (
        f"{name} keeps {hens} hens, and each of them lays {laid} eggs a week. The family eats {dozens} dozen eggs a week and sells "
        f"the others at the market for ${price} a dozen. How many dollars does the market bring in a week?"
    )
    return question, solution(
        f"The hens lay {step(f'{hens} * {laid}')} eggs.",
        f"That is {step(f'{hens * laid} / 12')} dozen.",
        f"For the market there are {step(f'{total} - {dozens}')} dozen.",
        f"They bring {step(f'{total - dozens} * {price}')} dollars.",
    )


def discount(r: Random, name: str) -> Problem:
    percent, price, coupon = r.choice((10, 20, 25, 30, 40)), 100 * r.randint(4, 15), r.randint(1, 9) * 10
    reduced = price * percent // 100
    left = price - reduced - coupon
    question = (
        f"A washing machine costs ${price}. During a sale its price is lowered by {percent} %, and {name} also has a coupon for "
        f"${coupon} off the lowered price. {name} pays half of what is left to pay at once and the other half on delivery. How many "
        "dollars are paid on delivery?"
    )
    if left % 2:
        return discount(r, name)
    return question, solution(
        f"The price is lowered by {step(f'{price} * {percent} / 100')} dollars.",
        f"In the sale it is {step(f'{price} - {reduced}')} dollars.",
        f"With the coupon it is {step(f'{price - reduced} - {coupon}')} dollars.",
        f"Half of that is {step(f'{left} / 2')} dollars.",
    )


def trip(r: Random, name: str) -> Problem:
    classes, pupils, teachers, ticket, bus = (
        r.randint(2, 5),
        r.randint(18, 28),
        r.randint(3, 8),
        r.randint(4, 12),
        10 * r.randint(15, 60),
    )
    people = classes * pupils + teachers
    question = (
        f"{name} plans a trip to the museum for {classes} classes of {pupils} pupils each and {teachers} teachers. A ticket costs "
        f"${ticket} for everyone, and the bus costs ${bus} for the day. How many dollars does the trip cost?"
    )  # fmt: skip
    return question, solution(
        f"There are {step(f'{classes} * {pupils}')} pupils.",
        f"With the teachers it is {step(f'{classes * pupils} + {teachers}')} people.",
        f"Their tickets cost {step(f'{people} * {ticket}')} dollars.",
        f"With the bus it is {step(f'{people * ticket} + {bus}')} dollars.",
    )


def ages(r: Random, name: str) -> Problem:
    youngest, older, times, years = r.randint(3, 9), r.randint(2, 7), r.randint(2, 4), r.randint(2, 12)
    second = youngest + older
    question = (
        f"{name} has a brother who is {older} years older than their sister. Their mother is {times} times as old as the brother. "
        f"If the sister is {youngest} years old today, how old will the mother be in {years} years?"
    )
    return question, solution(
        f"The brother is {step(f'{youngest} + {older}')} years old.",
        f"The mother is {step(f'{times} * {second}')} years old.",
        f"In {years} years she will be {step(f'{times * second} + {years}')}.",
    )


def factory(r: Random, name: str) -> Problem:
    machines, hourly, hours, percent = r.randint(3, 9), 50 * r.randint(1, 8), r.randint(6, 12), r.choice((2, 4, 10))
    total = machines * hourly * hours
    bad = total * percent // 100
    question = (
        f"In the factory where {name} works, {machines} machines make {hourly} screws an hour each. They run for {hours} hours a day. "
        f"When the screws are checked at the end of the day, {percent} % of them turn out to be faulty and are melted down. How many "
        "good screws are made in a day?"
    )
    return question, solution(
        f"In an hour the machines make {step(f'{machines} * {hourly}')} screws.",
        f"In a day they make {step(f'{machines * hourly} * {hours}')} screws.",
        f"Faulty are {step(f'{total} * {percent} / 100')} screws.",
        f"Good are {step(f'{total} - {bad}')} screws.",
    )


def training(r: Random, name: str) -> Problem:
    first, more = r.randint(5, 15), r.randint(2, 5)
    weeks = [first + i * more for i in range(4)]
    days, goal = r.randint(3, 5), sum(weeks) + r.randint(5, 60)
    question = (
        f"{name} is training for a race. In the first week {name} runs {first} kilometers, and in each of the next three weeks {more} "
        f"kilometers more than in the week before, always spread over {days} days a week. The plan asks for {goal} kilometers in five "
        "weeks. How many kilometers are left for the fifth week?"
    )
    return question, solution(
        f"The second week has {step(f'{weeks[0]} + {more}')} kilometers.",
        f"The third week has {step(f'{weeks[1]} + {more}')} kilometers.",
        f"The fourth week has {step(f'{weeks[2]} + {more}')} kilometers.",
        f"Together that is {step(' + '.join(map(str, weeks)))} kilometers.",
        f"Left are {step(f'{goal} - {sum(weeks)}')} kilometers.",
    )


def market(r: Random, name: str) -> Problem:
    stalls, rent, apples, pears, price, sold = r.randint(2, 4), 5 * r.randint(3, 9), r.randint(60, 150), r.randint(30, 90), r.randint(1, 2), r.randint(3, 5)  # fmt: skip
    income = apples * price + pears * sold
    question = (
        f"Every Saturday {name} sells fruit at the market in the middle of the town. Last Saturday {name} had {stalls} stalls, each of "
        f"which cost ${rent} in rent for the day. Customers bought {apples} kilograms of apples at ${price} a kilogram and {pears} "
        f"kilograms of pears at ${sold} a kilogram, and when it began to rain in the late afternoon everything was packed up again. How "
        "many dollars were left after the rent was paid?"
    )
    return question, solution(
        f"The apples brought {step(f'{apples} * {price}')} dollars.",
        f"The pears brought {step(f'{pears} * {sold}')} dollars.",
        f"Together that is {step(f'{apples * price} + {pears * sold}')} dollars.",
        f"The rent was {step(f'{stalls} * {rent}')} dollars.",
        f"Left were {step(f'{income} - {stalls * rent}')} dollars.",
    )


def library(r: Random, name: str) -> Problem:
    shelves, books, lent, boxes, each = (
        r.randint(4, 12),
        10 * r.randint(3, 12),
        r.randint(20, 90),
        r.randint(2, 6),
        r.randint(10, 30),
    )
    total = shelves * books
    question = (
        f"{name} looks after the library of a small school, where {shelves} shelves hold {books} books each. On Monday a class comes in "
        f"and borrows {lent} books for a project about rivers and lakes. On Tuesday a neighbor who is moving to another city gives the "
        f"school {boxes} boxes with {each} books in each of them, and {name} spends the whole evening finding a place for them. How many "
        "books are in the library after that?"
    )  # fmt: skip
    return question, solution(
        f"The shelves hold {step(f'{shelves} * {books}')} books.",
        f"On Monday {step(f'{total} - {lent}')} are left.",
        f"The boxes hold {step(f'{boxes} * {each}')} books.",
        f"Then there are {step(f'{total - lent} + {boxes * each}')} books.",
    )


KINDS: tuple[Callable[[Random, str], Problem], ...] = (
    shopping, harvest, reading, travel, savings, sharing, doubling, fencing, bakery, wages, eggs, discount, trip, ages, factory,
    training, market, library,
)  # fmt: skip


def rows(random: Random) -> Iterator[Row]:
    """Endless problems, the kinds in turn."""
    number = 0
    while True:
        question, answer = KINDS[number % len(KINDS)](random, random.choice(NAMES))
        number += 1
        yield {"question": question, "answer": answer}
