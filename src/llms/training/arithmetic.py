"""Whether a device computes in a recipe's numbers by itself, and what is done where it does not. Loads torch only if it must."""

from dataclasses import replace

from .. import engine
from ..errors import UsageError
from .recipe import TrainingRecipe


def emulates(dtype: str, device: str) -> bool:
    """Whether `device` has no arithmetic of its own for `dtype`: products take it 20 to 80 times as long as in float32.

    Processors are taken to have none for float16, in which they are not trained: there is no scaling of the loss.
    """
    if dtype == "float32" or not device.startswith("cpu"):
        return False
    return dtype != "bfloat16" or not engine.computes_bfloat16()


def as_computed(recipe: TrainingRecipe) -> TrainingRecipe:
    """`recipe` in numbers that its device computes in: float32 in place of emulated ones."""
    return replace(recipe, dtype="float32") if emulates(recipe.dtype, recipe.device) else recipe


def computed_note(asked: str, recipe: TrainingRecipe) -> str:
    """Why `recipe` is not in the dtype that was `asked` for, for people; empty where it is."""
    if asked == recipe.dtype or not emulates(asked, recipe.device):
        return ""
    takes = "a forward pass takes" if recipe.method == "pretrain" else "weights and a forward pass take"
    return (
        f"trained in {recipe.dtype} and not in {asked}, which this processor only emulates, many times slower; {takes} twice the "
        "memory, and the run's recipe says float32"
    )


def refuse_emulated(recipe: TrainingRecipe, folder: object) -> None:
    """Raise UsageError for a run that began in numbers which this machine only emulates."""
    if emulates(recipe.dtype, recipe.device):
        raise UsageError(
            f"the run in {folder} is in {recipe.dtype}, which this processor only emulates, many times slower; in float32 it would "
            "be another run. Go on with it on a machine like the one it began on, or begin anew with --out"
        )
