"""The script that `--show-code` prints runs by itself and gives the answers of the command."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import tiny
from llms.errors import UsageError
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, as_inputs
from llms.tasks.catalogue import TASKS, find_task
from llms.tasks.code_media import MEDIA
from llms.tasks.code_prompt import PROMPTED
from llms.tasks.code_text import TEXT
from llms.tasks.output import answer_of
from llms.tasks.show_code import show_code
from llms.tasks.special import open_special
from llms.values import Media
from sighted import save_vit
from test_task_model import save_classifier
from tiny_sequences import save_bart, save_t5
from tiny_sound import save_hearer

TEXTS = ["Ada wrote to Bob in Paris", "a longer text that is neither"]
# of each task: the class of its network, the fields of its configuration, the options, the inputs
KINDS = {
    "sentiment": ("BertForSequenceClassification", {"num_labels": 3}, {}, TEXTS),
    "zero-shot": (
        "BertForSequenceClassification",
        {"id2label": {0: "entailment", 1: "neutral", 2: "contradiction"}},
        {"labels": ("praise", "complaint")},
        TEXTS,
    ),
    "entities": (
        "BertForTokenClassification",
        {"id2label": dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))},
        {},
        TEXTS,
    ),
    "question-answering": ("BertForQuestionAnswering", {}, {"question": "who?"}, TEXTS),
    "fill-mask": ("BertForMaskedLM", {}, {"top": 3}, ["a {mask} text"]),
    "embeddings": ("BertModel", {}, {}, TEXTS),
}


def save(folder, kind, fields):
    import transformers

    tokenizer = tiny.byte_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]", "mask_token": "[MASK]", "cls_token": "[CLS]"})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id, **fields,
    )  # fmt: skip
    model = getattr(transformers, kind)(config)
    tiny.draw_weights(model, 0.3)
    model.save_pretrained(folder)
    return folder


def run(code, monkeypatch, capsys, *inputs):
    """What the script prints, run in this process: its libraries are loaded already."""
    monkeypatch.setattr(sys, "argv", ["script.py", *inputs])
    capsys.readouterr()
    exec(compile(code, "script.py", "exec"), {"__name__": "__main__"})
    return [json.loads(line)["output"] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_a_script_runs_by_itself(tmp_path):
    folder = save_classifier(tmp_path / "model")
    script = tmp_path / "script.py"
    script.write_text(show_code(find_task("sentiment"), parse(f"hf:{folder}"), "special", TaskOptions(), TEXTS))
    done = subprocess.run(
        [sys.executable, script, *TEXTS], capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["input"] for line in done.stdout.splitlines()] == TEXTS


@pytest.mark.parametrize("name", KINDS)
def test_a_script_gives_the_answers_of_the_task(tmp_path, name, monkeypatch, capsys):
    task = find_task(name)
    if importlib.util.find_spec(f"llms.tasks.{task.home}") is None:
        pytest.skip(f"{task.home} is not there")
    kind, fields, options, texts = KINDS[name]
    folder = save(tmp_path / "model", kind, fields)
    model = open_special(task, parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))
    expected = [answer_of(task, result) for _, result in sorted(model.answer(as_inputs(texts)), key=lambda one: one[0])]
    code = show_code(task, parse(f"hf:{folder}"), "special", TaskOptions(**options), texts)
    answers = run(code, monkeypatch, capsys)
    for answer, wanted in zip(answers, expected, strict=True):
        if name == "entities":
            assert [span["text"] for span in answer] == [span["text"] for span in wanted]
            assert [span["score"] for span in answer] == pytest.approx([span["score"] for span in wanted], abs=1e-4)
        elif name == "embeddings":
            assert answer == pytest.approx(wanted, abs=1e-4)
        else:
            assert answer == wanted


def same_as_the_task(name, folder, inputs, shown, monkeypatch, capsys, **options):
    task = find_task(name)
    model = open_special(task, parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))
    expected = [answer_of(task, result) for _, result in sorted(model.answer(inputs), key=lambda one: one[0])]
    code = show_code(task, parse(f"hf:{folder}"), "special", TaskOptions(**options), shown)
    assert run(code, monkeypatch, capsys) == expected


def test_a_script_summarizes_and_translates_as_the_task(tmp_path, monkeypatch, capsys):
    bart = save_bart(tmp_path / "bart", max_length=12, num_beams=2)
    same_as_the_task("summarization", bart, as_inputs(TEXTS), TEXTS, monkeypatch, capsys)
    same_as_the_task("summarization", bart, as_inputs(TEXTS), TEXTS, monkeypatch, capsys, max_tokens=5)
    asked = {"translation_en_to_de": {"prefix": "translate English to German: "}}
    t5 = save_t5(tmp_path / "t5", asked)
    languages = {"source": "en", "target": "de", "max_tokens": 6}
    same_as_the_task("translation", t5, as_inputs(TEXTS), TEXTS, monkeypatch, capsys, **languages)


def test_a_script_hears_and_sees_as_the_task(tmp_path, monkeypatch, capsys):
    sound, picture = tmp_path / "a.wav", tmp_path / "a.png"
    tone = np.sin(np.arange(24_000) / 9).astype("float32")
    soundfile.write(sound, tone, 24_000, subtype="FLOAT")
    Image.fromarray((np.arange(32 * 32 * 3) % 251).astype("uint8").reshape(32, 32, 3)).save(picture)
    heard = TaskInput(media=Media("audio/wav", sound.read_bytes()))
    hearer = save_hearer(tmp_path / "hearer")
    same_as_the_task("audio-classification", hearer, [heard], [str(sound)], monkeypatch, capsys)
    seen = TaskInput(media=Media("image/png", picture.read_bytes()))
    vit = save_vit(tmp_path / "vit")
    same_as_the_task("image-classification", vit, [seen], [str(picture)], monkeypatch, capsys)


def test_a_script_that_asks_a_language_model_runs(tmp_path, monkeypatch, capsys):
    folder = tiny.save_checkpoint(tmp_path / "model")
    code = show_code(find_task("summarization"), parse(f"hf:{folder}"), "prompt", TaskOptions(max_tokens=5))
    (answer,) = run(code, monkeypatch, capsys, "a text")
    assert isinstance(answer, str)


@pytest.mark.parametrize("way", ["special", "prompt", "choice"])
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_script_is_python_without_llms(task, way):
    options = TaskOptions(labels=("a", "it's"), question='"why?"', target="de")
    scripts = PROMPTED if way == "prompt" else {**TEXT, **MEDIA} if way == "special" else {}
    if (task.home if way == "special" else task.name) not in scripts:
        with pytest.raises(UsageError, match="there is no script"):
            show_code(task, parse("hf:a/b"), way, options)
        return
    code = show_code(task, parse("hf:a/b@" + "1" * 40), way, options, ["a 'text'"])
    names = compile(code, "script", "exec").co_names
    assert "llms" not in names
    assert "answer" in names


def test_an_endpoint_has_no_script():
    with pytest.raises(UsageError, match="for checkpoints"):
        show_code(find_task("sentiment"), parse("openai:gpt-5"), "prompt", TaskOptions())


def test_the_command_prints_it(tmp_path):
    from click.testing import CliRunner

    from llms.cli.task import task

    folder = save_classifier(tmp_path)
    result = CliRunner().invoke(task, ["sentiment", "good", "-m", f"hf:{folder}", "--show-code"])
    assert result.exit_code == 0
    assert f"MODEL = {str(folder)!r}" in result.stdout
    assert "INPUTS = sys.argv[1:] or ['good']" in result.stdout
