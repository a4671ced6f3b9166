"""A run in processes of its own: what arrives of it, and what is left when something ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llms.errors import UsageError, WorkerDied
from llms.training.checkpoints import newest_intact
from llms.training.launch import launch
from llms.training.progress import Aborted, Ended, Noticed, Saved, Started, Stepped, append, lasting, read
from llms.training.recipe import TrainingRecipe
from short_training import STEPS, stepped

WITHIN_SECONDS = 20.0


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def start(folder, how, processes=1, **changes):
    folder.mkdir(exist_ok=True)
    TrainingRecipe("smollm2", how, **changes).write(folder)
    return launch(folder, processes, "short_training")


def gone(pid):
    """Whether the process ends within some seconds (a zombie has ended)."""
    until = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_the_events_of_a_run_arrive_as_they_are_written_and_are_those_in_its_log(folder):
    events = list(start(folder, "well"))
    assert [event.step for event in events if isinstance(event, Stepped)] == list(range(1, STEPS + 1))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    assert list(read(folder)) == events


def test_a_killed_worker_says_how_it_ended_and_how_to_go_on(folder):
    events = []
    with pytest.raises(WorkerDied) as caught:
        events.extend(event for event in start(folder, "killed"))
    text = str(caught.value)
    assert "SIGKILL" in text
    assert "after step 3" in text
    assert "whole checkpoint is that of step 2" in text
    assert f"llms finetune --resume {folder}" in text


def test_an_error_that_a_user_can_act_upon_arrives_as_its_text(folder):
    events = list(start(folder, "refused"))
    assert events[-1] == Aborted("row 7 of chats.jsonl has no answer", 3)
    assert "Traceback" not in (folder / "stderr.log").read_text()


def test_a_defect_leaves_its_traceback_in_a_file_and_its_last_line_in_the_error(folder):
    with pytest.raises(WorkerDied, match="KeyError: 'input_ids'.*stderr.log"):
        list(start(folder, "defect"))
    assert "Traceback" in (folder / "stderr.log").read_text()


def test_want_of_memory_says_of_how_many_rows_and_what_to_change(folder):
    last = list(start(folder, "memory", rows_at_once=3))[-1]
    assert isinstance(last, Aborted)
    assert "3 rows" in last.reason
    assert "--rows-at-once" in last.reason


def test_a_second_start_is_refused_with_who_has_the_folder(folder):
    running = start(folder, "slow")
    next(running)
    try:
        with pytest.raises(UsageError, match=rf"process {os.getpid()} \(since .*\) trains in"):
            next(launch(folder, 1, "short_training"))
    finally:
        running.close()
    assert isinstance(list(start(folder, "well"))[-1], Ended)  # and is free once the first has ended


def test_leaving_the_iterator_ends_the_process_and_keeps_the_checkpoints(folder):
    running = start(folder, "slow")
    assert any(isinstance(event, Saved) for event in running)
    pid = int((folder / "pid0").read_text())
    running.close()
    assert gone(pid)
    assert newest_intact(folder)[0][0] == 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_to_the_parent_ends_the_workers(folder, name, processes):
    start(folder, "slow")  # writes the recipe; an iterator that is not asked starts nothing
    code = (
        "import sys; from pathlib import Path; from llms.training.launch import launch\n"
        f"for event in launch(Path(sys.argv[1]), {processes}, 'short_training'): print(type(event).__name__, flush=True)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    try:
        assert any(line.strip() == "Saved" for line in parent.stdout)
        pids = [int((folder / f"pid{rank}").read_text()) for rank in range(processes)]
        parent.send_signal(signal.Signals[name])
        parent.wait(WITHIN_SECONDS)
        assert all(gone(pid) for pid in pids)
    finally:
        parent.kill()
        parent.communicate()
    assert newest_intact(folder)[0][0] == 2
    assert isinstance(list(start(folder, "well"))[-1], Ended) if processes == 1 else True


@pytest.mark.parametrize("processes", [2, 3])
def test_as_many_processes_start_as_were_asked_for_and_one_of_them_writes(folder, processes):
    events = list(start(folder, "well", processes))
    assert events[0].processes == processes
    assert len({(folder / f"pid{rank}").read_text() for rank in range(processes)}) == processes
    assert [event.step for event in events if isinstance(event, Stepped)] == list(range(1, STEPS + 1))


def test_processes_that_do_not_know_of_each_other_are_refused(folder):
    with pytest.raises(WorkerDied, match="2 processes were to train, and 1 did"):
        list(start(folder, "alone", 2))


def test_one_dead_process_of_several_ends_all(folder):
    with pytest.raises(WorkerDied, match=r"\(rank 1\).*SIGKILL"):
        list(start(folder, "last rank killed", 2))
    assert all(gone(int((folder / f"pid{rank}").read_text())) for rank in range(2))


def test_an_error_of_another_rank_than_the_first_arrives_too(folder):
    events = list(start(folder, "last rank refused", 2))
    assert isinstance(events[-1], Aborted)
    assert events[-1].reason == "the loss of rank 1 is NaN"
    assert sum(isinstance(event, Aborted) for event in read(folder)) == 1


def test_several_processes_listen_on_no_address_but_loopback(folder):
    running = start(folder, "slow", 2)
    assert any(isinstance(event, Saved) for event in running)
    try:
        inodes = set()
        for rank in range(2):
            for file in Path(f"/proc/{int((folder / f'pid{rank}').read_text())}/fd").iterdir():
                inodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(file)))
        listening = [
            line.split()[1]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if line.split()[3] == "0A" and line.split()[9] in inodes
        ]
        assert listening  # gloo's own
        assert all(address.startswith("0100007F:") for address in listening), listening
    finally:
        running.close()


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_loaded(folder):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    events = list(start(folder, "well", device="cuda"))
    assert [type(event) for event in events] == [Aborted]
    assert "cuda was asked for and is not there" in events[0].reason


def test_a_log_that_ends_within_a_line_is_read_and_continued(folder):
    folder.mkdir()
    append(folder, stepped(1))
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"event": "stepped", "st')
    assert list(read(folder)) == [stepped(1)]
    new = list(start(folder, "well"))
    assert list(read(folder)) == [stepped(1), *new]
    assert all(json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines())


def test_steps_that_a_resumed_run_computed_again_are_counted_once():
    started = Started("2026-01-01T00:00:00+00:00", 4, 0, 8, 1, 64, 32, 10, 10)
    again = Started("2026-01-01T00:01:00+00:00", 4, 2, 8, 1, 64, 32, 10, 10)
    log = [started, stepped(1), stepped(2), stepped(3), Noticed("torn"), again, stepped(3, 2.0), stepped(4)]
    assert lasting(log) == [started, stepped(1), stepped(2), Noticed("torn"), again, stepped(3, 2.0), stepped(4)]
