"""A language model does a task: what it is asked, what is read of its answers, and what it never does to an input."""

import json
import re
from itertools import count, islice

import pytest

from llms.errors import UnknownName, UsageError
from llms.models.load import load
from llms.models.system import Capabilities
from llms.models.task_model import LabelScore, TaskInput, TaskOptions, TaskOutput
from llms.tasks.asked import open_choice, open_prompted
from llms.tasks.catalogue import TASKS, find_task
from llms.testing import ScriptedModel
from llms.values import Failure, Media

LONG = "".join(f"Sentence number {number} says nothing new. " for number in range(400))


def prompted(task, reply, window=4096, **options):
    model = ScriptedModel(reply if callable(reply) else lambda text: reply, context_window=window)
    return open_prompted(find_task(task), model, TaskOptions(**options))


def answers(model, *rows):
    inputs = [row if isinstance(row, TaskInput) else TaskInput(row) for row in rows]
    results = dict(model.answer(inputs))
    assert sorted(results) == list(range(len(inputs)))
    return [results[index] for index in range(len(inputs))]


def one(task, reply, row, **options):
    (result,) = answers(prompted(task, reply, **options), row)
    return result


def test_a_label_is_one_of_those_that_were_named():
    model = prompted("sentiment", '{"label": "Positive"}')
    (result,) = answers(model, "What a day")
    assert result.text == "positive"
    (request,) = model.model.requests
    assert request.schema["properties"]["label"]["enum"] == ["positive", "negative"]
    assert "What a day" in request.prompt[0].content


@pytest.mark.parametrize(
    "reply", ['Sure! {"label": "b"} is my answer.', '```json\n{"label": "b"}\n```', '<think>{"label": "a"}</think>{"label": "b"}']
)  # fmt: skip
def test_a_json_object_is_read_wherever_it_stands(reply):
    assert one("zero-shot", reply, "x", labels=("a", "b")).text == "b"


@pytest.mark.parametrize("reply", ["b", '{"label": "c"}', '{"label": ', "", "[1]"])
def test_another_answer_is_a_failure_and_ends_no_other(reply):
    replies = {"x": reply, "y": '{"label": "b"}'}
    model = prompted("zero-shot", lambda text: replies[re.search(r"<text>\n(.)", text)[1]], labels=("a", "b"))
    first, second = answers(model, "x", "y")
    assert first.kind == "infra"
    assert first.reason.startswith("unreadable answer of scripted: ")
    assert second.text == "b"


def test_several_labels_are_judged_each():
    result = one("zero-shot", '{"a": true, "b": false, "c": true}', "x", labels=("a", "b", "c"), several=True)
    assert set(result.scores) == {LabelScore("a", 1.0), LabelScore("c", 1.0), LabelScore("b", 0.0)}
    assert result.text == "a, c"


@pytest.mark.parametrize(
    ("task", "labels", "words"),
    [
        ("classification", (), "needs the labels of classification"),
        ("zero-shot", ("one",), "'one' is the only label"),
        ("zero-shot", ("one", "two", "One"), "the label 'One' is named twice"),
        ("zero-shot", ("one", " "), "a label is empty"),
    ],
)
@pytest.mark.parametrize("opened", [open_prompted, open_choice])
def test_labels_that_are_no_choice_are_refused(task, labels, words, opened):
    model = ScriptedModel(likelihood=lambda context, continuation: -1.0)
    with pytest.raises(UsageError, match=words):
        opened(find_task(task), model, TaskOptions(labels=labels))


def test_names_stand_where_the_text_has_them():
    text = "Annual report by Ann of Annex, then Ann again."
    entities = [{"text": "Ann", "label": "PER"}, {"text": "Annex", "label": "ORG"}, {"text": "Ann", "label": "PER"}]
    result = one("entities", json.dumps({"entities": entities}), text)
    assert [(span.start, span.end, span.label) for span in result.spans] == [(17, 20, "PER"), (24, 29, "ORG"), (36, 39, "PER")]  # fmt: skip
    assert all(text[span.start : span.end] == span.text for span in result.spans)
    assert result.flags == ()


def test_a_name_that_the_text_does_not_have_is_dropped_and_said():
    reply = '{"entities": [{"text": "Bob", "label": "PER"}, {"text": "Oslo", "label": "LOC"}]}'
    result = one("entities", reply, "She is in Oslo.")
    assert [span.text for span in result.spans] == ["Oslo"]
    assert result.flags == ("not in the text",)


def test_a_name_is_found_in_a_later_passage_of_a_long_text_at_its_place():
    text = f"{LONG}Then Marie Curie came to Paris. {LONG}"

    def reply(prompt):
        names = [("Marie Curie", "PER")] if "Marie Curie" in prompt else []
        return json.dumps({"entities": [{"text": name, "label": label} for name, label in names]})

    model = prompted("entities", reply, window=1000)
    (result,) = answers(model, text)
    assert len(model.model.requests) > 5
    (span,) = result.spans
    assert text[span.start : span.end] == "Marie Curie"
    assert not result.truncated


def test_an_answer_is_a_place_in_the_text():
    text = "The tower is 330 metres tall, and 330 metres is a lot."
    row = TaskInput(text, question="How tall?")
    result = one("question-answering", '{"answer": "330  Metres"}', row)
    assert (result.text, result.spans[0].start, result.spans[0].end) == ("330 metres", 13, 23)
    assert one("question-answering", '{"answer": ""}', row) == TaskOutput("", tokens=10, generated=2)
    result = one("question-answering", '{"answer": "400 feet"}', row)
    assert (result.text, result.spans, result.flags) == ("400 feet", (), ("not in the text",))
    assert "has no question" in one("question-answering", "", "text").reason


def test_a_long_text_is_summarized_in_parts_and_its_summaries_once_more():
    def reply(prompt):
        text = re.search(r"<text>\n(.*)\n</text>", prompt, re.DOTALL)[1]
        return f"about {len(text.split())} words"

    model = prompted("summarization", reply, window=1000, max_tokens=100)
    long, short = answers(model, LONG, "Few words.")
    assert long.flags == ("in parts",)
    assert short == TaskOutput("about 2 words", tokens=10, generated=3)
    texts = [request.prompt[0].content for request in model.model.requests]
    assert "about 2 words" not in texts[-1]
    assert sum(text.count("number 17 says") for text in texts) == 1
    assert long.tokens == 10 * (len(texts) - 1)
    assert any("about" in text and "Sentence number" not in text for text in texts)


def test_a_summary_of_one_thing_over_and_over_ends():
    (result,) = answers(prompted("summarization", lambda prompt: "word " * 900, window=1000), LONG)
    assert isinstance(result, TaskOutput)
    assert "in parts" in result.flags


def test_a_translation_in_parts_keeps_what_stood_between_them():
    def reply(prompt):
        return re.search(r"<text>\n(.*)\n</text>", prompt, re.DOTALL)[1].strip().upper()

    text = "One sentence is here.\n\nAnother follows.  " * 60
    model = prompted("translation", reply, window=300, target="de")
    (result,) = answers(model, text)
    assert len(model.model.requests) > 1
    assert result.text == text.strip().upper()
    assert "to German" in model.model.requests[0].prompt[0].content


def test_a_language_is_a_code_or_a_name():
    assert "Portuguese (pt-BR)" in prompted("translation", "x", target="pt-BR").form.target
    assert prompted("translation", "x", target="german").form.target == "German"
    with pytest.raises(UnknownName, match="unknown language 'germn'; did you mean German"):
        prompted("translation", "x", target="germn")
    with pytest.raises(UsageError, match="needs a language to translate to"):
        prompted("translation", "x")


def test_a_text_in_another_language_than_was_said_is_marked():
    text = "Das ist ein ganz gewöhnlicher Satz, den jeder Mensch in Deutschland versteht."
    assert one("translation", "x", text, source="fr", target="en").flags == ("language?",)
    assert one("translation", "x", text, source="de", target="en").flags == ()


def test_several_continuations_are_drawn_with_seeds_of_their_own():
    replies = count()
    model = prompted("text-generation", lambda text: f" {next(replies)}", top=3, temperature=1.0, seed=7)
    (result,) = answers(model, "Once")
    assert result.text == " 0"
    assert result.texts == (" 0", " 1", " 2")
    assert [request.seed for request in model.model.requests] == [7, 8, 9]
    assert model.model.requests[0].prompt[0].content == "Once"


def test_likeness_is_a_number():
    row = TaskInput("a cat", other="a dog")
    assert float(one("similarity", '{"percent": 45}', row).text) == 0.45
    assert "holds no number from 0 to 100" in one("similarity", '{"percent": 450}', row).reason
    assert "lacks one of its two texts" in one("similarity", "", "alone").reason
    (result,) = answers(prompted("similarity", '{"percent": 1}', window=400), TaskInput(LONG, other="x"))
    assert result.truncated


@pytest.mark.parametrize(
    "task", [name for name, task in TASKS.items() if task.takes == "text" and "prompt" in task.ways]
)
def test_an_empty_text_is_a_failure_of_its_own(task):
    options = {"labels": ("a", "b"), "target": "de", "question": "Who?"}
    replies = '{"label": "a", "entities": [], "answer": ""}'
    results = answers(prompted(task, replies, **options), "", "  \n", "text")
    assert results[0] == Failure("infra", "input 0 is empty; expected a text")
    assert isinstance(results[1], Failure)
    assert isinstance(results[2], TaskOutput)


def test_a_picture_is_asked_about_where_the_model_sees():
    task, picture = find_task("image-captioning"), Media("image/png", b"png")
    with pytest.raises(UsageError, match="scripted takes no pictures"):
        open_prompted(task, ScriptedModel(), TaskOptions())
    model = load("http://127.0.0.1:9/v1#m")
    model.__dict__["capabilities"] = Capabilities(False, True, True, 4096, vision=True)  # no connection
    captioning = open_prompted(task, model, TaskOptions())
    pending = captioning.planned(0, TaskInput(media=picture))
    (message,) = captioning.request(pending, 0).prompt
    assert message.parts[0] is picture
    assert captioning.planned(1, TaskInput("no picture")).reason.startswith("input 1 holds no picture")


def test_inputs_are_read_as_they_are_needed():
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield TaskInput("" if number % 2 else f"text {number}")

    model = prompted("sentiment", '{"label": "positive"}')
    results = list(islice(model.answer(endless()), 50))
    assert len(taken) <= 60
    assert sorted(index for index, _ in results) == list(range(50))
    assert len(list(islice(prompted("sentiment", "").answer(TaskInput() for _ in count()), 600))) == 600


def test_a_window_without_room_says_so():
    assert "the context window of scripted is 40 tokens" in one("sentiment", "", "words " * 50, window=40).reason


def test_what_decides_the_answers_is_in_the_identity():
    model = prompted("zero-shot", "", labels=("a", "b"))
    extra = model.identity.extra
    assert {name: extra[name] for name in ("task", "way", "prompt", "labels")} == {
        "task": "zero-shot", "way": "prompt", "prompt": "1", "labels": "('a', 'b')",
    }  # fmt: skip
    assert model.identity != prompted("zero-shot", "", labels=("a", "c")).identity
    assert model.identity.weights == model.model.identity.weights


def test_a_local_answer_obeys_its_schema(tiny):
    model = open_prompted(find_task("zero-shot"), load(f"hf:{tiny}?device=cpu"), TaskOptions(labels=("left", "right")))
    for result in answers(model, "one", "two"):
        assert result.text in ("left", "right")
        assert result.tokens > 100
        assert result.generated > 5
        assert result.seconds > 0


def test_a_label_is_chosen_by_its_log_probability(tiny):
    from math import exp

    model = load(f"hf:{tiny}?device=cpu")
    choosing = open_choice(find_task("zero-shot"), model, TaskOptions(labels=("left", "right", "up")))
    texts = ["one text", "another"]
    for text, result in zip(texts, answers(choosing, *texts), strict=True):
        (question,) = choosing._questions(0, TaskInput(text))
        scores = model.loglikelihood([(question.context, label) for label in ("left", "right", "up")])
        weights = [exp(score.logprob) for score in scores]
        expected = {
            label: weight / sum(weights) for label, weight in zip(("left", "right", "up"), weights, strict=True)
        }
        assert {each.label: each.score for each in result.scores} == pytest.approx(expected, abs=1e-5)
        assert result.text == max(expected, key=expected.get)
        assert result.tokens > 0


def test_each_label_is_a_question_where_several_may_hold():
    def likelihood(context, continuation):
        return -1.0 if ("sport" in context) == (continuation.strip() == "yes") else -3.0

    model = ScriptedModel(likelihood=likelihood)
    choosing = open_choice(find_task("zero-shot"), model, TaskOptions(labels=("sport", "art"), several=True))
    (result,) = answers(choosing, "They ran.")
    assert [(each.label, round(each.score, 3)) for each in result.scores] == [("sport", 0.881), ("art", 0.119)]
    assert "This example is sport." in model.requests[0][0]


def test_a_long_text_is_labelled_by_all_its_passages():
    def likelihood(context, continuation):
        return -1.0 if ("number 399" in context) == (continuation == "late") else -2.0

    model = ScriptedModel(likelihood=likelihood, context_window=600)
    choosing = open_choice(find_task("zero-shot"), model, TaskOptions(labels=("early", "late")))
    long, empty, short = answers(choosing, LONG, " ", "number 399")
    assert (long.text, long.flags) == ("early", ("in parts",))
    assert empty == Failure("infra", "input 1 is empty; expected a text")
    assert (short.text, short.flags) == ("late", ())


def test_choices_are_read_in_blocks():
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield TaskInput(f"text {number}")

    model = ScriptedModel(likelihood=lambda context, continuation: -1.0)
    choosing = open_choice(find_task("sentiment"), model, TaskOptions())
    assert len(list(islice(choosing.answer(endless()), 300))) == 300
    assert len(taken) == 512


@pytest.mark.parametrize("task", ["entities", "image-classification"])
def test_only_labels_of_texts_are_chosen(task):
    with pytest.raises(UsageError, match="cannot be done by choosing among labels"):
        open_choice(find_task(task), ScriptedModel(likelihood=lambda *pair: 0.0), TaskOptions(labels=("a", "b")))


def test_a_model_without_log_probabilities_is_asked_in_words():
    with pytest.raises(UsageError, match="gives no log-probabilities of labels"):
        open_choice(find_task("sentiment"), ScriptedModel(), TaskOptions())
