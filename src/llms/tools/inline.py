"""A tool in the middle of raw text: a model writes `<<48/2=` and the calculator goes on with `24>>`.

The marks are those of GSM8K's solutions (Cobbe et al. 2021, section 5.2). A pure function of the text so far, so that whoever
generates can call it after each token and put what it returns in place of what the model would have written.
"""

import re

from .calculator import Calculation, calculate

OPEN, CLOSE = "<<", ">>"
LONGEST = 200  # characters between << and =
ASKED = re.compile(rf"<<([^<>=\n]{{1,{LONGEST}}})=$")


def insertion(text: str) -> str:
    """The text that belongs behind `text`: the value and `>>` where it ends in `<<expression=`, else "".

    Nothing too where the expression has no value: then the model goes on by itself.
    """
    asked = ASKED.search(text[-(LONGEST + len(OPEN) + 1) :])
    if asked is None:
        return ""
    outcome = calculate(asked[1])
    return f"{written(outcome)}{CLOSE}" if isinstance(outcome, Calculation) else ""


def written(calculation: Calculation) -> str:
    """The value as a solution writes it: whole if it is exact and short, else of 12 digits."""
    exact = calculation.exact and len(calculation.value) <= 20
    return calculation.value if exact else calculation.display
