"""What a server's answers show of it: a cap on output is not a window, and nothing is forgotten because of one."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llms.chat.turn import events as told
from llms.chat.window.served import ObservedAnswer, ServedWindow, named_limit
from llms.chat.window.sizes import Calibration
from llms.store import database, model_calls
from llms.store.conversations import Conversations
from llms.testing import ScriptedEndpoint
from llms.workbench.chat.chat import Chat

FACT = "The cat is called Pixel."
grades = st.sampled_from(["exact", "calibrated", "estimated"])


@given(
    st.lists(st.tuples(st.integers(1, 9000), st.integers(0, 300), st.booleans(), grades), max_size=12),
    st.one_of(st.none(), st.integers(100, 9000)),
)
@settings(max_examples=200)
def test_answers_that_were_read_whole_never_make_a_window_smaller(answers, window):
    served = ServedWindow(window)
    for count, wrote, cut, grade in answers:
        before, served = served, served.after(ObservedAnswer(count, grade, count, wrote, 300, cut))
        assert served.window == (None if before.window is None else max(before.window, count + wrote))


def test_a_window_shrinks_where_less_was_read_than_sent_or_a_limit_is_named_and_grows_with_a_larger_success():
    cut = ServedWindow().after(ObservedAnswer(16_000, "exact", 4000, 96, 300))
    assert cut.window == 4096
    assert cut.after(ObservedAnswer(5000, "exact", 5000, 10, 300)).window == 5010
    assert ServedWindow().refused(2048).window == 2048
    few, three = ServedWindow(None, None, Calibration(1.0, 2)), ServedWindow(None, None, Calibration(1.0, 3))
    assert few.after(ObservedAnswer(16_000, "calibrated", 4000, 96, 300)).window is None
    assert three.after(ObservedAnswer(16_000, "calibrated", 4000, 96, 300)).window == 4096


def test_a_cap_on_answers_is_kept_until_a_longer_one_comes():
    capped = ServedWindow().after(ObservedAnswer(100, "exact", 100, 256, 1024, cut=True))
    assert (capped.window, capped.most_output) == (None, 256)
    assert capped.after(ObservedAnswer(100, "exact", 100, 20, 1024)) == capped
    assert capped.after(ObservedAnswer(100, "exact", 100, 900, 1024)).most_output is None
    assert (
        ServedWindow().after(ObservedAnswer(100, "exact", 100, 1024, 1024, cut=True)).most_output is None
    )  # that was asked for


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", 4096),
        ("This model's maximum context length is 128,000 tokens", 128_000),
        ("the request exceeds the available context size (2048 tokens)", 2048),
        ('{"error": {"code": 400, "n_prompt_tokens": 5000, "n_ctx": 4096}}', 4096),
        ("429: 5000 requests a minute are too many", None),
        ("status_code: 500, body: 4096", None),
    ],
)
def test_the_limit_that_an_error_names_is_read(error, limit):
    assert named_limit(error) == limit


def sent(server) -> str:
    return json.dumps([body["messages"] for _, body in server.posts if "messages" in body][-1])


def answer_of(tokens: int, finish: str):
    return lambda body: ("w " * tokens, tokens, finish, max(1, len(json.dumps(body["messages"])) // 4))


@given(st.lists(st.tuples(st.integers(1, 200), st.sampled_from(["length", "stop"])), min_size=1, max_size=5))
@example([(256, "length"), (1, "length"), (20, "stop")])
@settings(max_examples=8)
def test_after_any_capped_answers_a_fact_from_the_first_message_is_still_sent(capped):
    with ScriptedEndpoint(raw=False, window=8192) as server, Chat(f"{server.url}#m", ephemeral=True) as chat:
        for at, (tokens, finish) in enumerate(capped):
            server.answer = answer_of(tokens, finish)
            list(chat.send(FACT if at == 0 else f"question {at}"))
        list(chat.send("What is the cat called?"))
        assert FACT in sent(server)
        assert chat.setup().window.tokens == 8192


def test_a_cap_is_said_once_and_the_answer_goes_on():
    with (
        ScriptedEndpoint(answer_of(256, "length"), raw=False, window=8192) as server,
        Chat(f"{server.url}#m", ephemeral=True) as chat,
    ):
        told_of = [[e for e in chat.send(text) if isinstance(e, told.Notice)] for text in ("one", "two")]
        assert [[notice.code for notice in notices] for notices in told_of] == [["output_limit"], ["cut"]]
        assert "256 of 1024 tokens" in told_of[0][0].text
        assert "Continue" in told_of[0][0].text
        server.answer = answer_of(3, "stop")
        assert list(chat.carry_on())[-1].state == "finished"
        assert chat.answer.count("w") == 259


def test_a_window_that_an_error_names_is_fitted_from_then_on():
    fault = {"status": 400, "message": "This model's maximum context length is 2048 tokens. However, you sent more"}
    with ScriptedEndpoint(raw=False, window=8192) as server, Chat(f"{server.url}#m", ephemeral=True) as chat:
        assert chat.setup().window.tokens == 8192
        server.faults.append(fault)
        events = list(chat.send("hello"))
        assert events[-1].state == "failed"
        assert "takes 2048 tokens" in next(e.text for e in events if getattr(e, "code", "") == "window_named")
        assert chat.setup().window.tokens == 2048


def test_windows_that_were_learned_from_caps_are_dropped_when_the_store_is_opened(tmp_path, monkeypatch):
    path = tmp_path / "x.sqlite3"
    with monkeypatch.context() as older:
        older.setattr(database, "MIGRATIONS", database.MIGRATIONS[:5])
        with Conversations(path) as store, store.transaction() as db:
            db.execute("INSERT INTO windows VALUES ('m', 20, 1.25, 7)")
    with Conversations(path) as store:
        assert model_calls.served(store, "m") == ServedWindow(None, None, Calibration(1.25, 7))


SERVED = 1024  # what the server really takes, of the 8192 that it states
PROSE = "The ferry to the island leaves at noon when the weather allows it, and returns before dark. "


def cut_at(served: int, bytes_per_token: float):
    """A server that drops what is too long without a word, and reports what is left."""

    def answer(body):
        text = "".join(message["content"] for message in body["messages"])
        return "yes", 1, "stop", min(served, max(1, round(len(text) / bytes_per_token)))

    return answer


def notices(chat, text: str) -> list[str]:
    codes = [event.code for event in chat.send(text) if isinstance(event, told.Notice)]
    return [code for code in codes if code != "left_out"]  # which is said of every full window


def test_a_conversation_that_a_server_cut_without_a_word_is_marked_and_fits_from_then_on():
    with (
        ScriptedEndpoint(cut_at(SERVED, 4.5), raw=False, window=8192) as server,
        Chat(f"{server.url}#m", ephemeral=True) as chat,
    ):
        assert notices(chat, "hello") == []
        assert not chat.path[-1].message.metadata
        assert notices(chat, PROSE * 90) == ["server_truncated"]
        assert chat.path[-1].message.metadata["server_truncated"]["read"] == SERVED
        assert chat.setup().window.tokens == SERVED + 1
        assert notices(chat, "and now?") == []  # what is sent fits the window that it has shown
        assert len(sent(server)) < SERVED * 4.5


@pytest.mark.parametrize("bytes_per_token", [2.0, 3.3, 4.5, 5.5, 6.5])
def test_a_server_that_counts_less_than_we_do_is_not_taken_to_cut(bytes_per_token):
    with (
        ScriptedEndpoint(cut_at(99_999, bytes_per_token), raw=False, window=8192) as server,
        Chat(f"{server.url}#m", ephemeral=True) as chat,
    ):
        texts = ["hello", PROSE * 60, "1234567890 " * 40, "-" * 9000, PROSE * 60]
        assert [code for text in texts for code in notices(chat, text)] == []
        assert chat.setup().window.tokens == 8192
