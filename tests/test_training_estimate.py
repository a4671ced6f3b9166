"""What a run is said to take before it starts, and the values it gets where nobody chose."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy
import pytest
import torch
from datasets import Dataset

import tiny
from llms.errors import UsageError
from llms.models.footprint import read_shape
from llms.training.defaults import fit_recipe, learning_rate
from llms.training.encoded import EncodedRow
from llms.training.estimate import estimate, refuse_too_large, saved_numbers, trainable
from llms.training.feed import RowLoader, StepOrder
from llms.training.lean import make_lean
from llms.training.lengths import RowLengths, largest_passes, row_lengths
from llms.training.passes import PADDED, SPANS, install_head
from llms.training.recipe import TrainingRecipe

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of what PEFT asks for
GB = 10**9
CONFIG = {
    "model_type": "llama", "num_hidden_layers": 30, "hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9,
    "num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
SHAPE = read_shape(CONFIG)


def lengths_of(tokens, trained=None, prefix=None):
    tokens = numpy.array(tokens)
    return RowLengths(
        tokens,
        tokens // 2 if trained is None else numpy.array(trained),
        numpy.zeros_like(tokens) if prefix is None else numpy.array(prefix),
    )


def network(family):
    from transformers import AutoModelForCausalLM

    config = tiny.build(family).config
    return AutoModelForCausalLM.from_config(config), read_shape(config.to_dict())


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize(("way", "lean"), [(SPANS, True), (PADDED, False)], ids=["packed, lean", "padded"])
@pytest.mark.parametrize(("method", "dropout"), [("lora", 0.0), ("full", 0.0)])
def test_the_numbers_that_autograd_keeps_are_those_of_the_formula(family, way, lean, method, dropout):
    """Counted by hooks on what is saved, weights left out: all that grows with the tokens."""
    from peft import LoraConfig, get_peft_model

    model, shape = network(family)
    recipe = TrainingRecipe("", "", method, rank=4, dropout=dropout)
    install_head(model)
    if recipe.adapts:
        adapter = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=dropout)
        wrapped = get_peft_model(model, adapter)
    else:
        wrapped = model
    model.set_attn_implementation(way.attention or "sdpa")
    assert sum(p.numel() for p in wrapped.parameters() if p.requires_grad) == pytest.approx(
        trainable(recipe, shape), rel=0 if method == "lora" else 1e-9
    )
    if lean:
        make_lean(wrapped)
    few, many = (_kept_bytes(wrapped, way, rows) for rows in (2, 6))
    per_token = (many - few) / 4 / 20 / 4
    assert per_token == pytest.approx(saved_numbers(recipe, shape, packed=way is SPANS, lean=lean), rel=0.03)


def _kept_bytes(model, way, count):
    """Bytes that a forward pass over `count` rows of 20 tokens, one of them trained, keeps for the backward pass."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    rows = [EncodedRow(tuple(range(20)), (0,) * 19 + (1,), 0, "") for _ in range(count)]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        way.losses(model.train(), way.collate(rows))
    return sum(kept.values())


@pytest.mark.parametrize("processes", [1, 2])
def test_the_largest_pass_is_that_of_the_order_in_which_rows_are_trained(processes):
    draw = numpy.random.default_rng(5)
    rows = Dataset.from_list(
        [
            {"input_ids": [1] * int(n), "trained": [0] * int(n - 2) + [1] * 2, "prefix": 0, "source": str(n)}
            for n in draw.integers(5, 90, 45)
        ]
    )
    recipe = TrainingRecipe("", "", rows_per_step=8, rows_at_once=2, seed=4)
    lengths = row_lengths(rows)
    assert lengths.tokens.tolist() == [len(ids) for ids in rows["input_ids"]]
    assert lengths.trained.tolist() == [2] * 45
    batches = [list(RowLoader(StepOrder(rows, recipe, rank, processes), SPANS.collate)) for rank in range(processes)]
    steps = 6
    per_step = len(batches[0]) // steps
    sizes = [
        max(batch.tokens for rank in batches for batch in rank[step * per_step : (step + 1) * per_step])
        for step in range(steps)
    ]
    first, largest = largest_passes(lengths, recipe, processes)
    assert (first.tokens, largest.tokens) == (sizes[0], max(sizes))


def test_lengths_of_a_selection_and_of_pairs_are_those_of_its_rows():
    rows = [{"input_ids": [1] * n, "trained": [0] * (n - 1) + [1], "prefix": n // 2, "source": ""} for n in range(3, 9)]
    selected = row_lengths(Dataset.from_list(rows).select([4, 0, 2]))
    assert (selected.tokens.tolist(), selected.prefix.tolist(), selected.trained.tolist()) == (
        [7, 3, 5],
        [3, 1, 2],
        [1] * 3,
    )
    pairs = [{"prompt": [1] * n, "chosen": [2] * 2, "rejected": [3] * n, "source": ""} for n in (3, 5)]
    of_pairs = row_lengths(Dataset.from_list(pairs))
    assert (of_pairs.tokens.tolist(), of_pairs.trained.tolist()) == ([8, 12], [5, 7])


def test_more_rows_tokens_and_trained_weights_never_take_less_memory():
    lengths = lengths_of([200] * 64)
    needs = {
        name: estimate(recipe, SHAPE, lengths, 64 * GB).memory_bytes
        for name, recipe in {
            "four bits": TrainingRecipe("", "", "qlora"),
            "adapter": TrainingRecipe("", ""),
            "all": TrainingRecipe("", "", "full"),
            "two networks": TrainingRecipe("", "", "dpo", rank=0),
        }.items()
    }
    assert needs["adapter"] < needs["all"] < needs["two networks"]
    several = [
        estimate(TrainingRecipe("", "", rows_at_once=n), SHAPE, lengths, 64 * GB).memory_bytes for n in (1, 2, 8, 16)
    ]
    assert several == sorted(several)


def test_the_most_rows_at_once_fit_and_one_more_does_not():
    lengths, recipe = lengths_of([300] * 64), TrainingRecipe("", "", rows_per_step=64, rows_at_once=1)
    for free in (4 * GB, 8 * GB):
        most = estimate(recipe, SHAPE, lengths, free).most_rows_at_once
        assert 1 < most < 64
        at, beyond = (
            estimate(replace(recipe, rows_at_once=n), SHAPE, lengths, free).memory_bytes for n in (most, most + 1)
        )
        assert at <= 0.9 * free < beyond


def test_what_does_not_fit_is_refused_with_what_would():
    lengths = lengths_of([900] * 64)
    recipe = TrainingRecipe("smollm2", "", rows_at_once=16)
    with pytest.raises(
        UsageError, match=r"16 rows at once need about [\d.]+ GB and 8.00 GB are free; --rows-at-once (\d+) fits"
    ):
        refuse_too_large(estimate(recipe, SHAPE, lengths, 8 * GB), recipe)
    with pytest.raises(
        UsageError, match="with one row at once, and 1.00 GB are free; try --method qlora.*--window below 1,024"
    ):
        refuse_too_large(estimate(recipe, SHAPE, lengths, GB), recipe)
    refuse_too_large(estimate(replace(recipe, rows_at_once=1), SHAPE, lengths, 64 * GB), recipe)


def test_time_is_in_proportion_to_tokens_and_to_the_rate():
    recipe = TrainingRecipe("", "")
    once, twice = (estimate(recipe, SHAPE, lengths_of([100] * n), GB, 1e11).seconds for n in (50, 100))
    assert twice == pytest.approx(2 * once)
    assert estimate(recipe, SHAPE, lengths_of([100] * 50), GB, 2e11).seconds == pytest.approx(once / 2)
    assert estimate(recipe, SHAPE, lengths_of([100] * 50), GB).seconds is None


def test_a_checkpoint_takes_what_is_said(tmp_path):
    """Of the tiny model, adapter and moments, as the Trainer writes them."""
    from peft import LoraConfig, get_peft_model

    model, shape = network("llama")
    recipe = TrainingRecipe("", "", rank=8)
    adapted = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    weights = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    adapted.save_pretrained(tmp_path, save_embedding_layers=False)
    written = sum((tmp_path / name).stat().st_size for name in ("optimizer.pt", "adapter_model.safetensors"))
    assert estimate(recipe, shape, lengths_of([10] * 8), GB).checkpoint_bytes == pytest.approx(written, rel=0.15)


def test_learning_rates_fall_with_size_and_are_lower_for_whole_models_and_pairs():
    rates = {method: learning_rate(TrainingRecipe("", "", method), 135 * 10**6) for method in ("lora", "full", "dpo")}
    assert rates == {"lora": 1e-3, "full": 1e-4, "dpo": 5e-5}
    assert learning_rate(TrainingRecipe("", ""), 7 * 10**9) == 2e-4
    assert learning_rate(TrainingRecipe("", "", "full"), 7 * 10**9) == 2e-5
    assert learning_rate(TrainingRecipe("", "", "dpo", rank=0), 10**8) == 5e-6
    few = [learning_rate(TrainingRecipe("", ""), 135 * 10**6, rows) for rows in (1, 38, 100, 400, 1_000, 10**6)]
    assert few == [3.2e-4, 3.2e-4, 3.2e-4, 6.3e-4, 1e-3, 1e-3]
    sizes = [learning_rate(TrainingRecipe("", ""), 10**n) for n in range(7, 12)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("rows", "per_step", "epochs"),
    [(1, 1, 3.0), (5, 5, 3.0), (38, 8, 3.0), (200, 8, 3.0), (400, 16, 3.0), (5_000, 16, 2.0), (50_000, 16, 1.0)],
)
def test_few_rows_make_few_steps_of_eight_and_more_epochs(rows, per_step, epochs):
    fitted = fit_recipe(TrainingRecipe("", ""), (), SHAPE, lengths_of([60] * rows), rows // 20, 16 * GB)
    assert (fitted.rows_per_step, fitted.epochs, fitted.window) == (per_step, epochs, 60)
    assert fitted.rows_at_once <= fitted.rows_per_step


@pytest.mark.parametrize("rows", [100, 390, 410, 3_000, 30_000, 300_000])
def test_a_run_has_patience_where_enough_rows_validate(rows):
    validating = rows // 20
    fitted = fit_recipe(TrainingRecipe("", ""), (), SHAPE, lengths_of([60] * rows), validating, 16 * GB)
    assert (fitted.patience > 0) is (validating >= 20)
    assert fitted.patience in (0, 3)
    steps = math.ceil(fitted.epochs * math.ceil(rows / fitted.rows_per_step))
    assert 2 <= math.ceil(steps / fitted.validate_every) <= 20
    assert fitted.validate_every % fitted.save_every == 0  # the best weights are saved anyway
    chosen = replace(TrainingRecipe("", ""), patience=0)
    assert fit_recipe(chosen, {"patience"}, SHAPE, lengths_of([60] * rows), validating, 16 * GB).patience == 0


def test_what_fits_in_memory_is_said_beyond_a_step_and_never_advised():
    lengths, recipe = lengths_of([60] * 300), TrainingRecipe("smollm2", "", rows_per_step=8, rows_at_once=8)
    said = estimate(recipe, SHAPE, lengths, 3 * GB)
    assert 8 < said.most_rows_at_once < 300
    more = replace(recipe, rows_at_once=said.most_rows_at_once, rows_per_step=said.most_rows_at_once)
    assert estimate(more, SHAPE, lengths, 3 * GB).memory_bytes <= 0.9 * 3 * GB
    assert estimate(recipe, SHAPE, lengths, 640 * GB).most_rows_at_once == 300
    with pytest.raises(UsageError, match="--rows-at-once 8 fits, with the same result"):
        refuse_too_large(replace(said, free_bytes=said.memory_bytes - 1), recipe)


def test_what_was_chosen_stays_and_rows_at_once_fit_the_memory():
    lengths = lengths_of([800] * 500)
    chosen = TrainingRecipe("", "", learning_rate=7e-4, epochs=5, rows_per_step=12, rank=8)
    fitted = fit_recipe(chosen, {"learning_rate", "epochs", "rows_per_step", "rank"}, SHAPE, lengths, 10, 64 * GB)
    assert (fitted.learning_rate, fitted.epochs, fitted.rows_per_step, fitted.alpha) == (7e-4, 5, 12, 16)
    assert fitted.rows_at_once == 2  # more than 2,048 tokens at once are hardly faster
    tight = fit_recipe(chosen, (), SHAPE, lengths, 10, 3 * GB)
    assert tight.rows_at_once == 1
    assert estimate(tight, SHAPE, lengths, 3 * GB).fits


def test_memory_that_the_heap_keeps_in_pieces_goes_back_to_the_system():
    """Blocks between ones that stay, as tensors of unlike lengths leave them; in a process of its own."""
    code = (
        "import numpy\n"
        "from llms.engine.allocator import give_back\n"
        "from llms.engine.resident import resident_bytes\n"
        "blocks = [numpy.ones(12_000 + 8 * n) for n in range(3000)]\n"
        "blocks = blocks[::8]\n"
        "before = resident_bytes()\n"
        "print(give_back(), (before - resident_bytes()) >> 20)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    trimmed, freed = run.stdout.split()
    if trimmed == "False":
        pytest.skip("another C library than glibc")
    assert int(freed) > 150  # of 288 MB, 252 are free


def test_training_keeps_no_freed_tensors_in_pieces():
    """Blocks between ones that stay, as tensors of unlike lengths leave them; in a process of its own."""
    code = (
        "import numpy\n"
        "from llms.engine.resident import resident_bytes\n"
        "from llms.engine.allocator import free_at_once\n"
        "numpy.ones(3_000_000)\n"  # freed: glibc takes smaller blocks from its heap from now on
        "known = free_at_once()\n"
        "blocks = [numpy.ones(40_000 + 8 * n) for n in range(1000)]\n"
        "before = resident_bytes()\n"
        "blocks = blocks[::8]\n"
        "print(known, (before - resident_bytes()) >> 20)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known, freed = run.stdout.split()
    assert int(freed) > 200 or known == "False"
