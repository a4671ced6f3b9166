"""Context and continuation become the token ids that the reference harness gives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.errors import ContextOverflow, ModelError
from llms.tokens.pair import encode_pairs, encode_texts
from llms.tokens.render import render
from llms.values import Message


class Words:
    """One token per word with the space before it, ids by order of appearance; adds 0 in front, as Llama does."""

    start, start_text = 0, "<s>"

    def __init__(self, adds_start: bool = True):
        self.ids: dict[str, int] = {"<s>": 0}
        self.adds_start = adds_start

    def split(self, text):
        import re

        return re.findall(r"<s>|\s?[^\s<]+|\s+|<", text)

    def encode(self, texts, special=True):
        front = [0] if special and self.adds_start else []
        return [[*front, *(self.ids.setdefault(word, len(self.ids)) for word in self.split(text))] for text in texts]

    def decode(self, ids, special=False):
        names = {number: word for word, number in self.ids.items()}
        return "".join(names[i] for i in ids if special or i != 0)


def test_trailing_spaces_of_the_context_move_to_the_continuation():
    (spaced,) = encode_pairs(Words(), [("What is  it? ", "A cat")], 100)
    (moved,) = encode_pairs(Words(), [("What is  it?", " A cat")], 100)
    assert spaced == moved
    assert spaced.scored == 2


def test_context_and_continuation_are_encoded_together():
    """`in` + `side` is one word when encoded together, two when apart."""
    tokenizer = Words()
    (pair,) = encode_pairs(tokenizer, [("go in", "side now")], 100)
    whole = tokenizer.encode(["go inside now"])[0]
    assert list(pair.ids) == whole
    assert pair.scored == len(whole) - len(tokenizer.encode(["go in"])[0])


def test_an_empty_context_is_the_start_token():
    (pair,) = encode_pairs(Words(), [("", "a b")], 100)
    assert pair.ids[0] == 0
    assert len(pair.ids) == 3
    assert pair.scored == 2
    (own,) = encode_pairs(Words(), [("", "<s>a b")], 100)
    assert own.ids == pair.ids
    assert own.scored == 2


def test_a_text_that_begins_with_the_start_token_gets_no_second_one():
    tokenizer = Words()
    assert [ids.count(0) for ids in encode_texts(tokenizer, ["<s>a b", "a b"])] == [1, 1]


@given(context=st.integers(1, 30), continuation=st.integers(1, 30), window=st.integers(1, 40))
def test_pairs_never_exceed_the_window_and_lose_only_on_the_left(context, continuation, window):
    tokenizer = Words(adds_start=False)
    text, answer = " ".join(f"c{i}" for i in range(context)), "".join(f" k{i}" for i in range(continuation))
    (pair,) = encode_pairs(tokenizer, [(text, answer)], window)
    if continuation > window:
        assert isinstance(pair, ContextOverflow)
        return
    whole = tokenizer.encode([text + answer])[0]
    assert len(pair.ids) <= window + 1
    assert list(pair.ids) == whole[-len(pair.ids) :]
    assert pair.scored == continuation
    assert pair.cut == len(whole) - len(pair.ids)
    assert pair.cut == max(0, context + continuation - window - 1)


def test_a_continuation_without_a_token_of_its_own_is_an_error():
    class Merging(Words):
        def encode(self, texts, special=True):
            return [[1] for _ in texts]

    (pair,) = encode_pairs(Merging(), [("ab", "c")], 100)
    assert isinstance(pair, ContextOverflow)
    assert "no token of its own" in str(pair)


def test_a_chat_template_is_rendered_as_transformers_does(tiny):
    from transformers import AutoTokenizer

    from llms.models.load import load

    messages = [Message("system", "Be brief."), Message("user", "Hi?")]
    reference = AutoTokenizer.from_pretrained(tiny).apply_chat_template(
        [{"role": m.role, "content": m.content} for m in messages], tokenize=False, add_generation_prompt=True
    )
    assert load(f"hf:{tiny}").render(messages) == reference


def test_a_template_that_refuses_says_why():
    with pytest.raises(ModelError, match="no system role here"):
        render("{{ raise_exception('no system role here') }}", [Message("system", "x")], {})
