"""`llms tokens` and `llms next`: what people see, what scripts read, and next tokens that agree with everything else."""

import json
import math
import subprocess
import sys

import pytest
from click.testing import CliRunner

from llms.cli.next_tokens import next_tokens
from llms.cli.output import visible
from llms.errors import ModelError
from llms.models.load import load
from llms.models.system import Model
from llms.workbench.tokens import cut, follow
from serving import in_thread

COUNT = {"tokens", "grade", "error"}
TOKENS = COUNT | {
    "model", "message", "words", "characters", "bytes", "characters_per_token", "bytes_per_token", "dropped_bytes",
    "price_usd", "pieces",
}  # fmt: skip


def llms(*arguments: str | bytes, check: int = 0, stdin: bytes | None = None) -> subprocess.CompletedProcess:
    ran = subprocess.run([sys.executable, "-m", "llms", *arguments], input=stdin or b"", capture_output=True)
    assert ran.returncode == check, ran.stderr
    ran.stdout, ran.stderr = ran.stdout.decode(), ran.stderr.decode()
    return ran


def lines(*arguments: str, stdin: bytes | None = None) -> list[dict]:
    return [json.loads(line) for line in llms(*arguments, "--json", stdin=stdin).stdout.splitlines()]


def test_every_model_gets_an_object_and_an_unknown_price_is_none(tiny):
    local, known, unknown, own = lines(
        "tokens", "añ", "-m", f"hf:{tiny}", "-m", "openai:gpt-4o", "-m", "openai:no-such-model", "-m", "ollama:tiny"
    )
    assert all(set(row) == TOKENS for row in (local, known, unknown, own))
    assert [piece["text"] for piece in local["pieces"]] == ["a", None, None]
    assert [(piece["bytes"], piece["start"], piece["end"]) for piece in local["pieces"]] == [
        ("61", 0, 1), ("c3", 1, 2), ("b1", 2, 3),
    ]  # fmt: skip
    assert {"id", "token", "special"} <= set(local["pieces"][0])
    assert (local["tokens"], local["grade"], local["price_usd"]) == (3, "exact", 0)
    assert set(local["message"]) == COUNT
    assert local["message"]["tokens"] > 3
    assert (known["grade"], known["message"]["grade"], known["pieces"]) == ("estimated", "estimated", None)
    assert known["price_usd"] > 0
    assert unknown["price_usd"] is None
    assert own["price_usd"] == 0


def test_people_see_borders_ids_and_where_a_number_comes_from(tiny):
    text = llms("tokens", "a\té\x1b[2J", "-m", f"hf:{tiny}", "-m", "openai:no-such-model").stdout
    assert "│a│⇥│<C3>│<A9>│\\x1b│[│2│J│" in text  # nothing that a terminal would obey
    assert "8 tokens · " in text
    assert "about 3 tokens (estimated, ±50 %)" in text
    assert "price unknown" in text
    above, below = llms("tokens", "ab", "-m", f"hf:{tiny}", "--ids").stdout.splitlines()[1:3]
    assert above.replace(" ", "") == "│".join("ab") + "│"
    assert [int(number) for number in below.split("│") if number] == [
        piece["id"] for piece in lines("tokens", "ab", "-m", f"hf:{tiny}")[0]["pieces"]
    ]
    views = llms("tokens", "Don't go", "-m", f"hf:{tiny}", "--views").stdout
    assert "│Don│'│t│go│" in views
    assert "│D│o│n│'│t│ │g│o│" in views


@pytest.mark.slow
def test_a_text_comes_from_a_file_or_from_standard_input(tiny, tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("é\n".encode())
    for row in (
        *lines("tokens", "-f", str(path), "-m", f"hf:{tiny}"),
        *lines("tokens", "-", "-m", f"hf:{tiny}", stdin="é\n".encode()),
        *lines("tokens", "-m", f"hf:{tiny}", stdin="é\n".encode()),
    ):
        assert row["tokens"] == row["bytes"] == 3
    (empty,) = lines("tokens", "", "-m", f"hf:{tiny}")
    assert (empty["tokens"], empty["characters_per_token"], empty["pieces"]) == (0, None, [])
    path.write_bytes(b"ab\xff")
    assert "text.txt is not UTF-8 at byte 2" in llms("tokens", "-f", str(path), check=1).stderr
    assert "the text is not UTF-8 at byte 1" in llms("tokens", b"a\xff", check=1).stderr
    assert "cannot read" in llms("tokens", "-f", str(tmp_path / "none"), check=1).stderr
    assert "give one text" in llms("tokens", "a", "-f", str(path), check=2).stderr
    assert "did you mean smollm2?" in llms("tokens", "a", "-m", "smolm2", check=2).stderr


def test_counting_for_an_endpoint_needs_no_key_and_makes_no_connection():
    (one,) = cut("Hello there", ["openai:gpt-4o"])
    assert (one.count.grade, one.pieces) == ("estimated", None)
    assert 0 < one.price < 1


def test_next_tokens_are_those_of_the_model_and_agree_with_its_log_likelihoods(tiny):
    import torch
    from transformers import AutoModelForCausalLM

    text = "The capital"
    reference = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    with load(f"hf:{tiny}") as model:
        ids = [piece.id for piece in model.tokenize(text)]
        found = model.next_tokens(text, top=5)
        assert found == model.next_tokens(ids, top=5)
        with torch.inference_mode():
            logprobs = reference(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        best = logprobs.topk(5)
        assert [token.id for token in found] == best.indices.tolist()
        assert [token.logprob for token in found] == pytest.approx(best.values.tolist(), abs=1e-4)
        ascii_one = next(token for token in model.next_tokens(text, top=200) if token.text.isalpha())
        (scored,) = model.loglikelihood([(text, ascii_one.text)])
        assert scored.logprob == pytest.approx(ascii_one.logprob, abs=1e-4)
        everything = model.next_tokens("", top=10**6)
        assert sum(math.exp(token.logprob) for token in everything) == pytest.approx(1, abs=1e-4)
        assert [token.end for token in everything].count(True) == 1


def test_steps_follow_what_is_picked(tiny):
    greedy = list(follow(f"hf:{tiny}", "abc", 4, 3, lambda step: 0))
    with load(f"hf:{tiny}") as model:
        (made,) = model.generate(["abc"], max_tokens=4)
    assert len(greedy) == made.tokens
    picked = list(follow(f"hf:{tiny}", "abc", 2, 3, lambda step: 2))
    assert picked[0][1] == greedy[0][0].tokens[2]
    assert picked[1][0].text == "abc" + picked[0][1].text
    for step, taken in (*greedy, *picked):
        assert taken in step.tokens
        assert step.rest == pytest.approx(1 - sum(math.exp(token.logprob) for token in step.tokens), abs=1e-6)


def test_following_ends_with_the_text(tiny):
    """A token that ends the text is taken as soon as it is among the candidates."""

    def end_or_first(step):
        return next((place for place, token in enumerate(step.tokens) if token.end), 0)

    taken = [token for _, token in follow(f"hf:{tiny}", "abc", 50, 400, end_or_first)]
    assert [token.end for token in taken] == [True]
    assert taken[0].text == "</s>"


def test_next_prints_bars_for_people_and_one_object_a_step_for_scripts(tiny):
    run = CliRunner().invoke
    made = run(next_tokens, ["abc", "-m", f"hf:{tiny}", "--steps", "2", "--top", "3", "--pick", "2", "--json"])
    rows = [json.loads(line) for line in made.stdout.splitlines()]
    assert len(rows) == 2
    assert set(rows[0]) == {"text", "tokens", "rest", "taken"}
    assert set(rows[0]["tokens"][0]) == {"id", "text", "logprob", "probability", "end"}
    assert rows[0]["taken"] == rows[0]["tokens"][1]["id"]
    assert rows[1]["taken"] == rows[1]["tokens"][0]["id"]
    asked = run(next_tokens, ["abc", "-m", f"hf:{tiny}", "--top", "3", "--ask"], input="2\n").stdout
    assert asked.rstrip().endswith(f"abc{visible(rows[0]['tokens'][1]['text'])}")
    assert "░" in asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pick", "x"], "expected places such as 2 or 1,3,1"),
        (["--pick", "4", "--top", "3"], "places go from 1 to 3"),
        (["--ask", "--json"], "neither --pick nor --json"),
        (["--top", "0"], "0 is not in the range"),
    ],
)
def test_wrong_picks_are_refused(arguments, message):
    assert message in llms("next", "abc", *arguments, check=2).stderr


def test_a_model_that_keeps_its_tokenizer_says_so():
    class Remote(Model):
        name = type("Name", (), {"text": "openai:x"})

    assert Remote().count_tokens("abcd") == 2
    with pytest.raises(ModelError, match="the tokenizer of openai:x is not at hand"):
        Remote().tokenize("a")
    with pytest.raises(ModelError, match="openai:x does not show the probabilities"):
        Remote().next_tokens("a")


def test_a_server_of_ones_own_counts_exactly_and_shows_its_next_tokens(tiny, monkeypatch):
    monkeypatch.delenv("LLMS_API_KEY", raising=False)
    with in_thread([f"hf:{tiny}"]) as server, load(f"hf:{tiny}") as model:
        name = f"{server.url}#hf:{tiny}"
        (here, there) = cut("The capital of Peru", [f"hf:{tiny}", name])
        assert (there.count, there.message) == (here.count, here.message)
        assert (there.count.grade, there.pieces) == ("exact", None)
        (mine, _), (theirs, taken) = (next(follow(one, "The cap", 1, 5, lambda _: 0)) for one in (f"hf:{tiny}", name))
        assert [t.logprob for t in theirs.tokens] == pytest.approx([t.logprob for t in mine.tokens], abs=1e-4)
        assert taken.id is None
        (row,) = lines("next", "The cap", "-m", name, "--top", "5")
        assert [token["id"] for token in row["tokens"]] == [None] * 5
        assert "raw text" not in llms("next", "The cap", "-m", name, "--steps", "2").stdout
        assert model.count_tokens("The capital of Peru") == there.count.tokens


def test_a_server_that_does_not_answer_leaves_an_estimate():
    (one,) = cut("The capital of Peru", ["http://127.0.0.1:9/v1#m"])
    assert one.count.grade == "estimated"
