"""The model card of a result, `README.md`: everything that identifies the run, and what was measured of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..models.local.adapter import CONFIG as ADAPTER_CONFIG
from ..values import Json, JsonObject
from . import progress
from .curve import draw_curve, loss_text
from .progress import Ended, Progress, Started, Stepped, Validated
from .recipe import TrainingRecipe
from .recipe_file import as_toml
from .run_facts import RunFacts

FILE = "README.md"
EVIDENCE = "evidence.json"
ROWS = 12  # of the table of losses
METHODS = {
    "lora": "LoRA",
    "qlora": "QLoRA (base in nf4)",
    "full": "supervised fine-tuning of all weights",
    "dpo": "DPO on preference pairs",
    "pretrain": "pretraining from random weights",
}


def write_card(folder: Path) -> Path:
    """Write the card of the run in `folder` from what lies there: recipe, run.json, log, evidence as far as it was measured.

    Raises DataError if the run's recipe or facts cannot be read.
    """
    recipe, facts = TrainingRecipe.read(folder), RunFacts.read(folder)
    events = progress.lasting(progress.read(folder))
    path = folder / FILE
    path.write_text("\n".join(_lines(folder, recipe, facts, events)), encoding="utf-8")
    return path


def _lines(folder: Path, recipe: TrainingRecipe, facts: RunFacts, events: Sequence[Progress]) -> Iterator[str]:
    yield from _front_matter(recipe, facts)
    yield f"# {folder.resolve().name}"
    yield ""
    kind = "A model" if recipe.method == "pretrain" else "An adapter for" if recipe.adapts else "A form of"
    of = "" if recipe.method == "pretrain" else f" `{recipe.model}`"
    yield f"{kind}{of}, trained by {METHODS[recipe.method]} with llms {facts.versions.get('llms', '')}."
    for mark in facts.marks:
        yield ""
        yield f"> **Note.** {mark}"
    yield from _use(folder, recipe)
    yield from _evidence(folder)
    yield from _losses(events)
    yield from _identity(folder, recipe, facts)
    yield from _recipe(recipe, facts)


def _front_matter(recipe: TrainingRecipe, facts: RunFacts) -> Iterator[str]:
    yield "---"
    if facts.repository:
        yield f"base_model: {json.dumps(facts.repository)}"
        yield f"base_model_relation: {'adapter' if recipe.adapts else 'finetune'}"
    yield f"library_name: {'peft' if recipe.adapts else 'transformers'}"
    yield "pipeline_tag: text-generation"
    if facts.licence:
        yield f"license: {json.dumps(facts.licence)}"
    tags = ["llms", recipe.method, *(["lora"] if recipe.adapts and recipe.method != "lora" else [])]
    yield f"tags: [{', '.join(tags)}]"
    yield "---"
    yield ""


def _use(folder: Path, recipe: TrainingRecipe) -> Iterator[str]:
    mark = "&" if "?" in recipe.model else "?"
    name = f"{recipe.model}{mark}adapter={folder}" if recipe.adapts else f"hf:{folder}"
    yield from ("", "## Use", "", "```sh")
    yield f"llms chat -m '{name}'"
    if recipe.adapts:
        yield f"llms models merge '{name}' merged    # one checkpoint, proved equal"
    yield "```"
    yield ""
    yield "The chat template is the base model's own." if recipe.method != "pretrain" else "It has no chat template."


def _evidence(folder: Path) -> Iterator[str]:
    yield from ("", "## Evidence", "")
    path = folder / EVIDENCE
    if not path.is_file():
        yield f"Not measured yet: `llms finetune --evidence {folder}`."
        return
    stored: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    rows = [stored.get("held_out"), *_list(stored.get("benchmarks")), stored.get("together")]
    changes = [row for row in rows if isinstance(row, Mapping)]
    yield f"`{stored.get('before')}` before and `{stored.get('after')}` after, on the same items:"
    yield ""
    yield "| | metric | before | after | difference | 95 % interval | n | |"
    yield "|---|---|---|---|---|---|---|---|"
    for change in changes:
        bounds = [_number(change.get(side)) for side in ("low", "high")]
        cells = [change.get("benchmark"), change.get("metric"), *(_number(change.get(k)) for k in ("before", "after"))]
        cells += [_number(change.get("difference"), "+"), " – ".join(bounds) if all(bounds) else "", change.get("n")]
        yield f"| {' | '.join(str(cell) for cell in cells)} | {change.get('text', '')} |"
    for note in _list(stored.get("notes")):
        yield ""
        yield str(note)


def _losses(events: Sequence[Progress]) -> Iterator[str]:
    steps = [event for event in events if isinstance(event, Stepped)]
    validated = {event.step: event.loss for event in events if isinstance(event, Validated)}
    if not steps:
        return
    yield from ("", "## Losses", "", "Nats per trained token, by optimizer step.", "", "```")
    yield from draw_curve([(step.step, step.loss) for step in steps])
    yield from ("```", "", "| step | epoch | loss | learning rate | validation loss |", "|---|---|---|---|---|")
    every = max(1, len(steps) // ROWS)
    shown = {*steps[::every], steps[-1]}
    for step in steps:
        if step in shown or step.step in validated:
            loss = loss_text(validated[step.step]) if step.step in validated else ""
            yield f"| {step.step} | {step.epoch:.2f} | {loss_text(step.loss)} | {step.learning_rate:.2g} | {loss} |"


def _identity(folder: Path, recipe: TrainingRecipe, facts: RunFacts) -> Iterator[str]:
    yield from ("", "## What it is made of", "", "| | |", "|---|---|")
    if recipe.method != "pretrain":
        yield f"| base model | `{facts.base.model}`, weights `{facts.base.weights}`, tokenizer `{facts.base.tokenizer}`, chat template `{facts.base.template}` |"
        yield f"| licence of the base | {facts.licence or 'not stated'} |"
    yield f"| data | `{facts.data_name}`, {facts.data_bytes:,} bytes, SHA-256 `{facts.data_sha256}` |"
    yield f"| rows | {facts.rows:,} trained, {facts.validation_rows:,} held out |"
    if facts.left_out:
        yield f"| left out | {'; '.join(f'{count:,} {reason}' for reason, count in facts.left_out.items())} |"
    yield f"| tokens of an epoch | {facts.tokens:,}, of which {facts.trained_tokens:,} trained |"
    for name in ("adapter_model.safetensors", "model.safetensors"):
        if (folder / name).is_file() and (recipe.adapts == (folder / ADAPTER_CONFIG).is_file()):
            yield f"| result | `{name}`, {(folder / name).stat().st_size:,} bytes |"
    yield f"| versions | {', '.join(f'{name} {version}' for name, version in facts.versions.items())} |"
    yield f"| machine | {facts.machine}, {facts.processes} process{'es' if facts.processes > 1 else ''}, begun {facts.begun} |"


def _recipe(recipe: TrainingRecipe, facts: RunFacts) -> Iterator[str]:
    yield from ("", "## Recipe", "")
    yield (
        f"`{facts.command}`"
        if facts.command
        else "The same again, from this as `recipe.toml`: `llms finetune --recipe recipe.toml`"
    )
    yield from ("", "```toml", as_toml(replace(recipe, data=facts.data_name)).rstrip(), "```", "")


def ended(events: Sequence[Progress]) -> Ended | None:
    """How the run ended, if it has."""
    last = next((event for event in reversed(events) if isinstance(event, Ended | Started)), None)
    return last if isinstance(last, Ended) else None


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []


def _number(value: Json, sign: str = "") -> str:
    return f"{value:{sign}.4g}" if isinstance(value, int | float) else ""
