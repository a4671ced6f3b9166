"""A recipe as a TOML file, which a person writes and `llms finetune --recipe` repeats; only what differs from the defaults."""

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from ..errors import UnknownName, UsageError
from .recipe import TrainingRecipe

HIGHEST_SEED = 2**32 - 1  # that every generator takes
# the least value of each number, and the highest
RANGES = {
    "rank": (0, math.inf),
    "alpha": (1, math.inf),
    "dropout": (0, 1),
    "learning_rate": (0, math.inf),
    "warmup": (0, 1),
    "least_rate": (0, 1),
    "beta2": (0, 1),
    "weight_decay": (0, math.inf),
    "clip_norm": (0, math.inf),
    "epochs": (0, math.inf),
    "max_steps": (0, math.inf),
    "rows_per_step": (1, math.inf),
    "rows_at_once": (1, math.inf),
    "window": (1, math.inf),
    "validation": (0, 1),
    "patience": (0, math.inf),
    "validate_every": (0, math.inf),
    "save_every": (0, math.inf),
    "beta": (0, math.inf),
    "seed": (0, HIGHEST_SEED),
}
POSITIVE = ("learning_rate", "clip_norm", "epochs", "beta")  # these are above their least value
BELOW_ONE = ("dropout", "beta2", "validation")  # and these below 1
NESTED = ("shape",)  # of models from nothing: fields that are objects have no line in such a file


def read_recipe(path: Path) -> dict[str, object]:
    """The fields that the file sets; a relative `data` is taken from the file's folder. Raises UsageError with the key."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the recipe {path}: {error}; it is a TOML file of key = value") from error
    checked = check_fields(values, str(path))
    data = checked.get("data")
    if isinstance(data, str) and not os.path.isabs(os.path.expanduser(data)):
        checked["data"] = os.path.normpath(path.parent / data)
    return checked


def check_fields(values: Mapping[str, object], where: str) -> dict[str, object]:
    """`values`, if each is of a field of TrainingRecipe and of its type. Raises UnknownName or UsageError."""
    kinds = {name: kind for name, kind in get_type_hints(TrainingRecipe).items() if name not in NESTED}
    checked: dict[str, object] = {}
    for name, value in values.items():
        if name not in kinds:
            raise UnknownName(f"key of {where}", name, kinds)
        kind = kinds[name]
        if get_origin(kind) is Literal:
            if value not in get_args(kind):
                raise UnknownName(f"{name} in {where}", str(value), get_args(kind))
        elif kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise UsageError(f"{where}: {name} is {value!r}; expected {kind.__name__}")
        if isinstance(value, int | float) and name in RANGES:
            _check_range(name, value, where)
        checked[name] = value
    return checked


def _check_range(name: str, value: float, where: str) -> None:
    """Raise UsageError for a number with which nothing can be trained; NaN is in no range."""
    least, highest = RANGES[name]
    inside = least <= value <= highest and math.isfinite(value) and not (name in POSITIVE and value == least)
    if not inside or (name in BELOW_ONE and value == 1):
        bounds = f"above {least}" if name in POSITIVE else f"{least} or more"
        most = "" if highest == math.inf else f", below {highest}" if name in BELOW_ONE else f", at most {highest}"
        raise UsageError(f"{where}: {name} is {value}; expected a finite number, {bounds}{most}")


def recipe_with(recipe: TrainingRecipe, values: Mapping[str, object]) -> TrainingRecipe:
    """`recipe` with checked fields of `values`."""
    return replace(recipe, **values)  # type: ignore[arg-type]  # of the types that `check_fields` looked at


def as_toml(recipe: TrainingRecipe) -> str:
    """All fields of `recipe`, one a line."""
    rows = [(field.name, getattr(recipe, field.name)) for field in fields(recipe) if field.name not in NESTED]
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in rows)


def differences(one: TrainingRecipe, other: TrainingRecipe) -> list[str]:
    """The fields in which two recipes differ, as `rank 8 there, 16 here`."""
    pairs = [(field.name, getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return [f"{name} {first} there, {second} here" for name, first, second in pairs if first != second]
