"""Checkpoints: which are whole, which are passed over, what a full disk and a sudden end leave."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llms.errors import DiskFull
from llms.training import checkpoints
from llms.training.checkpoints import MANIFEST, folder_of, make_space, newest_intact, removed_if_full, steps, thin, torn
from short_training import save

TEARS = {
    "without a manifest": (lambda path: (path / MANIFEST).unlink(), "no manifest"),
    "an empty optimizer.pt": (lambda path: (path / "optimizer.pt").write_bytes(b""), "optimizer.pt has 0 bytes"),
    "without trainer_state.json": (
        lambda path: (path / "trainer_state.json").unlink(),
        "trainer_state.json is missing",
    ),
    "cut weights": (
        lambda path: (path / "adapter_model.safetensors").write_bytes(b"adapter"),
        "adapter_model.safetensors has 7 bytes",
    ),
    "a changed byte": (
        lambda path: (path / "optimizer.pt").write_bytes(b"x" + (path / "optimizer.pt").read_bytes()[1:]),
        "SHA-256 differs",
    ),
    "a cut manifest": (lambda path: (path / MANIFEST).write_text('{"optim'), "manifest cannot be read"),
    "a manifest of nothing": (lambda path: (path / MANIFEST).write_text("{}"), "written without trainer_state.json"),
    "a manifest that is a list": (lambda path: (path / MANIFEST).write_text("[1]"), "manifest cannot be read"),
}


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_checkpoint_is_passed_over_with_its_reason_for_the_one_before_it(tmp_path, tear):
    for step in (2, 4):
        save(tmp_path, step)
    assert newest_intact(tmp_path) == ((4, folder_of(tmp_path, 4)), [])
    damage, reason = TEARS[tear]
    damage(folder_of(tmp_path, 4))
    intact, reasons = newest_intact(tmp_path)
    assert intact == (2, folder_of(tmp_path, 2))
    (text,) = reasons
    assert "step 4" in text
    assert reason in text


def test_without_a_whole_checkpoint_there_is_none_and_each_torn_one_is_named(tmp_path):
    assert newest_intact(tmp_path) == (None, [])
    for step in (2, 10):  # by number, not by name
        save(tmp_path, step)
        (folder_of(tmp_path, step) / "scheduler.pt").unlink()
    intact, reasons = newest_intact(tmp_path)
    assert intact is None
    assert ["step 10" in reasons[0], "step 2" in reasons[1]] == [True, True]


def test_the_newest_two_whole_checkpoints_and_the_best_stay(tmp_path):
    for step in range(1, 8):
        save(tmp_path, step)
    (folder_of(tmp_path, 6) / MANIFEST).unlink()
    assert sorted(thin(tmp_path, best=2)) == [1, 3, 4, 6]
    assert steps(tmp_path) == [7, 5, 2]
    assert all(torn(folder_of(tmp_path, step)) == "" for step in (7, 5, 2))


def test_too_little_space_is_said_before_anything_is_written(tmp_path):
    save(tmp_path, 2)
    with pytest.raises(DiskFull, match=r"step 4 needs about 1,000,000,000,000,000 bytes, and [\d,]+ are free"):
        make_space(tmp_path, 4, 10**15)
    assert steps(tmp_path) == [2]


WRITERS = {
    "Python": "(path / 'optimizer.pt').write_bytes(bytes(40 << 20))",
    "PyTorch": "import torch; torch.save(torch.zeros(10 << 20), path / 'optimizer.pt')",
    "safetensors": "import torch; from safetensors.torch import save_file; save_file({'w': torch.zeros(10 << 20)}, path / 'w.safetensors')",
}
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from llms.errors import DiskFull
from llms.training.checkpoints import make_space, removed_if_full
if sys.argv[2] == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20))
path = make_space(Path(sys.argv[1]), 4, 1000)
try:
    with removed_if_full(path, 1000):
        path.mkdir()
        (path / "adapter_model.safetensors").write_bytes(bytes(1 << 20))
        WRITE
except DiskFull as error:
    print(error)
"""


def fill(folder, how, writer):
    """What a process says that writes 41 MB where 20 are free, or may be written."""
    save(folder, 2)
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK.replace("WRITE", WRITERS[writer]), str(folder), how],
        capture_output=True,
        text=True,
    )
    assert "the disk was full after" in run.stdout, run.stderr
    assert "needs about 1,000; without it" in run.stdout
    assert steps(folder) == [2]
    assert newest_intact(folder)[0][0] == 2
    return run.stdout


@pytest.mark.parametrize("writer", WRITERS)
def test_a_checkpoint_that_met_a_limit_of_the_files_size_is_removed_and_the_one_before_it_whole(tmp_path, writer):
    fill(tmp_path, "limit", writer)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_checkpoint_that_filled_the_disk_is_removed_and_the_one_before_it_whole(tmp_path, writer):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user cannot mount a small disk; the limit of a file's size stands for it above")
    try:
        fill(tmp_path, "disk", writer)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_an_error_that_is_no_full_disk_stays_what_it_is(tmp_path):
    with pytest.raises(PermissionError), removed_if_full(tmp_path, 1):
        raise PermissionError(13, "Permission denied")


ENDLESS = """
import sys
from pathlib import Path
from llms.training import checkpoints
from short_training import save
step = int(sys.argv[2])
while True:
    step += 1
    checkpoints.make_space(Path(sys.argv[1]), step, 1)
    save(Path(sys.argv[1]), step)
    checkpoints.thin(Path(sys.argv[1]), 1)
    print(step, flush=True)
"""


def test_whenever_a_process_is_killed_the_checkpoint_it_named_last_or_a_newer_one_is_whole(tmp_path):
    """Killed where it happens to be: within a file, the manifest, the removal of an old checkpoint."""
    draw, last = random.Random(7), 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(tmp_path), str(last)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        named = int(process.stdout.readline())
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        named = max([named, *(int(line) for line in process.communicate()[0].splitlines())])
        intact, reasons = newest_intact(tmp_path)
        assert intact[0] in (named, named + 1)
        assert len(reasons) <= 1
        last = max(steps(tmp_path))


def test_a_manifest_has_the_size_and_digest_of_each_file_and_not_itself(tmp_path):
    size = save(tmp_path, 3)
    folder = folder_of(tmp_path, 3)
    manifest = json.loads((folder / MANIFEST).read_text())
    assert {path.name for path in folder.iterdir()} == {*manifest, MANIFEST}
    assert size == sum(entry["bytes"] for entry in manifest.values())
    assert checkpoints.seal(folder) == size  # a second seal does not count the first
