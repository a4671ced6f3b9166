"""What is trained: exactly the answers and their ends, in the very text that the model reads in use."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.errors import ModelError
from llms.training.form import TrainingForm, open_form
from llms.values import Message, ToolCall
from tiny import CHAT_TEMPLATE, CHATML, save_checkpoint

LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }}</s>{% else %}{{ raise_exception('only user and assistant') }}"
    "{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
FORGETFUL = (  # shows the thinking of the last answer alone
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' and not loop.last %}"
    "{{ m['content'].split('</think>')[-1] }}{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OPENED = FORGETFUL.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}")
ENDS = {CHATML: "<|im_end|>", LLAMA: "<|eot_id|>", MISTRAL: "</s>", GEMMA: "<end_of_turn>", FORGETFUL: "<|im_end|>"}
NAMES = {CHATML: "chatml", LLAMA: "llama", MISTRAL: "mistral", GEMMA: "gemma"}
every_template = pytest.mark.parametrize("template", NAMES, ids=list(NAMES.values()))
TOOLS = ({"name": "calculator", "description": "Computes.", "parameters": {"type": "object", "properties": {}}},)


@cache
def form_of(template: str | None) -> TrainingForm:
    folder = Path(mkdtemp()) / "model"
    save_checkpoint(folder, template=template, end=ENDS.get(template, "<|im_end|>"))
    return open_form(f"hf:{folder}")


@cache
def smollm2() -> TrainingForm:
    return open_form("smollm2")


def dialogue(*words: str) -> list[Message]:
    return [Message("assistant" if index % 2 else "user", word) for index, word in enumerate(words)]


def answers_of(messages) -> list[int]:
    return [index for index, message in enumerate(messages) if message.role == "assistant"]


def trained(form: TrainingForm, messages, tools=()) -> list[list[str]]:
    """What is trained of each text, decoded span by span."""
    marked = form.conversation(messages, tools, answers_of(messages))
    return [
        [form.model.tokenizer.with_special(row.ids[start:end]) for start, end in row.spans]
        for row in form.tokenize(marked)
    ]


@every_template
def test_answers_and_their_ends_are_trained_and_nothing_else(template):
    end = ENDS[template]
    lead = " " if template == MISTRAL else ""
    spans = trained(form_of(template), dialogue("Hi?", "Hello.", "Größe? 日本", "é 😀 ok", "?", "!"))
    assert spans == [[f"{lead}Hello.{end}", f"{lead}é 😀 ok{end}", f"{lead}!{end}"]]


@every_template
def test_the_text_is_the_templates_own(template):
    form = form_of(template)
    messages = dialogue("Hi?", "Hello.", "And?", "Bye.")
    (marked,) = form.conversation(messages, (), [1, 3])
    assert marked.text == form.model.render(messages, reply=False)
    assert marked.text.startswith(form.model.render(messages[:1]))


def test_smollm2_learns_its_answers_and_their_ends_in_its_own_template():
    form = smollm2()
    spans = trained(form, [Message("system", "Be brief."), *dialogue("Hi?", "Hello.", "2+2? ", "4 é日😀")])
    assert spans == [["Hello.<|im_end|>", "4 é日😀<|im_end|>"]]


def test_a_default_system_message_of_the_template_stays():
    form = smollm2()
    (marked,) = form.conversation(dialogue("Hi?", "Hello."), (), [1])
    assert "You are a helpful AI assistant named SmolLM" in marked.text


def test_the_end_token_is_trained_where_padding_is_the_same_token():
    form = smollm2()
    assert form.model.special_tokens["pad_token"] == form.model.special_tokens["eos_token"]
    (row,) = form.tokenize(form.conversation(dialogue("Hi?", "Hello."), (), [1]))
    ((_, end),) = row.spans
    assert row.ids[end - 1] in form.ends


def test_ids_are_those_of_use():
    form = smollm2()
    messages = dialogue("Größe?", "  Indented,\n\n\nspaced  ", "x" * 50, "\tTab")
    (marked,) = form.conversation(messages, (), [1, 3])
    (row,) = form.tokenize([marked])
    assert row.ids == form.model.tokenizer.encode([marked.text], special=False)[0]
    before = form.model.tokenizer.encode([form.model.render(messages[:3])], special=False)[0]
    assert row.ids[: len(before)] == before
    assert row.spans[1][0] == len(before)


@pytest.mark.parametrize("form", [smollm2, lambda: form_of(CHATML)], ids=["smollm2", "bytes"])
def test_tools_are_rendered_as_in_use(form):
    form = form()
    call = Message("assistant", "", (ToolCall("1", "calculator", '{"expression": "2+2"}'),))
    messages = [Message("user", "2+2?"), call, Message("tool", "4", tool_call_id="1"), Message("assistant", "It is 4.")]
    (marked,) = form.conversation(messages, TOOLS, [1, 3])
    assert marked.text.startswith(form.model.render(messages[:1], TOOLS))
    assert marked.text.startswith(form.model.render(messages[:3], TOOLS))
    assert trained(form, messages, TOOLS) == [
        [
            '<tool_call>{"name": "calculator", "arguments": {"expression": "2+2"}}</tool_call><|im_end|>',
            "It is 4.<|im_end|>",
        ]
    ]


def test_where_earlier_thinking_is_dropped_each_answer_has_a_text_of_its_own():
    form = form_of(FORGETFUL)
    messages = dialogue("1?", "<think>a</think>One", "2?", "<think>b</think>Two")
    assert trained(form, messages) == [["<think>a</think>One<|im_end|>"], ["<think>b</think>Two<|im_end|>"]]
    texts = [marked.text for marked in form.conversation(messages, (), [1, 3])]
    assert texts == [form.model.render(messages[:2], reply=False), form.model.render(messages, reply=False)]
    assert "<think>a" not in texts[1]


def test_a_template_that_opens_an_answer_otherwise_than_it_writes_it_has_no_training_form():
    with pytest.raises(ModelError, match=r"has no training form: it opens an answer with .*Train on all tokens"):
        form_of(OPENED).conversation(dialogue("1?", "One"), (), [1])


def test_a_template_without_an_end_token_is_refused():
    form = form_of(CHAT_TEMPLATE)
    with pytest.raises(ModelError, match="no end token is trained: .* never stop"):
        list(form.tokenize(form.conversation(dialogue("1?", "One"), (), [1])))


def test_a_template_that_refuses_messages_says_so():
    with pytest.raises(ModelError, match="the chat template refuses these messages: only user and assistant"):
        form_of(MISTRAL).conversation([Message("system", "Be brief."), *dialogue("1?", "One")], (), [2])


@pytest.mark.parametrize("form", [smollm2, lambda: form_of(LLAMA)], ids=["smollm2", "llama"])
def test_the_prefix_is_what_stands_before_the_users_words(form):
    form = form()
    system = Message("system", "Be brief.")
    rows = [
        next(form.tokenize(form.conversation([system, *dialogue(word, "One")], (), [2])))
        for word in ("Hi?", "Ho, there")
    ]
    first, second = (row.ids[: row.prefix] for row in rows)
    assert first == second
    text = form.model.tokenizer.with_special(first)
    assert "Be brief." in text
    assert text.endswith("user\n") or "user<|end_header_id|>" in text
    assert rows[0].prefix <= rows[0].spans[0][0]


def test_raw_text_ends_with_the_end_token():
    form = smollm2()
    (row,) = form.tokenize([form.completion("The capital of France is", " Paris.")])
    assert form.model.tokenizer.with_special(row.ids) == "The capital of France is Paris.<|im_end|>"
    ((start, end),) = row.spans
    assert form.model.tokenizer.with_special(row.ids[start:end]) == " Paris.<|im_end|>"


def test_a_completion_that_would_join_its_prompt_is_encoded_by_itself():
    form = smollm2()
    (row,) = form.tokenize([form.completion("The capital of Fra", "nce")])
    ((start, _),) = row.spans
    assert row.ids[:start] == form.model.tokenizer.encode(["The capital of Fra"], special=False)[0]
    assert form.model.tokenizer.with_special(row.ids[start:]) == "nce<|im_end|>"


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<|>["), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip())
)


@settings(max_examples=60, deadline=None)
@given(st.lists(words, min_size=2, max_size=6).filter(lambda found: len(found) % 2 == 0), st.sampled_from(list(NAMES)))
def test_whatever_is_said_only_answers_and_ends_are_trained(said, template):
    form = form_of(template)
    messages = dialogue(*said)
    (marked,) = form.conversation(messages, (), answers_of(messages))
    assert marked.text == form.model.render(messages, reply=False)
    (row,) = form.tokenize([marked])
    assert form.model.tokenizer.with_special(row.ids) == marked.text
    trims, lead = template in (LLAMA, GEMMA), " " if template == MISTRAL else ""
    expected = [lead + (m.content.strip() if trims else m.content) + ENDS[template] for m in messages[1::2]]
    assert [form.model.tokenizer.with_special(row.ids[start:end]) for start, end in row.spans] == expected
    borders = [border for span in row.spans for border in span]
    assert borders == sorted(borders)
    assert row.prefix <= borders[0]
