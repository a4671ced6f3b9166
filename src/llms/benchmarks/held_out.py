"""The rows that a training run never trained on, as a benchmark: how likely their answers are, token for token as trained.

The headline is the loss in nats per trained token, as the run's own log has it; of preference pairs, the share in which the
preferred answer is the likelier one. Rows that ask the same are one cluster.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

from ..data.dataset import Dataset, Row, Table
from ..data.source import OneFile
from ..tokens.pair import Pair
from ..values import LogLikelihood
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, View

PREFIX = "held-out:"
LOSS, BITS, LIKELIEST, PREFERRED = "nats_per_token", "bits_per_byte", "likeliest_match", "preferred"


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A stretch of trained tokens: the last `scored` of `ids`. `context` and `text` are both parts of it for people, `bytes`
    what the text takes in UTF-8 without special tokens."""

    ids: tuple[int, ...]
    scored: int
    context: str
    text: str
    bytes: int


@dataclass(frozen=True, slots=True)
class HeldOutRow:
    """A row: its trained stretches in their order, or of a preference pair the preferred answer and the other one."""

    parts: tuple[ScoredPart, ...]
    source: str

    @property
    def question(self) -> str:
        """A digest of all that stands before the first trained token: rows that share it ask the same."""
        first = self.parts[0]
        return _digest(first.ids[: len(first.ids) - first.scored], 12)


@dataclass(frozen=True)
class HeldOut(OneFile):
    """The held-out rows of a data file as a Source. `pairs`: they are preference pairs."""

    name: str
    content: Table
    pairs: bool


def held_out(name: str, rows: Sequence[HeldOutRow], pairs: bool) -> HeldOut:
    """The source of `rows`; its revision is a digest of their token ids, so that rows cut in another way are others."""
    table: list[Row] = [{"row": row, "question": row.question, "source": row.source} for row in rows]
    ids = [[(part.ids, part.scored) for part in row.parts] for row in rows]
    return HeldOut(name, Table(table, name, _digest(ids, 16), [row.source for row in rows]), pairs)


def declare_held_out(source: HeldOut) -> Benchmark:
    """The benchmark of held-out rows."""
    metrics = (PREFERRED, LOSS) if source.pairs else (LOSS, BITS, LIKELIEST)
    return Benchmark(
        name=f"{PREFIX}{source.name}",
        title=f"Held-out rows of {source.name}",
        version="1, preference pairs" if source.pairs else "1",
        licence="the user's own",
        items=len(source.content.rows),
        chance=0.5 if source.pairs else 0.0,
        dataset=Dataset(source.name, source.content.revision, source.name, {}),
        parts=(EvalSplit(source.name, "", "", None),),
        metrics=metrics,
        views={"default": View(0, "fixed", metrics[0])},
        ask=lambda row: Choices(
            tuple(part.context for part in row["row"].parts), tuple(part.text for part in row["row"].parts)
        ),
        shot=lambda row: "",
        grade=_grade_pair if source.pairs else _grade,
        cluster=lambda example: str(example.row["question"]),
        kind="tokens",
        token_pairs=lambda row: [Pair(part.ids, part.scored) for part in row["row"].parts],
    )


def is_held_out(benchmark: str) -> bool:
    """Whether the name is one of held-out rows."""
    return benchmark.startswith(PREFIX)


def _grade(row: Row, answers: Answers) -> Grade:
    parts: tuple[ScoredPart, ...] = row["row"].parts
    choices = [answer for answer in answers if isinstance(answer, LogLikelihood)]
    nats = -sum(answer.logprob for answer in choices)
    counts = {
        LOSS: (nats, float(sum(part.scored for part in parts))),
        BITS: (nats / log(2), float(max(1, sum(part.bytes for part in parts)))),
    }
    scores = {name: total / units for name, (total, units) in counts.items()}
    likeliest = float(all(answer.greedy for answer in choices))
    return Grade({**scores, LIKELIEST: likeliest}, _shown(parts), None, counts=counts)


def _grade_pair(row: Row, answers: Answers) -> Grade:
    preferred, other = row["row"].parts
    first, second = (answer.logprob for answer in answers if isinstance(answer, LogLikelihood))
    counts = {LOSS: (-first, float(preferred.scored))}
    scores = {PREFERRED: float(first > second), LOSS: -first / preferred.scored}
    return Grade(scores, preferred.text, (preferred if first > second else other).text, counts=counts)


def _shown(parts: Iterable[ScoredPart]) -> str:
    return " | ".join(part.text for part in parts)


def _digest(value: object, digits: int) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:digits]
