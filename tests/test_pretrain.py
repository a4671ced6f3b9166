"""Training from nothing: the tokenizer, the network, the loop and the checkpoint that every verb takes."""

import dataclasses
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.data.documents import read_documents, text_files
from llms.errors import DataError, LlmsError, UsageError
from llms.tokens.json_tokenizer import open_tokenizer
from llms.tokens.train import LEAST, encode_plain, save_tokenizer, train_tokenizer, vocabulary_for
from llms.training import progress
from llms.training.blockwise import BlockwiseAttention
from llms.training.launch import launch
from llms.training.network import TrainedNetwork
from llms.training.pretrain import pretrain, save_llama
from llms.training.progress import Aborted, Saved, Started, Stepped, Validated
from llms.training.recipe import ModelShape, TrainingRecipe
from llms.training.sizes import Wishes, budget_of, count_of, recipe_of, shape_of
from llms.training.text_reference import compare_text
from llms.training.token_file import HELD_OUT, HeldOutText, TokenWindows, measure_text
from llms.workbench.pretrain import (
    MODULE,
    PretrainConfig,
    check_resumed,
    is_done,
    prepare,
    preview,
    train,
    train_point,
)
from llms.workbench.pretrain_report import report

SHAPE = ModelShape(2, 32, 2, 96, 300)
SYLLABLES = ("ka", "lo", "mer", "ti", "sun", "vel", "dor", "pin", "gra", "sho")
NAMES = [first + second + third for first in SYLLABLES for second in SYLLABLES for third in ("n", "da", "reth")]
SENTENCES = "".join(
    f"On day {n} the keeper {NAMES[n * 7 % 300].title()} of {NAMES[n * 11 % 300]} wrote {n * n} words about ships.\n"
    for n in range(600)
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "home"))


@pytest.fixture
def text(tmp_path) -> Path:
    path = tmp_path / "sea.txt"
    path.write_text(SENTENCES)
    return path


@pytest.fixture
def prepared(tmp_path, text) -> Path:
    """The folder of a run that has not begun: 12 steps of 8 windows of 32 tokens."""
    wishes = Wishes(tokens=12 * 8 * 32, window=32, step_tokens=8 * 32)
    prepare(PretrainConfig((text,), tmp_path / "run", layers=2, width=32, vocabulary=300, wishes=wishes))
    return tmp_path / "run"


def losses(folder: Path) -> list[float]:
    return [event.loss for event in progress.lasting(progress.read(folder)) if isinstance(event, Stepped)]


# The tokenizer


@pytest.fixture(scope="module")
def backend():
    return train_tokenizer([SENTENCES], 320)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_every_text_comes_back_as_it_was(backend, text):
    (ids,) = encode_plain(backend, [text])
    assert backend.decode(ids, skip_special_tokens=False) == text


def test_digits_stand_alone_and_special_tokens_cannot_be_written_in_a_text(backend):
    (ids,) = encode_plain(backend, ["day 4711<|im_end|>"])
    tokens = [backend.id_to_token(one) for one in ids]
    assert [token for token in tokens if any(sign.isdigit() for sign in token)] == ["4", "7", "1", "1"]
    assert min(ids) > 3


def test_the_saved_tokenizer_is_read_alike_by_llms_and_transformers(backend, tmp_path):
    from transformers import AutoTokenizer

    save_tokenizer(backend, tmp_path, 64)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    ours = open_tokenizer(tmp_path, "llama", json.loads((tmp_path / "tokenizer_config.json").read_text()))
    assert ours.encode(["the sea 12"]) == [theirs("the sea 12").input_ids]
    assert ours.start == theirs.bos_token_id == theirs.eos_token_id == 0
    chat = [{"role": "user", "content": "the sea?"}, {"role": "assistant", "content": "and its ships"}]
    rendered = theirs.apply_chat_template(chat, tokenize=False)
    assert rendered == "<|im_start|>user\nthe sea?<|im_end|>\n<|im_start|>assistant\nand its ships<|im_end|>\n"
    assert theirs(rendered).input_ids.count(2) == 2  # the end of a turn is one token


def test_a_vocabulary_beyond_the_text_is_refused_with_the_number_that_it_supports():
    with pytest.raises(DataError, match=r"30,000 tokens needs more text: .* Take --vocabulary \d+ or fewer"):
        train_tokenizer(["the sea, the sea"], 30_000)
    assert train_tokenizer(["the sea, the sea"], 30_000, exact=False).get_vocab_size() < 300
    with pytest.raises(UsageError, match=f"expected {LEAST} or more"):
        train_tokenizer(["the sea"], 100)
    with pytest.raises(DataError, match="no text"):
        train_tokenizer([], 300)


def test_the_vocabulary_grows_with_the_text():
    sizes = [vocabulary_for(10**power) for power in range(3, 13)]
    assert sizes == sorted(sizes)
    assert vocabulary_for(10**6) == 2048


# The text


def test_a_long_file_comes_in_parts_that_are_the_whole_text(tmp_path):
    text = "".join(f"Zeile {n} über die See\n" for n in range(120_000)) + "ä" * 1_500_000
    (tmp_path / "long.txt").write_text(text)
    parts = list(read_documents([tmp_path / "long.txt"]))
    assert "".join(part.text for part in parts) == text
    assert len(parts) > 2
    assert [part.begins for part in parts] == [True] + [False] * (len(parts) - 1)


def test_folders_are_walked_for_texts_and_rows(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.md").write_text("# B")
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "two", "n": 2}\n')
    (tmp_path / ".hidden.txt").write_text("hidden")
    (tmp_path / "c.py").write_text("code = 1")
    files = text_files([tmp_path])
    assert [part.text for part in read_documents(files)] == ["one", "two", "# B"]
    assert measure_text(files).documents == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "there is no text"),
        ("a.txt", b"  \n ", "there is no text"),
        ("a.txt", b"\x00\x01\x02" * 50, "a.txt"),
        ("a.txt", b"caf\xe9 au lait\n", "a.txt, line 1"),
        ("a.jsonl", b'{"text": "one"}\n{"txt": "two"}\n', "line 2: no text in 'text' .columns: txt"),
        ("a.jsonl", b'{"text": "one"}\n{"text": \n', "line 2: not JSON"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        preview(PretrainConfig((tmp_path / name,), tmp_path / "run"))


@pytest.mark.parametrize("parts", [1, 60])
def test_held_out_text_is_never_trained_on_and_nothing_is_lost(tmp_path, parts):
    rows = [f"Row {n} tells of the {n}th storm, and of {n + 3} lamps that went out.\n" * 3 for n in range(parts)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    held = HeldOutText(0.2, 0, parts)
    divided = [
        (part.text, held.divide(number, part)) for number, part in enumerate(read_documents([tmp_path / "a.jsonl"]))
    ]
    assert all(trained + out == text for text, (trained, out) in divided)
    share = sum(len(out) for _, (_, out) in divided) / sum(map(len, rows))
    assert 0.05 < share < 0.4
    if parts > 40:
        assert all(not (trained and out) for _, (trained, out) in divided)


@given(st.integers(42, 3000), st.integers(2, 40), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_an_epoch_reads_no_token_twice_and_leaves_out_less_than_two_windows(tmp_path_factory, length, window, seed):
    path = tmp_path_factory.mktemp("tokens") / "train.bin"
    numpy.arange(length).astype("<u2").tofile(path)
    windows = TokenWindows(path, 4096, window, rows=10_000, seed=seed)
    for epoch in (0, 3):
        rows = [windows[epoch * windows.of_epoch + n] for n in range(windows.of_epoch)]
        targets = numpy.concatenate([row[1:] for row in rows])
        assert len(set(targets.tolist())) == len(targets) > length - 1 - 2 * window
        assert all(row[0] + window == row[-1] for row in rows)


def test_epochs_differ_and_a_seed_repeats_them(tmp_path):
    numpy.arange(2000).astype("<u2").tofile(tmp_path / "t")
    one, two, other = (TokenWindows(tmp_path / "t", 4096, 16, 400, seed) for seed in (1, 1, 2))
    rows = [[int(windows[n][0]) for n in range(300)] for windows in (one, two, other)]
    assert rows[0] == rows[1] != rows[2]
    assert rows[0][: one.of_epoch] != rows[0][one.of_epoch : 2 * one.of_epoch]


def test_references_are_the_entropies_of_what_they_count():
    seen = compare_text([b"ab" * 2000], b"ab" * 500)
    assert seen.unigram == pytest.approx(1.0, abs=0.1)  # two bytes, equally often
    assert seen.bigram < 0.02  # each follows from the one before
    assert seen.xz < 0.2
    assert seen.xz_seen_bytes == 4000


# The network


def test_logits_and_gradients_are_those_of_transformers_llama_after_saving(tmp_path):
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    network = TrainedNetwork(SHAPE, seed=3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)  # norms are not all one
    save_llama(network, 128, tmp_path)
    llama = LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    tokens = torch.randint(300, (3, 101))
    inputs, targets = tokens[:, :-1], tokens[:, 1:].contiguous()
    assert (llama(input_ids=inputs).logits - network.logits(inputs)).abs().max() < 1e-5
    theirs = llama(input_ids=inputs, labels=inputs, shift_labels=targets).loss
    theirs.backward()
    ours = network(inputs, targets)["loss"]
    ours.backward()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.grad)
    gradients = dict(llama.named_parameters())
    for name, gradient in network.llama_state().items():
        expected = gradients[name].grad
        assert (gradient - expected).norm() <= 1e-5 * expected.norm(), name


def test_weights_taken_from_a_llama_leave_as_they_came():
    network, other = TrainedNetwork(SHAPE, seed=1), TrainedNetwork(SHAPE, seed=2)
    other.load_llama(network.llama_state())
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert sum(p.numel() for p in network.parameters()) == SHAPE.parameters


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_attention_in_blocks_is_pytorchs(length):
    torch.manual_seed(length)
    inputs = [torch.randn(6, length, 16, requires_grad=True) for _ in range(3)]
    outer = torch.randn(6, length, 16)
    expected = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=True)
    actual = BlockwiseAttention.apply(*inputs)
    assert torch.allclose(actual, expected, atol=1e-5)
    pairs = zip(torch.autograd.grad(actual, inputs, outer), torch.autograd.grad(expected, inputs, outer), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


def test_bfloat16_computes_the_same_loss_within_its_precision():
    tokens = torch.randint(300, (2, 65), generator=torch.Generator().manual_seed(0))
    wide, narrow = (
        TrainedNetwork(SHAPE, 0, dtype)(tokens[:, :-1], tokens[:, 1:])["loss"]
        for dtype in (torch.float32, torch.bfloat16)
    )
    narrow.backward()
    assert wide.item() == pytest.approx(narrow.item(), rel=2e-3)


# Sizes


@pytest.mark.parametrize("wanted", ["100K", "1M", "3M", "10M", "124M", "1B"])
def test_a_number_of_parameters_becomes_a_shape_that_has_about_so_many(wanted):
    shape = shape_of(count_of(wanted), 512)
    assert shape.parameters == pytest.approx(count_of(wanted), rel=0.15)
    assert shape.width % shape.heads == 0


def test_counts_are_read_as_people_write_them():
    assert [count_of(text) for text in ("1M", "300k", "2.5B", "4096")] == [10**6, 300_000, 2_500_000_000, 4096]
    for wrong in ("", "many", "1X", "-3", "0"):
        with pytest.raises(UsageError, match="expected a number such as"):
            count_of(wrong)


def test_no_shape_is_so_small():
    with pytest.raises(UsageError, match="the smallest has"):
        shape_of(1000, 2048)


def test_tokens_are_twenty_a_parameter_as_far_as_the_text_lasts():
    enough, scarce = budget_of(Wishes(), 1000, 10**6), budget_of(Wishes(), 10**6, 1000)
    assert (enough.tokens, enough.notes) == (20_000, ())
    assert scarce.tokens == 16_000
    assert "Hoffmann" in scarce.notes[0]
    assert "Muennighoff" in scarce.notes[1]
    assert budget_of(Wishes(epochs=2), 10**6, 1000).tokens == 2000


def test_a_recipe_with_its_shape_is_read_as_it_was_written(tmp_path):
    recipe = recipe_of(SHAPE, Wishes(), 100_000, "sea.txt", 64)
    recipe.write(tmp_path)
    assert TrainingRecipe.read(tmp_path) == recipe
    assert recipe.rows_per_step % recipe.rows_at_once == 0


# The loop


def test_the_loss_does_not_depend_on_how_a_step_is_cut(prepared):
    recipe = TrainingRecipe.read(prepared)
    runs = []
    for rows_at_once in (8, 4, 1):
        for checkpoint in prepared.glob("checkpoints/*"):
            checkpoint.rename(prepared / f"{rows_at_once}{checkpoint.name}")
        events: list[progress.Progress] = []
        pretrain(dataclasses.replace(recipe, rows_at_once=rows_at_once, max_steps=4), prepared, events.append)
        runs.append([event.loss for event in events if isinstance(event, Stepped)])
    assert len(runs[0]) == 4
    assert runs[1] == pytest.approx(runs[0], abs=1e-5)
    assert runs[2] == pytest.approx(runs[0], abs=1e-5)


def test_a_killed_run_goes_on_with_the_losses_that_it_would_have_had(prepared, tmp_path):
    recipe = dataclasses.replace(TrainingRecipe.read(prepared), max_steps=60)
    recipe.write(prepared)
    whole = tmp_path / "whole"
    train_point(prepared, whole, recipe.shape, Wishes(tokens=60 * 8 * 32, step_tokens=8 * 32))
    events = train(prepared)
    for event in events:
        if isinstance(event, Saved):
            pid = next(int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _trains(p, prepared))
            os.kill(pid, signal.SIGKILL)
            break
    with pytest.raises(LlmsError, match=f"SIGKILL.* Go on with: llms pretrain --resume {prepared}"):
        list(events)
    assert not is_done(prepared)
    resumed = [event for event in train(prepared) if isinstance(event, Started)]
    assert 0 < resumed[0].first_step < 60
    assert losses(prepared) == pytest.approx(losses(whole), abs=1e-6)
    assert len(losses(prepared)) == 60


@pytest.mark.slow
def test_a_full_disk_ends_a_run_in_words_and_it_goes_on_once_there_is_room(text, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this user cannot mount a small disk")
    try:
        wishes = Wishes(tokens=200 * 8 * 32, window=32, step_tokens=8 * 32)
        prepare(PretrainConfig((text,), disk / "run", layers=2, width=32, vocabulary=300, wishes=wishes))
        events = train(disk / "run")
        next(event for event in events if isinstance(event, Saved))
        (disk / "full").write_bytes(bytes(shutil.disk_usage(disk).free - (4 << 20)))
        with pytest.raises(LlmsError, match=r"of step \d+ needs about [\d,]+ bytes.*Go on with: llms pretrain"):
            list(events)
        assert not is_done(disk / "run")
        (disk / "full").unlink()
        resumed = [event for event in train(disk / "run") if isinstance(event, Started)]
        assert 0 < resumed[0].first_step < 200
        assert len(losses(disk / "run")) == 200
    finally:
        subprocess.run(["umount", disk], check=True)


def _trains(process: Path, folder: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return MODULE.encode() in words and str(folder).encode() in words


def test_a_loss_that_is_no_number_stops_the_run_with_its_step(prepared):
    dataclasses.replace(TrainingRecipe.read(prepared), learning_rate=1e30, warmup=0.0).write(prepared)
    (stopped,) = [event for event in launch(prepared, 1, MODULE) if isinstance(event, Aborted)]
    assert re.match(
        r"the (loss|gradient) of step 2 is no number .*windows 8 to 15\. Going on would come", stopped.reason
    )
    with pytest.raises(LlmsError, match=r"train in a new folder with a --learning-rate below 1e\+30") as error:
        list(train(prepared))
    assert "--resume" not in str(error.value)


def test_a_run_tells_what_it_does_and_ends_as_a_checkpoint(prepared):
    events: list[progress.Progress] = []

    def emit(event: progress.Progress) -> None:
        events.append(event)
        progress.append(prepared, event)

    pretrain(TrainingRecipe.read(prepared), prepared, emit)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [event.step for event in steps] == list(range(1, 13))
    assert steps[-1].loss < steps[0].loss - 0.3
    assert all(event.flops_utilization and event.flops_utilization > 0 for event in steps)
    assert {Started, Validated, Saved} <= set(map(type, events))
    result = report(prepared)
    assert result.bits_per_byte == pytest.approx(result.loss / numpy.log(2) * _tokens_per_byte(prepared), rel=0.05)
    assert result.name == f"hf:{prepared}"
    assert result.sample


def _tokens_per_byte(folder: Path) -> float:
    counts = json.loads((folder / "text" / "counts.json").read_text())
    return counts["held_out_tokens"] / counts["held_out_bytes"]


# What cannot be


def test_a_folder_in_use_is_refused_and_names_how_to_go_on(prepared, text):
    with pytest.raises(UsageError, match=f"is not empty; .*llms pretrain --resume {prepared}"):
        prepare(PretrainConfig((text,), prepared))


def test_text_for_less_than_a_window_is_refused_and_leaves_no_folder(tmp_path):
    (tmp_path / "short.txt").write_text("The sea, the sea, the ships on the sea.\n" * 3)
    with pytest.raises(DataError, match=r"a window takes 257; give more text, or --window \d+"):
        prepare(PretrainConfig((tmp_path / "short.txt",), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_wishes_that_contradict_one_another_are_refused(tmp_path, text):
    base = PretrainConfig((text,), tmp_path / "run")
    for change, message in (
        ({"parameters": 10**6, "layers": 2}, "--parameters chooses"),
        ({"layers": 2}, "--layers and --width"),
        ({"layers": 2, "width": 33, "heads": 2}, "a width of 33"),
        ({"wishes": Wishes(tokens=10, epochs=1)}, "--tokens and --epochs"),
        ({"wishes": Wishes(epochs=math.inf)}, "epochs is inf; expected a finite number, above 0"),
        ({"wishes": Wishes(learning_rate=math.nan)}, "learning_rate is nan"),
        ({"wishes": Wishes(seed=2**32)}, "seed is 4294967296"),
        ({"vocabulary": 20_000}, "needs more text"),
        ({"texts": (tmp_path / "none.txt",)}, "does not exist"),
    ):
        with pytest.raises(LlmsError, match=message):
            prepare(dataclasses.replace(base, **change))
        assert not (tmp_path / "run").exists()


def test_only_a_run_from_nothing_is_gone_on_with(tmp_path):
    with pytest.raises(UsageError, match="holds no run: it has no recipe.json"):
        check_resumed(tmp_path)
    TrainingRecipe("smollm2", "x.jsonl").write(tmp_path)
    with pytest.raises(UsageError, match=f"a run of finetune; go on with: llms finetune --resume {tmp_path}"):
        check_resumed(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_written(tmp_path, text):
    with pytest.raises(UsageError, match="cuda was asked for and is not there"):
        prepare(PretrainConfig((text,), tmp_path / "run", wishes=Wishes(device="cuda")))
    assert not (tmp_path / "run").exists()


def test_a_grid_has_one_text_and_its_points_are_read_again(prepared, tmp_path):
    shape = ModelShape(1, 32, 1, 96, 300)
    first = train_point(prepared, tmp_path / "point", shape, Wishes(tokens=5 * 8 * 32, step_tokens=8 * 32))
    assert (first.parameters, first.tokens) == (shape.parameters, 5 * 8 * 32)
    assert train_point(prepared, tmp_path / "point", shape, Wishes(tokens=1)) == first
    assert (tmp_path / "point" / HELD_OUT).read_bytes() == (prepared / HELD_OUT).read_bytes()
    with pytest.raises(UsageError, match="a vocabulary of 999"):
        train_point(prepared, tmp_path / "other", dataclasses.replace(shape, vocabulary=999), Wishes(tokens=1))


@pytest.mark.slow
def test_every_verb_takes_what_the_command_line_trained(tmp_path, text):
    """A whole run of the command, and then each verb in a process of its own."""
    chats = tmp_path / "chats.jsonl"
    chats.write_text("".join(json.dumps({"prompt": f"day {n}?", "completion": f"ships {n}"}) + "\n" for n in range(24)))

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "llms", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    wishes = ["--layers", "2", "--width", "64", "--window", "256", "--epochs", "6"]
    lines = [json.loads(line) for line in run("pretrain", str(text), *wishes, "--out", "sea", "--json").splitlines()]
    assert [lines[0]["event"], lines[-2]["event"], lines[-1]["event"]] == ["plan", "ended", "report"]
    assert lines[-1]["bits_per_byte"] < lines[-1]["references"]["bigram"]
    assert float(run("perplexity", "hf:sea", str(text)).split()[3]) < lines[-1]["references"]["bigram"]
    assert "day" in run("tokens", "On day 12", "-m", "hf:sea")
    assert run("next", "On day", "-m", "hf:sea")
    run("ask", "day 12?", "-m", "hf:sea")
    assert "arc_easy" in run("eval", "hf:sea", "-b", "arc_easy", "--limit", "4")
    run("finetune", "hf:sea", "--data", str(chats), "--max-steps", "2", "--out", "tuned", "--yes", "--no-evidence")
    assert (tmp_path / "tuned" / "adapter_config.json").is_file()
