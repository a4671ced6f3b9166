"""The worth of a published result, and the digest by which it is known to have been asked as here."""

import hashlib
import json
from collections.abc import Collection

from ...evaluation.plan import RunKey
from ..evidence import ORDER, Evidence
from .result import PublishedResult


def recipe(key: RunKey, metric: str, part: str = "") -> str:
    """16 hex digits: the SHA-256 of all that identifies a run but its system, with the metric and the subset.

    Two results with one recipe are of the same rows, asked and scored in the same way.
    """
    text = json.dumps([dict(key.asked), metric, part], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def grade(result: PublishedResult, recipes: Collection[str]) -> Evidence:
    """The evidence of a published result where `recipes` are those of what was measured here.

    The makers' own word stays self-reported however it was asked, and what was measured of a base model is inherited.
    """
    if result.base:
        return "inherited"
    if result.relationship == "first_party":
        return "self-reported"
    return "same recipe" if result.recipe and result.recipe in recipes else "other recipe"


def rank(evidence: Evidence) -> int:
    """0 for the best evidence."""
    return ORDER.index(evidence)
