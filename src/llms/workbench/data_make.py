"""The verb `data make`: labelled rows of a task, written by a language model, checked, marked as made, and no two alike."""

import json
import random
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from math import ceil
from pathlib import Path
from statistics import median

from ..data.made_rows import SHAPES, BadMade, check_made, made_schema, written_rows
from ..data.near import NearTexts
from ..data.row_log import RowLog
from ..data.row_write import check_folder
from ..errors import UsageError
from ..models.prices import stated_price
from ..models.spending import SpendingLedger
from ..models.system import Generate, Model
from ..tasks.catalogue import TASKS, HubTask, find_task
from ..values import Completion, Failure, Json, Message
from .data_prompts import ROW_TOKENS, prompt
from .data_rows import open_source
from .task_file import check_apart

ROWS = 4  # that one request asks for
WAVE = 32  # requests that are handed over together
DRY = 5  # requests in a row without a new row, after which it ends
LABELS = {"sentiment": ("positive", "negative"), "entities": ("person", "organization", "place")}
MARKS = ("generated", "model", "seed")  # columns that say that a row was made, and how


@dataclass(frozen=True, slots=True)
class RowRecipe:
    """An order for `count` rows of `task` about `description`, written by `model`, into `out`. `examples` is a file of
    rows that show the form. `price` is IN/OUT in dollars per million tokens, `budget` in dollars."""

    description: str
    task: str
    model: str
    out: Path
    labels: tuple[str, ...] = ()
    count: int = 200
    examples: Path | None = None
    seed: int = 0
    budget: Decimal | None = None
    price: str | None = None

    def kept(self) -> dict[str, Json]:
        """The part that must be the same when the file is gone on with."""
        return {"description": self.description, "task": self.task, "labels": list(self.labels), "model": self.model}


@dataclass
class MakeReport:
    """Counts of a run. `refused` are (how many, one of them) by reason; `lengths` are least, median and most characters of
    the rows' texts; `cost` in US dollars, None where unknown; `stopped` says why it ended before all rows were there."""

    out: str
    asked: int = 0
    before: int = 0
    valid: int = 0
    requests: int = 0
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    same: int = 0
    near: int = 0
    of_examples: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    lengths: tuple[int, int, int] = (0, 0, 0)
    prompt_tokens: int = 0
    tokens: int = 0
    cost: float | None = 0.0
    stopped: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.before + self.valid

    def refuse(self, reason: str, example: str) -> None:
        count, first = self.refused.get(reason, (0, example))
        self.refused[reason] = (count + 1, first)

    def to_json(self) -> dict[str, Json]:
        """The documented object that `llms data make --json` prints."""
        refused: dict[str, Json] = {
            reason: {"count": n, "example": example} for reason, (n, example) in self.refused.items()
        }
        return {**asdict(self), "rows": self.rows, "refused": refused, "lengths": list(self.lengths)}


def check(recipe: RowRecipe) -> tuple[HubTask, tuple[str, ...]]:
    """The task and its labels. Raises UnknownName, UsageError for what cannot be made."""
    task = find_task(recipe.task)
    if task.columns not in SHAPES or task.name == "fill-mask":
        able = [each.name for each in TASKS.values() if each.columns in SHAPES and each.name != "fill-mask"]
        raise UsageError(f"rows of {task.name} cannot be written by a language model; of {', '.join(able)} they can")
    if not recipe.description.strip():
        raise UsageError('describe the rows: llms data make "reviews of headphones" --task sentiment')
    labels = recipe.labels or LABELS.get(task.name, ())
    if "label" in task.columns and len(labels) < 2:
        raise UsageError(f"rows of {task.name} need labels, at least two: --labels a,b")
    if recipe.labels and not {"label", "entities"} & set(task.columns):
        raise UsageError(f"rows of {task.name} have no labels; leave out --labels")
    return task, tuple(dict.fromkeys(labels))


def make(recipe: RowRecipe, model: Model, force: bool = False) -> Iterator[MakeReport]:
    """Write rows, and yield the report after each answer; the last one is whole.

    A file that is there is gone on with where the same recipe wrote it, else refused, unless `force` begins it anew.
    Raises UsageError, DataError, ModelError, BudgetExceeded.
    """
    task, labels = check(recipe)
    check_folder(recipe.out)
    check_apart(recipe.out, [recipe.examples] if recipe.examples else [])
    _prepare(recipe, force)
    examples = _examples(recipe, task)
    ledger = SpendingLedger(recipe.budget, stated_price(recipe.price))
    model.pay_from(ledger)
    with RowLog(recipe.out, (*task.columns, *MARKS)) as log:
        maker = _Maker(recipe, task, labels, examples, log, model.name.local)
        try:
            while len(log.before) + maker.report.valid < recipe.count and not maker.report.stopped:
                for _ in maker.wave(model):
                    total = ledger.tally.total
                    maker.report.cost = None if total is None else float(total)
                    yield maker.report
        finally:
            _sidecar(recipe.out).write_text(
                json.dumps({**recipe.kept(), "report": maker.finish().to_json()}, ensure_ascii=False, indent=1) + "\n",
                encoding="utf-8",
            )
    yield maker.report


def _sidecar(out: Path) -> Path:
    return out.with_name(f"{out.name}.make.json")


def _prepare(recipe: RowRecipe, force: bool) -> None:
    """Refuse a file that another recipe wrote; note this one beside it."""
    path, note = recipe.out, _sidecar(recipe.out)
    if force:
        path.unlink(missing_ok=True)
    elif path.exists() and path.stat().st_size:
        try:
            before = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        other = [name for name, value in recipe.kept().items() if before.get(name) != value]
        if other:
            raise UsageError(
                f"{path} is there already, and was not written with this {other[0]}; choose another --out, or overwrite it "
                "with --force"
            )
    note.write_text(json.dumps(recipe.kept(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _examples(recipe: RowRecipe, task: HubTask) -> list[dict[str, Json]]:
    """The rows of the examples' file, the task's columns alone."""
    if recipe.examples is None:
        return []
    source = open_source(str(recipe.examples))
    source.check(task.columns)
    return [{name: placed.row.get(name) for name in task.columns} for placed in source.rows()]


class _Maker:
    """The rows so far, and what is asked for next."""

    def __init__(
        self,
        recipe: RowRecipe,
        task: HubTask,
        labels: tuple[str, ...],
        examples: list[dict[str, Json]],
        log: RowLog,
        local: bool,
    ):
        self.recipe, self.task, self.labels, self.log, self.examples = recipe, task, labels, log, examples
        self.report = MakeReport(str(recipe.out), recipe.count, len(log.before), notes=_notes(recipe.model, local))
        self._shown, self._known = NearTexts(), NearTexts()
        for row in examples:
            self._shown.add(self._text(row))
        for written in log.before:
            self._known.add(self._text(written))
        self._balance = Counter(dict.fromkeys(labels, 0) if "label" in task.columns else {})
        self._balance.update(str(row.get("label")) for row in log.before if "label" in task.columns)
        self._lengths = [len(self._text(row)) for row in log.before]
        seeds = [int(str(row.get("seed"))) for row in log.before if str(row.get("seed") or "").lstrip("-").isdecimal()]
        self._next = max((seed + 1 for seed in seeds), default=recipe.seed)
        self._dry = 0
        # a small model may never end a text by itself; not all endpoints know maxLength
        self._longest = 2 * ROW_TOKENS[SHAPES[task.columns]] if local else 0

    def _text(self, row: Mapping[str, object]) -> str:
        """The texts that tell a row from others."""
        return "\n".join(
            str(row.get(name) or "")
            for name in self.task.columns
            if name not in ("label", "entities", "answer", "summary", "target")
        )

    def wave(self, model: Model) -> Iterator[None]:
        """Ask for what is missing, and take in what comes; ends where too little does."""
        missing = self.recipe.count - self.report.rows
        planned, balance = [], self._balance.copy()
        for _ in range(min(WAVE, ceil(missing / ROWS))):
            label = min(balance, key=lambda each: (balance[each], self.labels.index(each))) if balance else ""
            if label:
                balance[label] += ROWS
            planned.append((self._next, label))
            self._next += 1
        answers = model.complete(self._request(seed, label, model.capabilities.chat) for seed, label in planned)
        for index, result in answers:
            self._take(result, *planned[index])
            yield
            if self._dry >= DRY:
                self.report.stopped = self._why_dry(result)
            if self.report.stopped or self.report.rows >= self.recipe.count:
                if isinstance(answers, Generator):
                    answers.close()
                return

    def _request(self, seed: int, label: str, chat: bool) -> Generate:
        chance = random.Random(seed)
        shown = chance.sample(self.examples, min(2, len(self.examples)))
        text = prompt(self.recipe.description, self.task, self.labels, label, ROWS, shown, chance)
        return Generate(
            (Message("user", text),) if chat else f"{text}\n\nJSON: ",
            max_tokens=ROWS * ROW_TOKENS[SHAPES[self.task.columns]] + 40,
            temperature=0.9,
            top_p=0.95,
            seed=seed,
            schema=made_schema(self.task.columns, self.labels, ROWS, self._longest),
        )

    def _take(self, result: Completion | Failure, seed: int, label: str) -> None:
        before = self.report.valid
        self.report.requests += 1
        if isinstance(result, Failure):
            self.report.refuse("no answer", result.reason[:300])
        else:
            self.report.tokens += result.tokens
            self.report.prompt_tokens += result.prompt_tokens
            values = written_rows(result.text)
            if not values:
                self.report.refuse("no rows in the answer", result.text[:300])
            for value in values:
                if self.report.rows < self.recipe.count:
                    self._take_row(value, seed, label)
        self._dry = 0 if self.report.valid > before else self._dry + 1

    def _take_row(self, value: Json, seed: int, label: str) -> None:
        row = check_made(self.task.columns, value, self.labels, label)
        if isinstance(row, BadMade):
            self.report.refuse(row.reason, row.example)
            return
        text = self._text(row)
        if self._shown.like(text):
            self.report.of_examples += 1
        elif like := self._known.like(text):
            self.report.same += like[1]
            self.report.near += not like[1]
        else:
            self._known.add(text)
            self._lengths.append(len(text))
            self.report.valid += 1
            if "label" in row:
                self._balance[str(row["label"])] += 1
            self.log.write({**row, "generated": True, "model": self.recipe.model, "seed": seed})

    def _why_dry(self, last: Completion | Failure) -> str:
        why = f": {last.reason}" if isinstance(last, Failure) else ""
        reasons = ", ".join(f"{count} {reason}" for reason, (count, _) in self.report.refused.items())
        alike = self.report.same + self.report.near + self.report.of_examples
        return (
            f"{DRY} requests in a row brought no new row{why} (refused: {reasons or 'none'}; alike to others: {alike}). A larger "
            "model, another description or more --examples may help"
        )

    def finish(self) -> MakeReport:
        """The report, with what can only be said of all rows."""
        self.report.labels = dict(self._balance)
        if self._lengths:
            self.report.lengths = (min(self._lengths), int(median(self._lengths)), max(self._lengths))
        return self.report


def _notes(model: str, local: bool) -> list[str]:
    notes = [
        "labels are those that were asked for; nobody has checked them: read a sample before you measure or train with these rows"
    ]
    if not local:
        notes.append(f"check the terms of the provider of {model} on training with its outputs")
    return notes
