"""Numbers as an option is given them: none of them NaN or infinite."""

from math import isfinite

import click


class FiniteRange(click.FloatRange):
    """click's FloatRange, which takes NaN in any range and infinity in an open-ended one; this takes neither."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)  # type: ignore[arg-type]  # it tries whatever there is
        if not isfinite(number):
            self.fail(
                f"{number} is not a finite number; expected one in the range {self._describe_range()}", param, ctx
            )
        return number
