"""Texts against a reference by their n-grams: counts for BLEU and chrF, which belong to a whole corpus, and ROUGE."""

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from ..errors import MissingExtra

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU

CHARACTER_ORDERS = 6
# letters and digits of every script; of scripts without blanks each sign by itself
WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿]|[^\W_぀-ヿ㐀-䶿一-鿿]+")


def chrf_counts(reference: str, answer: str) -> tuple[float, ...]:
    """For each order from 1 to 6: character n-grams of the answer, of the reference, and common ones; blanks left out."""
    ours, theirs = "".join(answer.split()), "".join(reference.split())
    counts: list[float] = []
    for order in range(1, CHARACTER_ORDERS + 1):
        mine, right = _grams(ours, order), _grams(theirs, order)
        # as in sacrebleu: where the reference has none of this order, the answer's do not count
        total = sum(mine.values()) if right else 0
        counts += [total, sum(right.values()), sum((mine & right).values())]
    return tuple(map(float, counts))


def _grams(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))


def bleu_counts(reference: str, answer: str, tokenize: str = "13a") -> tuple[float, ...]:
    """Hits of n-grams from 1 to 4, n-grams of the answer, its length and the reference's, in tokens of sacrebleu."""
    score = _bleu(tokenize).sentence_score(answer, [reference])
    return tuple(map(float, (*score.counts, *score.totals, score.sys_len, score.ref_len)))


def rouge_scores(reference: str, answer: str) -> dict[str, float]:
    """F1 of ROUGE-1, -2 and -L (Lin 2004), as rouge-score computes it, without stemming. Its words are those of English
    alone; here they are those of every script."""
    scores = _rouge().score(reference, answer)
    return {
        name: float(scores[name.replace("_", "").replace("rougel", "rougeL")].fmeasure)
        for name in ("rouge_l", "rouge_1", "rouge_2")
    }


class Words:
    """A tokenizer for rouge-score."""

    def tokenize(self, text: str) -> list[str]:
        return WORD.findall(text.lower())


@cache
def _bleu(tokenize: str) -> "BLEU":
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise MissingExtra("sacrebleu", "BLEU", "eval") from error
    return BLEU(tokenize=tokenize, effective_order=True)


@cache
def _rouge() -> "RougeScorer":
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtra("rouge-score", "ROUGE", "eval") from error
    return RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Words())
