"""Tokens for people: every byte of a text belongs to a token; the light tokenizer is transformers' own; counts say how sure."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llms.errors import ModelError
from llms.models.load import load, load_tokenizer
from llms.models.local.tokenizer import CheckpointTokenizer
from llms.tokens import tiktoken_cache
from llms.tokens.count import LEAST, MESSAGE_TOKENS, MOST, calibrated, estimate, learn
from llms.tokens.json_tokenizer import REBUILT, TYPES, JsonTokenizer, open_tokenizer, steps_digest
from llms.tokens.views import cut, entry, ratio, words
from llms.values import Message
from tiny import byte_tokenizer

TEXT = st.text(max_size=40) | st.text("ab 2024é日👩‍\n<s>|im_start>é", max_size=40)


@pytest.fixture
def embedded(embedded_home, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    with load("smollm2") as model:
        yield model


def changed(folder: str, target: Path, **config) -> Path:
    """A copy of a checkpoint with another tokenizer_config.json; None takes a key away."""
    shutil.copytree(folder, target)
    path = target / "tokenizer_config.json"
    stated = {**json.loads(path.read_text()), **config}
    path.write_text(json.dumps({key: value for key, value in stated.items() if value is not None}))
    return target


def test_pieces_are_the_text_byte_for_byte(embedded, tiny):
    models = [embedded, load(f"hf:{tiny}")]

    @given(TEXT)
    @example("👩‍👩‍👧 <|im_end|> 日本")
    @example("a\U00040000b")  # the embedded model's vocabulary lacks its first byte
    def whole(text):
        for model in models:
            pieces, raw = model.tokenize(text), text.encode()
            assert len(pieces) == model.count_tokens(text)
            held = ratio(text, pieces)
            assert held.tokens == len(pieces)
            assert held.dropped == len(raw) - len(b"".join(piece.data for piece in pieces))
            if model.tokenizer.with_special([piece.id for piece in pieces]) == text:
                assert b"".join(piece.data for piece in pieces) == raw
                assert all(raw[piece.start : piece.end] == piece.data for piece in pieces)
            else:
                assert held.dropped

    whole()


def test_parts_of_one_character_are_shown_as_bytes(tiny):
    first, second, third = load(f"hf:{tiny}").tokenize("日")
    assert [piece.shown for piece in (first, second, third)] == ["<E6>", "<97>", "<A5>"]
    assert [(piece.start, piece.end) for piece in (first, second, third)] == [(0, 1), (1, 2), (2, 3)]
    assert first.text is None


def test_special_tokens_are_marked(embedded):
    marks = {piece.shown: piece.special for piece in embedded.tokenize("<|im_start|>user")}
    assert marks == {"<|im_start|>": True, "user": False}
    assert embedded.tokenizer.entry(1).special
    assert embedded.tokenizer.entry(10**6).shown == "<1000000>"


def test_spans_refer_to_the_text_that_was_given_not_to_the_normalized_one():
    """SentencePiece's way: ▁ for spaces, bytes as <0x..>; a normalizer that joins characters; a start token."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    vocabulary = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "é", "b", "▁a"]
    tokenizer = Tokenizer(
        models.BPE(
            {name: place for place, name in enumerate(vocabulary)},
            [("▁", "a")],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    text = "b ae\u0301€"
    pieces = cut(tokenizer, text)
    assert [piece.shown for piece in pieces] == ["<s>", "b", " a", "e\u0301", "<E2>", "<82>", "<AC>"]
    assert (pieces[0].special, pieces[0].data) == (True, b"")
    assert b"".join(piece.data for piece in pieces) == text.encode()
    assert [piece.end - piece.start for piece in pieces] == [0, 1, 2, 3, 1, 1, 1]
    assert entry(tokenizer, vocabulary.index("▁a")).shown == " a"
    assert entry(tokenizer, vocabulary.index("<0xE2>")).text is None


def test_words_are_runs_of_letters_and_single_signs():
    assert words("Don't panic: 42!") == ["Don", "'", "t", "panic", ":", "42", "!"]


def test_the_light_tokenizer_is_transformers_own(embedded, tiny):
    pairs = []
    for model in (embedded, load(f"hf:{tiny}")):
        assert isinstance(model.tokenizer, JsonTokenizer)
        pairs.append((model.tokenizer, CheckpointTokenizer(str(model.checkpoint.folder))))
    for light, heavy in pairs:
        assert (light.start, light.start_text) == (heavy.start, heavy.start_text)
        assert light.encode([]) == []

    @given(st.lists(TEXT, min_size=1, max_size=3), st.booleans())
    @example(["<s>a<|im_end|></s>"], True)
    def same(texts, special):
        for light, heavy in pairs:
            ids = light.encode(texts, special)
            assert ids == heavy.encode(texts, special)
            assert light.decode(ids[0], special) == heavy.decode(ids[0], special)
            assert light.pieces(texts[0], special) == heavy.pieces(texts[0], special)

    same()


def test_tokenizers_that_transformers_builds_anew_are_light_if_their_steps_are_the_same(tmp_path):
    from transformers import GPT2Tokenizer, Qwen2Tokenizer

    signs = json.loads(byte_tokenizer().backend_tokenizer.to_str())["model"]["vocab"]
    vocabulary = {**signs, "ab": len(signs), "12": len(signs) + 1, "<|endoftext|>": len(signs) + 2}
    for kind, made in (("qwen2", Qwen2Tokenizer), ("gpt2", GPT2Tokenizer)):
        tokenizer = made(vocab=vocabulary, merges=[("a", "b"), ("1", "2")])
        assert steps_digest(tokenizer.backend_tokenizer) == REBUILT[made.__name__]
        folder = tmp_path / kind
        tokenizer.save_pretrained(folder)
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
        light = open_tokenizer(folder, kind, json.loads((folder / "tokenizer_config.json").read_text()))
        heavy = CheckpointTokenizer(str(folder))

        _encode_the_same(light, heavy)
    steps = json.loads((tmp_path / "gpt2" / "tokenizer.json").read_text())
    steps["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, steps["pre_tokenizer"]],
    }
    (tmp_path / "gpt2" / "tokenizer.json").write_text(json.dumps(steps))
    config = json.loads((tmp_path / "gpt2" / "tokenizer_config.json").read_text())
    assert open_tokenizer(tmp_path / "gpt2", "gpt2", config) is None


def _encode_the_same(light, heavy) -> None:
    @given(TEXT)
    @example("ab12 12ab e\u0301 it's\n\n <|endoftext|>")
    def same(text):
        assert light.encode([text]) == heavy.encode([text])

    same()


def test_every_type_of_model_that_may_be_light_is_so_in_transformers(tiny, tmp_path):
    text = "a <s> é 12"
    expected = load(f"hf:{tiny}").tokenizer.encode([text])
    config = json.loads((Path(tiny) / "tokenizer_config.json").read_text())
    for kind in TYPES:
        folder = tmp_path / kind
        shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
        assert open_tokenizer(folder, kind, config) is not None
        assert CheckpointTokenizer(str(folder)).encode([text]) == expected, kind


@pytest.mark.parametrize(
    "config",
    [
        {"tokenizer_class": "LlamaTokenizer"},
        {"tokenizer_class": None},
        {"add_bos_token": True},
        {"split_special_tokens": True},
        {"bos_token": "<new>"},
        {"additional_special_tokens": ["<more>"]},
        {"extra_special_tokens": {"image_token": "<image>"}},
        {"added_tokens_decoder": {"7": {"content": "<seven>", "special": True}}},
        {"auto_map": {"AutoTokenizer": ["own.Tokenizer", None]}},
    ],
)
def test_a_tokenizer_of_which_the_file_may_not_say_all_is_left_to_transformers(tiny, tmp_path, config):
    folder = changed(tiny, tmp_path / "copy", **config)
    assert open_tokenizer(folder, "llama", json.loads((folder / "tokenizer_config.json").read_text())) is None


@pytest.mark.parametrize(("kind", "expected"), [("TokenizersBackend", JsonTokenizer), (None, CheckpointTokenizer)])
def test_what_the_tokenizer_adds_is_no_part_of_the_text(tiny, tmp_path, kind, expected):
    folder = changed(tiny, tmp_path / "copy", tokenizer_class=kind)
    path = folder / "tokenizer.json"
    start = [{"SpecialToken": {"id": "<s>", "type_id": 0}}]
    text = [{"Sequence": {"id": "A", "type_id": 0}}]
    token = {"id": "<s>", "ids": [load(f"hf:{tiny}").tokenizer.start], "tokens": ["<s>"]}
    adding = {
        "type": "TemplateProcessing",
        "single": start + text,
        "pair": start + text,
        "special_tokens": {"<s>": token},
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": adding}))
    model = load(f"hf:{folder}")
    assert isinstance(model.tokenizer, expected)
    pieces = model.tokenize("ab")
    assert [(piece.shown, piece.special, piece.data) for piece in pieces] == [
        ("<s>", True, b""), ("a", False, b"a"), ("b", False, b"b"),
    ]  # fmt: skip
    assert [piece.shown for piece in model.tokenize("<s>ab")] == ["<s>", "a", "b"]  # brings its own start
    held = ratio("ab", pieces)
    assert (held.tokens, held.added, held.characters_per_token, model.count_tokens("ab")) == (2, 1, 1, 3)


def test_a_broken_tokenizer_file_is_named(tiny, tmp_path):
    folder = changed(tiny, tmp_path / "copy")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"cannot read .*tokenizer\.json"):
        load(f"hf:{folder}").tokenize("a")


def test_the_tokenizer_alone_needs_no_weights(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    assert load_tokenizer(f"hf:{folder}").count_tokens("abc") == 3
    with pytest.raises(ModelError, match="holds no weights"):
        load(f"hf:{folder}")


def test_counting_loads_no_heavy_library(embedded_home, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    code = """
import sys, llms
assert llms.load("smollm2").count_tokens([llms.Message("user", "Hi")]) > 20
assert [piece.shown for piece in llms.load("smollm2").tokenize("Hi there")] == ["Hi", " there"]
print(sorted(set(sys.modules) & {"torch", "transformers", "numpy"}))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == "[]\n", ran.stderr


def test_a_count_of_messages_is_the_rendered_template(tiny):
    model = load(f"hf:{tiny}")
    messages = [Message("system", "Be brief."), Message("user", "Hi é?")]
    found = model.count(messages)
    assert (found.grade, found.error) == ("exact", 0)
    assert found.tokens == model.count_tokens(messages) == len(model.render(messages).encode())


@given(st.text(max_size=50))
def test_an_estimate_is_a_third_of_the_bytes_and_says_that_it_is_one(text):
    found = estimate(text)
    assert estimate([Message("user", text)] * 2).tokens == 2 * (found.tokens + MESSAGE_TOKENS)
    assert (found.tokens - 1) * 3 < len(text.encode()) <= found.tokens * 3 or not text
    assert found.grade == "estimated"
    assert found.error > calibrated(1).error > 0


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1))
def test_the_learnt_ratio_stays_within_its_bounds_and_follows_the_reports(calls):
    ratio = None
    for own, reported in calls:
        ratio = learn(ratio, own, reported)
        assert LEAST <= ratio <= MOST
    for _ in range(60):
        ratio = learn(ratio, 100, 110)
    assert ratio == pytest.approx(1.1, abs=1e-4)
    assert calibrated(1000, 1.1).tokens in (1100, 1101)


def test_tiktoken_is_used_from_its_cache_and_never_fetches(tmp_path, monkeypatch):
    pytest.importorskip("tiktoken")
    from tiktoken import load as loading
    from tiktoken import model as names
    from tiktoken import registry

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    address = "https://vocabulary.invalid/test.tiktoken"

    def test_encoding():
        ranks = loading.load_tiktoken_bpe(address)
        return {"name": "test", "pat_str": r"\s?\w+|.", "mergeable_ranks": ranks, "special_tokens": {}}

    registry._find_constructors()
    monkeypatch.setitem(registry.ENCODING_CONSTRUCTORS, "test", test_encoding)
    monkeypatch.setitem(names.MODEL_TO_ENCODING, "test-model", "test")
    assert tiktoken_cache.pieces("test-model", "ab") is None  # a connection would fail the test
    assert tiktoken_cache.pieces("no-such-model", "ab") is None
    signs = [bytes([byte]) for byte in range(256)] + [b"ab"]
    lines = [f"{base64.b64encode(sign).decode()} {rank}" for rank, sign in enumerate(signs)]
    (tmp_path / hashlib.sha1(address.encode()).hexdigest()).write_text("\n".join(lines))
    monkeypatch.delitem(registry.ENCODINGS, "test", raising=False)
    pieces = tiktoken_cache.pieces("test-model", "ab é")
    assert [piece.shown for piece in pieces] == ["ab", " ", "<C3>", "<A9>"]
    assert b"".join(piece.data for piece in pieces) == "ab é".encode()
