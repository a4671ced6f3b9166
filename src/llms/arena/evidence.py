"""How much a number is worth for a decision: who measured it, and on what."""

from typing import Literal

Evidence = Literal["own rows", "benchmark", "same recipe", "other recipe", "self-reported", "inherited"]
ORDER: tuple[Evidence, ...] = ("own rows", "benchmark", "same recipe", "other recipe", "self-reported", "inherited")
MEANING: dict[Evidence, str] = {
    "own rows": "measured here on your rows",
    "benchmark": "measured here on a benchmark",
    "same recipe": "published, asked in the same way",
    "other recipe": "published, asked in another way",
    "self-reported": "reported by the model's own makers",
    "inherited": "reported of the model that this one was made from",
}
DECIDING = frozenset[Evidence](["own rows", "benchmark"])  # the others say what to measure next
