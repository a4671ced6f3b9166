"""A text that is longer than the model reads is read in windows: what stands anywhere in it is found, at its exact place."""

import random
from itertools import product

import pytest
import torch

import encoders
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, as_inputs
from llms.tasks.catalogue import find_task
from llms.tasks.special import open_special
from llms.values import Failure

WINDOW = 64
FILLER = [word for word in encoders.WORDS if word not in ("anna", "smith", "paris")]
TAGS = {"anna": 1, "smith": 2, "paris": 3}


def opened(task, folder, **options):
    return open_special(find_task(task), parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))


def answers(model, inputs):
    return [result for _, result in sorted(model.answer(inputs), key=lambda pair: pair[0])]


def filler(count, seed=0):
    draw = random.Random(seed)
    return [draw.choice(FILLER) for _ in range(count)]


@pytest.fixture(scope="session")
def tagger(tmp_path_factory):
    """A token classifier that has learned which words are names."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    folder = encoders.save_encoder(
        tmp_path_factory.mktemp("tagger"), "ForTokenClassification", ("O", "B-PER", "I-PER", "B-LOC"), WINDOW
    )
    network, tokenizer = AutoModelForTokenClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    names = {tokenizer.convert_tokens_to_ids(word): tag for word, tag in TAGS.items()}
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    draw = torch.Generator().manual_seed(0)
    for _ in range(400):  # fewer do; how many depends on the rounding of the processor
        ids = torch.randint(5, len(tokenizer), (8, WINDOW), generator=draw)
        chosen = torch.rand(ids.shape, generator=draw) < 0.15
        ids[:, 0], ids[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
        ids[chosen] = torch.tensor(list(names))[torch.randint(0, 3, ids.shape, generator=draw)][chosen]
        labels = torch.tensor([[names.get(token, 0) for token in row] for row in ids.tolist()])
        loss = network(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.01
    network.save_pretrained(folder)
    return folder


def test_an_entity_at_word_5000_is_found_at_its_exact_place(tagger):
    words = filler(5300)
    words[5000:5002] = ["Anna", "Smith"]
    words[12] = "Paris"
    text = "  ".join(words)
    (result,) = answers(opened("entities", tagger), [TaskInput(text)])
    assert [(span.text, span.label) for span in result.spans] == [("Paris", "LOC"), ("Anna  Smith", "PER")]
    assert [span.start for span in result.spans] == [text.index("Paris"), text.index("Anna")]
    assert not result.truncated


def test_an_entity_across_the_border_of_windows_is_found_once(tagger):
    texts = []
    for place in range(WINDOW - 20, 2 * WINDOW + 20):  # over every border of the first windows
        words = filler(190, seed=place)
        words[place : place + 2] = ["anna", "smith"]
        texts.append(" ".join(words))
    for text, result in zip(texts, answers(opened("entities", tagger), as_inputs(texts)), strict=True):
        (span,) = result.spans
        start = text.index("anna smith")
        assert (span.start, span.end, span.label) == (start, start + 10, "PER")


def test_labels_and_threshold_choose_among_entities(tagger):
    text = " ".join([*filler(30), "anna", "smith", *filler(20, seed=1), "paris", *filler(6, seed=2)])
    (result,) = answers(opened("entities", tagger, labels=("loc",)), [TaskInput(text)])
    assert [span.text for span in result.spans] == ["paris"]
    (result,) = answers(opened("entities", tagger, threshold=1.01), [TaskInput(text)])
    assert result.spans == ()


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    return encoders.save_encoder(tmp_path_factory.mktemp("reader"), "ForQuestionAnswering", (), WINDOW)


def best_by_enumeration(folder, question, context):
    """{answer: score} of all places in one window, by trying every start and end."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModelForQuestionAnswering.from_pretrained(folder)
    encoded = tokenizer(question, context, return_tensors="pt")
    with torch.inference_mode():
        output = network(**encoded)
    inside = [part == 1 for part in encoded.sequence_ids(0)]
    allowed = torch.tensor([True, *inside[1:]])
    starts, ends = (
        logits[0].masked_fill(~allowed, -10000).softmax(-1).tolist()
        for logits in (output.start_logits, output.end_logits)
    )
    scores = {}
    for first, last in product(range(len(inside)), repeat=2):
        if inside[first] and inside[last] and first <= last < first + 15:
            words = [encoded.word_to_chars(0, encoded.token_to_word(0, token), 1) for token in (first, last)]
            scores[first, last] = context[words[0].start : words[1].end], starts[first] * ends[last]
    ordered = sorted(scores.values(), key=lambda pair: -pair[1])
    return ordered, starts[0] * ends[0]


def test_an_answer_is_the_likeliest_place_of_all(reader):
    contexts = [text for text in encoders.texts(30, 9, seed=4) if len(text.split()) > 2]
    inputs = [TaskInput(text, question="is the film good") for text in contexts]
    counts = {"none": 0, "some": 0}
    for text, result in zip(contexts, answers(opened("question-answering", reader), inputs), strict=True):
        ordered, nothing = best_by_enumeration(reader, "is the film good", text)
        same = {}  # places that read the same count together, as far as they are among the twelve likeliest
        for answer, score in ordered[:12]:
            same.setdefault(answer.lower(), [answer, 0.0])[1] += score
        answer, score = max(same.values(), key=lambda pair: pair[1])
        scores = {one.label: one.score for one in result.scores}
        assert scores[answer] == pytest.approx(score, abs=1e-5)
        assert scores[""] == pytest.approx(nothing, abs=1e-5)
        counts["none" if nothing > score else "some"] += 1
        assert result.text == ("" if nothing > score else answer)
        assert result.flags == (("no answer",) if nothing > score else ())
        assert all(text[span.start : span.end] == span.text == answer for span in result.spans)
    assert counts["some"] > 3


def test_a_long_context_is_read_to_its_end_and_a_long_question_is_a_failure(reader):
    text = " ".join(filler(400))
    inputs = [TaskInput(text, question="who reads"), TaskInput("good", question=text), TaskInput("good")]
    whole, *failures = answers(opened("question-answering", reader), inputs)
    assert whole.flags[0] == "windows"
    assert whole.tokens > 400
    assert not whole.truncated
    for failure, reason in zip(failures, ("the question is 4", "the question is empty"), strict=True):
        assert isinstance(failure, Failure)
        assert reason in failure.reason
    (result,) = answers(opened("question-answering", reader, threshold=1.1), inputs[:1])
    assert result.text == ""
    assert "no answer" in result.flags


def test_a_mask_is_filled_wherever_it_stands(tmp_path):
    folder = encoders.save_encoder(tmp_path, "ForMaskedLM", (), WINDOW)
    words = filler(700)
    words[600] = "{mask}"
    near = words[600 - 20 : 600 + 20]
    results = answers(
        opened("fill-mask", folder, top=3), as_inputs([" ".join(words), " ".join(near), "no", "{mask} {mask}"])
    )
    assert results[0].truncated
    assert len(results[0].scores) == 3
    assert not results[1].truncated
    assert ["0 masks" in results[2].reason, "2 masks" in results[3].reason] == [True, True]


@pytest.mark.parametrize("task", ["classification", "zero-shot", "embeddings"])
def test_windows_of_equal_words_answer_as_one(tmp_path, task):
    head = "Model" if task == "embeddings" else "ForSequenceClassification"
    folder = encoders.save_encoder(
        tmp_path, head, () if task == "embeddings" else ("entailment", "contradiction"), WINDOW
    )
    labels = ("sports", "a very long story about politics") if task == "zero-shot" else ()
    model = opened(task, folder, labels=labels)
    long, short = answers(model, as_inputs([" ".join(["good"] * 2000), "good film"]))
    assert long.flags == ("windows",)
    assert not short.flags
    assert long.tokens > 2000
    assert not long.truncated
    if labels:
        assert sum(one.score for one in long.scores) == pytest.approx(1)
