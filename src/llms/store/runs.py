"""Runs and their outcomes. A run is found again by its key; a Failed outcome never replaces a Scored one.

Everything that came from outside (texts, targets, answers) is kept as ASCII JSON, so that any string survives.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypedDict

from ..errors import UnknownName, UsageError
from ..evaluation.plan import RunKey
from ..evaluation.report import Report
from ..values import (
    Billed,
    ChoicePrompt,
    Completion,
    Failed,
    GenerationPrompt,
    LogLikelihood,
    Outcome,
    Prompt,
    Scored,
    Spent,
)
from .database import Database

FREE, NOTHING = Decimal(0), Billed()


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of an attempt so far: seconds, US dollars (None: unknown), and tokens billed over the network."""

    seconds: float
    cost: Decimal | None = FREE
    billed: Billed = NOTHING

    @property
    def columns(self) -> tuple[str | None, str | None]:
        """Cost and billed tokens as they are stored."""
        cost = None if self.cost is None else str(self.cost)
        return cost, json.dumps(astuple(self.billed)) if self.billed.requests else None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as listed. `outcomes` are stored; `report` covers those of the last attempt that ended (None: none did).
    `graded_from` is the run whose answers were graded again here.

    Times are ISO 8601, UTC.
    """

    run: str
    key: RunKey
    created: str
    updated: str
    attempts: int
    outcomes: int
    report: Report | None
    graded_from: str = ""

    @property
    def unfinished(self) -> bool:
        """Whether an attempt was cut short, so that outcomes are stored that no report covers."""
        return self.report is None or self.report.n + self.report.failed < self.outcomes


@dataclass(frozen=True, slots=True)
class RunAttempt:
    """One try at a run; `ended` is None for one that was killed or goes on."""

    started: str
    ended: str | None
    usage: Spent


class Runs(Database):
    """The runs of one database file: `Runs(settings.database())`, a context manager."""

    def begin(self, key: RunKey, fresh: bool = False, graded_from: str | None = None) -> int:
        """Start an attempt at the run of `key`, made if need be (`fresh`: what it had is deleted); its number.

        `graded_from` names the run whose answers a new run takes over.
        """
        now = _now()
        with self.transaction() as db:
            if fresh:
                self._remove(key.run)
            db.execute(
                "INSERT INTO runs (run, key, created, updated, graded_from) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (run) DO UPDATE SET updated = excluded.updated",
                (key.run, json.dumps(key.to_dict()), now, now, graded_from),
            )
            started = "INSERT INTO attempts (run, started) VALUES (?, ?) RETURNING id"
            return int(db.execute(started, (key.run, now)).fetchone()[0])

    def graded_from(self, run: str) -> str:
        """The run whose answers were graded again as `run`; empty for one that was asked."""
        sources = [name for (name,) in self.read("SELECT graded_from FROM runs WHERE run = ?", (run,))]
        return (sources[0] if sources else None) or ""

    def known(self, run: str) -> dict[str, bool]:
        """Item name -> whether it is Scored, for every stored outcome of a run."""
        rows = self.read("SELECT item, status FROM outcomes WHERE run = ?", (run,))
        return {item: status not in ("infra", "timeout") for item, status in rows}

    def add(
        self,
        run: str,
        attempt: int,
        position: int,
        prompt: Prompt,
        outcome: Outcome,
        bill: Bill,
        asked: bool = True,
    ) -> None:
        """Store one outcome, durable on return, and what the attempt has taken so far.

        `position` is the item's place among those asked; samples come in the order of subsets that it tells. Tokens of
        answers that were not asked for in this attempt are not counted.
        """
        header = json.dumps([prompt.description, prompt.header])
        digest = hashlib.sha256(header.encode()).hexdigest()
        status, tokens = (outcome.status, outcome.tokens) if isinstance(outcome, Scored) else (outcome.kind, 0)
        tokens = tokens if asked else 0
        with self.transaction() as db:
            db.execute("INSERT INTO headers (digest, text) VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, header))
            db.execute(
                "INSERT INTO outcomes (run, item, subset, position, status, header, prompt, outcome) "
                "VALUES (?, ?, ?, ?, ?, (SELECT id FROM headers WHERE digest = ?), ?, ?) "
                "ON CONFLICT (run, item) DO UPDATE SET position = excluded.position, status = excluded.status, "
                "header = excluded.header, prompt = excluded.prompt, outcome = excluded.outcome "
                "WHERE ? OR outcomes.status IN ('infra', 'timeout')",
                (
                    run,
                    outcome.item,
                    outcome.subset,
                    position,
                    status,
                    digest,
                    _dump_prompt(prompt),
                    _dump_outcome(outcome),
                    isinstance(outcome, Scored),
                ),
            )
            db.execute(
                "UPDATE attempts SET seconds = ?, tokens = tokens + ?, cost = ?, billed = ? WHERE id = ?",
                (bill.seconds, tokens, *bill.columns, attempt),
            )

    def end(self, attempt: int, bill: Bill, peak_memory_bytes: int) -> None:
        """Close an attempt. One that is never closed keeps the totals of its last outcome."""
        with self.transaction() as db:
            db.execute(
                "UPDATE attempts SET ended = ?, seconds = ?, peak_memory_bytes = ?, cost = ?, billed = ? WHERE id = ?",
                (_now(), bill.seconds, peak_memory_bytes, *bill.columns, attempt),
            )

    def usage(self, run: str) -> Spent:
        """Everything summed over attempts; the largest peak; no cost where one of them is unknown."""
        return _sum(attempt.usage for attempt in self.attempts(run))

    def attempts(self, run: str) -> list[RunAttempt]:
        """Every try at a run, the first one first."""
        columns = "started, ended, seconds, tokens, peak_memory_bytes, cost, billed"
        rows = self.read(f"SELECT {columns} FROM attempts WHERE run = ? ORDER BY id", (run,))
        return [
            RunAttempt(started, ended, Spent(seconds, tokens, peak, _float(cost), _billed(billed)))
            for started, ended, seconds, tokens, peak, cost, billed in rows
        ]

    def save_report(self, report: Report) -> None:
        """Keep a run's report, so that a leaderboard need not read outcomes."""
        with self.transaction() as db:
            fields = (json.dumps(report.to_dict(), allow_nan=False), _now(), report.key.run)
            db.execute("UPDATE runs SET report = ?, updated = ? WHERE run = ?", fields)

    def reports(self) -> list[Report]:
        """The report of every run that has one, the latest first; reads no outcome."""
        rows = self.read("SELECT report FROM runs WHERE report IS NOT NULL ORDER BY updated DESC, rowid DESC")
        return [Report.from_dict(json.loads(report)) for (report,) in rows]

    def all(self) -> list[StoredRun]:
        """Every run, the latest first."""
        return self._list("")

    def find(self, name: str) -> StoredRun:
        """The run that `name`, or a beginning of it that no other run shares, stands for; `last` is the latest.

        Raises UnknownName, or UsageError if several runs begin so.
        """
        names = [run for (run,) in self.read("SELECT run FROM runs ORDER BY updated DESC, rowid DESC")]
        if not names:
            raise UsageError(
                f"there is no run {name!r}: nothing is stored in {self.path}. Start with: llms eval smollm2 -b all"
            )
        matches = names[:1] if name == "last" else [run for run in names if name and run.startswith(name)]
        if not matches:
            raise UnknownName("run", name, [*names[:10], "last"])
        if len(matches) > 1 and name not in matches:
            more = ", …" if len(matches) > 5 else ""
            raise UsageError(
                f"{len(matches)} runs begin with {name!r}: {', '.join(matches[:5])}{more}; give more digits"
            )
        return self._list("WHERE run = ?", name if name in matches else matches[0])[0]

    def outcomes(self, run: str) -> Iterator[tuple[Prompt, Outcome]]:
        """(prompt, outcome) of every item, subset by subset, in the order of the data."""
        order = list(
            self.read(
                "SELECT id FROM outcomes JOIN (SELECT subset, MIN(position) AS first FROM outcomes WHERE run = ?1 GROUP BY subset) "
                "USING (subset) WHERE run = ?1 ORDER BY first, subset, LENGTH(item), item",
                (run,),
            )
        )
        for row in order:
            yield from self._load("outcomes.id = ?", *row)

    def outcome(self, run: str, item: str) -> tuple[Prompt, Outcome] | None:
        """(prompt, outcome) of one item; None where the run has no such item."""
        return next(self._load("run = ? AND item = ?", run, item), None)

    def _load(self, where: str, *values: str) -> Iterator[tuple[Prompt, Outcome]]:
        columns = f"SELECT text, prompt, outcome FROM outcomes JOIN headers ON headers.id = header WHERE {where}"
        for header, prompt, outcome in self.read(columns, values):
            yield _load_prompt(header, json.loads(prompt)), _load_outcome(outcome)

    def delete(self, run: str) -> None:
        """Remove a run, its outcomes, and headers that nothing uses any more; the file shrinks."""
        with self.transaction():
            self._remove(run)
        self.compact()

    def _remove(self, run: str) -> None:
        self.connection.execute("DELETE FROM runs WHERE run = ?", (run,))
        self.connection.execute(
            "DELETE FROM headers WHERE NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.header = headers.id)"
        )

    def _list(self, where: str, *values: str) -> list[StoredRun]:
        rows = self.read(
            "SELECT run, key, created, updated, (SELECT COUNT(*) FROM attempts a WHERE a.run = r.run), "
            "(SELECT COUNT(*) FROM outcomes o WHERE o.run = r.run), report, graded_from "
            f"FROM runs r {where} ORDER BY updated DESC, rowid DESC",
            values,
        )
        return [
            StoredRun(
                run,
                RunKey.from_dict(json.loads(key)),
                created,
                updated,
                attempts,
                outcomes,
                Report.from_dict(json.loads(report)) if report else None,
                graded_from or "",
            )
            for run, key, created, updated, attempts, outcomes, report, graded_from in rows
        ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _float(cost: str | None) -> float | None:
    return None if cost is None else float(cost)


def _billed(fields: str | None) -> Billed | None:
    return Billed(*json.loads(fields)) if fields else None


def _sum(usages: Iterator[Spent]) -> Spent:
    known = list(usages)
    peak = max((usage.peak_memory_bytes for usage in known), default=0)
    costs = [usage.cost for usage in known if usage.cost is not None]
    bills = [usage.billed for usage in known if usage.billed]
    return Spent(
        sum(usage.seconds for usage in known),
        sum(usage.tokens for usage in known),
        peak,
        sum(costs) if len(costs) == len(known) else None,
        sum(bills, NOTHING) if bills else None,
    )


def _dump_prompt(prompt: Prompt) -> str:
    """The item's own part; description and header are stored once, elsewhere. Equal contexts are stored once too."""
    if isinstance(prompt, ChoicePrompt):
        contexts = prompt.contexts[:1] if len(set(prompt.contexts)) == 1 else prompt.contexts
        return json.dumps({"contexts": contexts, "continuations": prompt.continuations})
    return json.dumps({"text": prompt.text, "stop": prompt.stop, "max_tokens": prompt.max_tokens})


@lru_cache(maxsize=4)
def _load_header(text: str) -> tuple[str, str]:
    description, header = json.loads(text)
    return description, header


class _StoredPrompt(TypedDict, total=False):
    """The fields that `_dump_prompt` writes: of a choice the first two, else the others."""

    contexts: list[str]
    continuations: list[str]
    text: str
    stop: list[str]
    max_tokens: int


def _load_prompt(header: str, fields: _StoredPrompt) -> Prompt:
    if "continuations" in fields:
        continuations = tuple(fields["continuations"])
        contexts = tuple(fields["contexts"]) * (len(continuations) if len(fields["contexts"]) == 1 else 1)
        return ChoicePrompt(*_load_header(header), contexts, continuations)
    return GenerationPrompt(*_load_header(header), fields["text"], tuple(fields["stop"]), fields["max_tokens"])


def _dump_outcome(outcome: Outcome) -> str:
    """The fields by name; answers by position, as their dataclass orders them."""
    if isinstance(outcome, Failed):
        *fields, answers, target = astuple(outcome)
        answered = {_kind(outcome.answers): answers, "target": target} if answers else {}
        return json.dumps({"failed": fields, **answered}, allow_nan=False)
    *fields, answers, pooled, judge, counts = astuple(outcome)
    further = {name: value for name, value in (("pooled", pooled), ("judge", judge), ("counts", counts)) if value}
    return json.dumps({"scored": fields, _kind(outcome.answers): answers, **further}, allow_nan=False)


def _kind(answers: Sequence[LogLikelihood | Completion]) -> str:
    return "completion" if isinstance(answers[0], Completion) else "choices"


def _load_outcome(text: str) -> Outcome:
    """An outcome as it was stored; one that holds NaN or infinity, of an older version, has failed."""
    wrong: list[str] = []
    fields = json.loads(text, parse_constant=wrong.append)
    if wrong:
        item, subset, cluster = fields["scored"][:3]
        reason = f"a number that was stored of it is {wrong[0]}; ask it again with --retry-failed"
        return Failed(item, subset, cluster, "infra", reason)
    texts = tuple(Completion(*answer) for answer in fields.get("completion", ()))
    choices = tuple(LogLikelihood(*answer) for answer in fields.get("choices", ()))
    if "failed" in fields:
        item, subset, cluster, kind, reason = fields["failed"]
        return Failed(item, subset, cluster, kind, reason, texts or choices, fields.get("target", ""))
    item, subset, cluster, status, scores, target, extracted = fields["scored"]
    pooled, counts = (
        {metric: tuple(values) for metric, values in fields.get(name, {}).items()} for name in ("pooled", "counts")
    )
    judge = tuple(fields.get("judge", ()))
    return Scored(item, subset, cluster, status, scores, target, extracted, texts or choices, pooled, judge, counts)
