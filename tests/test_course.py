"""Chapter 1, section 3 of the Hugging Face course, "Transformers, what can they do?": each of its calls has one of ours.

The texts are our own; models are tiny ones of the right kind, or answer by a script.
"""

import json
from dataclasses import dataclass, field

import pytest

import sighted
import tiny_sound
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput
from llms.tasks.catalogue import find_task
from llms.testing import ScriptedModel
from llms.values import Media
from llms.workbench.task import open_task
from test_task_model import save_classifier

FEELINGS = ("I have waited all week for this concert.", "I would rather stay at home than hear it again.")
REPORT = "The mill stands by the river. Its wheel has not turned for thirty years, and the roof leaks."


@dataclass(frozen=True)
class CourseCall:
    """A call of the course, by the name that the pipeline has there, and what it is given. `checkpoint` saves a tiny
    special model; without one a model answers `reply`."""

    hub: str
    inputs: tuple
    options: TaskOptions = field(default_factory=TaskOptions)
    checkpoint: object = None
    reply: str = ""
    way: str | None = None


def picture() -> TaskInput:
    return TaskInput(media=Media("image/png", sighted.picture("red", (40, 30))))


def recording() -> TaskInput:
    return TaskInput(media=Media("audio/wav", tiny_sound.file_of(tiny_sound.tone(1.0))))


CALLS = {
    "sentiment of one text": CourseCall("sentiment-analysis", FEELINGS[:1], checkpoint=save_classifier),
    "sentiment of a list": CourseCall("sentiment-analysis", FEELINGS, checkpoint=save_classifier),
    "labels that are named now": CourseCall(
        "zero-shot-classification",
        ("The orchestra begins its season with a new conductor.",),
        TaskOptions(labels=("music", "sport", "weather")),
        way="choice",
    ),
    "a text goes on": CourseCall("text-generation", ("On the way to the harbour we",), reply=" met a cat."),
    "a text goes on, twice, not for long": CourseCall(
        "text-generation",
        ("On the way to the harbour we",),
        TaskOptions(max_tokens=8, temperature=0.8, top=2),
        reply=" met",
    ),
    "names in a text": CourseCall(
        "ner",
        ("Maria works at Lumen in Bergen.",),
        TaskOptions(labels=("person", "location")),
        reply=json.dumps({"entities": [{"text": "Maria", "label": "person"}, {"text": "Bergen", "label": "location"}]}),
    ),
    "an answer out of a text": CourseCall(
        "question-answering",
        (REPORT,),
        TaskOptions(question="How long has the wheel stood still?"),
        reply=json.dumps({"answer": "thirty years"}),
    ),
    "a summary": CourseCall("summarization", (REPORT,), reply=json.dumps({"summary": "The old mill decays."})),
    "a translation": CourseCall(
        "translation", ("Le moulin est vieux.",), TaskOptions(source="fr", target="en"), reply="The mill is old."
    ),
    "a picture": CourseCall("image-classification", (picture,), checkpoint=sighted.save_vit),
    "a recording": CourseCall("automatic-speech-recognition", (recording,), checkpoint=tiny_sound.save_ctc),
}


def do(call: CourseCall, folder) -> list[TaskOutput]:
    script = ScriptedModel(lambda text: call.reply, likelihood=lambda context, continuation: -float(len(continuation)))
    inputs = [TaskInput(one) if isinstance(one, str) else one() for one in call.inputs]
    if call.checkpoint:
        model = open_task(call.hub, f"hf:{call.checkpoint(folder)}?device=cpu", call.way, call.options)
    else:
        model = open_task(call.hub, "openai:scripted", call.way, call.options, loader=lambda _: script)
    results = dict(model.answer(inputs))
    model.close()
    assert sorted(results) == list(range(len(inputs)))
    return [results[index] for index in range(len(inputs))]


@pytest.mark.parametrize("name", CALLS)
def test_what_the_course_does_can_be_done_here(tmp_path, name):
    call = CALLS[name]
    task = find_task(call.hub)
    for result in do(call, tmp_path):
        assert isinstance(result, TaskOutput), result
        if task.gives == "label":
            assert result.text == result.scores[0].label
            assert 0 < result.scores[0].score <= 1
            if call.options.labels:
                assert {one.label for one in result.scores} == set(call.options.labels)
        elif task.gives in ("spans", "answer"):
            assert result.spans
            for span in result.spans:
                assert call.inputs[0][span.start : span.end] == span.text
        else:
            assert result.text
            assert len(result.texts or (result.text,)) == call.options.top
