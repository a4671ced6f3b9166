"""Metrics of tasks against the libraries of the field, and the intervals of those that belong to a whole corpus."""

import random

import jiwer
import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from seqeval.metrics import f1_score as entity_f1
from seqeval.metrics import precision_score, recall_score
from sklearn.metrics import f1_score, ndcg_score

from llms.scoring.entity_spans import entity_counts
from llms.scoring.n_grams import bleu_counts, chrf_counts, rouge_scores
from llms.scoring.reading import squad_scores
from llms.scoring.recognition import character_counts, edits, normalized, word_counts
from llms.scoring.retrieval import ndcg_at, recall_at
from llms.statistics.corpus import METRICS, contributions, corpus_score, corpus_value
from llms.statistics.paired_corpus import compare_corpus

WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog.", "Don't,", "12.5", "x", "ü", "猫", "(so)"]
texts = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
said = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


@given(st.lists(st.tuples(said, texts), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_bleu_and_chrf_are_those_of_sacrebleu(pairs):
    references, answers = [a for a, _ in pairs], [b for _, b in pairs]
    bleu = corpus_value("bleu", [bleu_counts(a, b) for a, b in pairs])
    chrf = corpus_value("chrf", [chrf_counts(a, b) for a, b in pairs])
    assert 100 * bleu == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score, abs=1e-6)
    assert 100 * chrf == pytest.approx(sacrebleu.corpus_chrf(answers, [references]).score, abs=1e-6)


@given(st.lists(st.tuples(said, texts), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_error_rates_are_those_of_jiwer(pairs):
    references, answers = [a for a, _ in pairs], [b for _, b in pairs]
    words, characters = (
        corpus_value(metric, [count(a, b) for a, b in pairs])
        for metric, count in (("wer", word_counts), ("cer", character_counts))
    )
    assert words == pytest.approx(jiwer.wer(references, answers))
    assert characters == pytest.approx(jiwer.cer(references, answers))
    assert corpus_value("word_accuracy", [word_counts(a, b) for a, b in pairs]) == pytest.approx(1 - words)


def plain_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@given(st.text("abc", max_size=80), st.text("abc", max_size=80))
@settings(max_examples=200, deadline=None)
def test_edits_are_counted_as_by_the_table(a, b):
    assert edits(a, b) == plain_distance(a, b)


def test_case_and_punctuation_are_left_out_of_a_normalized_transcript():
    assert normalized("“Well-known,”  SHE said… Ｏkay?") == "well known she said okay"


@given(texts.filter(str.isascii), texts.filter(str.isascii))
@settings(max_examples=60, deadline=None)
def test_rouge_is_that_of_rouge_score_where_texts_are_ascii(reference, answer):
    expected = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, answer)
    ours = rouge_scores(reference, answer)
    assert list(ours.values()) == pytest.approx([expected[name].fmeasure for name in ("rougeL", "rouge1", "rouge2")])


def test_rouge_reads_words_of_every_script():
    assert rouge_scores("Übermäßig größer", "Übermäßig größer")["rouge_l"] == 1
    assert rouge_scores("ночь темна", "день темна")["rouge_1"] == 0.5
    assert rouge_scores("猫が好き", "猫が嫌い")["rouge_1"] == 0.5


ENTITIES = st.lists(st.sampled_from(["O", "PER", "LOC"]), max_size=8)


def spans_of(tags):
    """Neighbours of one kind as one span: words have a width of 2."""
    spans, start = [], 0
    for index in range(1, len(tags) + 1):
        if index == len(tags) or tags[index] != tags[start]:
            if tags[start] != "O":
                spans.append((2 * start, 2 * index, tags[start]))
            start = index
    return spans


def bio(tags):
    return ["O" if t == "O" else f"{'I' if i and tags[i - 1] == t else 'B'}-{t}" for i, t in enumerate(tags)]


@given(
    st.lists(ENTITIES.flatmap(lambda right: st.tuples(st.just(right), st.permutations(right))), min_size=1, max_size=6)
)
@settings(max_examples=80, deadline=None)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_entity_scores_are_those_of_seqeval(pairs):
    pairs = [pair for pair in pairs if pair[0]] or [(["O"], ["O"])]
    right, answered = [bio(a) for a, _ in pairs], [bio(b) for _, b in pairs]
    counts = [entity_counts(spans_of(a), spans_of(b)) for a, b in pairs]
    for metric, theirs in (
        ("entity_f1", entity_f1),
        ("entity_precision", precision_score),
        ("entity_recall", recall_score),
    ):
        assert corpus_value(metric, counts) == pytest.approx(theirs(right, answered, zero_division=0))


def test_entities_count_where_place_and_kind_agree():
    right = [(0, 4, "PER"), (0, 10, "ORG")]  # one inside the other
    assert entity_counts(right, [(0, 4, "per"), (0, 4, "PER"), (0, 9, "ORG")]) == (1, 1, 1)
    assert entity_counts([], []) == (0, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=30))
@settings(max_examples=80, deadline=None)
def test_macro_f1_is_that_of_sklearn_over_labels_that_are_right_somewhere(pairs):
    right, answered = zip(*pairs, strict=True)
    expected = f1_score(right, answered, average="macro", labels=sorted(set(right)), zero_division=0)
    assert corpus_value("macro_f1", pairs) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "accepted", "scores"),
    [
        ("The Cat!", ["a cat"], (1, 1)),
        ("black cat", ["the cat", "dog"], (0, 2 / 3)),
        ("", [], (1, 1)),
        ("something", [], (0, 0)),
        ("", ["cat"], (0, 0)),
    ],
)
def test_answers_are_scored_as_squad_does(answer, accepted, scores):
    assert squad_scores(answer, accepted) == pytest.approx(scores)


@given(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1))
@settings(max_examples=60, deadline=None)
def test_rankings_are_scored_as_sklearn_does(ranking, relevant):
    gains, scores = np.zeros((1, 12)), np.zeros((1, 12))
    gains[0, list(relevant)] = 1
    scores[0, ranking] = np.arange(12, 0, -1)
    assert ndcg_at(ranking, relevant, 10) == pytest.approx(ndcg_score(gains, scores, k=10))
    assert recall_at(ranking, relevant, 12) == 1
    assert recall_at(ranking, relevant, 1) == (ranking[0] in relevant) / len(relevant)


def drawn(metric, n, seed):
    generator = random.Random(seed)
    if metric == "macro_f1":
        return [
            (g := generator.randrange(3), g if generator.random() < 0.7 else generator.randrange(4)) for _ in range(n)
        ]
    if metric.startswith("entity"):
        return [tuple(generator.randrange(3) for _ in range(3)) for _ in range(n)]
    pairs = [[" ".join(generator.choices(WORDS, k=generator.randint(4, 12))) for _ in range(2)] for _ in range(n)]
    pairs = [(a, a if generator.random() < 0.5 else b) for a, b in pairs]
    count = {"bleu": bleu_counts, "chrf": chrf_counts, "cer": character_counts}.get(metric, word_counts)
    return [count(a, b) for a, b in pairs]


@pytest.mark.parametrize("metric", METRICS)
def test_an_interval_holds_the_value_and_is_the_same_each_time(metric):
    counts = drawn(metric, 60, 1)
    score = corpus_score(metric, counts, range(60))
    assert score == corpus_score(metric, counts, range(60))
    assert score.value == corpus_value(metric, counts)
    assert score.low < score.value < score.high
    assert score.stderr == pytest.approx((score.high - score.low) / 3.92, rel=0.25)
    contributed = contributions(metric, counts)
    assert sum(contributed) / 60 == pytest.approx(score.value)
    assert np.std(contributed, ddof=1) / 60**0.5 == pytest.approx(score.stderr, rel=0.25)


def test_equal_units_are_drawn_together_and_alike():
    """Few different counts take the quick way; their interval is that of the binomial."""
    counts = [(1, 0, 0)] * 70 + [(0, 1, 1)] * 30
    score = corpus_score("entity_f1", counts, range(100))
    assert (score.low, score.high) == pytest.approx((0.60, 0.78), abs=0.02)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    truth = corpus_value("entity_f1", drawn("entity_f1", 20_000, 0))
    held = 0
    for seed in range(300):
        score = corpus_score("entity_f1", drawn("entity_f1", 50, seed + 1), range(50))
        held += score.low <= truth <= score.high
    assert 0.91 <= held / 300 <= 0.98


def test_where_nothing_varies_the_interval_is_wilsons_or_none():
    perfect = corpus_score("entity_f1", [(1, 0, 0)] * 20, range(20))
    assert (perfect.value, perfect.high) == (1, 1)
    assert 0.8 < perfect.low < 0.9
    assert corpus_score("wer", [(4, 2)] * 20, range(20)).low is None
    assert corpus_score("wer", [(1, 2)] * 20, ["one"] * 20).method == "no interval: one cluster"


def test_clusters_are_drawn_whole():
    counts = [(1, 0, 0)] * 50 + [(0, 1, 1)] * 50
    alone = corpus_score("entity_f1", counts, range(100))
    grouped = corpus_score("entity_f1", counts, [index // 10 for index in range(100)])
    assert grouped.clusters == 10
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize("metric", METRICS)
def test_two_systems_are_compared_by_the_metric_itself(metric):
    a, b = drawn(metric, 80, 3), drawn(metric, 80, 3)
    same = compare_corpus(metric, a, b, range(80))
    assert (same.difference, same.p) == (0, 1)
    worse = [spoiled(metric, index, counts) for index, counts in enumerate(a)]
    paired = compare_corpus(metric, a, worse, range(80))
    assert paired.difference == pytest.approx(corpus_value(metric, a) - corpus_value(metric, worse))
    assert paired.p < 0.05
    assert not paired.low <= 0 <= paired.high
    swapped = compare_corpus(metric, worse, a, range(80))
    assert (swapped.difference, swapped.p) == pytest.approx((-paired.difference, paired.p))


def spoiled(metric, index, counts):
    """The same item with half its hits gone, or more edits, or of every other one an answer that is no label."""
    if metric == "macro_f1":
        return (counts[0], 9 if index % 2 else counts[1])
    if metric.startswith("entity"):
        hits, wrong, missed = counts
        return (hits // 2, wrong + hits - hits // 2 + 1, missed + hits - hits // 2 + 1)
    if metric == "bleu":
        return (*(hit // 2 for hit in counts[:4]), *counts[4:])
    if metric == "chrf":
        return tuple(count // 2 if index % 3 == 2 else count for index, count in enumerate(counts))
    return (counts[0] + 1, counts[1])


def test_a_difference_by_chance_is_none():
    significant = sum(
        compare_corpus("entity_f1", drawn("entity_f1", 40, seed), drawn("entity_f1", 40, seed + 1000), range(40)).p
        < 0.05
        for seed in range(40)
    )
    assert significant <= 6
