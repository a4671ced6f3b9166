"""Items on which the best and the next candidate differ, to be looked at."""

from dataclasses import dataclass

from ... import settings
from ...arena.choose.job import Candidate, Choice
from ...store.runs import Runs
from ...store.score_vectors import score_vectors
from ...values import ChoicePrompt, Outcome, Prompt, Scored


@dataclass(frozen=True, slots=True)
class DifferingItem:
    """An item with the end of its prompt, the right answer, and what was extracted from each system's answer, with its score."""

    item: str
    prompt: str
    target: str
    answers: tuple[tuple[str, str, float], tuple[str, str, float]]


def differing(choice: Choice, count: int) -> list[DifferingItem]:
    """The first `count` items of the job on which the best candidate and the next one of the answer have other scores."""
    best = next((each for each in choice.candidates if each.details.get("best")), None)
    rest = [each for each in choice.candidates if each.details.get("best") is False]
    if best is None or not rest or not count:
        return []
    result: list[DifferingItem] = []
    with Runs(settings.database()) as store:
        for run, other in zip(_runs(best), _runs(rest[0]), strict=True):
            vectors = score_vectors(store, [run, other])
            scores = dict(zip(vectors[run].items, vectors[run].scores.tolist(), strict=True))
            theirs = dict(zip(vectors[other].items, vectors[other].scores.tolist(), strict=True))
            items = [item for item in scores if item in theirs and scores[item] != theirs[item]]
            items = sorted(items, key=lambda item: (len(item), item))[: count - len(result)]
            mine, others = (
                {o.item: (p, o) for p, o in store.outcomes(name) if o.item in set(items)} for name in (run, other)
            )
            for item in items:
                (prompt, outcome), (_, second) = mine[item], others[item]
                pair = (best.system, _answer(outcome), scores[item]), (rest[0].system, _answer(second), theirs[item])
                result.append(DifferingItem(item, _asked(prompt), _target(outcome), pair))
    return result


def _runs(candidate: Candidate) -> list[str]:
    runs = candidate.details["runs"]
    assert isinstance(runs, list)
    return [str(run) for run in runs]


def _asked(prompt: Prompt) -> str:
    return prompt.contexts[0] if isinstance(prompt, ChoicePrompt) else prompt.text


def _answer(outcome: Outcome) -> str:
    return outcome.extracted or "" if isinstance(outcome, Scored) else ""


def _target(outcome: Outcome) -> str:
    return outcome.target if isinstance(outcome, Scored) else ""
