"""Special models that read texts: exact to transformers' pipelines, whatever the batch; nothing of a long text is cut unseen."""

import random
from itertools import pairwise

import pytest
import torch

import encoders
from llms.errors import ModelError, UsageError
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput, as_inputs
from llms.tasks.catalogue import find_task
from llms.tasks.special import open_special
from llms.values import Failure

TEXTS = encoders.texts(40, 18)
NER = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
NLI = ("contradiction", "neutral", "entailment")


def opened(task, folder, **options):
    return open_special(find_task(task), parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))


def answers(model, inputs):
    """Results by number; all are there, once."""
    results = list(model.answer(inputs))
    assert sorted(index for index, _ in results) == list(range(len(inputs)))
    return [result for _, result in sorted(results, key=lambda pair: pair[0])]


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A folder for each kind of checkpoint, made when first asked for."""
    folders = {}

    def make(head, labels=(), **settings):
        key = (head, labels, *settings.items())
        if key not in folders:
            folders[key] = encoders.save_encoder(tmp_path_factory.mktemp("encoder"), head, labels, **settings)
        return folders[key]

    return make


@pytest.mark.parametrize("family", ["Bert", "DistilBert"])
def test_classification_is_that_of_the_pipeline(saved, family):
    folder = saved("ForSequenceClassification", ("bad", "so-so", "good"), family=family)
    expected = encoders.pipeline("text-classification", folder, top_k=None)(TEXTS)
    for result, labels in zip(answers(opened("classification", folder), as_inputs(TEXTS)), expected, strict=True):
        assert [one.label for one in result.scores] == [one["label"] for one in labels]
        assert [one.score for one in result.scores] == pytest.approx([one["score"] for one in labels], abs=1e-5)
        assert result.text == labels[0]["label"]
        assert not result.truncated


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("labels", [("sports",), ("sports", "politics", "science and music")])
def test_zero_shot_is_that_of_the_pipeline(saved, several, labels):
    folder = saved("ForSequenceClassification", NLI)
    pipeline = encoders.pipeline("zero-shot-classification", folder)
    expected = pipeline(
        TEXTS, candidate_labels=list(labels), multi_label=several, hypothesis_template="It is about {}."
    )
    model = opened("zero-shot", folder, labels=labels, several=several, hypothesis="It is about {}.")
    for result, wanted in zip(answers(model, as_inputs(TEXTS)), expected, strict=True):
        assert [one.label for one in result.scores] == wanted["labels"]
        assert [one.score for one in result.scores] == pytest.approx(wanted["scores"], abs=1e-5)


@pytest.mark.parametrize("labels", [NER, ("PER", "LOC", "O")])
def test_entities_are_those_of_the_pipeline(saved, labels):
    folder = saved("ForTokenClassification", labels)
    expected = encoders.pipeline("ner", folder, aggregation_strategy="simple")(TEXTS)
    assert sum(map(len, expected)) > 40
    for text, result, spans in zip(TEXTS, answers(opened("entities", folder), as_inputs(TEXTS)), expected, strict=True):
        assert [(one.start, one.end, one.label) for one in result.spans] == [
            (one["start"], one["end"], one["entity_group"]) for one in spans
        ]
        assert [one.score for one in result.spans] == pytest.approx([float(one["score"]) for one in spans], abs=1e-5)
        assert all(type(one.score) is float and text[one.start : one.end] == one.text for one in result.spans)


@pytest.mark.parametrize("targets", [(), ("paris", "london", "berlin", "reads")])
def test_masks_are_filled_as_by_the_pipeline(saved, targets):
    folder = saved("ForMaskedLM")
    draw = random.Random(1)
    masked = [" ".join([*text.split()[:8], "[MASK]", *text.split()[8 : draw.randint(8, 18)]]) for text in TEXTS]
    options = {"targets": list(targets)} if targets else {"top_k": 7}
    expected = encoders.pipeline("fill-mask", folder)(masked, **options)
    model = opened("fill-mask", folder, labels=targets, top=7)
    forms = [text.replace("[MASK]", draw.choice(["{mask}", "<mask>", "[MASK]"])) for text in masked]
    for result, words in zip(answers(model, as_inputs(forms)), expected, strict=True):
        assert [one.label for one in result.scores] == [one["token_str"] for one in words]
        assert [one.score for one in result.scores] == pytest.approx([one["score"] for one in words], abs=1e-5)


def test_embeddings_are_the_means_of_the_pipelines_features(saved):
    folder = saved("Model")
    expected = encoders.pipeline("feature-extraction", folder, return_tensors=True)(TEXTS)
    for result, states in zip(answers(opened("embeddings", folder), as_inputs(TEXTS)), expected, strict=True):
        assert result.vector == pytest.approx(states[0].mean(0).tolist(), abs=1e-5)


def test_similarity_is_the_cosine_of_the_two_vectors(saved):
    folder = saved("Model")
    vectors = [torch.tensor(one.vector) for one in answers(opened("embeddings", folder), as_inputs(TEXTS))]
    pairs = [TaskInput(first, other=second) for first, second in pairwise(TEXTS)]
    for result, a, b in zip(answers(opened("similarity", folder), pairs), vectors, vectors[1:], strict=False):
        assert float(result.text) == pytest.approx(float(a @ b / a.norm() / b.norm()), abs=2e-6)


BROKEN = {"": "empty", " \n\t": "empty", "a\0b": "NUL at character 1", "a\ud800": r"surrogate U\+D800"}


@pytest.mark.parametrize(
    ("task", "head", "labels", "options"),
    [
        ("sentiment", "ForSequenceClassification", ("bad", "so-so", "good"), {}),
        ("zero-shot", "ForSequenceClassification", NLI, {"labels": ("sports", "music")}),
        ("entities", "ForTokenClassification", NER, {}),
        ("question-answering", "ForQuestionAnswering", (), {"question": "is it good"}),
        ("fill-mask", "ForMaskedLM", (), {}),
        ("embeddings", "Model", (), {}),
        ("similarity", "Model", (), {}),
    ],
)
def test_what_cannot_be_read_is_a_failure_that_names_it_and_the_rest_goes_on(saved, task, head, labels, options):
    good = "it is [MASK] good" if task == "fill-mask" else "it is very good"
    inputs = [TaskInput(text, other="the book") for text in [good, *BROKEN, good]]
    first, *failures, last = answers(opened(task, saved(head, labels), **options), inputs)
    assert isinstance(first, TaskOutput)
    assert isinstance(last, TaskOutput)
    assert first.scores == last.scores
    for number, (failure, reason) in enumerate(zip(failures, BROKEN.values(), strict=True), 1):
        assert isinstance(failure, Failure)
        with pytest.raises(AssertionError, match=rf"^input {number}: the .*{reason}"):
            raise AssertionError(failure.reason)


def test_a_failure_names_its_input_also_behind_the_first_block(saved):
    model = opened("classification", saved("ForSequenceClassification", ("bad", "so-so", "good")))
    results = dict(model.answer(as_inputs(["good"] * 600 + [""])))
    assert results[600].reason.startswith("input 600: ")
    assert len(results) == 601


def test_a_checkpoint_made_for_other_tasks_is_refused_before_it_is_loaded(saved, tiny):
    with pytest.raises(
        ModelError, match=r"LlamaForCausalLM.*entities.*BertForTokenClassification.*text-generation.*prompt"
    ):
        opened("entities", tiny)
    with pytest.raises(ModelError, match="is a BertForMaskedLM.*does fill-mask, embeddings, similarity"):
        opened("question-answering", saved("ForMaskedLM"))
    with pytest.raises(ModelError, match="labels bad, so-so, good and none for entailment"):
        opened("zero-shot", saved("ForSequenceClassification", ("bad", "so-so", "good")), labels=("a",))


def test_options_that_mean_nothing_are_refused(saved):
    with pytest.raises(UsageError, match="labels bad, so-so, good; not great"):
        opened("sentiment", saved("ForSequenceClassification", ("bad", "so-so", "good")), labels=("Good", "great"))
    with pytest.raises(UsageError, match="entities loc, per; not DATE"):
        opened("entities", saved("ForTokenClassification", NER), labels=("per", "DATE"))
    nli = saved("ForSequenceClassification", NLI)
    with pytest.raises(UsageError, match="needs labels"):
        opened("zero-shot", nli)
    for template in ("no place", "{} and {other}", "{"):
        with pytest.raises(UsageError, match="must hold {}"):
            opened("zero-shot", nli, labels=("a",), hypothesis=template)


def test_labels_restrict_a_classifier(saved):
    folder = saved("ForSequenceClassification", ("bad", "so-so", "good"))
    every = answers(opened("classification", folder), as_inputs(TEXTS))
    some = answers(opened("classification", folder, labels=("GOOD", "bad")), as_inputs(TEXTS))
    for whole, part in zip(every, some, strict=True):
        chances = {one.label: one.score for one in whole.scores if one.label != "so-so"}
        total = sum(chances.values())
        assert {one.label.lower(): one.score for one in part.scores} == pytest.approx(
            {label: chance / total for label, chance in chances.items()}
        )
        assert {one.label for one in part.scores} == {"GOOD", "bad"}
