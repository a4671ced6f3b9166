"""Numbers that a processor only emulates are not trained in: not silently, and never half a run."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llms import engine
from llms.cli.finetune import finetune
from llms.cli.pretrain import pretrain
from llms.errors import UsageError
from llms.training.arithmetic import emulates
from llms.training.estimate import estimate, refuse_too_large
from llms.training.recipe import TrainingRecipe
from test_training_estimate import GB, SHAPE, lengths_of
from tiny import save_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT asks for it


@pytest.fixture
def processor(monkeypatch):
    """Says whether the processor computes in bfloat16: not, until told otherwise."""

    def able(computes: bool) -> None:
        monkeypatch.setattr(engine, "computes_bfloat16", lambda: computes)

    able(False)
    return able


@pytest.fixture
def recipe_file(tmp_path) -> Path:
    """Of a run in bfloat16 on a tiny model."""
    save_checkpoint(tmp_path / "tiny")
    rows = [{"text": f"{i} and {i} are {2 * i}"} for i in range(12)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "recipe.toml"
    path.write_text(
        f'model = "hf:{tmp_path / "tiny"}"\ndata = "texts.jsonl"\ndtype = "bfloat16"\nmax_steps = 1\nrank = 2\n'
    )
    return path


def call(command, *words: object) -> tuple[list[dict], str]:
    """The objects of --json, and the error."""
    result = CliRunner().invoke(command, [str(word) for word in words])
    return [json.loads(line) for line in result.stdout.splitlines()], str(result.exception or "")


def run(recipe_file: Path, folder: Path, *words: object) -> tuple[list[dict], str]:
    return call(finetune, "--recipe", recipe_file, "--out", folder, "--no-evidence", "--json", *words)


def test_only_a_processor_without_such_arithmetic_emulates_it(processor):
    assert [emulates(dtype, "cpu") for dtype in ("float32", "bfloat16", "float16")] == [False, True, True]
    assert not emulates("bfloat16", "cuda:0")
    processor(True)
    assert not emulates("bfloat16", "cpu")


def test_a_run_is_in_float32_where_bfloat16_is_emulated_and_says_so(processor, recipe_file, tmp_path):
    folder = tmp_path / "run"
    lines, error = run(recipe_file, folder)
    assert not error
    assert any(
        "in float32 and not in bfloat16, which this processor only emulates" in note for note in lines[0]["notes"]
    )
    assert lines[0]["recipe"]["dtype"] == TrainingRecipe.read(folder).dtype == "float32"
    assert 'dtype = "float32"' in (folder / "README.md").read_text()

    again, error = run(recipe_file, folder)
    assert (error, again[0]["ended"]) == ("", True)
    processor(True)
    assert "dtype float32 there, bfloat16 here" in run(recipe_file, folder)[1]
    assert not call(finetune, "--resume", folder, "--no-evidence", "--json")[1]


def test_a_run_begun_in_bfloat16_does_not_go_on_where_it_is_emulated_but_a_finished_one_is_read(
    processor, recipe_file, tmp_path
):
    processor(True)
    lines, error = run(recipe_file, tmp_path / "run")
    assert (error, lines[0]["recipe"]["dtype"]) == ("", "bfloat16")
    assert not [note for note in lines[0]["notes"] if "float32" in note]
    processor(False)
    assert run(recipe_file, tmp_path / "run")[0][-1]["event"] == "finished"
    log = tmp_path / "run" / "log.jsonl"
    log.write_text("".join(line + "\n" for line in log.read_text().splitlines() if '"ended"' not in line))
    for words in (("--resume", tmp_path / "run"), ("--recipe", recipe_file, "--out", tmp_path / "run")):
        _, error = call(finetune, *words, "--no-evidence", "--json")
        assert f"the run in {tmp_path / 'run'} is in bfloat16, which this processor only emulates" in error


def test_a_model_named_in_bfloat16_is_trained_in_float32_too(processor, recipe_file, tmp_path):
    words = (f"hf:{tmp_path / 'tiny'}?dtype=bfloat16", "--data", tmp_path / "texts.jsonl", "--dry-run", "--json")
    (plan,), error = call(finetune, *words)
    assert (error, plan["recipe"]["dtype"]) == ("", "float32")
    assert "not in bfloat16" in plan["notes"][0]
    processor(True)
    (plan,), _ = call(finetune, *words)
    assert plan["recipe"]["dtype"] == "bfloat16"


def test_bfloat16_is_advised_only_where_it_is_computed(processor):
    recipe, lengths = TrainingRecipe("smollm2", ""), lengths_of([900] * 64)
    with pytest.raises(UsageError) as refused:
        refuse_too_large(estimate(recipe, SHAPE, lengths, GB), recipe)
    assert "bfloat16" not in str(refused.value)
    processor(True)
    with pytest.raises(UsageError, match="dtype=bfloat16 in the model's name"):
        refuse_too_large(estimate(recipe, SHAPE, lengths, GB), recipe)


def test_a_model_from_nothing_is_in_float32_where_bfloat16_is_emulated(processor, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"Line {i} of {i * i} has {i % 7} words, and {i % 5} more." for i in range(2000)))
    shape = ("--layers", 1, "--width", 32, "--vocabulary", 270, "--tokens", 2000)
    words = (text, *shape, "--dtype", "bfloat16", "--out", tmp_path / "run")
    (plan,), error = call(pretrain, *words, "--dry-run", "--json")
    assert (error, plan["recipe"]["dtype"]) == ("", "float32")
    assert any("a forward pass takes twice the memory" in note for note in plan["notes"])
    processor(True)
    (plain,), _ = call(pretrain, *words, "--dry-run", "--json")
    assert plain["recipe"]["dtype"] == "bfloat16"
    assert plain["memory"] < plan["memory"]

    (tmp_path / "run").mkdir()
    TrainingRecipe("", "", "pretrain", dtype="bfloat16").write(tmp_path / "run")
    processor(False)
    assert (
        "is in bfloat16, which this processor only emulates"
        in call(pretrain, "--resume", tmp_path / "run", "--json")[1]
    )
