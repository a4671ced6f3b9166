"""Tasks for a page: where a model is, files that are sent, a model that is kept and let go; no way to files of this machine."""

import asyncio
import io
import json

import pytest

from llms.errors import DataError, UnknownName, UsageError
from llms.models.task_model import TaskOptions
from llms.tasks.catalogue import find_task
from llms.web.service import tasks
from llms.web.service.model_pool import ModelPool
from llms.web.service.reach import Reach
from llms.web.service.task_files import LARGEST, MOST_ROWS, TaskFiles
from llms.web.service.tasks import TaskService, TaskWork
from test_task_model import save_classifier

SENTIMENT = find_task("sentiment")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return f"hf:{save_classifier(tmp_path_factory.mktemp('classifier'))}?device=cpu"


@pytest.fixture
def service():
    running = TaskService(ModelPool("smollm2", Reach()))
    yield running
    running.close()


def do(service, work) -> tuple[str, list]:
    """(run, its events)."""

    async def whole():
        run = await service.begin(work)
        return run, [event async for event in service.events(run)]

    return asyncio.run(whole())


def test_offline_it_is_said_what_is_here(service, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    about = asyncio.run(service.about(SENTIMENT, ""))
    assert (about.state, about.cached, about.megabytes) == ("offline", [], 268)
    assert about.command == f"llms models pull {about.name}"
    assert asyncio.run(service.about(SENTIMENT, "smollm2")).state == "here"
    assert asyncio.run(service.about(SENTIMENT, "openai:x")).state == "asked"
    with pytest.raises(UsageError, match="cannot be fetched: the hub does not answer"):
        asyncio.run(service.begin_fetch(SENTIMENT, ""))


def test_a_model_is_kept_for_what_comes_next_and_let_go_when_idle(service, classifier, monkeypatch):
    work = TaskWork(SENTIMENT, classifier, None, TaskOptions(), ("one", ""))
    monkeypatch.setattr(tasks, "IDLE_SECONDS", 600)
    run, events = do(service, work)
    assert sorted(event.type for event in events) == ["Answered", "Ended", "Failed", "Opening"]
    assert (events[0].type, events[-1].type) == ("Opening", "Ended")
    first = service._kept[1]
    do(service, work)
    assert service._kept[1] is first
    monkeypatch.setattr(tasks, "IDLE_SECONDS", 0.0)
    do(service, work)
    service._idle.join(20)
    assert service._kept is None
    text = service.table(run, "jsonl")[1]
    assert [sorted({"output", "error"} & set(json.loads(line))) for line in text.splitlines()] == [
        ["output"],
        ["error"],
    ]
    with pytest.raises(UnknownName):
        service.check_new(run)  # its events are read once
    with pytest.raises(UnknownName):
        service.media(run, 0)


def test_work_that_nobody_reads_ends_and_the_next_can_begin(service, classifier):
    work = TaskWork(SENTIMENT, classifier, None, TaskOptions(), tuple(f"text {n}" for n in range(2000)))

    async def left():
        run = await service.begin(work)
        events = service.events(run)
        async for event in events:
            if event.type == "Answered":
                break
        await events.aclose()
        return run

    run = asyncio.run(left())
    do(service, TaskWork(SENTIMENT, classifier, None, TaskOptions(), ("one",)))
    assert 0 < len(service._runs[run].lines) < 2000


@pytest.mark.parametrize(
    "model", ["hf:x/y?allow=pickle", "smollm2?approve=all&tools=shell", "smollm2?system=/etc/passwd"]
)
def test_a_model_that_may_not_be_named_over_http_is_refused(service, model):
    with pytest.raises(UsageError):
        asyncio.run(service.about(SENTIMENT, model))


def test_a_voice_is_no_way_to_files_of_this_machine(service, classifier):
    for voice in ("/etc/passwd", "../x", "a\\b"):
        work = TaskWork(find_task("text-to-speech"), classifier, None, TaskOptions(voice=voice), ("words",))
        with pytest.raises(UsageError, match="out of reach"):
            asyncio.run(service.begin(work))


def test_a_table_is_no_way_to_files_of_this_machine():
    files = TaskFiles()
    sent = files.add("x.csv", b"audio\n/etc/passwd\n")
    assert (sent.kind, sent.columns, sent.rows, sent.first) == ("table", ["audio"], 1, [["/etc/passwd"]])
    for task in ("speech-to-text", "image-classification"):
        with pytest.raises(UsageError, match="send the files themselves"):
            list(files.rows(find_task(task), [sent.id], ["audio"], ""))
    (row,) = files.rows(SENTIMENT, [sent.id], ["audio"], "")
    assert row.input.text == "/etc/passwd"  # as words


def test_what_cannot_be_read_is_refused_in_words():
    from office import png

    files = TaskFiles()
    with pytest.raises(UsageError, match="more than 25 MB"):
        files.add("x.csv", b"a" * (LARGEST + 1))
    with pytest.raises(DataError, match="has no rows"):
        files.add("x.csv", b"text\n")
    with pytest.raises(UsageError, match="x.exe"):
        files.add("../../x.exe", b"MZ\0\0")
    picture = files.add("a.png", png(3, 2))
    (row,) = files.rows(SENTIMENT, [picture.id], [], "")
    assert "a.png is no text but image" in row.input.reason
    rows = io.StringIO()
    rows.write("text\n" + "a\n" * (MOST_ROWS + 1))
    long = files.add("long.csv", rows.getvalue().encode())
    with pytest.raises(UsageError, match="10,001 rows"):
        list(files.rows(SENTIMENT, [long.id], ["text"], ""))
    with pytest.raises(UnknownName):
        list(files.rows(SENTIMENT, ["gone"], [], ""))
