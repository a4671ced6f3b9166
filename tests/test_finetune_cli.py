"""`llms finetune` as a whole on a tiny model: plan, training in a process of its own, result, evidence, and going on."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from llms.cli.finetune import finetune
from llms.data import open_source
from llms.models.load import load
from llms.training.feed import passes_per_step
from llms.training.recipe import TrainingRecipe
from llms.training.run_facts import RunFacts, sha256_of
from tiny import save_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT asks for it
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def chats(path: Path, count: int = 24) -> Path:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Add {i} and {i + 3}."},
                {"role": "assistant", "content": f"{2 * i + 3}"},
            ]
        }
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def call(*words: object) -> tuple[int, list[str], str]:
    """(exit status, lines of standard output, the error)."""
    result = CliRunner().invoke(finetune, [str(word) for word in words])
    error = result.stderr if isinstance(result.exception, SystemExit) else str(result.exception or "")
    return result.exit_code, result.stdout.splitlines(), error


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a model whose template ends answers, and a file of chats."""
    folder = tmp_path_factory.mktemp("finetune")
    save_checkpoint(folder / "tiny")
    (folder / "tiny" / "chat_template.jinja").write_text(TEMPLATE)
    chats(folder / "chats.jsonl")
    return folder


@pytest.fixture(scope="module")
def run(home, tmp_path_factory):
    """A finished run: its folder, and what --json printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("OMP_NUM_THREADS", "1")
        status, lines, error = call(
            f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", home / "run", "--rank", 4, "--max-steps", 3,
            "--no-evidence", "--json",
        )  # fmt: skip
    assert status == 0, error
    return home / "run", [json.loads(line) for line in lines]


def test_each_step_and_at_last_the_result_is_an_object_a_line(run):
    folder, lines = run
    assert [line["event"] for line in lines if line["event"] == "stepped"] == ["stepped"] * 3
    assert (lines[0]["event"], lines[0]["steps"], lines[0]["folder"]) == ("planned", 3, str(folder))
    assert lines[-1]["event"] == "finished"
    assert {"adapter", "before", "after", "difference"} < lines[-1].keys()
    assert lines[-1]["adapter"] == str(folder)
    assert lines[-1]["steps"] == 3


def test_the_result_is_a_model_by_its_name(home, run):
    _, lines = run
    with load(lines[-1]["model"]) as trained, load(f"hf:{home / 'tiny'}") as base:
        assert trained.identity.adapter
        assert trained.identity.template == base.identity.template
        pair = [("<|user|>Add 1 and 4.</s><|assistant|>", "5</s>")]
        assert trained.loglikelihood(pair)[0].logprob != base.loglikelihood(pair)[0].logprob


def test_the_folder_says_all_that_identifies_the_run(home, run):
    folder, _ = run
    facts, card = RunFacts.read(folder), (folder / "README.md").read_text()
    assert facts.data_sha256 == sha256_of(home / "chats.jsonl")
    with load(f"hf:{home / 'tiny'}") as base:
        assert facts.base.weights == base.identity.weights
    for part in (
        facts.data_sha256,
        facts.base.weights,
        'method = "lora"',
        "rank = 4",
        "seed = 0",
        "| trl |",
        "library_name: peft",
    ):
        assert part.replace("| trl |", f"trl {facts.versions['trl']}") in card
    assert not list(folder.glob("tokenizer*"))  # of training: the base's are used


def test_the_same_command_again_does_only_what_is_left(home, run):
    folder, _ = run
    before = (folder / "log.jsonl").read_bytes()
    status, lines, error = call(
        f"hf:{home / 'tiny'}",
        "--data",
        home / "chats.jsonl",
        "--out",
        folder,
        "--max-steps",
        3,
        "--no-evidence",
        "--json",
    )
    assert status == 0, error
    assert (folder / "log.jsonl").read_bytes() == before
    assert json.loads(lines[0])["ended"] is True


def test_a_folder_of_another_recipe_is_refused_with_what_differs(home, run):
    folder, _ = run
    status, _, error = call(f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", folder, "--rank", 8)
    assert status != 0
    assert "is a run of another recipe: rank 4 there, 8 here" in error
    status, _, error = call("--resume", folder, "--seed", 7)
    assert "seed 0 there, 7 here" in error


def test_data_that_changed_since_the_run_began_are_refused(home, run, tmp_path):
    folder = shutil.copytree(run[0], tmp_path / "run")
    other = chats(tmp_path / "chats.jsonl", 25)
    recipe = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps({**recipe, "data": str(other)}))
    status, _, error = call("--resume", folder)
    assert status != 0
    assert "has changed since the run in" in error


def test_data_that_are_gone_since_the_run_began_are_named(home, run, tmp_path):
    copy = shutil.copytree(run[0], tmp_path / "run")
    recipe = replace(TrainingRecipe.read(copy), data=str(tmp_path / "gone.jsonl"))
    recipe.write(copy)
    status, _, error = call("--resume", copy, "--no-evidence")
    assert (status, "gone.jsonl, the data of the run in" in error) == (1, True)
    assert "put the file of SHA-256" in error


def test_a_plan_trains_nothing_and_leaves_nothing(home, tmp_path):
    words = (f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", tmp_path / "run")
    status, lines, error = call(*words, "--dry-run", "--json")
    assert status == 0, error
    plan = json.loads(lines[0])
    assert (plan["rows"], plan["train_rows"] + plan["validation_rows"]) == (24, 24)
    assert plan["trained_tokens"] < plan["tokens"]
    assert not (tmp_path / "run").exists()


def test_the_first_rows_are_shown_with_what_is_trained(home, tmp_path):
    status, lines, error = call(
        f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", tmp_path / "run", "--show-batch"
    )
    assert status == 0, error
    text = "\n".join(lines)
    assert "<|assistant|>⟦" in text
    assert "</s>⟧" in text
    assert "the end token is trained" in text
    assert not (tmp_path / "run").exists()


def test_a_recipe_file_repeats_a_run(home, run, tmp_path):
    file = tmp_path / "recipe.toml"
    status, _, error = call(f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--rank", 2, "--export-recipe", file)
    assert status == 0, error
    again = tmp_path / "again.toml"
    assert call("--recipe", file, "--export-recipe", again)[0] == 0
    assert again.read_text() == file.read_text()
    assert "rank = 2" in file.read_text()
    file.write_text('model = "smollm2"\nrnak = 2\n')
    assert "unknown key of" in call("--recipe", file)[2]
    file.write_text('model = "smollm2"\nrank = "many"\n')
    assert "rank is 'many'; expected int" in call("--recipe", file)[2]
    file.write_text('model = "smollm2"\nlearning_rate = nan\n')
    assert "learning_rate is nan" in call("--recipe", file)[2]


def test_an_exported_recipe_is_that_of_the_run_and_not_of_defaults(home, tmp_path):
    words, file = (f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl"), tmp_path / "recipe.toml"
    planned = json.loads(call(*words, "--out", tmp_path / "run", "--dry-run", "--json")[1][0])["recipe"]
    assert call(*words, "--export-recipe", file)[0] == 0
    exported = tomllib.loads(file.read_text())
    assert exported == {name: value for name, value in planned.items() if name in exported}
    assert (exported["learning_rate"], exported["rows_per_step"]) == (planned["learning_rate"], 8)


def test_pairs_are_trained_by_dpo_unless_another_method_is_named(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pairs = [{"prompt": f"{i} and {i}", "chosen": f"{2 * i}", "rejected": "none"} for i in range(12)]
    Path("pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    words = (f"hf:{home / 'tiny'}", "--data", "pairs.jsonl", "--dry-run")
    plan = json.loads(call(*words, "--json")[1][0])
    assert (plan["recipe"]["method"], plan["folder"]) == ("dpo", "tiny-dpo-pairs")
    assert plan["notes"][0] == "dpo: the rows are preference pairs"
    named = json.loads(call(*words, "--json", "--method", "dpo")[1][0])
    assert named["recipe"] == plan["recipe"]
    assert not [note for note in named["notes"] if note.startswith("dpo")]
    assert "which --method dpo trains on; for lora give messages" in call(*words, "--method", "lora")[2]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--data", "x.jsonl"], "needs a MODEL"),
        (["smollm2"], "needs --data FILE"),
        (["gguf:smollm2", "--data", "x.jsonl"], "is no checkpoint here"),
        (["openai:gpt-5-mini", "--data", "x.jsonl"], "is no checkpoint here"),
        (["smollm2?adapter=calculator", "--data", "x.jsonl"], "a model without an adapter; merge it first"),
        (["smollm2?quantize=nf4", "--data", "x.jsonl"], "--method qlora"),
        (["--resume", "nowhere"], "holds no run"),
        (
            ["smollm2", "--data", "x.jsonl", "--epochs", "nan"],
            "nan is not a finite number; expected one in the range x>0",
        ),
        (["smollm2", "--data", "x.jsonl", "--epochs", "inf"], "inf is not a finite number"),
        (["smollm2", "--data", "x.jsonl", "--learning-rate", "inf"], "inf is not a finite number"),
        (
            ["smollm2", "--data", "x.jsonl", "--validation", "nan"],
            "nan is not a finite number; expected one in the range 0<=x<1",
        ),
        (["smollm2", "--data", "x.jsonl", "--seed", 2**32], "seed is 4294967296"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(words, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, error = call(*words)
    assert status != 0
    assert reason in error


@pytest.mark.parametrize(
    ("words", "reason"),
    [(("--rank", 0), "an adapter of rank 0 has no weights"), (("--window", 2049), "sees 2,048 at most")],
)
def test_what_the_model_cannot_be_trained_with_is_refused(home, tmp_path, words, reason):
    out = tmp_path / "run"
    assert reason in call(f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", out, "--dry-run", *words)[2]


def test_benchmarks_that_are_not_there_are_refused_before_training(home, tmp_path):
    out = tmp_path / "run"
    words = (f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", out, "--max-steps", 1, "--yes")
    assert "unknown benchmark 'nosuch'" in call(*words, "-b", "nosuch")[2]
    assert not (out / "recipe.json").exists()


def test_a_folder_with_other_things_in_it_is_refused(home, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    status, _, error = call(f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", tmp_path)
    assert status != 0
    assert "is no training run" in error
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_recipe_reads_back_from_its_folder(run):
    assert TrainingRecipe.read(run[0]).rank == 4


def test_benchmark_items_in_the_data_are_said_before_it_starts(home, tmp_path):
    sample = open_source("sample").root / "gsm8k/main/test.jsonl"
    item = json.loads(sample.read_text(encoding="utf-8").splitlines()[0])
    with chats(tmp_path / "rows.jsonl").open("a") as file:
        messages = [{"role": "user", "content": item["question"]}, {"role": "assistant", "content": "24"}]
        file.write(json.dumps({"messages": messages}) + "\n")
    status, lines, error = call(f"hf:{home / 'tiny'}", "--data", tmp_path / "rows.jsonl", "--dry-run", "--json")
    assert status == 0, error
    assert any("items of gsm8k" in note and "line 25" in note for note in json.loads(lines[0])["notes"])


def test_it_ends_with_what_changed_on_rows_never_trained_and_on_kept_benchmarks(home, tmp_path):
    words = ("--max-steps", 2, "--validation", 0.25, "-b", "arc_easy", "-b", "hellaswag", "--limit", 4)
    status, lines, error = call(
        f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", tmp_path / "run", *words, "--benchmark-data", "sample", "--json",
    )  # fmt: skip
    assert status == 0, error
    last = json.loads(lines[-1])
    evidence = last["evidence"]
    assert evidence["held_out"]["n"] == 6
    assert [one["benchmark"] for one in evidence["benchmarks"]] == ["arc_easy", "hellaswag"]
    assert last["difference"] == evidence["held_out"]["difference"] == pytest.approx(last["after"] - last["before"])
    assert "forgetting" in (tmp_path / "run" / "README.md").read_text()


def test_rows_at_once_are_those_that_a_pass_takes_and_the_same_command_goes_on(home, tmp_path):
    words = [f"hf:{home / 'tiny'}", "--data", home / "chats.jsonl", "--out", tmp_path / "run"]
    words += ["--batch", 4, "--rows-at-once", 16, "--dry-run", "--json"]
    status, lines, error = call(*words)
    assert status == 0, error
    recipe = json.loads(lines[0])["recipe"]
    assert (recipe["rows_per_step"], recipe["rows_at_once"]) == (4, 4)
    (tmp_path / "run").mkdir(exist_ok=True)
    for stored in (4, 16):  # as it is written now, and was before
        (tmp_path / "run" / "recipe.json").write_text(json.dumps(recipe | {"rows_at_once": stored}))
        assert call(*words)[0] == 0
    assert "rows_at_once 4 there, 2 here" in call(*[2 if word == 16 else word for word in words])[2]


@pytest.mark.parametrize(
    ("per_step", "at_once", "processes", "used"),
    [(8, 16, 1, 8), (8, 16, 3, 3), (10, 8, 1, 5), (16, 4, 2, 4), (1, 1, 4, 1)],
)
def test_a_pass_takes_its_share_of_a_step(per_step, at_once, processes, used):
    recipe = TrainingRecipe("", "", rows_per_step=per_step, rows_at_once=at_once)
    assert recipe.rows_used(processes) == used
    same = TrainingRecipe("", "", rows_per_step=per_step, rows_at_once=used)
    assert passes_per_step(recipe, processes) == passes_per_step(same, processes)
