"""Several answers to one question: pass@k."""

from math import prod


def pass_at_k(answers: int, right: int, k: int) -> float | None:
    """Unbiased probability that one of k answers is right, from `right` of `answers` (Chen et al. 2021, arXiv 2107.03374).

    None where there are fewer than k answers: nothing is extrapolated.
    """
    if k < 1 or not 0 <= right <= answers:
        raise ValueError(f"pass@{k} of {right} right in {answers}; expected k ≥ 1 and 0 ≤ right ≤ answers")
    if answers < k:
        return None
    if answers - right < k:
        return 1.0
    return 1.0 - prod(1.0 - k / i for i in range(answers - right + 1, answers + 1))
