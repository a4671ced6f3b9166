"""Before and after a training run: paired on rows that were never trained and on kept benchmarks, stored and resumed."""

import json
import math
from pathlib import Path

import pytest
import torch

from llms import settings
from llms.benchmarks.catalogue import find
from llms.benchmarks.held_out import declare_held_out, held_out
from llms.cli.evidence_view import show_evidence
from llms.data import open_source
from llms.engine import ScoreRequest
from llms.errors import DataError, UsageError
from llms.evaluation.config import EvalConfig
from llms.evaluation.plan import plan
from llms.evaluation.run import check
from llms.models.load import load
from llms.scoring.choice import best_normalized
from llms.statistics.paired import compare
from llms.store.runs import Runs
from llms.store.training_runs import TrainingRuns
from llms.training.progress import Validated, append
from llms.training.recipe import TrainingRecipe
from llms.workbench.evaluate import Progress
from llms.workbench.evidence import before_and_after, evidence, measure_evidence, stored_evidence
from llms.workbench.held_out import held_out_source
from llms.workbench.leaderboard import BoardFilter, read
from test_cli import lines, llms
from test_resume import rows as arc_rows
from tiny import generate_alone, score_alone

pytest.importorskip("peft", reason="needs peft: pip install 'llm-engineering[train]'")
pytest.importorskip("scipy", reason="needs scipy: pip install 'llm-engineering[eval]'")
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT asks for it
SMALL = {"benchmarks": ["arc_easy"], "config": EvalConfig(limit=40, workers=1)}


def save_adapter(tiny: Path, folder: Path, spread: float) -> Path:
    """A LoRA adapter over the tiny model; with `spread` 0 it changes nothing."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, spread) if spread else parameter.data.zero_()
    model.save_pretrained(folder)
    return folder


def chat(tiny: Path, *turns: tuple[str, str], source: str = "chats.jsonl, row 1") -> dict:
    """A row as training encodes it: each answer is trained, and the end token behind it."""
    tokenizer = load(f"hf:{tiny}").tokenizer
    ids, trained = [], []
    for question, answer in turns:
        asked = tokenizer.encode([f"<|user|>{question}\n<|assistant|>"], special=False)[0]
        said = [*tokenizer.encode([answer], special=False)[0], tokenizer.start]
        ids += [*asked, *said]
        trained += [0] * len(asked) + [1] * len(said)
    return {"input_ids": ids, "trained": trained, "prefix": 0, "source": source}


@pytest.fixture(scope="module")
def likely(tiny):
    """Rows whose answers the tiny model finds likeliest, so that whatever changes it does worse."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    rows = []
    for number in range(12):
        row = chat(tiny, (f"question {number}", ""), source=f"chats.jsonl, row {number}")
        asked = row["input_ids"][:-1]
        said = generate_alone(model, tuple(asked), 8)
        rows.append({**row, "input_ids": [*asked, *said], "trained": [0] * len(asked) + [1] * len(said)})
    return rows


@pytest.fixture
def run(tiny, likely, tmp_path):
    """(base name, folder of a run, its held-out source)."""
    folder = tmp_path / "run"
    folder.mkdir()
    return f"hf:{tiny}", folder, held_out_source("chats", likely, load(f"hf:{tiny}").tokenizer)


def test_the_loss_of_held_out_rows_is_that_of_transformers_over_the_trained_tokens(tiny, run):
    base, folder, _ = run
    from transformers import AutoModelForCausalLM

    row = chat(tiny, ("one", "yes, one"), ("and two", "no"))
    other = chat(tiny, ("three", "so it is"))
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    nats, tokens = 0.0, 0
    for each in (row, other):
        for index in range(1, len(each["input_ids"])):
            if each["trained"][index]:
                nats -= score_alone(model, tuple(each["input_ids"][: index + 1]), 1)[0]
                tokens += 1
    source = held_out_source("two", [row, other], load(base).tokenizer)
    result = evidence(base, base, folder, source, **SMALL)
    assert result.held_out.before == pytest.approx(nats / tokens, abs=1e-4)
    assert result.held_out.n == 2
    assert [len(r["row"].parts) for r in source.content.rows] == [2, 1]


def test_an_adapter_of_zeros_changes_nothing_and_nothing_is_forgotten(tiny, run, tmp_path):
    base, folder, source = run
    after = f"{base}?adapter={save_adapter(tiny, tmp_path / 'zero', 0.0)}"
    result = evidence(base, after, folder, source, **SMALL)
    assert result.held_out.difference == 0
    assert "no difference seen" in result.held_out.words()
    (kept,) = result.kept_benchmarks
    assert (kept.difference, kept.verdict, kept.n) == (0, "no detectable difference", 40)
    assert kept.words().startswith("forgetting: none detectable, minimum detectable effect")
    assert kept.detectable > 0, "rows that all agree could still have missed some that do not"


def test_a_damaged_adapter_is_worse_on_held_out_rows_by_an_interval_and_a_p(tiny, run, tmp_path):
    base, folder, source = run
    after = f"{base}?adapter={save_adapter(tiny, tmp_path / 'damaged', 0.6)}"
    result = evidence(base, after, folder, source, **SMALL)
    change = result.held_out
    assert change.verdict == "worse"
    assert 0 < change.low < change.difference < change.high
    assert change.difference == pytest.approx(change.after - change.before)
    assert change.words().startswith("worse by ")
    assert "nats per token (" in change.words()


def test_what_a_damaged_model_forgot_is_told_in_points(tiny, run, tmp_path):
    """Rows whose right answers are those that the model before finds likeliest: it is right on all of them."""
    base, folder, source = run
    data = tmp_path / "data"
    arc_rows(data)
    path = data / "arc" / "ARC-Easy" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()[:120]]
    with load(base) as model:
        for row, item in zip(rows, plan(find("arc_easy"), open_source(str(data)), EvalConfig()).items, strict=False):
            scores = [each.logprob for each in model.loglikelihood(item.prompt.pairs)]
            row["answerKey"] = "ABCD"[best_normalized(scores, row["choices"]["text"])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    after = f"{base}?adapter={save_adapter(tiny, tmp_path / 'damaged', 0.6)}"
    config = EvalConfig(data=str(data), workers=1)
    (kept,) = evidence(base, after, folder, source, ["arc_easy"], config).kept_benchmarks
    assert (kept.before, kept.n) == (1.0, 120)
    assert kept.verdict == "worse"
    assert kept.words().startswith("forgetting: ")
    assert "points (" in kept.words()
    assert kept.difference < 0 < -kept.high < kept.loss_bound < -kept.low, "one-sided lies within two-sided"


def test_rows_that_repeat_a_question_are_one_cluster(tiny, run):
    base, folder, _ = run
    rows = [chat(tiny, (f"question {n // 3}", f"answer {n}")) for n in range(12)]
    source = held_out_source("repeated", rows, load(base).tokenizer)
    change = evidence(base, base, folder, source, **SMALL).held_out
    assert (change.n, change.clusters) == (12, 4)


def test_both_systems_stand_on_the_leaderboard_the_lower_loss_first(tiny, run, tmp_path):
    base, folder, source = run
    after = f"{base}?adapter={save_adapter(tiny, tmp_path / 'damaged', 0.6)}"
    result = evidence(base, after, folder, source, **SMALL)
    board = read(BoardFilter(benchmarks=["held-out:chats"]))
    ((column, cells),) = board.blocks()
    assert (column.unit, column.higher_is_better) == ("nats", False)
    assert [row.system for row, _, _ in cells] == [base, after]
    assert [cell.rank_low for _, cell, _ in cells] == [1, 2]
    assert cells[0][1].value == pytest.approx(result.held_out.before)
    assert not [each for each in read().table.columns if each.group == "average" and "held-out" in str(each.details)]
    shown = llms("leaderboard", "-b", "held-out:chats")
    assert f"{result.held_out.before:.3f}" in shown.stdout
    (compared,) = lines("compare", result.held_out.run_after, result.held_out.run_before, "--json")
    assert (compared["verdict"], compared["metric"]) == ("worse", "nats_per_token")


def test_the_system_before_is_measured_once(tiny, run, tmp_path):
    base, folder, source = run
    first = f"{base}?adapter={save_adapter(tiny, tmp_path / 'first', 0.1)}"
    second = f"{base}?adapter={save_adapter(tiny, tmp_path / 'second', 0.2)}"
    evidence(base, first, folder, source, **SMALL)
    asked = []
    evidence(base, second, folder, source, **SMALL, on_progress=asked.append)
    of_base = [event for event in asked if event.system == base]
    assert of_base
    assert all(event.resumed == event.total for event in of_base)
    assert any(event.resumed < event.total for event in asked if event.system == second)


def test_what_was_measured_before_an_interruption_is_not_asked_again(tiny, run, tmp_path):
    base, folder, source = run
    after = f"{base}?adapter={save_adapter(tiny, tmp_path / 'some', 0.1)}"
    events = measure_evidence(base, after, folder, source, SMALL["benchmarks"], SMALL["config"])
    for event in events:
        if isinstance(event, Progress) and event.benchmark == "held-out:chats" and event.done == 7:
            break
    events.close()
    asked = []
    whole = evidence(base, after, folder, source, **SMALL, on_progress=asked.append)
    first = next(event for event in asked if event.benchmark == "held-out:chats")
    assert (first.resumed, first.total) == (7, 12)
    with Runs(settings.database()) as store:
        sides = [
            {o.item: o.scores["likeliest_match"] for _, o in store.outcomes(name)}
            for name in (whole.held_out.run_before, whole.held_out.run_after)
        ]
    assert len(sides[0]) == len(sides[1]) == 12


def test_of_preference_pairs_it_is_the_share_whose_preferred_answer_is_likelier(tiny, run):
    base, folder, _ = run
    with load(base) as model:
        encode = lambda text: model.tokenizer.encode([text], special=False)[0]  # noqa: E731
        rows = [
            {"prompt": encode(f"<|user|>{n}<|assistant|>"), "chosen": encode(f"so {n}"), "rejected": encode(f"no, {n}!"),
             "source": f"pairs.jsonl, row {n}"}
            for n in range(8)
        ]  # fmt: skip
        expected = []
        for n in range(8):
            ids = [(encode(f"<|user|>{n}<|assistant|>"), encode(text)) for text in (f"so {n}", f"no, {n}!")]
            tails = [((*prompt, *answer), len(answer)) for prompt, answer in ids]
            scores = dict(model.engine.score([ScoreRequest(*tail) for tail in tails]))
            expected.append(scores[0].logprob > scores[1].logprob)
        source = held_out_source("pairs", rows, model.tokenizer)
    change = evidence(base, base, folder, source, **SMALL).held_out
    assert change.metric == "preferred"
    assert change.before == pytest.approx(sum(expected) / 8)


def test_the_evidence_is_kept_in_the_folder_and_in_the_list_of_runs(tiny, run):
    base, folder, source = run
    append(folder, Validated(5, 2.5))
    append(folder, Validated(9, 2.25))
    with TrainingRuns(settings.database()) as store:
        store.add(folder, base, "chats.jsonl", "lora")
    result = evidence(base, base, folder, source, **SMALL)
    assert result.validation_loss == 2.25
    assert stored_evidence(folder) == result
    in_folder = json.loads((folder / "evidence.json").read_text())
    with TrainingRuns(settings.database()) as store:
        assert store.all()[0].evidence == in_folder
    documented = {"before", "after", "difference", "low", "high", "detectable", "n", "verdict", "text"}
    assert documented <= set(in_folder["held_out"])
    assert {"before", "after", "held_out", "benchmarks", "together"} <= set(in_folder)


def test_the_terminal_shows_both_systems_and_the_sentences(tiny, run, tmp_path, capsys):
    base, folder, source = run
    after = f"{base}?adapter={save_adapter(tiny, tmp_path / 'damaged', 0.6)}"
    result = evidence(base, after, folder, source, **SMALL)
    show_evidence(result)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"before {base}" in shown
    assert result.held_out.words() in shown
    assert result.kept_benchmarks[0].words() in shown


def test_an_evidence_file_that_is_cut_off_is_told_with_how_to_measure_again(tmp_path):
    assert stored_evidence(tmp_path) is None
    (tmp_path / "evidence.json").write_text('{"before": "smoll')
    with pytest.raises(DataError, match="--evidence"):
        stored_evidence(tmp_path)


def test_kept_benchmarks_together_are_compared_item_by_item(tiny, run, tmp_path):
    base, folder, source = run
    after = f"{base}?adapter={save_adapter(tiny, tmp_path / 'damaged', 0.6)}"
    result = evidence(base, after, folder, source, ["arc_easy", "hellaswag"], EvalConfig(limit=12, workers=1))
    each = result.kept_benchmarks
    assert [change.benchmark for change in each] == ["arc_easy", "hellaswag"]
    assert result.together.n == sum(change.n for change in each)
    mean = sum(change.difference * change.n for change in each) / result.together.n
    assert result.together.difference == pytest.approx(mean)


def test_the_minimum_detectable_effect_is_seen_in_four_of_five_experiments():
    """Of differences drawn about the effect that is named detectable, 80 % come out significant."""
    from random import Random

    from llms.workbench.evidence import _of_paired

    random, n, spread = Random(3), 200, 0.4
    effect = _of_paired(
        "b", "acc", 0.5, 0.5, compare([random.gauss(0, spread) for _ in range(n)], [0.0] * n)
    ).detectable
    seen = 0
    for _ in range(200):
        differences = [random.gauss(effect, spread) for _ in range(n)]
        centre = sum(differences) / n
        error = math.sqrt(sum((d - centre) ** 2 for d in differences) / (n - 1) / n)
        seen += centre / error > 1.972
    assert 0.7 < seen / 200 < 0.9


@pytest.mark.parametrize(
    ("model", "method", "after"),
    [
        ("smollm2", "lora", "smollm2?adapter={folder}"),
        ("hf:base?dtype=bfloat16", "qlora", "hf:base?dtype=bfloat16&adapter={folder}"),
        ("hf:base?dtype=bfloat16", "full", "hf:{folder}?dtype=bfloat16"),
    ],
)
def test_a_run_stands_between_two_systems_that_are_asked_alike(tmp_path, model, method, after):
    recipe = TrainingRecipe(model=model, data="chats.jsonl", method=method)
    assert before_and_after(tmp_path, recipe) == (model, after.format(folder=tmp_path))


def test_a_folder_of_any_name_is_found_again_in_the_name_of_the_system(tmp_path):
    from llms.models.name import parse

    folder = tmp_path / "a+b & 50%#ü"
    folder.mkdir()
    _, after = before_and_after(folder, TrainingRecipe(model="smollm2?dtype=float32", data=""))
    assert parse(after).options == {"dtype": "float32", "adapter": str(folder)}


def test_rows_without_a_trained_token_are_refused(tiny):
    row = {"input_ids": [1, 2], "trained": [1, 0], "prefix": 0, "source": "a"}
    with pytest.raises(DataError, match="no held-out row"):
        held_out_source("chats", [row], load(f"hf:{tiny}").tokenizer)


def test_a_system_that_shows_no_tokens_is_told_so(tiny, run):
    _, _, source = run
    benchmark = declare_held_out(source)
    with load("openai:gpt-4o") as model, pytest.raises(UsageError, match="does not score token ids"):
        check(plan(benchmark, source, EvalConfig()).of(model.identity), benchmark, model)


def test_rows_that_are_encoded_in_another_way_are_another_benchmark(tiny):
    tokenizer = load(f"hf:{tiny}").tokenizer
    row = chat(tiny, ("one", "yes"))
    all_trained = {**row, "trained": [1] * len(row["trained"])}
    sources = [held_out_source("chats", [each], tokenizer) for each in (row, all_trained)]
    assert sources[0].content.revision != sources[1].content.revision
    assert (
        held_out("chats", [r["row"] for r in sources[0].content.rows], False).content.revision
        == sources[0].content.revision
    )
