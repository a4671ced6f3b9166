"""Fresh problems in the shape of MATH, by subject: numbers drawn, answers computed, solutions with a boxed answer."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from math import comb, factorial, gcd, lcm
from random import Random

from ...data import Row
from .tex import Made, root, terms, tex


def cubes_of_roots(r: Random) -> Made:
    a, b = r.sample([n for n in range(-9, 10) if n], 2)
    s, p = a + b, a * b
    problem = (
        f"Let $r$ and $s$ be the roots of the equation ${terms(1, -s, p)} = 0$. Find the value of $r^3 + s^3$, that is, of the sum "
        "of the cubes of the two roots."
    )
    return problem, f"By Vieta's formulas $r + s = {s}$ and $rs = {p}$, and $r^3 + s^3 = (r + s)^3 - 3rs(r + s)$.", str(s**3 - 3 * p * s)  # fmt: skip


def squares_of_numbers(r: Random) -> Made:
    x, y = sorted(r.sample(range(2, 30), 2), reverse=True)
    problem = (
        f"The sum of two positive numbers is ${x + y}$, and the square of the larger of them exceeds the square of the smaller "
        f"one by ${x * x - y * y}$. What is the product of the two numbers?"
    )
    return problem, f"The difference of the numbers is $\\frac{{{x * x - y * y}}}{{{x + y}}} = {x - y}$, so they are ${x}$ and ${y}$.", str(x * y)  # fmt: skip


def infinite_series(r: Random) -> Made:
    ratio, first = Fraction(r.randint(1, 6), r.randint(7, 11)), r.randint(2, 20)
    problem = (
        f"The first term of an infinite geometric series is ${first}$ and its second term is ${tex(first * ratio)}$. What is the sum of "
        "the series? Express your answer as a common fraction."
    )
    return problem, f"The common ratio is ${tex(ratio)}$, and the sum is $\\frac{{{first}}}{{1 - {tex(ratio)}}}$.", tex(first / (1 - ratio))  # fmt: skip


def painters(r: Random) -> Made:
    a, b = r.sample(range(3, 13), 2)
    alone = r.randint(1, min(a, b) - 1)
    total = alone + (1 - Fraction(alone, a)) / (Fraction(1, a) + Fraction(1, b))
    problem = (
        f"Working alone, Ana paints a fence in ${a}$ hours, while Ben working alone needs ${b}$ hours for the same fence. One day Ana "
        f"begins by herself, and after ${alone}$ hour{'s' if alone > 1 else ''} Ben joins her, so that they finish the fence together. "
        "How many hours after Ana began is the fence painted? Express your answer as a common fraction."
    )
    return problem, f"After ${alone}$ hours ${tex(1 - Fraction(alone, a))}$ of the fence is left, and together they paint ${tex(Fraction(1, a) + Fraction(1, b))}$ of it in an hour.", tex(total)  # fmt: skip


def vertex(r: Random) -> Made:
    a, h, k = r.choice((-3, -2, 2, 3)), r.randint(-6, 6), r.randint(-9, 9)
    x = h + r.choice((-2, -1, 1, 2))
    y = a * (x - h) ** 2 + k
    problem = (
        f"The graph of $y = ax^2 + bx + c$ is a parabola with its vertex at $({h}, {k})$ that passes through the point "
        f"$({x}, {y})$. What is the value of $a + b + c$?"
    )
    return problem, f"In vertex form $y = a(x - ({h}))^2 + {k}$; the point gives $a = {a}$, and $a + b + c$ is the value at $x = 1$.", str(a * (1 - h) ** 2 + k)  # fmt: skip


def marbles(r: Random) -> Made:
    red, blue, green = (r.randint(2, 8) for _ in range(3))
    total = red + blue + green
    same = sum(comb(n, 2) for n in (red, blue, green))
    problem = (
        f"A bag holds ${red}$ red, ${blue}$ blue and ${green}$ green marbles, which are equal but for their color. Two of them are drawn "
        "at random, one after the other and without replacement. What is the probability that the two marbles have different colors? "
        "Express your answer as a common fraction."
    )
    return problem, f"Of $\\binom{{{total}}}{{2}} = {comb(total, 2)}$ pairs, ${same}$ have one color.", tex(1 - Fraction(same, comb(total, 2)))  # fmt: skip


def committee(r: Random) -> Made:
    men, women, size = r.randint(4, 9), r.randint(3, 8), r.randint(3, 4)
    problem = (
        f"A club has ${men + women}$ members, of whom ${men}$ are men and ${women}$ are women. A committee of ${size}$ members is to be "
        "chosen, and at least one woman and at least one man must be on it. In how many ways can the committee be chosen?"
    )
    answer = comb(men + women, size) - comb(men, size) - comb(women, size)
    return problem, f"Of $\\binom{{{men + women}}}{{{size}}}$ committees, $\\binom{{{men}}}{{{size}}}$ have only men and $\\binom{{{women}}}{{{size}}}$ only women.", str(answer)  # fmt: skip


def grid_paths(r: Random) -> Made:
    a, b, c, d = (r.randint(2, 5) for _ in range(4))
    problem = (
        f"An ant walks on the lines of a grid from the point $(0, 0)$ to the point $({a + c}, {b + d})$. Each step takes it one unit to "
        f"the right or one unit up. How many such paths pass through the point $({a}, {b})$?"
    )
    return problem, f"There are $\\binom{{{a + b}}}{{{a}}}$ paths to that point and $\\binom{{{c + d}}}{{{c}}}$ from there on.", str(comb(a + b, a) * comb(c + d, c))  # fmt: skip


def letters(r: Random) -> Made:
    counts = [r.randint(1, 3) for _ in range(r.randint(3, 4))]
    text = "".join(letter * n for letter, n in zip("ABCD", counts, strict=False))
    answer = factorial(len(text))
    for n in counts:
        answer //= factorial(n)
    problem = (
        f"On each of ${len(text)}$ cards stands one letter, and together the cards spell ${text}$. In how many distinguishable ways can "
        "all the cards be laid out in a row?"
    )
    return (
        problem,
        f"There are ${len(text)}!$ orders, and equal letters may be exchanged among themselves.",
        str(answer),
    )


def dice(r: Random) -> Made:
    a, b = r.randint(4, 10), r.randint(4, 10)
    least = r.randint(max(a, b) - 2, a + b - 2)
    good = sum(x + y >= least for x, y in product(range(1, a + 1), range(1, b + 1)))
    problem = (
        f"One fair die has ${a}$ sides with the numbers from $1$ to ${a}$, another fair die has ${b}$ sides with the numbers from $1$ "
        f"to ${b}$. Both are rolled once. What is the probability that the sum of the two numbers rolled is at least ${least}$? Express "
        "your answer as a common fraction."
    )
    return problem, f"Of ${a * b}$ pairs, ${good}$ have such a sum.", tex(Fraction(good, a * b))


def inscribed_circle(r: Random) -> Made:
    m, n = r.randint(2, 7), r.randint(1, 6)
    m, n = (m + n, n) if m <= n else (m, n)
    a, b, c = m * m - n * n, 2 * m * n, m * m + n * n
    problem = (
        f"In triangle $ABC$ the angle at $C$ is a right angle, and the two legs have the lengths $AC = {a}$ and $BC = {b}$. A circle is "
        "inscribed in the triangle, so that it touches all three of its sides. What is the radius of that circle?"
    )
    return problem, f"The hypotenuse is $\\sqrt{{{a}^2 + {b}^2}} = {c}$, and the radius is half of ${a} + {b} - {c}$.", str((a + b - c) // 2)  # fmt: skip


def diagonal(r: Random) -> Made:
    a, b, c = (r.randint(2, 15) for _ in range(3))
    problem = (
        f"A wooden box has the shape of a rectangular prism. Three of its faces that meet in one corner have the areas ${a * b}$, "
        f"${b * c}$ and ${a * c}$ square centimeters. How many centimeters long is the longest straight stick that fits into the box? "
        "Express your answer in simplest radical form."
    )
    return problem, f"The edges are ${a}$, ${b}$ and ${c}$, and the stick is as long as the diagonal, $\\sqrt{{{a}^2 + {b}^2 + {c}^2}}$.", root(a * a + b * b + c * c)  # fmt: skip


def ring(r: Random) -> Made:
    half = r.randint(2, 15)
    problem = (
        "Two circles have the same center. A chord of the larger circle touches the smaller circle in exactly one point, and this chord "
        f"is ${2 * half}$ units long. How many square units is the area of the region that lies inside the larger circle and outside "
        "the smaller one? Express your answer in terms of $\\pi$."
    )
    return problem, f"Half of the chord and the radii form a right triangle, so that $R^2 - r^2 = {half}^2$.", f"{half * half}\\pi"  # fmt: skip


def triangle_area(r: Random) -> Made:
    x1, y1, x2, y2, x3, y3 = (r.randint(-9, 9) for _ in range(6))
    twice = abs((x2 - x1) * (y3 - y1) - (x3 - x1) * (y2 - y1))
    if not twice:
        return triangle_area(r)
    problem = (
        f"In the coordinate plane, the three corners of a triangle are the points $A({x1}, {y1})$, $B({x2}, {y2})$ and $C({x3}, {y3})$. "
        "How many square units is the area of the triangle $ABC$? Express your answer as a common fraction if it is no whole number."
    )
    return problem, f"Twice the area is $|({x2 - x1})({y3 - y1}) - ({x3 - x1})({y2 - y1})| = {twice}$.", tex(Fraction(twice, 2))  # fmt: skip


def melted(r: Random) -> Made:
    balls, small, large = r.randint(3, 20), r.randint(1, 6), r.randint(3, 12)
    height = Fraction(4 * balls * small**3, large**2)
    problem = (
        f"A smith melts ${balls}$ solid iron balls, each with a radius of ${small}$ centimeters, and casts all of the iron into one solid "
        f"cone whose base has a radius of ${large}$ centimeters. Nothing is lost on the way. How many centimeters high is the cone? "
        "Express your answer as a common fraction if it is no whole number."
    )
    return problem, f"The balls have the volume ${balls}\\cdot\\frac{{4}}{{3}}\\pi\\cdot {small}^3$, the cone $\\frac{{1}}{{3}}\\pi\\cdot {large}^2 h$.", tex(height)  # fmt: skip


def remainder(r: Random) -> Made:
    a, b = r.sample(range(-5, 6), 2)
    pa, pb, x = r.randint(-9, 9), r.randint(-9, 9), r.randint(-6, 6)
    slope = Fraction(pb - pa, b - a)
    problem = (
        f"When a polynomial $p(x)$ is divided by $x - ({a})$, the remainder is ${pa}$, and when it is divided by $x - ({b})$, the "
        f"remainder is ${pb}$. Let $q(x)$ be the remainder when $p(x)$ is divided by $(x - ({a}))(x - ({b}))$. Find $q({x})$."
    )
    return problem, f"The remainder is linear with $q({a}) = {pa}$ and $q({b}) = {pb}$, so its slope is ${tex(slope)}$.", tex(pa + slope * (x - a))  # fmt: skip


def squares_of_roots(r: Random) -> Made:
    a, b, c = r.randint(-12, 12), r.randint(-20, 20), r.randint(1, 20)
    problem = (
        f"Let $r$, $s$ and $t$ be the three complex roots of the polynomial ${terms(1, a, b, c)}$. Compute the sum of their squares, "
        "$r^2 + s^2 + t^2$."
    )
    return problem, f"$r + s + t = {-a}$ and $rs + st + tr = {b}$, and the sum of the squares is $({-a})^2 - 2\\cdot ({b})$.", str(a * a - 2 * b)  # fmt: skip


def telescope(r: Random) -> Made:
    start, end = r.randint(2, 20), r.randint(30, 200)
    problem = (
        f"Compute the sum $\\frac{{1}}{{{start}\\cdot {start + 1}}} + \\frac{{1}}{{{start + 1}\\cdot {start + 2}}} + \\cdots + "
        f"\\frac{{1}}{{{end}\\cdot {end + 1}}}$. Express your answer as a common fraction in lowest terms."
    )
    return problem, f"Each term is $\\frac{{1}}{{k}} - \\frac{{1}}{{k + 1}}$, so $\\frac{{1}}{{{start}}} - \\frac{{1}}{{{end + 1}}}$ is left.", tex(Fraction(1, start) - Fraction(1, end + 1))  # fmt: skip


def least_value(r: Random) -> Made:
    k, m = r.randint(2, 9), r.randint(2, 9)
    a, b = k * k * r.choice((1, 2, 3)), (m * gcd(k, m)) ** 2
    problem = (
        f"Find the smallest possible value of the expression $\\frac{{{a}x^2 + {b}}}{{x}}$, where $x$ may be any positive real number. "
        "Express your answer in simplest radical form if it is no whole number."
    )
    return problem, f"By the inequality of the means, ${a}x + \\frac{{{b}}}{{x}} \\ge 2\\sqrt{{{a}\\cdot {b}}}$, with equality for one positive $x$.", root(4 * a * b)  # fmt: skip


def power(r: Random) -> Made:
    base, exponent, modulus = r.randint(2, 9), r.randint(11, 150), r.choice((7, 9, 11, 13, 17))
    problem = (
        f"A number is written as ${base}^{{{exponent}}}$. It is far too long to be written out. What is the remainder when this number is "
        f"divided by ${modulus}$?"
    )
    cycle = [pow(base, k, modulus) for k in range(1, 7)]
    return problem, f"The first powers leave the remainders {', '.join(map(str, cycle))}; going on in this way to the {exponent}th gives the answer.", str(pow(base, exponent, modulus))  # fmt: skip


def square_divisors(r: Random) -> Made:
    a, b, c = r.randint(3, 9), r.randint(2, 7), r.randint(1, 5)
    total, squares = (a + 1) * (b + 1) * (c + 1), (a // 2 + 1) * (b // 2 + 1) * (c // 2 + 1)
    problem = f"How many positive divisors of $2^{a}\\cdot 3^{b}\\cdot 5^{c}$ are not perfect squares of whole numbers?"
    return problem, f"There are ${total}$ divisors; ${squares}$ of them have only even exponents.", str(total - squares)


def base(r: Random) -> Made:
    b = r.randint(5, 9)
    digits = [r.randint(1, b - 1), r.randrange(b), r.randint(1, b - 1)]
    value = digits[0] * b * b + digits[1] * b + digits[2]
    problem = (
        f"In base $b$, where $b$ is a whole number larger than every digit used, a number is written as ${''.join(map(str, digits))}_b$. "
        f"In base ten the same number is written as ${value}$. What is the value of $b$?"
    )
    return problem, f"$b$ solves ${digits[0]}b^2 + {digits[1]}b + {digits[2]} = {value}$.", str(b)


def remainders(r: Random) -> Made:
    m, n, k = r.sample((3, 4, 5, 7, 8, 9, 11, 13), 3)
    least = r.randrange(2, lcm(m, n, k))
    problem = (
        f"Find the smallest positive whole number that leaves a remainder of ${least % m}$ when it is divided by ${m}$, a remainder of "
        f"${least % n}$ when it is divided by ${n}$, and a remainder of ${least % k}$ when it is divided by ${k}$."
    )
    return problem, f"Numbers with these remainders repeat every ${lcm(m, n, k)}$; trying those that leave ${least % k}$ by ${k}$ finds it.", str(least)  # fmt: skip


def zeros(r: Random) -> Made:
    n, fives, p = r.randint(20, 150), 0, 5
    while p <= n:
        fives, p = fives + n // p, p * 5
    problem = f"The product of all whole numbers from $1$ to ${n}$ is written out in base ten. With how many zeros does it end?"
    return problem, f"It has more factors $2$ than factors $5$, and ${fives}$ factors $5$.", str(fives)


def prices(r: Random) -> Made:
    percent, price, more = r.choice((10, 20, 25, 40, 50)), 20 * r.randint(3, 15), r.choice((10, 20, 50))
    answer = Fraction(price * (100 - percent) * (100 + more), 10_000)
    problem = (
        f"In a shop a coat costs ${price}$ dollars. In the spring its price is lowered by ${percent}\\%$, and in the autumn the new price "
        f"is raised again by ${more}\\%$. How many dollars does the coat cost then? Express your answer as a decimal if it is no whole "
        "number."
    )
    return problem, f"In the spring it costs ${price * (100 - percent) / 100:g}$ dollars; raising that by ${more}\\%$ gives the answer.", f"{float(answer):g}"  # fmt: skip


def mean_of_numbers(r: Random) -> Made:
    n, average, taken = r.randint(4, 12), r.randint(10, 60), r.randint(5, 90)
    problem = (
        f"The average (arithmetic mean) of ${n}$ numbers is ${average}$. When the number ${taken}$, which is one of them, is taken away, "
        f"what is the average of the ${n - 1}$ numbers that are left? Express your answer as a common fraction if it is no whole number."
    )
    return problem, f"The sum is ${n * average}$, and without ${taken}$ it is ${n * average - taken}$.", tex(Fraction(n * average - taken, n - 1))  # fmt: skip


def ratio(r: Random) -> Made:
    a, b, c = r.sample(range(2, 10), 3)
    unit, first, last = r.randint(3, 30), max(a, c), min(a, c)
    problem = (
        f"The red, blue and green beads in a jar are in the ratio ${first}:{b}:{last}$, and there are ${(a + b + c) * unit}$ beads in the "
        "jar altogether. How many more red beads than green beads are there?"
    )
    return (
        problem,
        f"One part is $\\frac{{{(a + b + c) * unit}}}{{{a + b + c}}} = {unit}$ beads.",
        str((first - last) * unit),
    )


def round_trip(r: Random) -> Made:
    there, back = r.sample(range(4, 40), 2)
    problem = (
        f"Every morning Lin rides a bicycle from home to school along the river at ${there}$ kilometers per hour, and every afternoon "
        f"back home along the same way at ${back}$ kilometers per hour. What is the average speed over the whole way there and back, in "
        "kilometers per hour? Express your answer as a common fraction if it is no whole number."
    )
    return problem, f"Over a way of $d$ kilometers it takes $\\frac{{d}}{{{there}}} + \\frac{{d}}{{{back}}}$ hours for $2d$ kilometers.", tex(Fraction(2 * there * back, there + back))  # fmt: skip


def complex_cube(r: Random) -> Made:
    a, b = r.choice((-4, -3, -2, -1, 1, 2, 3, 4)), r.choice((-4, -3, -2, -1, 1, 2, 3, 4))
    real, imaginary = a**3 - 3 * a * b * b, 3 * a * a * b - b**3
    problem = (
        f"Let $z = {a} {b:+d}i$, where $i$ is the imaginary unit with $i^2 = -1$. Compute $z^3$ and express your answer in the form $a + "
        "bi$, where $a$ and $b$ are real numbers."
    )
    return problem, f"$z^2 = {a * a - b * b} {2 * a * b:+d}i$, and multiplying by $z$ once more gives $z^3$.", f"{real}{imaginary:+d}i"  # fmt: skip


def vector_angle(r: Random) -> Made:
    u, v = ([r.randint(-6, 6) for _ in range(3)] for _ in range(2))
    length = sum(x * x for x in v)
    if not length or not any(u):
        return vector_angle(r)
    dot = sum(x * y for x, y in zip(u, v, strict=True))
    columns = [f"\\begin{{pmatrix}} {x} \\\\ {y} \\\\ {z} \\end{{pmatrix}}" for x, y, z in (u, v)]
    problem = (
        f"The projection of the vector $\\mathbf{{u}} = {columns[0]}$ onto the vector $\\mathbf{{v}} = {columns[1]}$ is "
        "$k \\mathbf{v}$ for some real number $k$. Find $k$."
    )
    return problem, f"$\\mathbf{{u}}\\cdot\\mathbf{{v}} = {dot}$ and $\\mathbf{{v}}\\cdot\\mathbf{{v}} = {length}$.", tex(Fraction(dot, length))  # fmt: skip


def determinant(r: Random) -> Made:
    (a, b, c), (d, e, f), (g, h, i) = ([r.randint(-5, 7) for _ in range(3)] for _ in range(3))
    rows = " \\\\ ".join(" & ".join(map(str, row)) for row in ((a, b, c), (d, e, f), (g, h, i)))
    value = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    problem = f"Let $\\mathbf{{M}}$ be the following matrix of three rows and three columns. Compute its determinant.\n\\[\\mathbf{{M}} = \\begin{{pmatrix}} {rows} \\end{{pmatrix}}\\]"  # fmt: skip
    return problem, f"Expanding along the first row gives ${a}\\cdot ({e * i - f * h}) - ({b})\\cdot ({d * i - f * g}) + ({c})\\cdot ({d * h - e * g})$.", str(value)  # fmt: skip


def tangent_of_sum(r: Random) -> Made:
    a, b = Fraction(r.randint(1, 9), r.randint(2, 9)), Fraction(r.randint(1, 9), r.randint(2, 9))
    if a * b == 1:
        return tangent_of_sum(r)
    problem = (
        f"Let $\\alpha$ and $\\beta$ be acute angles such that $\\tan \\alpha = {tex(a)}$ and $\\tan \\beta = {tex(b)}$. Compute $\\tan "
        "(\\alpha + \\beta)$ and express your answer as a common fraction if it is no whole number."
    )
    return problem, f"It is $\\frac{{{tex(a)} + {tex(b)}}}{{1 - {tex(a)}\\cdot {tex(b)}}}$.", tex((a + b) / (1 - a * b))


def distance(r: Random) -> Made:
    (a, b, c), d, point = (
        r.choice(((1, 2, 2), (2, 3, 6), (1, 4, 8), (4, 4, 7))),
        r.randint(-9, 9),
        [r.randint(-7, 7) for _ in range(3)],
    )
    norm = round((a * a + b * b + c * c) ** 0.5)
    value = a * point[0] + b * point[1] + c * point[2] + d
    problem = (
        f"Find the distance from the point $({point[0]}, {point[1]}, {point[2]})$ to the plane that is given by the equation ${a if a > 1 else ''}x + "
        f"{b}y + {c}z {d:+d} = 0$. Express your answer as a common fraction if it is no whole number."
    )  # fmt: skip
    return problem, f"It is $\\frac{{|{value}|}}{{\\sqrt{{{a}^2 + {b}^2 + {c}^2}}}}$, and the root is ${norm}$.", tex(Fraction(abs(value), norm))  # fmt: skip


SUBJECTS: dict[str, tuple[Callable[[Random], Made], ...]] = {
    "algebra": (cubes_of_roots, squares_of_numbers, infinite_series, painters, vertex),
    "counting_and_probability": (marbles, committee, grid_paths, letters, dice),
    "geometry": (inscribed_circle, diagonal, ring, triangle_area, melted),
    "intermediate_algebra": (remainder, squares_of_roots, telescope, least_value),
    "number_theory": (power, square_divisors, base, remainders, zeros),
    "prealgebra": (prices, mean_of_numbers, ratio, round_trip),
    "precalculus": (complex_cube, vector_angle, determinant, tangent_of_sum, distance),
}


def rows(subject: str) -> Callable[[Random], Iterator[Row]] | None:
    """The kinds of a subject in turn; `minerva_4shot` are worked examples from all subjects."""
    if subject not in (*SUBJECTS, "minerva_4shot"):
        return None
    shots = subject not in SUBJECTS

    def endless(random: Random) -> Iterator[Row]:
        number = 0
        while True:
            name = list(SUBJECTS)[number % len(SUBJECTS)] if shots else subject
            kinds = SUBJECTS[name]
            problem, steps, answer = kinds[number % len(kinds)](random)
            number += 1
            final = f"\nFinal Answer: The final answer is ${answer}$. I hope it is correct." if shots else ""
            solution = f"{steps} The answer is $\\boxed{{{answer}}}$.{final}"
            yield {"problem": problem, "level": "Level 5", "type": name, "solution": solution}

    return endless
