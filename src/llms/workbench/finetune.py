"""The verb `finetune`: plan, train in processes of its own, finish the result, measure it, merge it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, Unpack

from .. import engine, settings
from ..errors import LlmsError, UsageError
from ..evaluation.config import EvalConfig
from ..models.local.adapter import CONFIG, WEIGHTS
from ..models.name import parse
from ..models.weights import weight_facts
from ..store.training_runs import TrainingRuns
from ..training import progress
from ..training.arithmetic import emulates, refuse_emulated
from ..training.card import write_card
from ..training.defaults import fit_recipe
from ..training.estimate import TrainingEstimate, estimate, refuse_too_large
from ..training.form import TrainingForm
from ..training.launch import launch, resume_command
from ..training.lengths import row_lengths
from ..training.machine_rate import measure_rate
from ..training.progress import Aborted, Ended, Noticed, Progress, Stepped
from ..training.recipe import FILE as RECIPE
from ..training.recipe import TrainingRecipe
from ..training.rows import Encoded, encode
from ..training.run_facts import FILE as FACTS
from ..training.run_facts import RunFacts, sha256_of, versions
from ..training.side_files import name_base, restore_side_files, strip_side_files
from . import machine
from .evaluate import Progress as EvalProgress
from .evidence import TrainingEvidence, before_and_after, check_kept, measure_evidence
from .held_out import held_out_source
from .merge import merge
from .training_overlap import mark_overlap
from .training_plan import (
    RunState,
    TrainingRequest,
    as_used,
    base_of,
    check_data,
    check_folder,
    default_folder,
    licence_of,
    machine_of,
    named_fields,
    notes_of,
    now,
    open_base,
    recipe_of,
    repository_of,
    state_of,
)

if TYPE_CHECKING:
    from ..training import MergeProof


@dataclass(frozen=True)
class FinetunePlan:
    """A run before it starts, or goes on."""

    recipe: TrainingRecipe
    folder: Path
    facts: RunFacts
    state: RunState
    processes: int
    encoded: Encoded
    estimate: TrainingEstimate | None  # None where the shape of the network is not known
    notes: tuple[str, ...] = ()  # of how the recipe came about, for people

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        recipe = self.recipe
        return recipe.max_steps or ceil(recipe.epochs * ceil(self.encoded.counts.train_rows / recipe.rows_per_step))


@dataclass(frozen=True)
class EvidenceProgress:
    """Progress of the measurement at the end."""

    event: EvalProgress


@dataclass(frozen=True)
class FinetuneResult:
    """A finished run. `name` is the trained model's, for every verb; `merged` what was merged, and where."""

    folder: Path
    name: str
    adapter: bool
    steps: int
    seconds: float
    loss: float | None
    evidence: TrainingEvidence | None
    merged: "tuple[Path, MergeProof] | None"


FinetuneEvent: TypeAlias = Progress | EvidenceProgress | FinetuneResult


@dataclass(frozen=True)
class Finish:
    """The work after training: `evidence` measured, on `benchmarks` (ARC-Easy and HellaSwag) asked as `config` says; `merge` it into
    a folder."""

    evidence: bool = True
    benchmarks: Sequence[str] = ()
    config: EvalConfig = field(default_factory=EvalConfig)
    merge: Path | None = None


def plan_finetune(request: TrainingRequest, command: str = "", keep: bool = False) -> FinetunePlan:
    """The run that `request` asks for; reads and encodes the data, loads no weights. `keep` leaves the encoded rows in the run's
    folder, where training finds them.

    Raises UsageError, DataError or ModelError with what is wrong, the row and the column.
    """
    folder = request.resume or request.out or default_folder(request)
    check_folder(folder)
    recipe = recipe_of(replace(request, out=folder))
    model = open_base(recipe)
    state = state_of(folder)
    if (folder / FACTS).is_file():
        check_data(folder, recipe)
    encoded = encode(recipe, TrainingForm(model), folder if keep else None)
    new = not (folder / RECIPE).is_file()
    encoded = mark_overlap(encoded, recipe) if new else encoded
    recipe, expected = _fitted(request, recipe, encoded, new)
    counts, data = encoded.counts, Path(recipe.data).expanduser()
    facts = RunFacts(
        base=base_of(model),
        licence=licence_of(recipe, model.checkpoint.folder),
        repository=repository_of(recipe),
        data_name=data.name,
        data_sha256=sha256_of(data),
        data_bytes=data.stat().st_size,
        rows=counts.train_rows,
        validation_rows=counts.validation_rows,
        tokens=counts.tokens,
        trained_tokens=counts.trained_tokens,
        left_out=counts.left_out,
        marks=encoded.marks,
        versions=versions(),
        machine=machine_of(recipe.device),
        processes=request.processes,
        command=command,
        begun=now(),
    )
    notes = notes_of(request, recipe)
    return FinetunePlan(recipe, folder, facts, state, request.processes, encoded, expected, notes)


def _fitted(
    request: TrainingRequest, recipe: TrainingRecipe, encoded: Encoded, new: bool
) -> tuple[TrainingRecipe, TrainingEstimate | None]:
    """The recipe, if it is `new` with what fits model, rows and memory where nobody chose, and what it will take."""
    facts, lengths = weight_facts(parse(recipe.model)), row_lengths(encoded.train)
    if facts.shape is None:
        return as_used(recipe, request.processes) if new else recipe, None
    free = engine.free_bytes_of_host()
    if recipe.device.startswith("cuda"):
        cards, index = machine.gpus(), int(recipe.device.partition(":")[2] or 0)
        free = cards[index].bytes if index < len(cards) else free
    if new:
        chosen, held_out = {*named_fields(request), "window"}, encoded.counts.validation_rows
        recipe = fit_recipe(recipe, chosen, facts.shape, lengths, held_out, free, request.processes)
        recipe = as_used(recipe, request.processes)
    rate = None if emulates(recipe.dtype, recipe.device) else measure_rate(recipe.device, recipe.dtype)
    return recipe, estimate(recipe, facts.shape, lengths, free, rate, request.processes, facts.dtype)


def run_finetune(plan: FinetunePlan, finish: Finish | None = None) -> Iterator[FinetuneEvent]:
    """The events of training, of the measurement after it, and last the result. However it is left, what was saved stays, and
    the same call goes on; of a run that has ended only what follows training is done.

    Raises LlmsError where training was stopped by an error, WorkerDied where its process was killed.
    """
    finish, folder, recipe = finish or Finish(), plan.folder, plan.recipe
    check_merge(recipe, finish.merge)
    if finish.evidence:
        check_kept(finish.benchmarks, finish.config)
    if not plan.state.ended:
        refuse_emulated(recipe, folder)
        if plan.estimate:
            refuse_too_large(plan.estimate, recipe)
    _begin(plan)
    if not plan.state.ended:
        for event in launch(folder, plan.processes):
            yield event
            if isinstance(event, Aborted):
                raise LlmsError(_stopped(event, folder, recipe))
    _settle(plan)
    write_card(folder)
    measured: TrainingEvidence | None = None
    before, after = before_and_after(folder, recipe)
    if finish.evidence:
        validation = plan.encoded.validation
        source = (
            held_out_source(plan.facts.data_name, validation, open_base(recipe).tokenizer) if len(validation) else None
        )
        for progressed in measure_evidence(before, after, folder, source, finish.benchmarks, finish.config):
            if isinstance(progressed, TrainingEvidence):
                measured = progressed
            else:
                yield EvidenceProgress(progressed)
        write_card(folder)
    merged = None
    if finish.merge is not None:
        merged = (finish.merge, merge(after, finish.merge, _stored_dtype(recipe)))
    events = progress.lasting(progress.read(folder))
    steps = [event for event in events if isinstance(event, Stepped)]
    seconds = next((event.seconds for event in reversed(events) if isinstance(event, Ended)), 0.0)
    loss = steps[-1].loss if steps else None
    yield FinetuneResult(folder, after, recipe.adapts, len(steps), seconds, loss, measured, merged)


class RecipeSettings(TypedDict, total=False):
    """The fields of TrainingRecipe that `llms.finetune` takes as keywords; the rest follows from model and data."""

    method: Literal["lora", "qlora", "full", "dpo"]
    rank: int
    alpha: int
    dropout: float
    learning_rate: float
    schedule: Literal["cosine", "linear", "constant"]
    epochs: float
    max_steps: int
    rows_per_step: int
    rows_at_once: int
    window: int
    train_on: Literal["answers", "all"]
    validation: float
    patience: int
    beta: float
    seed: int


def finetune(
    model: str,
    data: str | Path,
    out: str | Path | None = None,
    *,
    finish: Finish | None = None,
    processes: int = 1,
    on_event: Callable[[FinetuneEvent], None] | None = None,
    **settings: Unpack[RecipeSettings],
) -> FinetuneResult:
    """Train `model` on the rows of the file `data`; the result, whose `name` every verb takes.

    The run lies in `out`, by default a folder named by model, method and data; the same call goes on with one that was
    interrupted. `on_event` is given each event of training and measuring. Raises LlmsError.
    """
    folder = None if out is None else Path(out)
    request = TrainingRequest(model, str(data), folder, settings={**settings}, processes=processes)
    plan = plan_finetune(request, keep=True)
    result: FinetuneResult | None = None
    for note in plan.notes:
        if on_event:
            on_event(Noticed(note))
    for event in run_finetune(plan, finish):
        if isinstance(event, FinetuneResult):
            result = event
        if on_event:
            on_event(event)
    assert result is not None, "the last event of a run that raises nothing"
    return result


def _begin(plan: FinetunePlan) -> None:
    """Make the folder, with recipe and facts; those of a run that goes on stay."""
    plan.folder.mkdir(exist_ok=True)
    if plan.state == RunState():
        plan.facts.write(plan.folder)
        plan.recipe.write(plan.folder)
    with TrainingRuns(settings.database()) as store:
        store.add(plan.folder, plan.recipe.model, plan.recipe.data, plan.recipe.method)


def _settle(plan: FinetunePlan) -> None:
    """Give the result the tokenizer and template of use, and say in it what it was trained on."""
    model, folder = open_base(plan.recipe), plan.folder
    if not plan.recipe.adapts:
        restore_side_files(folder, model.checkpoint)
        return
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise LlmsError(f"the run in {folder} ended without {name}; {resume_command(folder, plan.recipe.method)}")
    strip_side_files(folder)
    name_base(folder, repository_of(plan.recipe) or plan.recipe.model)
    base_of(model).write(folder)


def _stored_dtype(recipe: TrainingRecipe) -> str:
    return "bfloat16" if recipe.dtype == "bfloat16" else "float32"


def _stopped(event: Aborted, folder: Path, recipe: TrainingRecipe) -> str:
    state = state_of(folder)
    goes_on = state.first_step and not event.repeats
    rest = f" {resume_command(folder, recipe.method)} goes on from step {state.first_step:,}." if goes_on else ""
    return f"training stopped after step {event.step:,}: {event.reason}.{rest}"


def check_merge(recipe: TrainingRecipe, out: Path | None) -> None:
    """Raise UsageError for a merge that could not be done at the end."""
    if out is None:
        return
    if not recipe.adapts:
        raise UsageError(f"--merge is for adapters; {recipe.method} trains the model's own weights")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--merge {out} exists already; name a folder that does not")
