"""Votes that others cast, taken in from their files and given out again in the same form."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ... import settings
from ...arena.vote_files import read_votes
from ...errors import DataError, UnknownName, UsageError
from ...store.battles import Battles
from .battles import CHAT, VOTE, WEB


@dataclass(frozen=True, slots=True)
class ImportReport:
    """A file of votes as it was understood. `problems` counts the votes that must not count, by reason; `already` says under
    which source they were stored before (empty: they were not)."""

    source: str
    votes: int
    models: int
    judges: int
    prompts: int
    winners: Mapping[str, int]
    problems: Mapping[str, int]
    already: str = ""


def import_votes(path: Path, source: str | None = None, judge: str = "", dry_run: bool = False) -> ImportReport:
    """Store the votes of a file under `source` (default: the file's name), once, however often it is imported. `judge` names
    the column or the judge, where a file has several; with `dry_run` nothing is stored.

    Raises DataError for what cannot be read, UsageError where the source holds other battles.
    """
    name = source or path.name.partition(".")[0]
    if name in (VOTE, WEB, CHAT):
        raise UsageError(f"the source {name!r} is for battles that are fought here; give another name by --source")
    votes = read_votes(path, judge)
    try:
        digest = hashlib.sha256(path.read_bytes() + judge.encode()).hexdigest()[:12]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    with Battles(settings.database()) as store:
        already = store.holds(digest)
        if already is None and name in store.sources():
            raise UsageError(
                f"the source {name!r} holds other battles; give another name by --source, or remove it: llms arena rm {name}"
            )
        if already is None and not dry_run:
            store.take(name, digest, votes)
    return ImportReport(
        already or name,
        len(votes),
        len({model for vote in votes for model in (vote.model_a, vote.model_b)}),
        len({vote.judge for vote in votes if vote.judge}),
        len({vote.prompt for vote in votes if vote.prompt}),
        Counter(vote.winner for vote in votes),
        Counter(vote.problem for vote in votes if vote.problem),
        already or "",
    )


def remove_source(source: str) -> int:
    """Remove all battles of a source with their votes; how many. Raises UnknownName."""
    with Battles(settings.database()) as store:
        known = store.sources()
        if source not in known:
            if not known:
                raise UsageError(f"there is no source {source!r}: no battle is stored yet")
            raise UnknownName("source", source, known)
        store.delete(*[battle.id for battle in store.all(source)])
        return known[source][0]
