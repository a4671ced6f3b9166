"""A fine-tuning run before it starts: its recipe, its folder, the rows, and what it will take."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from .. import settings
from ..errors import UsageError
from ..models.info import licence
from ..models.load import load_tokenizer
from ..models.local import embedded
from ..models.local.adapter import AdapterBase
from ..models.local.model import LocalModel
from ..models.name import parse
from ..training import progress
from ..training.arithmetic import as_computed, computed_note
from ..training.checkpoints import newest_intact
from ..training.progress import Ended, Started
from ..training.recipe import FILE as RECIPE
from ..training.recipe import TrainingRecipe
from ..training.recipe_file import check_fields, differences, read_recipe, recipe_with
from ..training.rows import FOLDER as ROWS
from ..training.rows import holds_pairs
from ..training.run_facts import RunFacts, sha256_of
from . import machine

METHODS = ("lora", "qlora", "full", "dpo")


@dataclass(frozen=True)
class TrainingRequest:
    """A user's request. `settings` are fields of TrainingRecipe that were named; the rest follows from model and data, or
    from `recipe_file`. `resume` is the folder of a run that goes on."""

    model: str = ""
    data: str = ""
    out: Path | None = None
    recipe_file: Path | None = None
    resume: Path | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    processes: int = 1


def recipe_of(request: TrainingRequest) -> TrainingRecipe:
    """The recipe that is asked for, or that of the run to go on with. Raises UsageError, UnknownName, DataError."""
    if request.resume is not None:
        return _resumed(request, request.resume)
    fields = named_fields(request)
    for name, option in (("model", "a MODEL, as in llms finetune smollm2 --data chats.jsonl"), ("data", "--data FILE")):
        if not fields.get(name):
            raise UsageError(f"fine-tuning needs {option}")
    method, model = _method(fields), str(fields["model"])
    if method not in METHODS:
        raise UsageError(f"llms finetune trains by {', '.join(METHODS)}; {method} is llms pretrain's")
    _check_name(model)
    if request.out is not None and (request.out / RECIPE).is_file():  # the same command again: what nobody chose stays
        stored = TrainingRecipe.read(request.out)
        _refuse_other(request.out, stored, _asked_again(stored, fields), request.processes)
        return stored
    opened = open_base(TrainingRecipe(model, str(fields["data"])))
    base = TrainingRecipe(
        model,
        "",
        device=opened.device,
        dtype=parse(model).options.get("dtype", "float32"),
        window=opened.context_window,
    )
    recipe = as_computed(recipe_with(base, {**fields, "method": method}))
    _check_whole(recipe, opened)
    return recipe


def _method(fields: Mapping[str, object]) -> str:
    """The method that was chosen, or the one for such rows."""
    return str(fields.get("method") or ("dpo" if holds_pairs(Path(str(fields.get("data", "")))) else "lora"))


def _asked_again(stored: TrainingRecipe, fields: Mapping[str, object]) -> TrainingRecipe:
    """The recipe that `fields` ask for in the folder of one that is `stored`: in the numbers it would begin in here."""
    asked = recipe_with(stored, fields)
    return asked if asked.dtype == stored.dtype else as_computed(asked)


def notes_of(request: TrainingRequest, recipe: TrainingRecipe) -> tuple[str, ...]:
    """How `recipe` came of the request where that is not plain, for people."""
    fields = named_fields(request)
    dtype = fields.get("dtype") or parse(recipe.model).options.get("dtype", "float32")
    by_rows = request.resume is None and "method" not in fields and recipe.method == "dpo"
    return tuple(filter(None, ["dpo: the rows are preference pairs" * by_rows, computed_note(str(dtype), recipe)]))


def _check_whole(recipe: TrainingRecipe, model: LocalModel) -> None:
    """Raise UsageError for fields that do not go together, or not with the model."""
    if recipe.method in ("lora", "qlora") and recipe.rank < 1:
        raise UsageError(
            f"an adapter of rank {recipe.rank} has no weights; expected 1 or more. --method full has no adapter"
        )
    if recipe.window > model.context_window:
        raise UsageError(
            f"a window of {recipe.window:,} tokens; {recipe.model} sees {model.context_window:,} at most. Leave --window out, "
            "or name a shorter one"
        )


def named_fields(request: TrainingRequest) -> dict[str, object]:
    """The fields of the recipe that the user chose, in a file or by name; `data` as a path that holds everywhere."""
    fields = read_recipe(request.recipe_file) if request.recipe_file else {}
    fields |= {name: value for name, value in (("model", request.model), ("data", request.data)) if value}
    fields |= check_fields(request.settings, "the settings")
    if data := fields.get("data"):
        fields["data"] = os.path.abspath(os.path.expanduser(str(data)))
    return fields


def _check_name(text: str) -> None:
    name = parse(text)
    if name.provider not in ("smollm2", "hf") or {"tools", "system"} & set(name.options):
        raise UsageError(
            f"{text} cannot be trained: it is no checkpoint here; name smollm2, hf:FOLDER or hf:owner/name"
        )
    if adapter := name.options.get("adapter"):
        raise UsageError(
            f"{text}: what is trained is a model without an adapter; merge it first (llms models merge '{text}' merged), and "
            f"train hf:./merged. A run of {adapter} goes on with llms finetune --resume {adapter}"
        )
    if quantize := name.options.get("quantize"):
        raise UsageError(f"{text}: leave quantize={quantize} out; --method qlora trains an adapter over weights in nf4")


def _resumed(request: TrainingRequest, folder: Path) -> TrainingRecipe:
    if not (folder / RECIPE).is_file():
        raise UsageError(f"{folder} holds no run: it has no {RECIPE}; name the folder that llms finetune wrote")
    recipe = TrainingRecipe.read(folder)
    if recipe.method not in METHODS:
        raise UsageError(f"{folder} is a run of {recipe.method}; go on with llms {recipe.method} --resume {folder}")
    _refuse_other(folder, recipe, _asked_again(recipe, named_fields(request)), request.processes)
    return recipe


def default_folder(request: TrainingRequest) -> Path:
    """Where a run lies that was given no folder: in the current one, by model, method and data. Raises as `named_fields`."""
    fields = named_fields(request)
    base = str(fields.get("model", "")).partition("?")[0].removeprefix("hf:")
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", os.path.basename(base.rstrip("/"))).strip("-.") or "model"
    return Path(f"{name}-{_method(fields)}-{Path(str(fields.get('data', 'data'))).name.partition('.')[0]}")


def check_folder(folder: Path) -> None:
    """Raise UsageError for a folder that a run can neither begin nor go on in."""
    if (folder / RECIPE).is_file():
        return
    if folder.exists() and (not folder.is_dir() or any(path.name != ROWS for path in folder.iterdir())):
        raise UsageError(f"{folder} exists, and is no training run; name a new folder with --out")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"the folder {folder.absolute().parent} does not exist; make it, or name another with --out")


def as_used(recipe: TrainingRecipe, processes: int) -> TrainingRecipe:
    """`recipe` with as many rows at once as its passes really take."""
    return replace(recipe, rows_at_once=recipe.rows_used(processes))


def _refuse_other(folder: Path, stored: TrainingRecipe, asked: TrainingRecipe, processes: int) -> None:
    if differing := differences(as_used(stored, processes), as_used(asked, processes)):
        raise UsageError(
            f"{folder} is a run of another recipe: {'; '.join(differing)}. Go on with it by llms finetune --resume {folder}, or "
            "name another folder with --out"
        )


@dataclass(frozen=True)
class RunState:
    """How far the run in a folder is: `first_step` it goes on from, whether it has `ended`."""

    first_step: int = 0
    ended: bool = False


def state_of(folder: Path) -> RunState:
    if not (folder / RECIPE).is_file():
        return RunState()
    last = [event for event in progress.read(folder) if isinstance(event, Started | Ended)][-1:]
    checkpoint, _ = newest_intact(folder)
    return RunState(checkpoint[0] if checkpoint else 0, bool(last) and isinstance(last[0], Ended))


def check_data(folder: Path, recipe: TrainingRecipe) -> None:
    """Raise UsageError if the data of the run in `folder` were changed since it began, or are gone."""
    stored, path = RunFacts.read(folder), Path(recipe.data).expanduser()
    if not path.is_file():
        raise UsageError(
            f"{recipe.data}, the data of the run in {folder}, is not there any more; put the file of SHA-256 "
            f"{stored.data_sha256[:16]}… back, and the same command goes on"
        )
    if sha256_of(path) != stored.data_sha256:
        raise UsageError(
            f"{recipe.data} has changed since the run in {folder} began: it would go on with other rows. Put the file of "
            f"SHA-256 {stored.data_sha256[:16]}… back, or begin anew with --out"
        )


def base_of(model: LocalModel) -> AdapterBase:
    """The identity of the model that is trained, as an adapter of it states it."""
    identity = model.identity
    return AdapterBase(model.name.text, identity.weights, identity.tokenizer, identity.template)


def open_base(recipe: TrainingRecipe) -> LocalModel:
    """The model of the recipe; its weights are not loaded. Raises ModelError or UsageError."""
    model = load_tokenizer(recipe.model)
    if not isinstance(model, LocalModel):
        raise UsageError(f"{recipe.model} cannot be trained: it is no checkpoint here")
    return model


def licence_of(recipe: TrainingRecipe, folder: Path) -> str:
    return embedded.LICENCE if parse(recipe.model).provider == "smollm2" else licence(folder) or ""


def repository_of(recipe: TrainingRecipe) -> str:
    """The base model's place on the hub; empty for a folder."""
    name = parse(recipe.model)
    if name.provider == "smollm2":
        return "HuggingFaceTB/SmolLM2-135M-Instruct"
    return name.model if name.model.count("/") == 1 and not Path(name.model).expanduser().exists() else ""


def machine_of(device: str) -> str:
    """The processor or GPU that trains."""
    cards = machine.gpus() if device.startswith("cuda") else []
    index = int(device.partition(":")[2] or 0)
    name = cards[index].name if index < len(cards) else machine.processor()
    return f"{device} ({name}, {settings.cores()} cores)"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
