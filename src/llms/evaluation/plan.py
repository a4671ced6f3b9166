"""What will be asked: a Plan of items with their prompts, before any model is loaded."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Literal

from ..benchmarks.benchmark import Benchmark, Draw, EvalSplit, View
from ..benchmarks.shots import draw
from ..data import Row, Source, Table
from ..errors import DataError
from ..values import ChoicePrompt, Example, Identity, LogLikelihood, Prompt

CORRUPT = (ValueError, KeyError, IndexError, TypeError, AttributeError)  # what a row of the wrong shape raises
UNKNOWN = LogLikelihood(0.0, False, 1)
NOBODY = Identity("", "")  # a plan's system until one is known: `Plan.of`


@dataclass(frozen=True, slots=True)
class RunKey:
    """Everything that may change an answer or its score. Runs with equal keys are one run and continue it.

    `draw` is how few-shot rows were chosen, `decoding` the generation settings, `data` the kind of source
    (`sample`, `folder`, `hub`, `file`) and `revision` its content; `thinking` tokens are allowed before an answer,
    `sandbox` says how programs were run (`isolated`, `none`, or empty). How many items were run is not part of it.
    """

    system: Identity
    benchmark: str
    version: str
    view: str
    shots: int
    draw: str
    chat_template: bool
    window: str
    decoding: str
    seed: int
    scorer: str
    data: str
    revision: str
    system_prompt: str = ""
    thinking: int = 0
    sandbox: str = ""

    @property
    def samples(self) -> int:
        """Answers per question."""
        return 1 if self.decoding == "loglikelihood" else json.loads(self.decoding).get("samples", 1)

    @property
    def run(self) -> str:
        """The run's name: 10 hex digits of the SHA-256 of the key."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @classmethod
    def from_dict(cls, fields: Mapping) -> "RunKey":
        return cls(**{**fields, "system": Identity(**fields["system"])})


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask: the dataset row, the prompt made of it, and the cluster its error belongs to."""

    example: Example
    prompt: Prompt
    cluster: str

    @property
    def name(self) -> str:
        return self.example.item


@dataclass(frozen=True, slots=True)
class Decoding:
    """How text is generated: greedily once, or `samples` times at a temperature. `top_p` as Holtzman et al. 2020."""

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0


GREEDY = Decoding()


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to do. `available` counts the rows that the data holds, `complete` tells whether it holds every subset,
    `notes` are said to the user, `groups` (column -> item -> value) have scores of their own in the report."""

    key: RunKey
    items: tuple[Item, ...]
    available: int
    headline: str
    average: str
    chance: float
    normalized: tuple[str, ...] = ()
    chances: Mapping[str, float] = field(default_factory=dict)
    complete: bool = True
    decoding: Decoding = GREEDY
    withheld: bool = False
    notes: tuple[str, ...] = ()
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, system: Identity) -> "Plan":
        """The same questions to another system."""
        return replace(self, key=replace(self.key, system=system))

    @property
    def partial(self) -> bool:
        """Whether this is less than the benchmark: items left out, or subsets that the data lacks."""
        return len(self.items) < self.available or not self.complete


def plan(
    benchmark: Benchmark,
    view_name: str,
    view: View,
    source: Source,
    system: Identity,
    *,
    limit: int | None = None,
    shots: int | None = None,
    draw_how: Draw | None = None,
    chat_template: bool = False,
    window: Literal["cut", "strict"] = "cut",
    seed: int = 0,
    decoding: Decoding = GREEDY,
    system_prompt: str = "",
    thinking: int = 0,
    sandbox: str = "",
) -> Plan:
    """What to ask `system`: items with prompts, in order of the data. No model is needed.

    `limit` items are spread evenly over the subsets, at least one of each, the first rows of each.
    Raises DataError if the source holds nothing of the benchmark, UsageError if it has too few few-shot rows.
    """
    parts = [part for part in benchmark.parts if source.has(benchmark.dataset, part.config, part.split)]
    read = cache(lambda config, split: source.table(benchmark.dataset, config, split))
    found = [(part, _kept(read(part.config, part.split), part)) for part in parts or benchmark.parts[:1]]
    found = [(part, table) for part, table in found if table.rows]
    if not found:
        raise DataError(f"the data ({source.kind}) has no rows of {benchmark.name}; expected at least one")
    parts, tables = [part for part, _ in found], [table for _, table in found]
    shots = view.shots if shots is None else shots
    how = draw_how or view.draw
    quotas = spread(limit, [len(table.rows) for table in tables])
    items: list[Item] = []
    revisions = [table.revision for table in tables]
    for part, table, quota in zip(parts, tables, quotas, strict=True):
        pool = Table((), "", "")
        if shots and part.shots_split:
            same = part.shots_split == part.split
            pool = table if same else _kept(read(part.shots_config or part.config, part.shots_split), part)
            revisions.append(pool.revision)
        drawn = draw(
            benchmark.harness_draw if how == "harness" else "fixed",
            pool.rows,
            shots,
            table.rows,
            range(quota),
            same_split=part.shots_split == part.split,
            who=f"{benchmark.name} (view {view_name})",
        )
        for index in range(quota):
            example = Example(part.subset, index, table.rows[index])
            try:
                prompt = benchmark.prompt(example, drawn[index], view)
                if (
                    isinstance(prompt, ChoicePrompt) and benchmark.grade
                ):  # a right answer that is none of the choices shows only here
                    benchmark.grade(example.row, (UNKNOWN,) * len(prompt.continuations))
                item = Item(example, prompt, benchmark.cluster(example))
            except CORRUPT as error:
                place = _culprit(benchmark, drawn[index], pool) or table.place(index)
                what = type(error).__name__ if benchmark.dataset.withheld else repr(error)
                raise DataError(
                    f"{place}: not a row of {benchmark.name} ({what}); correct it or leave it out"
                ) from error
            items.append(item)
    key = RunKey(
        system=system,
        benchmark=benchmark.name,
        version=benchmark.version,
        view=view_name,
        shots=shots,
        draw=how if shots else "fixed",
        chat_template=chat_template,
        window=window,
        decoding=_decoding(items[0].prompt, decoding, benchmark.kind),
        seed=seed,
        scorer=benchmark.scorer,
        data=source.kind,
        revision=revision_of(revisions),
        system_prompt=system_prompt,
        thinking=thinking,
        sandbox=sandbox if benchmark.kind == "code" else "",
    )
    notes = []
    if len(parts) < len(benchmark.parts):
        notes.append(f"{benchmark.name}: the data holds {len(parts)} of its {len(benchmark.parts)} subsets")
    return Plan(
        key=key,
        items=tuple(items),
        available=sum(len(table.rows) for table in tables),
        headline=view.headline,
        average=view.average,
        chance=benchmark.chance,
        normalized=view.normalized,
        chances={part.subset: part.chance for part in parts if part.chance is not None},
        complete=len(parts) == len(benchmark.parts),
        decoding=decoding,
        withheld=benchmark.dataset.withheld,
        notes=tuple(notes),
    )


def revision_of(revisions: Sequence[str]) -> str:
    """One revision of those of all tables that were read, in their order."""
    return hashlib.sha256("\n".join(revisions).encode()).hexdigest()[:16]


def _kept(table: Table, part: EvalSplit) -> Table:
    """The rows of a table that belong to the part, with its fields."""
    if part.keep is None and not part.fields:
        return table
    kept = [index for index, row in enumerate(table.rows) if part.keep is None or part.keep(row)]
    rows = [{**table.rows[index], **part.fields} for index in kept]
    places = [table.places[index] for index in kept] if table.places else [f"row {index + 1}" for index in kept]
    return Table(rows, table.origin, table.revision, places)


def _culprit(benchmark: Benchmark, shots: Sequence[Row], pool: Table) -> str | None:
    """Where the first few-shot example lies that cannot be shown; None if all can."""
    for row in shots:
        try:
            benchmark.shot(row)
        except CORRUPT:
            return pool.place(pool.rows.index(row))
    return None


def spread(limit: int | None, sizes: Sequence[int]) -> list[int]:
    """How many items of each subset: `limit` in all, evenly, at least one of each, never more than there are."""
    if limit is None or limit >= sum(sizes):
        return list(sizes)
    quotas = [1 if size else 0 for size in sizes]
    while sum(quotas) < limit:
        open_subsets = [i for i, size in enumerate(sizes) if quotas[i] < size]
        each, rest = divmod(limit - sum(quotas), len(open_subsets))
        for place, i in enumerate(open_subsets):
            quotas[i] = min(sizes[i], quotas[i] + each + (place < rest))
    return quotas


def _decoding(prompt: Prompt, decoding: Decoding, kind: str) -> str:
    if isinstance(prompt, ChoicePrompt):
        return "loglikelihood"
    stop = () if kind == "code" else prompt.stop  # MultiPL-E names them in each row
    return json.dumps({**asdict(decoding), "max_tokens": prompt.max_tokens, "stop": stop})
