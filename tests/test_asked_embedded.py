"""The embedded model does the text tasks on real sentences: by prompt and by choice its answers have the form they must."""

import pytest

from llms.models.load import load
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput
from llms.tasks.asked import open_choice, open_prompted
from llms.tasks.catalogue import find_task

pytestmark = pytest.mark.slow
REVIEWS = ["The food was wonderful and the staff were kind.", "Two hours late, cold, and nobody said sorry."]
NEWS = "Marie Curie was born in Warsaw in 1867. She moved to Paris and won two Nobel Prizes."


@pytest.fixture(scope="module")
def embedded(embedded_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", embedded_home)
        with load("smollm2") as model:
            model.prepare()
            yield model


def answers(opened, task, model, *texts, **options):
    results = dict(opened(find_task(task), model, TaskOptions(**options)).answer(map(TaskInput, texts)))
    assert sorted(results) == list(range(len(texts)))
    for result in results.values():
        assert isinstance(result, TaskOutput), result
        assert result.tokens > 0
        assert result.seconds > 0
        assert not result.truncated
    return [results[index] for index in range(len(texts))]


def test_labels_by_prompt(embedded):
    for result in answers(open_prompted, "sentiment", embedded, *REVIEWS):
        assert result.text in ("positive", "negative")
    labels = ("science", "cooking")
    (result,) = answers(open_prompted, "zero-shot", embedded, NEWS, labels=labels)
    assert result.text in labels
    (result,) = answers(open_prompted, "zero-shot", embedded, NEWS, labels=labels, several=True)
    assert {each.label for each in result.scores} == set(labels)


def test_labels_by_choice(embedded):
    praise, complaint = answers(open_choice, "sentiment", embedded, *REVIEWS)
    for result in (praise, complaint):
        assert {each.label for each in result.scores} == {"positive", "negative"}
        assert sum(each.score for each in result.scores) == pytest.approx(1)
    chance = {name: {each.label: each.score for each in result.scores}["positive"] for name, result in (("praise", praise), ("complaint", complaint))}  # fmt: skip
    assert chance["praise"] > chance["complaint"]
    (result,) = answers(open_choice, "zero-shot", embedded, NEWS, labels=("science", "cooking"))
    assert result.text == "science"


def test_places_in_the_text(embedded):
    (result,) = answers(open_prompted, "entities", embedded, NEWS, max_tokens=80)
    for span in result.spans:
        assert NEWS[span.start : span.end] == span.text
        assert span.label in ("PER", "ORG", "LOC", "MISC")
    (result,) = answers(
        open_prompted, "question-answering", embedded, NEWS, question="Where was Marie Curie born?", max_tokens=40
    )
    assert "Warsaw" in result.text
    assert all(NEWS[span.start : span.end] == span.text for span in result.spans)


def test_texts_that_are_written(embedded):
    for task, options in (
        ("summarization", {}),
        ("translation", {"source": "en", "target": "fr"}),
        ("text-generation", {}),
    ):
        (result,) = answers(open_prompted, task, embedded, NEWS, max_tokens=16, **options)
        assert result.text.strip()
        assert 0 < result.generated <= 16
        assert result.flags in ((), ("cut short",))
    one, same, other = (
        answers(
            open_prompted, "text-generation", embedded, "Tell me", max_tokens=12, temperature=1.0, top=2, seed=seed
        )[0]
        for seed in (0, 0, 1)
    )
    assert one.texts == same.texts != other.texts
    assert len({*one.texts}) == 2
    assert one.text == one.texts[0]
