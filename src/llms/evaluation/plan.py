"""From a benchmark and its rows to a Plan: items with their prompts, before any model is loaded."""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from typing import Any

from ..benchmarks.benchmark import Benchmark, EvalSplit
from ..benchmarks.shots import draw
from ..data import Row, Source, Table
from ..data.rows import Selected, SelectedPlaces
from ..errors import DataError
from ..values import ChoicePrompt, Example, GenerationPrompt, Identity, Json, LogLikelihood, Prompt
from .config import EvalConfig, identifying, settings_of
from .items import Item, Items, PartItems

CORRUPT = (ValueError, KeyError, IndexError, TypeError, AttributeError)  # what a row of the wrong shape raises
Read = Callable[[str, str], Table]  # of a configuration and a split
UNKNOWN = LogLikelihood(0.0, False, 1)
NOBODY = Identity("", "")  # a plan's system until one is known: `Plan.of`
NAMED = frozenset(
    [
        "view",
        "shots",
        "draw",
        "chat_template",
        "window",
        "samples",
        "temperature",
        "top_p",
        "seed",
        "system_prompt",
        "thinking",
        "sandbox",
    ]
)  # settings that a key has had from the first, each under its name or, of decoding, in that field


@dataclass(frozen=True, slots=True)
class RunKey:
    """Everything that may change an answer or its score. Runs with equal keys are one run and continue it.

    `draw` is how few-shot rows were chosen, `decoding` the generation settings, `data` the kind of source
    (`sample`, `folder`, `hub`, `file`) and `revision` its content; `thinking` tokens are allowed before an answer,
    `sandbox` says how programs were run (`isolated`, `none`, or empty). How many items were run is not part of it.
    `further` are the settings that came later and are not as usual, by name: a key without them is what it was.
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
    further: tuple[tuple[str, Json], ...] = ()

    @property
    def samples(self) -> int:
        """Answers per question."""
        return 1 if self.decoding == "loglikelihood" else json.loads(self.decoding).get("samples", 1)

    @property
    def run(self) -> str:
        """The run's name: 10 hex digits of the SHA-256 of the key."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def config(self) -> EvalConfig:
        """The configuration that leads to this key again, of the same data and system."""
        sampling = {} if self.decoding == "loglikelihood" else json.loads(self.decoding)
        further: Any = {name: value for name, value in self.further if name in settings_of(EvalConfig)}
        return EvalConfig(
            view=self.view,
            shots=self.shots,
            draw="harness" if self.draw == "harness" else "fixed",
            chat_template=self.chat_template,
            window="strict" if self.window == "strict" else "cut",
            samples=sampling.get("samples", 1),
            temperature=sampling.get("temperature", 0.0),
            top_p=sampling.get("top_p", 1.0),
            seed=self.seed,
            system_prompt=self.system_prompt,
            thinking=self.thinking,
            sandbox=self.sandbox != "none",
            **further,
        )

    @property
    def asked(self) -> tuple[tuple[str, Json], ...]:
        """All but the system, by name: runs that have it in common were asked the same and can be compared."""
        names = [each.name for each in fields(self) if each.name not in ("system", "further")]
        return (*((name, getattr(self, name)) for name in names), *self.further)

    def differences(self, other: "RunKey") -> dict[str, tuple[Json, Json]]:
        """The settings that are not the same, by name: this key's value and the other's."""
        left, right = dict(self.asked), dict(other.asked)
        both = {name: (left.get(name), right.get(name)) for name in {**left, **right}}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}

    def to_dict(self) -> dict[str, Json]:
        """The key as JSON values, as it is stored; its name is the digest of this."""
        return {"system": asdict(self.system), **dict(self.asked)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Json]) -> "RunKey":
        """The key that `to_dict` gave, of this version or one before."""
        own = {each.name for each in fields(cls)} - {"further"}
        further = tuple(sorted((name, value) for name, value in values.items() if name not in own))
        known: Any = {name: value for name, value in values.items() if name in own}
        return cls(**{**known, "system": Identity(**known["system"]), "further": further})


@dataclass(frozen=True, slots=True)
class Plan:
    """A run to do, as `config` says. Its items are made of their rows whenever they are asked for, and not held.

    `available` counts the rows that the data holds, `complete` tells whether it holds every subset,
    `notes` are said to the user, `groups` (column -> the value that an item, by its name, has there) have scores
    of their own in the report. `answer_tokens` tells how many items may be answered with how many tokens."""

    key: RunKey
    items: Sequence[Item]
    available: int
    headline: str
    average: str
    chance: float
    normalized: tuple[str, ...] = ()
    chances: Mapping[str, float] = field(default_factory=dict)
    complete: bool = True
    config: EvalConfig = field(default_factory=EvalConfig)
    withheld: bool = False
    notes: tuple[str, ...] = ()
    groups: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    answer_tokens: Mapping[int, int] = field(default_factory=dict)

    def of(self, system: Identity) -> "Plan":
        """The same questions to another system."""
        return replace(self, key=replace(self.key, system=system))

    @property
    def partial(self) -> bool:
        """Whether this is less than the benchmark: items left out, or subsets that the data lacks."""
        return len(self.items) < self.available or not self.complete


def plan(benchmark: Benchmark, source: Source, config: EvalConfig, system: Identity = NOBODY) -> Plan:
    """The Plan for `system`: items with prompts, in order of the data. No model is needed.

    `config.limit` items are spread evenly over the subsets, at least one of each, the first rows of each.
    Raises DataError if the source holds nothing of the benchmark, UsageError if it has too few few-shot rows.
    """
    view = benchmark.views[config.view]
    shots = view.shots if config.shots is None else config.shots
    if benchmark.kind == "choice":  # nothing is sampled where choices are scored
        config = replace(config, samples=1, temperature=0.0, top_p=1.0)
    config = replace(
        config,
        shots=shots,
        draw=(config.draw or view.draw) if shots else "fixed",
        chat_template=bool(config.chat_template),
    )
    read = cache(lambda name, split: source.table(benchmark.dataset, name, split))
    tested = _tested(benchmark, source, read)
    quotas = spread(config.limit, [len(table.rows) for _, table in tested])
    parts: list[PartItems] = []
    revisions = [table.revision for _, table in tested]
    for (part, table), quota in zip(tested, quotas, strict=True):
        pool = _pool(part, table, shots, read)
        if shots and part.shots_split:
            revisions.append(pool.revision)
        parts.append(_items(benchmark, config, part, table, pool, quota))
    items = Items(parts)
    answer_tokens = _counted(items[:1] if source.kind == "file" else items)
    if source.kind == "file":  # its rows were checked when they were read, and are all asked alike
        answer_tokens = {tokens: len(items) for tokens in answer_tokens}
    notes = []
    if len(tested) < len(benchmark.parts):
        notes.append(f"{benchmark.name}: the data holds {len(tested)} of its {len(benchmark.parts)} subsets")
    return Plan(
        key=_key(benchmark, source, config, system, items[0].prompt, revision_of(revisions)),
        items=items,
        answer_tokens=answer_tokens,
        available=sum(len(table.rows) for _, table in tested),
        headline=view.headline,
        average=view.average,
        chance=benchmark.chance,
        normalized=view.normalized,
        chances={part.subset: part.chance for part, _ in tested if part.chance is not None},
        complete=len(tested) == len(benchmark.parts),
        config=config,
        withheld=benchmark.dataset.withheld,
        notes=tuple(notes),
    )


def _tested(benchmark: Benchmark, source: Source, read: Read) -> list[tuple[EvalSplit, Table]]:
    """The parts of the benchmark of which the source has rows, each with them."""
    parts = [part for part in benchmark.parts if source.has(benchmark.dataset, part.config, part.split)]
    tables = [(part, _kept(read(part.config, part.split), part)) for part in parts or benchmark.parts[:1]]
    tested = [(part, table) for part, table in tables if len(table.rows)]
    if not tested:
        raise DataError(f"the data ({source.kind}) has no rows of {benchmark.name}; expected at least one")
    return tested


def _pool(part: EvalSplit, table: Table, shots: int, read: Read) -> Table:
    """The rows from which few-shot examples of a part are drawn."""
    if not shots or not part.shots_split:
        return Table((), "", "")
    if part.shots_split == part.split:
        return table
    return _kept(read(part.shots_config or part.config, part.shots_split), part)


def _items(
    benchmark: Benchmark, config: EvalConfig, part: EvalSplit, table: Table, pool: Table, quota: int
) -> PartItems:
    """The first `quota` rows of a part as items; a row that makes none is a DataError that names it."""
    view = benchmark.views[config.view]
    drawn = draw(
        benchmark.harness_draw if config.draw == "harness" else "fixed",
        pool.rows,
        config.shots or 0,
        table.rows,
        range(quota),
        same_split=part.shots_split == part.split,
        who=f"{benchmark.name} (view {config.view})",
    )

    def make(index: int) -> Item:
        example = Example(part.subset, index, table.rows[index])
        shots = drawn[index]
        try:
            prompt = benchmark.prompt(example, shots, view)
            if isinstance(prompt, ChoicePrompt) and benchmark.grade:
                # a right answer that is none of the choices shows only here
                benchmark.grade(example.row, (UNKNOWN,) * len(prompt.continuations))
            return Item(example, prompt, benchmark.cluster(example))
        except CORRUPT as error:
            where = _culprit(benchmark, shots, pool) or table.place(index)
            what = type(error).__name__ if benchmark.dataset.withheld else repr(error)
            raise DataError(f"{where}: not a row of {benchmark.name} ({what}); correct it or leave it out") from error

    return PartItems(part.subset, quota, make)


def _counted(items: Iterable[Item]) -> dict[int, int]:
    """How many items may be answered with how many tokens; looks at every item, so that each is known to make a prompt."""
    prompts = (item.prompt for item in items)
    return dict(Counter(prompt.max_tokens for prompt in prompts if isinstance(prompt, GenerationPrompt)))


def answer_tokens(plan: Plan) -> Mapping[int, int]:
    """Tokens that an answer may have at most -> how many items may have so many; empty where choices are scored."""
    return plan.answer_tokens or _counted(plan.items)


def _key(
    benchmark: Benchmark, source: Source, config: EvalConfig, system: Identity, prompt: Prompt, revision: str
) -> RunKey:
    further = ((name, value) for name, value in identifying(config).items() if name not in NAMED)
    return RunKey(
        system=system,
        benchmark=benchmark.name,
        version=benchmark.version,
        view=config.view,
        shots=config.shots or 0,
        draw=config.draw or "fixed",
        chat_template=bool(config.chat_template),
        window=config.window,
        decoding=_decoding(prompt, config, benchmark.kind),
        seed=config.seed,
        scorer=benchmark.scorer,
        data=source.kind,
        revision=revision,
        system_prompt=config.system_prompt,
        thinking=config.thinking,
        sandbox="" if benchmark.kind != "code" else "isolated" if config.sandbox else "none",
        further=tuple(sorted(further)),
    )


def revision_of(revisions: Sequence[str]) -> str:
    """One revision of those of all tables that were read, in their order."""
    return hashlib.sha256("\n".join(revisions).encode()).hexdigest()[:16]


def _kept(table: Table, part: EvalSplit) -> Table:
    """The rows of a table that belong to the part, with its fields."""
    if part.keep is None and not part.fields:
        return table
    kept = array("q", (index for index, row in enumerate(table.rows) if part.keep is None or part.keep(row)))
    return Table(Selected(table.rows, kept, part.fields), table.origin, table.revision, SelectedPlaces(table, kept))


def _culprit(benchmark: Benchmark, shots: Sequence[Row], pool: Table) -> str | None:
    """Where the first few-shot example lies that cannot be shown; None if all can."""
    for row in shots:
        try:
            benchmark.shot(row)
        except CORRUPT:
            return pool.place(next(index for index, other in enumerate(pool.rows) if other == row))
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


def _decoding(prompt: Prompt, config: EvalConfig, kind: str) -> str:
    if isinstance(prompt, ChoicePrompt):
        return "loglikelihood"
    stop = () if kind == "code" else prompt.stop  # MultiPL-E names them in each row
    sampling = {"samples": config.samples, "temperature": config.temperature, "top_p": config.top_p}
    return json.dumps({**sampling, "max_tokens": prompt.max_tokens, "stop": stop})
