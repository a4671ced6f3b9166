"""The scripts that `--show-code` prints run without llms and give the answers of the command."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import sighted
import tiny
import tiny_sequences
import tiny_sound
from llms.errors import UsageError
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput
from llms.tasks.catalogue import TASKS, find_task
from llms.tasks.output import answer_of
from llms.tasks.show_code import show_code
from llms.values import Media
from llms.workbench.task import open_task
from test_task_model import save_classifier

TEXTS = ("Ada wrote to Bob in Paris", "a longer text that is neither")
NLI = {"id2label": {0: "entailment", 1: "neutral", 2: "contradiction"}}
PEOPLE = {"id2label": dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))}
LABELS = {"labels": ("praise", "a complaint")}
MARKED = {"translation_en_to_de": {"prefix": "translate English to German: "}}
SMALL = {"steps": 2, "width": 24, "height": 16}


def bert(kind, **fields):
    def save(folder):
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

    return save


def base(folder):
    """A language model without a chat template."""
    tiny.save_checkpoint(folder)
    for file in folder.glob("chat_template*"):
        file.unlink()
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps({k: v for k, v in json.loads(config.read_text()).items() if k != "chat_template"}))


@dataclass
class Case:
    task: str
    save: object
    options: dict = field(default_factory=dict)
    way: str = "special"
    inputs: tuple = TEXTS


CASES = {
    "sentiment": Case("sentiment", bert("BertForSequenceClassification", num_labels=3)),
    "zero-shot": Case("zero-shot", bert("BertForSequenceClassification", **NLI), LABELS),
    "entities": Case("entities", bert("BertForTokenClassification", **PEOPLE)),
    "question-answering": Case("question-answering", bert("BertForQuestionAnswering"), {"question": "who?"}),
    "fill-mask": Case("fill-mask", bert("BertForMaskedLM"), {"top": 3}, inputs=("a {mask} text",)),
    "embeddings": Case("embeddings", bert("BertModel")),
    "embeddings by the last token": Case("embeddings", lambda folder: tiny.save_embedding(folder, "lasttoken", True)),
    "similarity": Case("similarity", lambda folder: tiny.save_embedding(folder, "mean_tokens", True)),
    "summarization": Case("summarization", lambda folder: tiny_sequences.save_bart(folder, max_length=12, num_beams=2)),
    "shorter summarization": Case("summarization", lambda folder: tiny_sequences.save_bart(folder), {"max_tokens": 5}),
    "translation by T5": Case(
        "translation", lambda folder: tiny_sequences.save_t5(folder, MARKED),
        {"source": "en", "target": "German", "max_tokens": 6},
    ),
    "translation by Marian": Case(
        "translation", lambda folder: tiny_sequences.save_marian(folder), {"source": "en", "target": "de"}
    ),
    "translation by Marian with marks": Case(
        "translation", lambda folder: tiny_sequences.save_marian(folder, marks=(">>de<<", ">>fr<<")), {"target": "de"}
    ),
    "translation by mBART": Case("translation", tiny_sequences.save_mbart, {"source": "en", "target": "de", "max_tokens": 6}),
    "Whisper": Case("speech-to-text", tiny_sound.save_whisper, inputs=("a.wav",)),
    "CTC": Case("speech-to-text", tiny_sound.save_ctc, inputs=("a.wav",)),
    "audio-classification": Case("audio-classification", tiny_sound.save_hearer, inputs=("a.wav",)),
    "VITS": Case("text-to-speech", tiny_sound.save_vits),
    "VITS of several speakers": Case("text-to-speech", lambda folder: tiny_sound.save_vits(folder, 3), {"voice": "2"}),
    "SpeechT5": Case("text-to-speech", tiny_sound.save_speecht5, {"seed": 4}),
    "image-classification": Case("image-classification", sighted.save_vit, inputs=("a.png",)),
    "labels by CLIP": Case("image-classification", sighted.save_clip, LABELS, inputs=("a.png",)),
    "labels by SigLIP": Case(
        "image-classification", lambda folder: sighted.save_clip(folder, "siglip"), LABELS, inputs=("a.png",)
    ),
    "image-captioning": Case("image-captioning", sighted.save_llava, {"max_tokens": 8}, inputs=("a.png",)),
    "BLIP": Case("image-captioning", lambda folder: sighted.save_captioner(folder, "blip"), {"max_tokens": 8}, inputs=("a.png",)),
    "SmolVLM": Case(
        "visual-question-answering", lambda folder: sighted.save_idefics(folder, "SmolVLM"),
        {"question": "why?", "max_tokens": 8}, inputs=("a.png",),
    ),
    "text-to-image": Case("text-to-image", sighted.save_diffusion, SMALL, inputs=("a cat",)),
    "choice": Case("zero-shot", tiny.save_checkpoint, LABELS, "choice"),
    "choice of several": Case("zero-shot", tiny.save_checkpoint, {**LABELS, "several": True}, "choice"),
    "choice without a chat": Case("sentiment", base, {}, "choice"),
    "generation": Case("text-generation", tiny.save_checkpoint, {"max_tokens": 12}, "prompt"),
    "generation without a chat": Case("text-generation", base, {"max_tokens": 12}, "prompt"),
    "summary in words": Case("summarization", tiny.save_checkpoint, {"max_tokens": 12}, "prompt"),
    "translation in words": Case("translation", base, {"target": "de"}, "prompt"),
    "a picture in words": Case("image-captioning", sighted.save_llava, {"max_tokens": 8}, "prompt", ("a.png",)),
}  # fmt: skip
QWEN = Case("visual-question-answering", sighted.save_qwen, {"question": "why?"}, inputs=("a.png",))
# of what llms holds to a schema only that it is answered is known
HELD = {
    "labels": Case("sentiment", tiny.save_checkpoint, {}, "prompt"),
    "named labels": Case("zero-shot", tiny.save_checkpoint, LABELS, "prompt"),
    "names": Case("entities", tiny.save_checkpoint, {"max_tokens": 20}, "prompt"),
    "an answer": Case("question-answering", tiny.save_checkpoint, {"question": "who?"}, "prompt"),
    "alike": Case("similarity", tiny.save_checkpoint, {}, "prompt"),
    "labels of pictures": Case("image-classification", sighted.save_llava, LABELS, "prompt", ("a.png",)),
}


def loaded(case, folder):
    options = TaskOptions(**case.options)
    return open_task(case.task, f"hf:{folder}?device=cpu", case.way, options)


def inputs_of(case, here):
    if find_task(case.task).takes == "pair":
        return [TaskInput(case.inputs[0], other=case.inputs[1])]
    kinds = {".wav": "audio/wav", ".png": "image/png"}
    files = {name: here / name for name in case.inputs if Path(name).suffix in kinds}
    return [
        TaskInput(media=Media(kinds[files[one].suffix], files[one].read_bytes())) if one in files else TaskInput(one)
        for one in case.inputs
    ]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """{case: what its script printed, and the folder of its checkpoint}, all run by one process that has no llms."""
    here = tmp_path_factory.mktemp("scripts")
    soundfile.write(here / "a.wav", np.sin(np.arange(24_000) / 9).astype("float32"), 24_000, subtype="FLOAT")
    pixels = (np.arange(40 * 30 * 3) % 251).astype("uint8").reshape(30, 40, 3)
    Image.fromarray(pixels).save(here / "a.png")
    scripts, folders = {}, {}
    for number, (name, case) in enumerate({**CASES, **HELD, "Qwen": QWEN}.items()):
        folders[name] = here / str(number)
        folders[name].mkdir()
        case.save(folders[name])
        code = show_code(find_task(case.task), parse(f"hf:{folders[name]}"), case.way, TaskOptions(**case.options))
        scripts[name] = (code.replace("text-to-speech-", f"{number}-"), case.inputs)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("run_scripts.py")], input=json.dumps([*scripts.values()]), text=True,
        capture_output=True, cwd=here, env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return here, folders, dict(zip(scripts, json.loads(done.stdout), strict=True))


def outputs(printed, name):
    lines = printed[2][name]
    assert isinstance(lines, list), lines
    return [json.loads(line)["output"] for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_script_gives_the_answers_of_the_task(printed, name):
    here, folders, _ = printed
    case = CASES[name]
    task, answers = find_task(case.task), outputs(printed, name)
    model = loaded(case, folders[name])
    results = [result for _, result in sorted(model.answer(inputs_of(case, here)), key=lambda one: one[0])]
    model.close()
    assert all(isinstance(result, TaskOutput) for result in results), results
    if task.gives in ("sound", "image"):
        for file, result in zip(answers, results, strict=True):
            (here / "expected").write_bytes(result.media.data)
            if task.gives == "image":
                assert Image.open(here / file).tobytes() == Image.open(here / "expected").tobytes()
            else:
                samples, rate = soundfile.read(here / file)
                expected, own = soundfile.read(here / "expected")
                assert (rate, len(samples)) == (own, len(expected))
                assert np.abs(samples - expected).max() < 1e-3
        return
    wanted = [answer_of(task, result) for result in results]
    if case.task == "entities":
        for answer, one in zip(answers, wanted, strict=True):
            assert [span["text"] for span in answer] == [span["text"] for span in one]
            assert [span["score"] for span in answer] == pytest.approx([span["score"] for span in one], abs=1e-4)
    elif case.task == "embeddings":
        assert np.allclose(answers, wanted, atol=1e-4)
    elif case.task == "similarity":
        assert [float(one) for one in answers] == pytest.approx([float(one) for one in wanted], abs=1e-4)
    else:
        assert answers == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD)
def test_a_script_that_is_not_held_to_a_schema_prints_an_answer(printed, name):
    case = HELD[name]
    assert all(isinstance(answer, str) for answer in outputs(printed, name))
    assert "JSON schema" in show_code(find_task(case.task), parse("hf:a/b"), "prompt", TaskOptions(**case.options))


@pytest.mark.slow
def test_a_script_says_which_package_a_processor_lacks(printed):
    assert "needs torchvision: pip install torchvision" in printed[2]["Qwen"]


@pytest.mark.parametrize(("task", "way"), [(task, way) for task in TASKS.values() for way in task.ways])
def test_every_task_has_a_script_by_each_of_its_ways(task, way):
    options = TaskOptions(labels=("a", "it's"), question='"why?"', target="de")
    code = show_code(task, parse("hf:a/b@" + "1" * 40), way, options, ["a 'text'", "b"])
    names = compile(code, "script", "exec").co_names
    assert "llms" not in names
    assert "answer" in names
    assert "llms" not in code.partition("import json")[0]


@pytest.mark.parametrize(
    ("name", "model", "way", "problem"),
    [
        ("sentiment", "openai:gpt-5", "prompt", "for checkpoints"),
        ("sentiment", "hf:a/b?quantize=int8", "prompt", "no script for .quantize="),
        ("zero-shot", "hf:a/b", "special", "needs its labels: add --labels"),
        ("zero-shot", "hf:a/b", "choice", "needs the labels"),
        ("question-answering", "hf:a/b", "special", "needs its question: add --question"),
        ("visual-question-answering", "hf:a/b", "prompt", "has no question"),
        ("translation", "hf:a/b", "special", "needs its target: add --to"),
    ],
)
def test_what_has_no_script_says_why(name, model, way, problem):
    with pytest.raises(UsageError, match=problem):
        show_code(find_task(name), parse(model), way, TaskOptions())


def test_the_command_prints_it(tmp_path):
    from click.testing import CliRunner

    from llms.cli.task import task

    folder = save_classifier(tmp_path)
    result = CliRunner().invoke(task, ["sentiment", "good", "-m", f"hf:{folder}", "--show-code"])
    assert result.exit_code == 0
    assert f"MODEL = {str(folder)!r}" in result.stdout
    assert "INPUTS = sys.argv[1:] or ['good']" in result.stdout
