"""A checkpoint that sees answers about pictures as transformers does, wherever a model is asked."""

import re
import threading

import openai
import pytest
import torch

import llms
import llms.models.load
import sighted
from llms.errors import ModelError
from llms.models.system import Generate
from llms.values import Completion, Failure, Media, Message
from serving import in_thread

TOKENS = 12


def said(*parts, role="user"):
    text = "\n".join(part for part in parts if isinstance(part, str))
    return Message(role, text, parts=parts if any(isinstance(part, Media) for part in parts) else ())


def png(color="red", **how):
    return Media("image/png", sighted.picture(color, **how))


ASKED = said(png(), "hello")
TURNS = [said(png("red"), "first"), Message("assistant", "one"), said("then", png("blue", size=(90, 20)), "what")]
CHATS = {"one": [ASKED], "turns": TURNS, "two": [said(png("red"), png("blue"), "both")]}


@pytest.fixture(scope="session")
def llava(tmp_path_factory):
    return str(sighted.save_llava(tmp_path_factory.mktemp("llava")))


@pytest.fixture(scope="session")
def idefics(tmp_path_factory):
    return str(sighted.save_idefics(tmp_path_factory.mktemp("idefics")))


@pytest.fixture(scope="session", params=["llava", "idefics", "qwen"])
def seeing(request, tmp_path_factory):
    """(folder, whether transformers' own pipeline can load it here)."""
    save = getattr(sighted, f"save_{request.param}")
    return str(save(tmp_path_factory.mktemp(request.param))), request.param != "qwen"


@pytest.fixture
def model(seeing):
    with llms.load(f"hf:{seeing[0]}?device=cpu") as loaded:
        yield loaded


def by_pipeline(folder, messages, tokens=TOKENS):
    """The greedy answer of transformers' pipeline."""
    from transformers import pipeline

    pipe = pipeline("image-text-to-text", model=folder, dtype=torch.float32)
    (answer,) = pipe(
        text=[as_chat(one) for one in messages], max_new_tokens=tokens, do_sample=False, return_full_text=False
    )
    return answer["generated_text"]


def by_generate(folder, model, messages, tokens=TOKENS):
    """The greedy answer of transformers' generate to the same inputs, where its pipeline cannot be made here."""
    from transformers import AutoModelForImageTextToText

    network = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    prompt = model.read(Generate(tuple(messages)))
    ids = torch.tensor([prompt.ids])
    seen = {name: torch.from_numpy(array) for name, array in prompt.seen.items()}
    new = network.generate(ids, **seen, max_new_tokens=tokens, do_sample=False)[0, len(prompt.ids) :]
    return model.tokenizer.decode(new.tolist())


def as_chat(message):
    from llms.models.local.pictures import open_picture

    parts = message.parts or (message.content,)
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": open_picture(part)}
        for part in parts
    ]
    return {"role": message.role, "content": content}


@pytest.mark.parametrize("chat", CHATS)
def test_an_answer_about_pictures_is_that_of_transformers_pipeline(seeing, model, chat):
    folder, known = seeing
    (answer,) = model.generate([CHATS[chat]], max_tokens=TOKENS)
    assert answer.tokens == TOKENS or answer.finish == "stop"
    expected = by_pipeline(folder, CHATS[chat]) if known else by_generate(folder, model, CHATS[chat])
    assert answer.text == expected
    other = [
        Message(
            one.role,
            one.content,
            parts=tuple(png("green", size=(64, 64)) if isinstance(part, Media) else part for part in one.parts),
        )
        for one in CHATS[chat]
    ]
    (unlike,) = model.generate([other], max_tokens=TOKENS)
    assert unlike.text != answer.text  # it looks at them


def test_a_stream_is_what_complete_gives_and_counts_what_was_read(model):
    request = Generate(tuple(TURNS), max_tokens=TOKENS)
    ((_, whole),) = model.complete([request])
    deltas = list(model.stream(request))
    assert re.sub(r"<[a-z].*?>", "", "".join(delta.text for delta in deltas)) == whole.text  # special tokens are shown
    assert deltas[-1].finish == whole.finish
    assert deltas[-1].usage.prompt_tokens == whole.prompt_tokens == model.count_tokens(TURNS)
    assert deltas[-1].usage.tokens == whole.tokens
    assert model.count_tokens(TURNS) > model.count_tokens([said("first"), *TURNS[1:]]) > len("first one then what")


def test_sampling_fields_and_stop_strings_are_heeded(model):
    def text(**how):
        ((_, answer),) = model.complete([Generate((ASKED,), max_tokens=20, **how)])
        return answer.text

    assert text(temperature=1.0, seed=1) == text(temperature=1.0, seed=1)
    assert len({text(temperature=1.0, seed=seed) for seed in range(4)}) > 1
    assert text(temperature=1.0, top_k=1, seed=3) == text()
    whole = text()
    assert text(stop=(whole[4:6],)) == whole[: whole.find(whole[4:6])]


def test_a_form_holds_for_an_answer_about_a_picture(model):
    form = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    text = "".join(delta.text for delta in model.stream(Generate((ASKED,), max_tokens=40, schema=form)))
    assert text in ('{"n": 1}', '{"n": 2}')


def test_cancelling_ends_within_a_token(model):
    cancel = threading.Event()
    stream = model.stream(Generate((ASKED,), max_tokens=400), cancel)
    shown = 0
    for delta in stream:
        shown += len(delta.text)
        cancel.set()
    assert shown < 10
    assert not model.engine_loop.busy


def test_pictures_and_texts_are_computed_beside_each_other(model):
    texts = [Generate((said(f"question {number}"),), max_tokens=TOKENS) for number in range(3)]
    requests = [
        texts[0],
        Generate((ASKED,), max_tokens=TOKENS),
        texts[1],
        Generate(tuple(TURNS), max_tokens=TOKENS),
        texts[2],
    ]
    together = dict(model.complete(requests))
    for index, request in enumerate(requests):
        ((_, alone),) = model.complete([request])
        assert together[index].text == alone.text


def test_text_alone_is_scored_as_by_transformers(seeing, model):
    from transformers import AutoModelForImageTextToText

    (score,) = model.loglikelihood([("hello", " there")])
    network = AutoModelForImageTextToText.from_pretrained(seeing[0], dtype=torch.float32).eval()
    ids = model.tokenizer.encode(["hello there"])[0]
    with torch.inference_mode():
        chances = network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = sum(chances[at - 1, ids[at]].item() for at in range(len(ids) - score.tokens, len(ids)))
    assert score.logprob == pytest.approx(expected, abs=1e-3)


def test_what_is_no_picture_fails_alone(model):
    bad = said(Media("image/png", b"not a picture", name="notes.png"), "hello")
    results = dict(model.complete([Generate((bad,), max_tokens=3), Generate((ASKED,), max_tokens=3)]))
    assert isinstance(results[0], Failure)
    assert "notes.png is not a picture" in results[0].reason
    assert isinstance(results[1], Completion)
    with pytest.raises(ModelError, match="notes.png"):
        list(model.stream(Generate((bad,), max_tokens=3)))


def test_a_prompt_with_pictures_is_not_cut(tmp_path):
    folder = sighted.save_llava(tmp_path, window=64)
    with llms.load(f"hf:{folder}?device=cpu") as model:
        long = said(png(), "x" * 40)
        ((_, result),) = model.complete([Generate((long,), max_tokens=8)])
        assert isinstance(result, Failure)
        (delta,) = model.stream(Generate((long,), max_tokens=8))
        assert delta.failure == result
        assert f"is {model.count_tokens([long])} tokens" in result.reason
        assert "is 64. Send fewer" in result.reason


def test_a_model_says_that_it_sees(llava, tiny):
    with llms.load(f"hf:{llava}") as sees, llms.load(f"hf:{tiny}") as reads:
        assert sees.capabilities.vision
        assert not reads.capabilities.vision
        with pytest.raises(ModelError, match="reads text only; it cannot be sent image/png"):
            reads.generate([[ASKED]], max_tokens=3)
        with pytest.raises(ModelError, match="cannot be sent audio/wav"):
            sees.render([said(Media("audio/wav", b"RIFF"), "hello")])


@pytest.mark.parametrize("template", ["flat", "both"])
def test_templates_of_other_habits_get_the_picture_too(tmp_path, template):
    """A template that takes texts only has the placeholder in its text; one that takes both gets lists for pictures."""
    flat = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    both = (
        "{% for m in messages %}<|{{ m['role'] }}|>{% if m['content'] is string %}{{ m['content'] }}{% else %}"
        "{% for part in m['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
        "{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    folder = sighted.save_llava(tmp_path, template={"flat": flat, "both": both}[template])
    with llms.load(f"hf:{folder}?device=cpu") as model:
        expected = (
            "<|user|><image>\nhello\n<|assistant|>" if template == "flat" else "<|user|><image>hello<|assistant|>"
        )
        assert model.render([ASKED]) == expected
        assert model.render([Message("user", "hello")]) == expected.replace("<image>\n", "").replace("<image>", "")
        (answer,) = model.generate([[ASKED]], max_tokens=3)
        assert answer.prompt_tokens == len(expected) - len("<image>") + 16


def test_a_server_answers_about_a_picture(llava):
    import base64

    name = f"hf:{llava}?device=cpu"
    url = "data:image/png;base64," + base64.b64encode(sighted.picture()).decode()
    asked = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}}, {"type": "text", "text": "hello"}]
    with llms.load(name) as model:
        (expected,) = model.generate([[ASKED]], max_tokens=TOKENS)
    with in_thread([name]) as running, openai.OpenAI(base_url=running.url, api_key="any", max_retries=0) as client:
        how = dict(model=name, max_tokens=TOKENS, temperature=0)
        answer = client.chat.completions.create(messages=[{"role": "user", "content": asked}], **how)
        assert answer.choices[0].message.content == expected.text
        assert answer.usage.prompt_tokens == expected.prompt_tokens
        chunks = client.chat.completions.create(messages=[{"role": "user", "content": asked}], stream=True, **how)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected.text
        for wrong, why in (
            ("https://example.org/cat.png", "fetches nothing"),
            ("data:image/png;base64,AAAA", "not a picture"),
            ("data:image/png;base64,%%", "not base64"),
        ):
            bad = [{"type": "image_url", "image_url": {"url": wrong}}]
            with pytest.raises(openai.BadRequestError, match=why):
                client.chat.completions.create(messages=[{"role": "user", "content": bad}], **how)


def test_a_smolvlm_reads_pictures_as_an_idefics_without_what_its_videos_need(tmp_path, idefics):
    folder = sighted.save_idefics(tmp_path, "SmolVLM")
    with llms.load(f"hf:{folder}?device=cpu") as smol, llms.load(f"hf:{idefics}?device=cpu") as model:
        (answer,) = smol.generate([TURNS], max_tokens=TOKENS)
        assert answer.prompt_tokens == model.count_tokens(TURNS)
        assert answer.text == by_generate(str(folder), smol, TURNS)


def test_a_processor_that_cannot_be_made_is_named_and_text_goes_on(tmp_path):
    folder = sighted.save_llava(tmp_path)
    (folder / "processor_config.json").write_text('{"processor_class": "LlavaProcessor"}')
    with llms.load(f"hf:{folder}?device=cpu") as model:
        ((_, result),) = model.complete([Generate((ASKED,), max_tokens=3)])
        assert isinstance(result, Failure)
        assert "cannot load the processor" in result.reason
        (text,) = model.generate([[Message("user", "hello")]], max_tokens=3)
        assert text.tokens == 3


@pytest.mark.slow
def test_several_processes_see_as_one_does(llava):
    requests = [Generate((said(png(color), "hello"),), max_tokens=5) for color in ("red", "green", "blue")]
    with llms.load(f"hf:{llava}?device=cpu") as model:
        alone = {index: result.text for index, result in model.complete(requests)}
    with llms.models.load.load(f"hf:{llava}?device=cpu", workers=2) as model:
        assert {index: result.text for index, result in model.complete(requests)} == alone
