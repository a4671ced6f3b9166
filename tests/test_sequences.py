"""Summaries and translations by checkpoints made for them: as their own files say, and whole, however long the text is."""

import pytest
import torch

import tiny_sequences
from llms.errors import ModelError, NotNumbers, UnknownName, UsageError
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput, as_inputs
from llms.tasks import sequence
from llms.tasks.catalogue import default_of, find_task
from llms.tasks.special import open_special
from llms.values import Failure
from llms.workbench.task import open_task

TEXTS = ["The tower is 324 metres tall.", "Short.", "a b c d e f g; and so on", "The tower is 324 metres tall."]
PAIRS = {
    "summarization": {"prefix": "summarize: ", "max_length": 14, "num_beams": 2},
    "translation_en_to_de": {"prefix": "translate English to German: ", "max_length": 12},
    "translation_en_to_fr": {"prefix": "translate English to French: ", "max_length": 12},
}


def opened(task, folder, **options):
    return open_special(find_task(task), parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))


def answers(model, *rows):
    inputs = [row if isinstance(row, TaskInput) else TaskInput(row) for row in rows]
    results = dict(model.answer(inputs))
    assert sorted(results) == list(range(len(inputs)))
    return [results[index] for index in range(len(inputs))]


@torch.inference_mode()
def alone(folder, text, **generation):
    """What transformers' own `generate` makes of one text."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    (ids,) = model.generate(**{**tokenizer(text, return_tensors="pt"), "token_type_ids": None}, **generation)
    return tokenizer.decode(ids, skip_special_tokens=True)


@pytest.fixture(scope="module")
def bart(tmp_path_factory):
    return tiny_sequences.save_bart(tmp_path_factory.mktemp("bart"), positions=64, max_length=16, num_beams=2)


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    return tiny_sequences.save_t5(tmp_path_factory.mktemp("t5"), PAIRS)


@pytest.fixture(scope="module")
def mbart(tmp_path_factory):
    return tiny_sequences.save_mbart(tmp_path_factory.mktemp("mbart"))


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    pytest.importorskip("sentencepiece")
    return tiny_sequences.save_marian(tmp_path_factory.mktemp("marian"))


def test_a_batch_is_summarized_as_each_text_alone(bart):
    results = answers(opened("summarization", bart), *TEXTS)
    assert [result.text for result in results] == [alone(bart, text) for text in TEXTS]
    assert len({result.text for result in results}) == 3
    for result, text in zip(results, TEXTS, strict=True):
        assert result.tokens == len(text) + 1
        assert 0 < result.generated < 16
        assert result.seconds > 0


def test_the_task_in_the_configuration_sets_prefix_and_limits(t5):
    summary, empty = answers(opened("summarization", t5), TEXTS[0], " ")
    assert summary.text == alone(t5, f"summarize: {TEXTS[0]}", max_length=14, num_beams=2)
    assert empty == Failure("infra", "input 1 is empty; expected a text")
    french, german = (
        answers(opened("translation", t5, source="en", target=target), TEXTS[0])[0] for target in ("fr", "German")
    )
    assert french.text == alone(t5, f"translate English to French: {TEXTS[0]}", max_length=12, num_beams=4)
    assert german.text == alone(t5, f"translate English to German: {TEXTS[0]}", max_length=12, num_beams=4)


def test_an_answer_is_as_long_as_was_asked_and_says_where_it_was_cut(bart):
    (result,) = answers(opened("summarization", bart, max_tokens=6), TEXTS[0])
    assert result.generated <= 6
    assert result.flags == ("cut short",)
    with pytest.raises(UsageError, match="max_tokens is 0"):
        opened("summarization", bart, max_tokens=0)


def test_a_draw_depends_on_its_seed_and_on_no_other_text(bart):
    def drawn(*texts, seed=0):
        return [each.text for each in answers(opened("summarization", bart, temperature=1.0, seed=seed), *texts)]

    assert drawn(*TEXTS)[1] == drawn(TEXTS[1])[0]
    assert drawn(TEXTS[1]) != drawn(TEXTS[1], seed=1)


def test_a_long_text_is_read_whole(bart, monkeypatch):
    read = []
    generate = sequence.SequenceModel._generate

    def watched(self, sources):
        read.extend(source for source in sources)
        return generate(self, sources)

    monkeypatch.setattr(sequence.SequenceModel, "_generate", watched)
    text = "".join(f"Line {number} of the text. " for number in range(12))
    summary, short = answers(opened("summarization", bart), text, TEXTS[1])
    assert "in parts" in summary.flags
    assert "in parts" not in short.flags
    assert max(len(source.ids) for source in read) <= 64
    first = [source for source in read if "Line" in source.passage.text]
    assert "".join(source.passage.text for source in sorted(first, key=lambda one: one.passage.start)) == text
    assert len(read) > len(first) + 1  # and their summaries once more
    assert summary.tokens == sum(len(source.ids) for source in read) - len(TEXTS[1]) - 1
    read.clear()
    (translation,) = answers(opened("translation", bart, source="en", target="de"), text)
    assert translation.text.count(" ") >= len(read) - 1
    assert "".join(source.passage.text for source in sorted(read, key=lambda one: one.passage.start)) == text


def test_what_reads_no_text_into_another_is_refused(tiny, bart):
    with pytest.raises(ModelError, match="LlamaForCausalLM, which was not made for summarization"):
        opened("summarization", tiny)


def test_damaged_weights_are_named(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tiny_sequences.save_bart(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.encoder.layers.0.fc1.weight"][0, 0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NotNumbers, match="are not finite numbers"):
        answers(opened("summarization", folder), "text")


def test_a_pair_that_a_checkpoint_does_not_know_is_refused_with_those_it_knows(t5, mbart, marian):
    with pytest.raises(UsageError, match="translates en to de, en to fr; not de to en"):
        opened("translation", t5, source="de", target="en")
    with pytest.raises(UnknownName, match="unknown language 'germn'"):
        opened("translation", t5, source="en", target="germn")
    with pytest.raises(UsageError, match="translates to ar_AR, cs_CZ, de_DE, .*; not to ga"):
        opened("translation", mbart, source="en", target="ga")
    with pytest.raises(UsageError, match="translates to de only; fr was asked for"):
        opened("translation", marian, source="en", target="fr")


def test_a_multilingual_checkpoint_begins_with_the_language_it_translates_to(mbart):
    from transformers import AutoTokenizer

    codes = AutoTokenizer.from_pretrained(mbart).lang_code_to_id
    texts = {}
    for target, code in (("de", "de_DE"), ("fr_XX", "fr_XX")):
        (result,) = answers(opened("translation", mbart, source="en", target=target), TEXTS[0])
        texts[code] = result.text
        assert result.text == alone(mbart, TEXTS[0], forced_bos_token_id=codes[code], num_beams=4)
    assert texts["de_DE"] != texts["fr_XX"]


def test_the_language_of_a_text_is_told_from_it_or_asked_for(mbart):
    german = "Das ist ein ganz gewöhnlicher Satz, den jeder Mensch in Deutschland versteht."
    model = opened("translation", mbart, target="en")
    long, short = answers(model, german, "1 2 3")
    assert isinstance(long, TaskOutput)
    assert model._source(TaskInput(german)) == "de_DE"
    assert "the language of '1 2 3' is not certain; name it with --from" in short.reason


def test_a_text_in_another_language_is_marked(t5):
    german = "Das ist ein ganz gewöhnlicher Satz, den jeder Mensch in Deutschland versteht."
    model = opened("translation", t5, source="en", target="fr")
    assert [("language?" in result.flags) for result in answers(model, german, TEXTS[0])] == [True, False]


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")  # by the comparison
def test_marian_translates_its_pair(marian):
    results = answers(opened("translation", marian, source="en", target="de"), "the tower is tall", "a long text")
    assert [result.text for result in results] == [
        alone(marian, text, num_beams=4) for text in ("the tower is tall", "a long text")
    ]
    assert answers(opened("translation", marian, target="de"), "the tower is tall")[0].text == results[0].text


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_marian_of_several_languages_is_told_which(tmp_path):
    pytest.importorskip("sentencepiece")
    folder = tiny_sequences.save_marian(tmp_path, target="ROMANCE", marks=(">>fr<<", ">>es<<"))
    with pytest.raises(UsageError, match="translates to es, fr; not to de"):
        opened("translation", folder, target="de")
    (result,) = answers(opened("translation", folder, target="es"), "the tower is tall")
    assert result.text == alone(folder, ">>es<<the tower is tall", num_beams=4)
    assert result.text != answers(opened("translation", folder, target="fr"), "the tower is tall")[0].text


def test_a_pair_of_languages_has_its_own_model():
    task = find_task("translation")
    assert default_of(task, TaskOptions(source="English", target="de")).name == "hf:Helsinki-NLP/opus-mt-en-de@main"
    for options, words in (
        ({"target": "de"}, "name it with --from"),
        ({"source": "de", "target": "German"}, "are in German already"),
        ({"source": "xx", "target": "de"}, "unknown language 'xx'"),
    ):
        with pytest.raises(UsageError, match=words):
            open_task("translation", options=TaskOptions(**options))


def test_a_model_is_known_by_the_languages_it_is_asked_for(bart):
    models = [opened("translation", bart, source="en", target=target) for target in ("de", "fr")]
    assert models[0].identity != models[1].identity
    assert models[0].identity.extra["target"] == "de"
    assert list(models[0].answer(as_inputs([]))) == []
