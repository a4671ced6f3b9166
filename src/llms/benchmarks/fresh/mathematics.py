"""Fresh problems in the shape of MATH, by subject: numbers drawn, answers computed, solutions with a boxed answer."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import comb, gcd
from random import Random

from ...data import Row

Made = tuple[str, str, str]  # problem, solution without the box, answer


def algebra(r: Random) -> Made:
    a, b = r.sample([n for n in range(-9, 10) if n], 2)
    s, p = a + b, a * b
    problem = f"The equation $x^2 {-s:+d}x {p:+d} = 0$ has two real roots. What is the larger of them?"
    return (
        problem,
        f"The left side factors as $(x {-a:+d})(x {-b:+d})$, so the roots are ${a}$ and ${b}$.",
        str(max(a, b)),
    )


def counting_and_probability(r: Random) -> Made:
    red, blue = r.randint(3, 9), r.randint(3, 9)
    answer = Fraction(comb(red, 2), comb(red + blue, 2))
    problem = f"A bag holds {red} red and {blue} blue marbles. Two are drawn without replacement. What is the probability that both are red?"
    steps = f"Of $\\binom{{{red + blue}}}{{2}} = {comb(red + blue, 2)}$ pairs, $\\binom{{{red}}}{{2}} = {comb(red, 2)}$ are red."
    return problem, steps, _fraction(answer)


def geometry(r: Random) -> Made:
    m, n = r.randint(2, 9), r.randint(1, 8)
    m, n = (m + n, n) if m <= n else (m, n)
    legs, hypotenuse = (m * m - n * n, 2 * m * n), m * m + n * n
    problem = f"A right triangle has legs of length {legs[0]} and {legs[1]}. What is its perimeter?"
    return problem, f"The hypotenuse is $\\sqrt{{{legs[0]}^2 + {legs[1]}^2}} = {hypotenuse}$, and the perimeter the sum of the sides.", str(sum(legs) + hypotenuse)  # fmt: skip


def intermediate_algebra(r: Random) -> Made:
    a, b, c, x = (r.randint(1, 6) for _ in range(4))
    value = a * x**3 - b * x + c
    problem = f"When the polynomial ${a}t^3 - {b}t + {c}$ is divided by $t - {x}$, what is the remainder?"
    return (
        problem,
        f"By the remainder theorem it is the value at $t = {x}$: ${a}\\cdot {x**3} - {b}\\cdot {x} + {c}$.",
        str(value),
    )


def number_theory(r: Random) -> Made:
    base, power, modulus = r.randint(2, 9), r.randint(11, 60), r.choice((7, 9, 10, 11, 13))
    problem = f"What is the remainder when ${base}^{{{power}}}$ is divided by ${modulus}$?"
    cycle = [pow(base, k, modulus) for k in range(1, 7)]
    return problem, f"The first powers leave the remainders {', '.join(map(str, cycle))}; going on in this way to the {power}th gives the answer.", str(pow(base, power, modulus))  # fmt: skip


def prealgebra(r: Random) -> Made:
    percent, price, more = r.choice((10, 20, 25, 40, 50)), 20 * r.randint(3, 15), r.choice((10, 20, 50))
    answer = Fraction(price * (100 - percent) * (100 + more), 10_000)
    problem = f"A coat costs ${price}$ dollars. Its price is lowered by ${percent}\\%$ and the new price is then raised by ${more}\\%$. What is the final price, in dollars?"
    return problem, f"First the price is ${price * (100 - percent) / 100:g}$ dollars; raising it by ${more}\\%$ gives the answer.", f"{float(answer):g}"  # fmt: skip


def precalculus(r: Random) -> Made:
    a, b, c, d = (r.randint(-6, 6) for _ in range(4))
    problem = f"Compute $({a} {b:+d}i)({c} {d:+d}i)$."
    real, imaginary = a * c - b * d, a * d + b * c
    return (
        problem,
        f"The real part is ${a * c} - ({b * d})$, the imaginary part ${a * d} + ({b * c})$.",
        f"{real}{imaginary:+d}i",
    )


def _fraction(value: Fraction) -> str:
    assert gcd(value.numerator, value.denominator) == 1
    return str(value.numerator) if value.denominator == 1 else f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


SUBJECTS = {
    made.__name__: made
    for made in (
        algebra,
        counting_and_probability,
        geometry,
        intermediate_algebra,
        number_theory,
        prealgebra,
        precalculus,
    )
}


def rows(subject: str) -> Callable[[Random], Iterator[Row]] | None:
    """`minerva_4shot` are worked examples from all subjects."""
    if subject not in (*SUBJECTS, "minerva_4shot"):
        return None

    def endless(random: Random) -> Iterator[Row]:
        number = 0
        while True:
            name = subject if subject in SUBJECTS else list(SUBJECTS)[number % len(SUBJECTS)]
            number += 1
            problem, steps, answer = SUBJECTS[name](random)
            final = (
                f"\nFinal Answer: The final answer is ${answer}$. I hope it is correct."
                if subject not in SUBJECTS
                else ""
            )
            solution = f"{steps} The answer is $\\boxed{{{answer}}}$.{final}"
            yield {"problem": problem, "level": "Level 5", "type": name, "solution": solution}

    return endless
