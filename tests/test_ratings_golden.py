"""Ratings against the scores of others and of independent code on public votes beside the checkout."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from llms.arena.battle import Style
from llms.arena.bradley_terry import ELO
from llms.arena.elo import elo
from llms.arena.rate import rate
from llms.arena.vote_files import read_votes
from llms.arena.vote_table import vote_table
from llms.statistics.agreement import cohen_kappa, krippendorff_alpha
from shared import ARENA, needs_arena

pytestmark = needs_arena
CROWD = "llmfao/crowd-comparisons.csv"
SETS = {"simple": "evalica_golden/simple.csv", "food": "evalica_golden/food.csv", "llmfao": CROWD}
REFERENCES = {
    "crowd": (CROWD, ""),
    "gpt4": ("llmfao/gpt4-crowd-comparisons.csv", ""),
    "gpt3": ("llmfao/gpt3-crowd-comparisons.csv", ""),
    **{
        f"pandalm_{who}": ("pandalm/votes.csv", who)
        for who in ("human1", "human2", "human3", "gpt35_judge", "pandalm7b_judge")
    },
}
ERRORS = {"model": "model", "independent": "sandwich", "judge": "cluster_worker", "prompt": "cluster_prompt"}


def golden(name, algorithm):
    with (ARENA / f"evalica_golden/{name}-golden.csv").open() as file:
        return {row["item"]: float(row["score"]) for row in csv.DictReader(file) if row["algorithm"] == algorithm}


def strengths(ratings):
    """Summing to 1."""
    values = {r.model: np.exp((r.rating - 1000) / ELO) for r in ratings.ratings}
    return {model: value / sum(values.values()) for model, value in values.items()}


@pytest.mark.parametrize("name", SETS)
def test_elo_is_evalicas(name):
    table = vote_table(read_votes(ARENA / SETS[name]))
    assert dict(zip(table.models, elo(table), strict=True)) == pytest.approx(golden(name, "elo"), abs=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_bradley_terry_is_evalicas(name):
    assert strengths(rate(ARENA / SETS[name])) == pytest.approx(golden(name, "bradley_terry"), rel=1e-6)


@pytest.mark.parametrize(("name", "v"), [("simple", 3.460999), ("food", 0.078642), ("llmfao", 0.739854)])
def test_davidson_is_evalicas_newman(name, v):
    ratings = rate(ARENA / SETS[name], ties="davidson")
    newman = golden(name, "newman")
    total = sum(newman.values())
    assert strengths(ratings) == pytest.approx({model: value / total for model, value in newman.items()}, rel=1e-6)
    assert any(f"v = {v:.6f}" in note for note in ratings.notes)


@pytest.mark.parametrize("name", REFERENCES)
def test_ratings_and_all_errors_are_the_reference(name):
    file, judge = REFERENCES[name]
    expected = json.loads((ARENA / "reference-bt.json").read_text())[name]
    battles = read_votes(ARENA / file, judge)
    for interval, key in ERRORS.items():
        if f"se_{key}" not in next(iter(expected["models"].values())):
            continue
        ratings = rate(battles, interval=interval)
        assert ratings.votes == expected["n_battles"]
        assert ratings.log_likelihood == pytest.approx(expected["loglik"], abs=1e-6)
        for rating in ratings.ratings:
            assert rating.rating == pytest.approx(expected["models"][rating.model]["rating"], abs=1e-6)
            assert rating.stderr == pytest.approx(expected["models"][rating.model][f"se_{key}"], abs=1e-6)
    assert sum(b.winner == "tie" for b in battles if not b.problem) / ratings.votes == pytest.approx(
        expected["tie_share"]
    )


def test_the_default_interval_of_the_crowd_is_the_widest():
    first = rate(ARENA / CROWD).ratings[0]
    assert first.model == "GPT 4"
    assert first.rating == pytest.approx(1172.1326, abs=1e-4)
    assert first.stderr == pytest.approx(36.294, abs=1e-3)
    assert first.interval == "sandwich clustered by prompt (13, t with 12 df)"


@pytest.mark.parametrize(("name", "value"), [("crowd", 0.09088), ("gpt4", -0.35397), ("gpt3", 0.88660)])
def test_the_intercept_of_the_first_position_is_the_reference(name, value):
    ratings = rate(ARENA / REFERENCES[name][0])
    position = ratings.effects[-1]
    assert position.name == "first position"
    assert position.value == pytest.approx(value, abs=1e-5)
    assert any(note.startswith("position bias") for note in ratings.notes) == (abs(position.elo) > 50)


def test_length_of_the_crowds_answers_has_the_reference_coefficient():
    with (ARENA / "llmfao/results.jsonl").open() as file:
        answers = [json.loads(line) for line in file]
    lengths = {(row["name"], str(row["prompt"])): len(row["result"]) for row in answers}
    battles = [
        replace(b, style_a=Style(lengths[b.model_a, b.prompt]), style_b=Style(lengths[b.model_b, b.prompt]))
        for b in read_votes(ARENA / CROWD)
    ]
    ratings = rate(battles, style=True)
    assert ratings.effects[0].name == "length"
    assert ratings.effects[0].value == pytest.approx(0.06851, abs=1e-5)
    assert ratings.effects[0].elo == pytest.approx(11.90, abs=0.005)
    assert -ratings.log_likelihood == pytest.approx(5742.38306, abs=1e-5)


def test_choix_has_the_same_abilities():
    for case in ("1", "2"):
        path = ARENA / f"choix/testcase-pairwise-{case}.json"
        abilities = {r.model: (r.rating - 1000) / ELO for r in rate(path).ratings}
        expected = json.loads(path.read_text())["ml_est"]
        assert abilities == pytest.approx({str(i): value for i, value in enumerate(expected)}, abs=1e-9)


def test_kappas_of_the_annotators_are_the_published_ones():
    reference = json.loads((ARENA / "reference-bt.json").read_text())
    with (ARENA / "pandalm/votes.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name, value in reference.items():
        if name.startswith("kappa_"):
            _, one, other = name.split("_", 2)
            other = other.removeprefix(f"{one}_")
            assert cohen_kappa([r[one] for r in rows], [r[other] for r in rows]) == pytest.approx(value, abs=1e-6)


def test_alpha_of_the_codings_is_the_reference():
    with (ARENA / "evalica_golden/codings.csv").open() as file:
        rows = [[cell or None for cell in row] for row in csv.reader(file)]
    assert krippendorff_alpha(list(zip(*rows, strict=True))) == pytest.approx(0.743421052631579, abs=1e-12)
