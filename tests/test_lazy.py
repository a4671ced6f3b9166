"""An attribute that is computed once holds up nobody but those who read it of the same instance."""

import pickle
import threading

import pytest

from llms.errors import ModelError
from llms.lazy import lazy, load_library
from llms.models.api.model import open_api
from llms.models.name import parse
from llms.testing import ScriptedEndpoint
from llms.web.service import model_pool


class Reader:
    def __init__(self, answers):
        self.answers = answers

    @lazy
    def value(self):
        """What is read."""
        return self.answers()


def within(seconds: float, read):
    """What `read` returns in a thread of its own; fails if that takes longer."""
    found = []
    thread = threading.Thread(target=lambda: found.append(read()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it waited for another"
    return found[0]


def while_one_waits(slow, read):
    """What `read` returns while `slow(release)` is being computed in another thread."""
    entered, release = threading.Event(), threading.Event()

    def wait():
        entered.set()
        assert release.wait(20)

    thread = threading.Thread(target=slow, args=(wait,))
    thread.start()
    try:
        assert entered.wait(10)
        return within(10, read)
    finally:
        release.set()
        thread.join()


def test_an_instance_is_read_while_another_still_computes():
    assert while_one_waits(lambda wait: Reader(wait).value, lambda: Reader(lambda: 2).value) == 2


def test_threads_that_read_at_once_get_one_value_computed_once():
    begin, seen = threading.Barrier(8), []
    reader = Reader(object)

    def read():
        begin.wait(10)
        seen.append(reader.value)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert set(seen) == {reader.value}


def test_a_value_that_could_not_be_computed_is_tried_again_and_one_that_was_forgotten_computed_anew():
    answers = iter([ModelError("not there"), None, 3])

    def answer():
        found = next(answers)
        if isinstance(found, ModelError):
            raise found
        return found

    reader = Reader(answer)
    with pytest.raises(ModelError, match="not there"):
        _ = reader.value
    assert reader.value is None
    assert reader.value is None  # None is a value
    del reader.__dict__["value"]
    assert reader.value == 3


def test_an_instance_with_its_value_can_be_pickled_and_its_class_says_what_the_attribute_is():
    reader = Reader(dict)
    assert reader.value == {}
    assert pickle.loads(pickle.dumps(reader)).value == {}
    assert Reader.value.__doc__ == "What is read."


def test_an_endpoint_that_does_not_answer_holds_up_no_other():
    def contact(server):
        with open_api(parse(f"{server.url}#m")) as model:
            return model.session.handshake.models

    with ScriptedEndpoint() as slow_one, ScriptedEndpoint() as quick_one:

        def slow(wait):
            score = slow_one.score
            slow_one.score = lambda prompt: (wait(), score(prompt))[1]
            return contact(slow_one)

        assert while_one_waits(slow, lambda: contact(quick_one)) == ("m",)


def test_a_model_that_loads_slowly_holds_up_no_other(monkeypatch):
    models, waiting = model_pool.Models(), []
    monkeypatch.setattr(model_pool, "load", lambda name: waiting[0]() if name == "slow" else name)

    def slow(wait):
        waiting.append(wait)
        return models.get("slow")

    assert while_one_waits(slow, lambda: models.get("quick")) == "quick"


def test_a_library_that_takes_another_place_while_it_loads_is_whole_for_every_thread(tmp_path, monkeypatch):
    (tmp_path / "of_two_forms.py").write_text(
        "import sys, time, types\ntime.sleep(0.3)\nwhole = types.ModuleType(__name__)\nwhole.name = 'there'\n"
        "whole.__spec__ = __spec__\nsys.modules[__name__] = whole\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = []

    def use():
        load_library("of_two_forms")
        import of_two_forms

        found.append(of_two_forms.name)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["there"] * 4
