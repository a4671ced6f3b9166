"""Metrics of a multiple-choice item from the log-probabilities of its choices. Pure functions of numbers."""

from collections.abc import Sequence
from math import exp, isfinite


def best(values: Sequence[float]) -> int:
    """Index of the largest value; of equals the first. Raises ValueError if one is not a finite number."""
    if not all(map(isfinite, values)):
        raise ValueError(f"log-probabilities are not finite numbers: {list(values)}")
    return max(range(len(values)), key=lambda i: (values[i], -i))


def accuracy(logprobs: Sequence[float], gold: int) -> float:
    """1 if the choice with the highest log-probability is the right one."""
    return float(best(logprobs) == gold)


def accuracy_normalized(logprobs: Sequence[float], choices: Sequence[str], gold: int) -> float:
    """The same, each log-probability divided by the number of characters of the bare choice.

    Characters, not bytes or tokens, as `acc_norm` of lm-evaluation-harness (api/task.py). An empty choice counts as one.
    """
    return float(best_normalized(logprobs, choices) == gold)


def best_normalized(logprobs: Sequence[float], choices: Sequence[str]) -> int:
    """Index of the choice with the highest log-probability per character."""
    return best([logprob / max(1, len(choice)) for logprob, choice in zip(logprobs, choices, strict=True)])


def true_mass(logprobs: Sequence[float], labels: Sequence[int]) -> float:
    """Share of probability on the choices labelled 1 (TruthfulQA mc2, Lin et al. 2022)."""
    highest = logprobs[best(logprobs)]
    masses = [exp(lp - highest) for lp in logprobs]
    return sum(m for m, label in zip(masses, labels, strict=True) if label == 1) / sum(masses)
