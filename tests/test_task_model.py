"""A special model answers its one task, input by input, as transformers does."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from llms.errors import ModelError, UsageError
from llms.models.name import parse
from llms.models.task_model import TaskModel, TaskOptions, TaskOutput, as_inputs
from llms.tasks.catalogue import find_task
from llms.tasks.classification import TextClassifier
from llms.tasks.special import open_special
from llms.values import Failure

WINDOW = 40
TEXTS = ["good", "a longer text that is neither", "x" * 90, "", "bad, bad", "good"]


def open_classifier(name):
    return open_special(find_task("classification"), parse(name), TaskOptions())


def save_classifier(folder, problem=None):
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = tiny.byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=WINDOW,
        pad_token_id=tokenizer.pad_token_id,
        id2label={0: "negative", 1: "neutral", 2: "positive"},
        label2id={"negative": 0, "neutral": 1, "positive": 2},
        problem_type=problem,
    )
    model = BertForSequenceClassification(config)
    tiny.draw_weights(model, 0.3)
    model.save_pretrained(folder)
    return folder


@torch.inference_mode()
def alone(folder, text, independent=False):
    """{label: probability} of one text by transformers itself, cut to the window."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=WINDOW, return_tensors="pt")
    logits = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits[0]
    chances = logits.sigmoid() if independent else logits.softmax(-1)
    return dict(zip(model.config.id2label.values(), chances.tolist(), strict=True))


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
def test_a_classifier_is_exact_to_transformers(tmp_path, problem):
    folder = save_classifier(tmp_path, problem)
    model: TaskModel = open_classifier(f"hf:{folder}?device=cpu")
    results = list(model.answer(as_inputs(TEXTS)))
    assert sorted(index for index, _ in results) == list(range(len(TEXTS)))
    for index, result in results:
        if not TEXTS[index]:
            assert result == Failure("infra", f"input {index}: the text is empty; expected words")
            continue
        assert isinstance(result, TaskOutput)
        if len(TEXTS[index]) > WINDOW:  # in windows that overlap; each has the same tokens here
            assert result.flags == ("windows",)
            assert result.tokens > len(TEXTS[index])
            continue
        expected = alone(folder, TEXTS[index], problem is not None)
        assert {one.label: one.score for one in result.scores} == pytest.approx(expected, abs=1e-5)
        assert result.text == max(expected, key=expected.get)
        assert [one.score for one in result.scores] == sorted((one.score for one in result.scores), reverse=True)
        assert not result.truncated
        assert result.tokens == len(TEXTS[index])
    model.close()


def test_a_batch_holds_no_more_than_its_tokens(tmp_path, monkeypatch):
    from llms.tasks import encoder

    monkeypatch.setitem(encoder.BATCH_TOKENS, "cpu", 2 * WINDOW)
    sizes = []
    compute = TextClassifier._values

    def watched(self, rows):
        sizes.append(sum(len(row.ids) for row in rows))
        return compute(self, rows)

    monkeypatch.setattr(TextClassifier, "_values", watched)
    model = open_classifier(f"hf:{save_classifier(tmp_path)}?device=cpu")
    results = list(model.answer(as_inputs(["a" * size for size in range(1, 30)])))
    assert [result.tokens for _, result in results] == list(
        range(29, 0, -1)
    )  # in order of completion: the longest first
    assert len(sizes) > 3
    assert max(sizes) <= 2 * WINDOW


def test_a_classifier_is_known_by_its_weights_and_task(tmp_path):
    model = open_classifier(f"hf:{save_classifier(tmp_path)}")
    assert model.task == "classification"
    assert model.identity.weights == model.checkpoint.weights_digest
    assert model.identity.tokenizer


def test_what_is_no_classifier_is_refused(tmp_path):
    with pytest.raises(UsageError, match="openai:gpt-5 is no special model for classification"):
        open_classifier("openai:gpt-5")
    with pytest.raises(ModelError, match="is a BertModel, which was not made for classification"):
        open_classifier(f"hf:{tiny.save_embedding(tmp_path / 'vectors')}?device=cpu")


def test_weights_that_are_missing_are_named(tmp_path):
    folder = save_classifier(tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file({key: value for key, value in weights.items() if "classifier" not in key}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="lacks the tensors classifier"):
        list(open_classifier(f"hf:{folder}?device=cpu").answer(as_inputs(["word"])))


def test_two_may_be_answered_in_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(TextClassifier, "block", 3)
    model = open_classifier(f"hf:{save_classifier(tmp_path)}?device=cpu")
    whole = dict(model.answer(as_inputs(TEXTS)))
    outer = {}
    for index, result in model.answer(as_inputs(TEXTS)):
        outer[index] = result
        inner = dict(model.answer(as_inputs(TEXTS[:4])))
        assert sorted(inner) == [0, 1, 2, 3]
    assert {index: getattr(result, "text", result) for index, result in outer.items()} == {
        index: getattr(result, "text", result) for index, result in whole.items()
    }
