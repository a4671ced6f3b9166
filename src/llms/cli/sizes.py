"""Sizes of memory as an option is given them."""

import re

import click

UNITS = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip


class Bytes(click.ParamType[int]):
    """A size of memory above 0, as in 8GB, 500 MB or 4GiB."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(value).casefold())
        if not parts or parts[2] not in UNITS or float(parts[1]) <= 0:
            self.fail(f"{value!r} is no size; expected a number with its unit, as in 8GB, 500MB or 4GiB", param, ctx)
        return int(float(parts[1]) * UNITS[parts[2]])
