"""What an answer's Markdown becomes on a terminal."""

import io
import time

import pytest
from rich.console import Console
from rich.markdown import Markdown

from llms.cli.formulas import whole


def shown(text: str) -> str:
    screen = io.StringIO()
    Console(file=screen, width=200, color_system=None).print(Markdown(whole(text)))
    return "\n".join(line.rstrip() for line in screen.getvalue().strip().splitlines())


@pytest.mark.parametrize(
    "text",
    [
        r"so \(a_1 * b_2 * c\) and \(\int f\,dx\)",
        r"\[ a \\ b \]",
        r"$$x_1 * y_1 * \{z\}$$",
        r"$x_1$ and $y_1$, $\alpha*\beta*$",
        "$5 and $10, or US$20",
    ],
)
def test_formulas_and_prices_come_out_as_they_were_written(text):
    assert shown(text) == text


def test_the_rest_stays_markdown():
    assert shown("**bold** and `\\(x*y*z\\)`, *it*") == "bold and \\(x*y*z\\), it"
    assert shown("```\n\\(a_b_c\\) $x_1_2$\n```").strip() == "\\(a_b_c\\) $x_1_2$"
    assert shown("- \\(x\\)\n- *two*") == "• \\(x\\)\n • two"
    assert shown("Lines:\n\\[\na\n= b\n- c\n\\]") == "Lines: \\[ a = b - c \\]"


@pytest.mark.parametrize(
    "text", ["$" * 20_000, "\\(" * 10_000, "`" * 20_000, "$x " * 10_000, "```\n" * 5000, "\\[a" * 10_000]
)
def test_hostile_answers_are_prepared_in_time(text):
    begun = time.process_time()
    whole(text)
    assert time.process_time() - begun < 3
