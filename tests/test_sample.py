"""The embedded sample: what its texts and generators make, right by computation, and chance for who knows nothing."""

import ast
import importlib.util
import json
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from llms.benchmarks.catalogue import CATALOGUE
from llms.data import open_source
from llms.models.local import embedded
from llms.statistics.intervals import mean, stderr, wilson
from llms.values import LogLikelihood

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "llms" / "data" / "sample"


@cache
def make():
    sys.path.insert(0, str(ROOT / "sample"))
    try:
        spec = importlib.util.spec_from_file_location("sample_make", ROOT / "sample" / "make.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(ROOT / "sample"))


def set_of(choices, right) -> tuple[list[str], list[int]]:
    return list(choices), [int(index == right) for index in range(len(choices))]


# the choices of a row as a person reads them, and 1 for each right one
CHOICES = {
    "arc_easy": lambda row: set_of(row["choices"]["text"], "ABCD".index(row["answerKey"])),
    "arc_challenge": lambda row: set_of(row["choices"]["text"], "ABCD".index(row["answerKey"])),
    "hellaswag": lambda row: set_of(row["endings"], int(row["label"])),
    "mmlu": lambda row: set_of(row["choices"], row["answer"]),
    "mmlu_pro": lambda row: set_of(row["options"], row["answer_index"]),
    "truthfulqa_mc1": lambda row: (row["mc1_targets"]["choices"], row["mc1_targets"]["labels"]),
    "truthfulqa_mc2": lambda row: (row["mc2_targets"]["choices"], row["mc2_targets"]["labels"]),
    "winogrande": lambda row: set_of((row["option1"], row["option2"]), int(row["answer"]) - 1),
    "bbh": lambda row: set_of(row["choices"], row["choices"].index(row["target"])),
    "musr": lambda row: set_of(ast.literal_eval(row["choices"]), row["answer_index"]),
}
GUESSES = ("truthfulqa_mc1", "truthfulqa_mc2")  # by their form, the right choices stand first
MEASURED = ("arc_easy", "hellaswag", "truthfulqa_mc1", "winogrande", "gsm8k")  # by `make eval`


def rows_of(name: str) -> list[dict]:
    benchmark, source = CATALOGUE[name], open_source("sample")
    return [
        {**row, **part.fields, "subset": part.subset}
        for part in benchmark.parts
        if source.has(benchmark.dataset, part.config, part.split)
        for row in source.table(benchmark.dataset, part.config, part.split).rows
    ]


def by_size(name: str) -> dict[int, list[tuple[list[str], list[int]]]]:
    """The sets of choices by how many they are; BIG-Bench Hard's tasks, whose choices are always the same, apart."""
    found: dict = {}
    for row in rows_of(name):
        choices, labels = CHOICES[name](row)
        found.setdefault((len(choices), row["subset"] if name == "bbh" else ""), []).append((choices, labels))
    return found


def test_every_choice_benchmark_of_the_sample_is_looked_at():
    choice = {name for name, benchmark in CATALOGUE.items() if benchmark.kind == "choice" and ":" not in name}
    assert {name for name in choice if rows_of(name)} == set(CHOICES)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("measure", ["characters", "tokens"])
def test_right_choices_are_at_every_rank_of_length_equally_often(name, measure, embedded_home, monkeypatch):
    """To within one item. Where right and wrong ones are equally long, each may stand at each of their ranks."""
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    tokenizer = Tokenizer.from_file(str(embedded.checkpoint() / "tokenizer.json"))

    def length(choice: str) -> int:
        return len(choice) if measure == "characters" else len(tokenizer.encode(f" {choice}").ids)

    for (size, _), sets in by_size(name).items():
        totals = [0.0] * size
        for choices, labels in sets:
            ranked = sorted(map(length, choices), reverse=True)
            for choice, label in zip(choices, labels, strict=True):
                for rank, other in enumerate(ranked):
                    totals[rank] += label * (other == length(choice)) / ranked.count(other)
        assert max(abs(total - sum(totals) / size) for total in totals) <= 1


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("rule", ["longest", "shortest", "first", "last"])
def test_no_rule_of_length_or_place_beats_chance(name, rule):
    if name in GUESSES and rule in ("first", "last"):
        pytest.skip("the form of TruthfulQA puts the right choices first")
    hits, chances = [], []
    for row in rows_of(name):
        choices, labels = CHOICES[name](row)
        sizes = {
            "longest": [len(choice) for choice in choices],
            "shortest": [-len(choice) for choice in choices],
            "first": [-index for index in range(len(choices))],
            "last": list(range(len(choices))),
        }[rule]
        taken = [label for size, label in zip(sizes, labels, strict=True) if size == max(sizes)]
        hits.append(mean(taken))
        chances.append(mean(labels))
    low, high = wilson(mean(chances), len(chances))
    assert low <= mean(hits) <= high


@pytest.mark.parametrize("name", CHOICES)
def test_choices_of_a_question_differ(name):
    for row in rows_of(name):
        choices, labels = CHOICES[name](row)
        assert len(set(choices)) == len(choices)
        assert 0 < sum(labels) < len(labels)


@pytest.mark.parametrize("name", MEASURED)
def test_the_benchmarks_of_make_eval_have_a_hundred_items(name):
    assert len(rows_of(name)) >= 100


@pytest.mark.parametrize("name", ["arc_easy", "hellaswag", "mmlu", "truthfulqa_mc1", "winogrande"])
def test_the_first_twenty_items_are_as_balanced_as_all(name):
    sets = [CHOICES[name](row) for row in rows_of(name)][:20]
    for rule in (max, min):
        hits = [
            mean([label for choice, label in zip(*one, strict=True) if len(choice) == rule(map(len, one[0]))])
            for one in sets
        ]
        assert abs(mean(hits) - mean([mean(labels) for _, labels in sets])) <= 0.1


def asked_pairs(name: str) -> list[list[tuple[bytes, bytes]]]:
    """(end of the context, continuation) of each choice of each row, in bytes."""
    pairs = []
    for row in rows_of(name):
        question = CATALOGUE[name].ask(row)
        contexts = question.contexts * (len(question.continuations) // len(question.contexts))
        both = zip(contexts, question.continuations, strict=True)
        pairs.append([(context.encode()[-32:], continuation.encode()) for context, continuation in both])
    return pairs


def assert_at_chance(name: str, models) -> None:
    """Each item's mean score over all models, against what guessing gets on it; the items are the independent units.

    A model takes pairs of bytes and yields the log-probability of each.
    """
    rows, pairs = rows_of(name), asked_pairs(name)
    runs = []
    for model in models:
        found = iter(model([pair for asked in pairs for pair in asked]))
        answers = [tuple(LogLikelihood(next(found), False, 1) for _ in asked) for asked in pairs]
        runs.append([CATALOGUE[name].grade(row, answer).scores for row, answer in zip(rows, answers, strict=True)])
    for metric in runs[0][0]:
        items = zip(*([scores[metric] for scores in run] for run in runs), strict=True)
        above = [mean(item) - mean(CHOICES[name](row)[1]) for item, row in zip(items, rows, strict=True)]
        assert abs(mean(above)) <= 3 * stderr(above), (metric, mean(above), stderr(above))


def random_bigrams(seed: int):
    """A language model of random log-probabilities of each byte behind each byte."""
    logits = np.random.default_rng(seed).normal(0, 1.5, (256, 256))
    table = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def score(pairs):
        for context, continuation in pairs:
            read = np.frombuffer(context[-1:] + continuation, dtype=np.uint8)
            yield float(table[read[:-1], read[1:]].sum())

    return score


def random_llama(seed: int):
    from llms.engine import Engine, ScoreRequest
    from tiny import VOCABULARY, build

    engine = Engine(build("llama", seed))

    def score(pairs):
        requests = [
            ScoreRequest(tuple(byte % VOCABULARY for byte in context + continuation), len(continuation))
            for context, continuation in pairs
        ]
        scored = dict(engine.score(requests))
        return [scored[index].logprob for index in range(len(requests))]

    return score


@pytest.mark.parametrize("name", CHOICES)
def test_random_models_score_at_chance(name):
    assert_at_chance(name, [random_bigrams(seed) for seed in range(20)])


@pytest.fixture(scope="module")
def random_llamas():
    return [random_llama(seed) for seed in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOICES)
def test_random_transformers_score_at_chance(name, random_llamas):
    assert_at_chance(name, random_llamas)


def test_the_committed_sample_is_what_its_source_makes(embedded_home, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    module = make()
    made = {f"{name}.jsonl": module.text(rows) for name, rows in module.tables().items()}
    there = {str(path.relative_to(SAMPLE)): path.read_text(encoding="utf-8") for path in SAMPLE.rglob("*.jsonl")}
    assert there == made


def test_right_answers_stand_at_every_place_equally_often():
    for name in ("arc_easy", "arc_challenge", "hellaswag", "mmlu", "winogrande"):
        counts = Counter(CHOICES[name](row)[1].index(1) for row in rows_of(name))
        assert max(counts.values()) - min(counts.values()) <= 2, name


def test_no_question_stands_twice():
    for folder in SAMPLE.iterdir():
        for config in folder.iterdir():
            lines = [line for path in config.glob("*.jsonl") for line in path.read_text().splitlines()]
            assert len(set(lines)) == len(lines), config


def test_word_problems_are_worked_out_right():
    for path in (SAMPLE / "gsm8k" / "main").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            answer = json.loads(line)["answer"]
            steps = re.findall(r"<<([-+*/()0-9]+)=([0-9]+)>>([0-9]+)", answer)
            assert len(steps) >= 2
            for expression, value, shown in steps:
                assert eval(expression) == int(value) == int(shown)
            assert answer.endswith(f"\n#### {steps[-1][1]}")
