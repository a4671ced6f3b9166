"""Pictures are labelled, captioned and asked about as by transformers' pipelines; words become the same picture again."""

import io

import pytest
import torch

import sighted
from llms.errors import ModelError, UsageError
from llms.models import loading
from llms.models.local.pictures import open_picture
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput
from llms.tasks.catalogue import find_task
from llms.tasks.special import open_special
from llms.values import Failure, Media
from llms.workbench.task import open_task

PICTURES = [
    sighted.picture(color, size) for color, size in (("red", (40, 30)), ("blue", (16, 50)), ("green", (32, 32)))
]
INPUTS = [TaskInput(media=Media("image/png", data)) for data in PICTURES]
BAD = [INPUTS[0], TaskInput(media=Media("image/png", b"no picture", name="a.png")), TaskInput("words"), INPUTS[1]]


def opened(task, folder, **options):
    return open_special(find_task(task), parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))


def answers(task, folder, inputs=INPUTS, **options):
    model = opened(task, folder, **options)
    results = dict(model.answer(inputs))
    model.close()
    assert len(results) == len(inputs)
    return [results[index] for index in range(len(inputs))]


def images():
    return [open_picture(each.media) for each in INPUTS]


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return sighted.save_vit(tmp_path_factory.mktemp("vit"))


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
def test_a_picture_has_the_labels_that_the_pipeline_gives(tmp_path, problem):
    from transformers import pipeline

    folder = sighted.save_vit(tmp_path, problem)
    pipe = pipeline("image-classification", model=str(folder), dtype=torch.float32)
    for result, expected in zip(answers("image-classification", folder), pipe(images()), strict=True):
        assert [one.label for one in result.scores] == [one["label"] for one in expected]
        assert [one.score for one in result.scores] == pytest.approx([one["score"] for one in expected], abs=1e-5)
        assert result.text == expected[0]["label"]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_labels_that_are_named_now_are_scored_as_by_the_pipeline(tmp_path, kind):
    from transformers import pipeline

    folder, labels = sighted.save_clip(tmp_path, kind), ("a cat", "dog", "something else")
    pipe = pipeline("zero-shot-image-classification", model=str(folder), dtype=torch.float32)
    results = answers("image-classification", folder, labels=labels)
    for result, image in zip(results, images(), strict=True):
        expected = {one["label"]: one["score"] for one in pipe(image, candidate_labels=list(labels))}
        assert {one.label: one.score for one in result.scores} == pytest.approx(expected, abs=1e-5)
    assert results != answers("image-classification", folder, labels=labels, hypothesis="No {} here.")


def test_labels_go_with_the_checkpoints_that_take_them(vit, tmp_path):
    with pytest.raises(UsageError, match="has labels of its own"):
        opened("image-classification", vit, labels=("cat", "dog"))
    with pytest.raises(UsageError, match="name the labels"):
        opened("image-classification", sighted.save_clip(tmp_path))


def test_what_is_no_picture_fails_alone_and_by_name(vit):
    first, broken, words, last = answers("image-classification", vit, BAD)
    assert isinstance(first, TaskOutput)
    assert isinstance(last, TaskOutput)
    assert "a.png is not a picture" in broken.reason
    assert words == Failure("infra", "input 2 is 'words'; expected a picture")


def test_a_special_model_reads_few_pictures_ahead(vit):
    read = []

    def stream():
        for number in range(200):
            read.append(number)
            yield INPUTS[number % 3]

    next(opened("image-classification", vit).answer(stream()))
    assert len(read) <= 64


@pytest.mark.parametrize("kind", ["blip", "vision-encoder-decoder"])
def test_a_captioner_writes_what_transformers_writes(tmp_path, kind):
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    folder = str(sighted.save_captioner(tmp_path, kind))
    results = answers("image-captioning", folder, [*INPUTS, BAD[1]], max_tokens=9)
    network = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for result, image in zip(results, images(), strict=False):
        ids = network.generate(**processor(images=[image], return_tensors="pt"), max_new_tokens=9, do_sample=False)
        assert result.text == tokenizer.decode(ids[0], skip_special_tokens=True).strip()
        assert result.text
    assert isinstance(results[-1], Failure)
    with pytest.raises(UsageError, match="answers no questions"):
        opened("visual-question-answering", folder, question="How many?")


def test_a_model_that_chats_captions_and_answers_as_the_pipeline_does(tmp_path):
    from transformers import pipeline

    folder = str(sighted.save_llava(tmp_path))
    pipe = pipeline("image-text-to-text", model=folder, dtype=torch.float32)

    def expected(words):
        chats = [
            [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": words}]}]
            for image in images()
        ]
        return [
            pipe(text=chat, max_new_tokens=10, do_sample=False, return_full_text=False)[0]["generated_text"].strip()
            for chat in chats
        ]

    captions = answers("image-captioning", folder, [*INPUTS, BAD[1]], max_tokens=10)
    assert [each.text for each in captions[:3]] == expected(
        "Say in one sentence what the picture shows. Write the sentence alone."
    )
    assert "a.png is not a picture" in captions[3].reason
    told = answers("visual-question-answering", folder, question="How many?", max_tokens=10)
    assert [each.text for each in told] == expected("How many?\n\nAnswer in a few words.")
    model = opened("image-captioning", folder)
    assert model.identity.extra["way"] == "special"


def test_a_text_model_is_not_asked_about_pictures(tiny):
    with pytest.raises(UsageError, match=r"\(llama\) does not see"):
        opened("image-captioning", tiny)


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory):
    pytest.importorskip("diffusers")
    return sighted.save_diffusion(tmp_path_factory.mktemp("diffusion"))


SMALL = {"steps": 3, "width": 24, "height": 16}


def test_equal_seeds_draw_equal_pictures_of_the_size_that_is_asked_for(diffusion):
    from PIL import Image

    heard = []
    loading.listen(heard.append)
    try:
        rows = answers("text-to-image", diffusion, [TaskInput("a cat"), TaskInput(" "), TaskInput("a cat")], **SMALL)
    finally:
        loading.listen(loading._nobody)
    drawn, empty, again = rows
    assert drawn.media.media_type == "image/png"
    assert drawn.media.data == again.media.data
    assert Image.open(io.BytesIO(drawn.media.data)).size == (24, 16)
    assert not drawn.flags
    assert empty == Failure("infra", "input 1 is empty; expected words that say what to draw")
    assert [(event.done, event.steps) for event in heard if event.steps] == [(1, 3), (2, 3), (3, 3)] * 2
    (other,) = answers("text-to-image", diffusion, [TaskInput("a cat")], **SMALL, seed=1)
    assert other.media.data != drawn.media.data


def test_a_picture_that_is_being_drawn_is_given_up_within_a_step(diffusion):
    model = opened("text-to-image", diffusion, steps=500, width=16, height=16)
    steps = []

    def close(event):
        steps.append(event.done)
        if event.done == 2:
            model.close()

    loading.listen(close)
    try:
        ((_, result),) = model.answer([TaskInput("a cat"), TaskInput("a dog")])
    finally:
        loading.listen(loading._nobody)
    assert result == Failure("infra", "input 0 was given up before it was drawn")
    assert max(steps) <= 3


def test_sizes_and_folders_that_cannot_be_are_refused(diffusion, tiny, vit):
    with pytest.raises(UsageError, match="width is 20; expected a multiple of 8"):
        opened("text-to-image", diffusion, width=20)
    with pytest.raises(UsageError, match="steps is 0"):
        opened("text-to-image", diffusion, steps=0)
    with pytest.raises(ModelError, match=r"has no model_index\.json"):
        opened("text-to-image", tiny)
    with pytest.raises(ModelError, match="holds a pipeline that makes pictures"):
        opened("image-classification", diffusion)
    with pytest.raises(UsageError, match=r"-m, such as hf:.*FLUX\.2-klein-4B.*Z-Image-Turbo.*9 to 13 GB.*Apache"):
        open_task("text-to-image")
    assert opened("text-to-image", diffusion).identity.weights


def test_pickled_parts_of_a_pipeline_are_refused(diffusion, tmp_path):
    import shutil

    from llms.errors import UnsafeCheckpoint

    folder = tmp_path / "pickled"
    shutil.copytree(diffusion, folder)
    for file in folder.rglob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(UnsafeCheckpoint, match="allow=pickle"):
        opened("text-to-image", folder)
