"""`llms.task`, and the models that it takes where none is named."""

import dataclasses
import json
import re

import pytest

import llms
import tiny
from fake_hub import Hub
from llms.errors import HubUnreachable, ModelError, UsageError
from llms.models.hub import hub
from llms.models.task_model import TaskOptions, TaskOutput
from llms.tasks.catalogue import TASKS, DefaultModel, find_task
from llms.tasks.options import TAKEN_BY, check_options
from llms.values import Failure
from llms.web.tasks import FIELDS
from llms.workbench import task as door
from llms.workbench.task_default import default_model, suitable
from llms.workbench.task_examples import EXAMPLES
from llms.workbench.task_python import OptionSettings
from test_task_model import save_classifier

COMMERCIAL = {"Apache-2.0", "MIT", "CC-BY-4.0", "BSD-3-Clause"}


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory):
    with llms.task("sentiment", f"hf:{save_classifier(tmp_path_factory.mktemp('model'))}?device=cpu") as opened:
        yield opened


def test_one_input_gives_one_answer_and_a_list_a_list(sentiment, tmp_path):
    file = tmp_path / "note.txt"
    file.write_text("good")
    one = sentiment("good")
    assert isinstance(one, TaskOutput)
    same, failed, read = sentiment(["good", "", file])
    assert (same.text, read.text) == (one.text, one.text)
    assert isinstance(failed, Failure)
    with pytest.raises(ModelError, match="the text is empty"):
        sentiment("")


def test_a_stream_is_read_as_it_is_answered(sentiment):
    read = []

    def endless():
        for number in iter(int, 1):
            read.append(number)
            yield "text"

    answers = sentiment.stream(endless())
    assert [next(answers).text for _ in range(3)]
    assert len(read) < 3000
    answers.close()


def test_the_name_stays_a_function_whatever_is_imported():
    assert callable(llms.task)
    assert "task" in llms.__all__
    assert door.__name__ == "llms.workbench.task"


def test_keywords_are_the_fields_of_the_options():
    fields = {field.name for field in dataclasses.fields(TaskOptions)}
    assert set(OptionSettings.__annotations__) | {"labels"} == fields


def test_of_every_option_it_is_known_which_tasks_take_it():
    assert list(TAKEN_BY) == [field.name for field in dataclasses.fields(TaskOptions)]
    for takers in TAKEN_BY.values():
        assert {find_task(name).name for name in takers} == set(takers)
    for name, example in EXAMPLES.items():
        check_options(find_task(name), example.options)
    for name, shown in FIELDS.items():
        assert [field for field in shown if field != "other" and name not in TAKEN_BY[field]] == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: llms.task("zero-shot", "hf:."), "needs its labels"),
        (lambda: llms.task("zero-shot", "hf:.", labels="praise"), "labels is a list"),
        (lambda: llms.task("zero-shot", "hf:.", labels=["up", "UP"]), "'UP' is named twice"),
        (lambda: llms.task("zero-shot", "smollm2", labels=["up", " "]), "a label is empty"),
        (lambda: llms.task("entities", "hf:.", max_tokens=9, steps=3), "entities takes no steps"),
        (lambda: llms.task("sentiment"), "would fetch distilbert"),
        (lambda: llms.task("translation", target="de"), "needs the language of the texts"),
    ],
)
def test_a_wrong_request_says_so(call, message, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.default], ids=lambda task: task.name)
def test_a_default_is_pinned_and_may_be_used(task):
    assert re.fullmatch("[0-9a-f]{40}", task.default.revision)
    assert task.default.licence in COMMERCIAL
    assert task.default.megabytes > 0
    assert task.default.languages
    assert "special" in task.ways


def test_what_is_not_cached_is_fetched_once_it_is_agreed_to(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    folder, commit = save_classifier(tmp_path / "model"), "3" * 40
    task = dataclasses.replace(find_task("sentiment"), default=DefaultModel("a/small", commit, 1, "MIT", "English"))
    names = [path.name for path in folder.iterdir()]
    files = {f"/a/small/resolve/{commit}/{name}": (folder / name).read_bytes() for name in names}
    server = Hub(files, {"sha": commit, "siblings": [{"rfilename": n} for n in names]})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    heard = []

    def agree(described):
        heard.append(described)
        return len(heard) > 1

    try:
        with pytest.raises(UsageError, match="would fetch a/small at 3333333"):
            default_model(task, agree)
        assert not server.asked
        assert heard == ["a/small at 3333333 (1 MB, licence MIT, English)"]
    finally:
        server.close()
    with pytest.raises(HubUnreachable, match="does not answer"):
        default_model(task, agree)


def test_without_the_hub_what_is_cached_is_named(tmp_path, monkeypatch):
    from huggingface_hub import scan_cache_dir

    monkeypatch.setattr(hub, "_cache", lambda: scan_cache_dir(tmp_path))
    for repo, kind in (("a/feels", "BertForSequenceClassification"), ("b/hears", "Wav2Vec2ForSequenceClassification")):
        snapshot = tmp_path / f"models--{repo.replace('/', '--')}" / "snapshots" / ("4" * 40)
        snapshot.mkdir(parents=True)
        model_type = "wav2vec2" if repo == "b/hears" else "bert"
        (snapshot / "config.json").write_text(json.dumps({"architectures": [kind], "model_type": model_type}))
        (snapshot / "model.safetensors").write_bytes(b"")
    assert suitable(find_task("sentiment")) == ["hf:a/feels"]
    assert suitable(find_task("audio-classification")) == ["hf:b/hears"]
    with pytest.raises(HubUnreachable, match=r"in the cache and made for it: hf:a/feels; -m smollm2"):
        default_model(find_task("sentiment"))


def test_a_checkpoint_that_speaks_is_asked_in_words(tmp_path):
    speaking = tiny.save_checkpoint(tmp_path / "llama")
    assert door.way_of(find_task("sentiment"), f"hf:{speaking}") == "prompt"
    assert door.way_of(find_task("sentiment"), f"hf:{save_classifier(tmp_path / 'bert')}") == "special"
    assert door.way_of(find_task("sentiment"), "smollm2") == "prompt"
