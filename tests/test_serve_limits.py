"""The server under strain: who goes away costs nothing more, who asks too much is refused, and it lives."""

import json
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.errors import UsageError
from llms.serve.server import bind
from serving import answered, exchange, in_thread, post

CHAT, RAW = "/v1/chat/completions", "/v1/completions"


@pytest.fixture(scope="module")
def running(tiny):
    with in_thread([f"hf:{tiny}"], connections=100, request_seconds=1.0, stall_seconds=1.0, body=1 << 20) as found:
        yield found


@pytest.fixture(scope="module")
def served(running):
    return next(iter(running.shelf.generating.values()))


def chat(served, **more) -> dict:
    asked = {"model": served.model.name.text, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    return {**asked, "temperature": 0, **more}


def text_of(raw: bytes) -> str:
    return answered(raw)[1]["choices"][0]["message"]["content"]


def eventually(true, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_ends_its_rows(running, served, stream):
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(post(CHAT, chat(served, max_tokens=2000, n=2, temperature=1, stream=stream, stop=["</never>"])))
        eventually(lambda: served.engine_loop.busy)
        if stream:
            client.recv(1000)
    eventually(lambda: served.engine_loop.busy == 0)
    eventually(lambda: served._held == 0)
    served.engine_loop.call(lambda: None)
    assert served.engine_loop._decoder.idle


def test_callers_at_once_get_what_each_gets_alone(running, served):
    bodies = [chat(served, messages=[{"role": "user", "content": "x" * i}]) for i in range(8)]
    alone = [text_of(exchange(running.port, post(CHAT, body))) for body in bodies]
    found: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: text_of(exchange(running.port, post(CHAT, bodies[i])))}))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(8)] == alone


def test_more_than_may_wait_are_told_to_come_again(running, served, monkeypatch):
    monkeypatch.setattr(served, "most", 2)
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(post(CHAT, chat(served, max_tokens=2000, n=2, temperature=1)))
        eventually(lambda: served._held == 2)
        raw = exchange(running.port, post(CHAT, chat(served)))
        assert b"retry-after: 2" in raw.split(b"\r\n\r\n")[0]
        status, body = answered(raw)
        assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    eventually(lambda: served._held == 0)
    status, body = answered(exchange(running.port, post(CHAT, chat(served, n=3))))
    assert (status, body["error"]["param"]) == (400, "n")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(running):
    head = (
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
    )
    status, body = answered(exchange(running.port, head + b"content-length: 104857600\r\n\r\n" + b"x" * 100))
    assert (status, body["error"]["type"]) == (413, "invalid_request_error")
    chunks = head + b"transfer-encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 20
    assert answered(exchange(running.port, chunks))[0] == 413


def test_a_request_that_does_not_arrive_is_given_up(running):
    begun = time.monotonic()
    assert exchange(running.port, b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-le") == b""
    assert exchange(running.port, post(RAW, {"model": "x"})[:-3]) == b""
    assert time.monotonic() - begun > 1.5


def test_an_answer_that_is_not_read_is_given_up(running, served):
    scored = {
        "model": served.model.name.text,
        "prompt": ["x" * 2000] * 5,
        "echo": True,
        "logprobs": 20,
        "max_tokens": 0,
    }
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", running.port))
        client.sendall(post(RAW, scored, close=False))
        eventually(lambda: any(c.flow.write_paused for c in running.server.server_state.connections), 60)
        eventually(lambda: not running.server.server_state.connections)


@pytest.mark.slow
def test_ten_thousand_connections_leave_room_for_one_more(running, served):
    health = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    held: list[socket.socket] = []
    for _ in range(100):
        held += [socket.create_connection(("127.0.0.1", running.port)) for _ in range(100)]
        assert answered(exchange(running.port, health))[0] == 200
        assert len(running.server.server_state.connections) <= 101
        for client in held[:-200]:
            client.close()
        del held[:-200]
    assert text_of(exchange(running.port, post(CHAT, chat(served))))
    for client in held:
        client.close()


def test_what_is_no_request_is_refused(running):
    assert exchange(running.port, b"good morning\r\n\r\n").startswith(b"HTTP/1.1 400")
    strange = b"GET /health HTTP/1.1\r\nhost: attacker.example:80\r\nconnection: close\r\n\r\n"
    assert answered(exchange(running.port, strange))[0] == 403
    plain = post(RAW, {"model": "x", "prompt": "x"}).replace(b"application/json", b"text/plain")
    assert answered(exchange(running.port, plain))[0] == 400


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-50, 50) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["messages", "prompt", "max_tokens", "n", "stop", "tools", "tool_choice", "response_format", "logprobs", "stream",
          "stream_options", "seed", "top_p", "top_k", "echo", "input", "model", "metadata", "functions", "nonsense"]  # fmt: skip


@settings(max_examples=80)
@given(path=st.sampled_from([CHAT, RAW, "/v1/embeddings", "/tokenize", "/detokenize"]), changed=st.dictionaries(
    st.sampled_from(FIELDS), ANYTHING, min_size=1, max_size=3))  # fmt: skip
def test_whatever_is_sent_gets_an_answer_or_a_reason(running, served, path, changed):
    base = {"model": served.model.name.text, "max_tokens": 2}
    base |= {CHAT: {"messages": [{"role": "user", "content": "x"}]}, RAW: {"prompt": "x"}}.get(path, {})
    raw = exchange(running.port, post(path, {**base, **changed}))
    status = int(raw.split()[1])
    assert status == 200 or 400 <= status < 500
    if status != 200:
        error = json.loads(raw.partition(b"\r\n\r\n")[2])["error"]
        assert error["message"]
        assert set(error) == {"message", "type", "param", "code"}


def test_other_addresses_than_loopback_need_a_key():
    with pytest.raises(UsageError, match="serve it with a key"):
        bind("0.0.0.0", 0, None)
    bind("0.0.0.0", 0, "key").close()
    taken = bind("127.0.0.1", 0, None)
    taken.listen()
    with pytest.raises(UsageError, match="name another --port"):
        bind("127.0.0.1", taken.getsockname()[1], None)
    taken.close()
