"""Ctrl-C at any moment ends what is computed and keeps what came: real processes, real signals."""

import asyncio
import contextlib
import http.client
import importlib
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from pydantic import TypeAdapter
from pydantic_core import core_schema

import serving
from llms import bridge, settings
from llms.chat.conversation.messages import visible
from llms.cli.interrupt import defer_during_imports
from llms.cli.main import cli, main
from llms.store.conversations import Conversations
from llms.testing import ScriptedEndpoint
from terminal import terminal

WORDS = 60
TOKEN = "of-the-tests"
MINE = {"authorization": f"Bearer {TOKEN}"}


def counted(body) -> str:
    return " ".join(f"w{n}" for n in range(WORDS))


@pytest.fixture
def server():
    with ScriptedEndpoint(counted, raw=False, window=65536, seconds=0.01) as server:
        yield server


def last_word(text: str) -> int:
    return max((int(n) for n in re.findall(r"\bw(\d+)\b", text)), default=-1)


def answers() -> list:
    """The answers of all stored conversations, in order."""
    with Conversations(settings.database()) as store:
        trees = [store.open(one.id) for one in store.all()]
        found = [node for tree in trees for node in tree.path() if node.role == "assistant"]
        for node in found:
            _ = node.message
    return found


def interrupted_talk(server, times: int, seed: int) -> None:
    moments = random.Random(seed)
    with terminal("chat", "-m", f"{server.url}#m") as screen:
        place = screen.wait_for(r"> ")
        shown = []
        for number in range(times):
            screen.type(f"question {number}\n")
            screen.read(moments.uniform(0.0, 0.9))
            screen.interrupt()
            begun = place
            place = screen.wait_for(r"(stopped; what came is kept|\n)[^>]*> ", place)
            screen.read(0.2)  # an interrupt that met the prompt makes it anew, and what is typed meanwhile is dropped
            place = len(screen.text)
            shown.append(last_word(screen.text[begun:place]))
        screen.type("/quit\n")
        assert screen.end() == 0
        assert "Traceback" not in screen.text
        assert "Error" not in screen.text
    stored = answers()
    assert all(node.state in ("stopped", "complete") for node in stored)
    assert max((last_word(visible(node.message)) for node in stored), default=-1) >= max(shown)
    assert sum(seen >= 0 for seen in shown) <= len(stored)


def test_a_talk_goes_on_after_every_interrupt(server):
    interrupted_talk(server, 6, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_talk_goes_on_after_fifty_interrupts(server, seed):
    interrupted_talk(server, 10, seed)


@pytest.mark.parametrize("leave", ["interrupt", "end of input"])
def test_a_question_of_a_command_can_be_left_without_leaving_the_talk(server, leave):
    server.seconds = 0.0
    with terminal("chat", "-m", f"{server.url}#m") as screen:
        place = screen.wait_for(r"> ")
        screen.type("hello\n")
        place = screen.wait_for(r"w59[^>]*> ", place)
        screen.type("/edit\n")
        place = screen.wait_for(r"new wording", place)
        screen.interrupt() if leave == "interrupt" else screen.type("\x15\x04")
        screen.wait_for(r"> ", place)
        screen.type("/quit\n")
        assert screen.end() == 0


def test_an_interrupt_says_what_goes_on_only_where_something_does(monkeypatch, capsys):
    told = {}
    for command in ("ask", "eval", "serve"):
        monkeypatch.setattr(sys, "argv", ["llms", command])
        monkeypatch.setattr(cli, "main", lambda **_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 130
        told[command] = capsys.readouterr().err
    assert told["ask"] == told["serve"] == "llms: interrupted\n"
    assert "the same command continues" in told["eval"]


@pytest.fixture
def deferred():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    defer_during_imports()
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def slow_module(tmp_path, monkeypatch):
    """The name of a module that takes its time and, as some libraries do, survives whatever happens meanwhile."""
    (tmp_path / "takes_its_time.py").write_text(
        "import signal, time\n"
        "begun = True\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    time.sleep(0.15)\n"
        "except BaseException:\n"
        "    lost = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "takes_its_time"
    del sys.modules["takes_its_time"]


def test_an_interrupt_within_an_import_is_not_lost(slow_module, deferred):
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        importlib.import_module(slow_module)
        time.sleep(2)
    assert not hasattr(sys.modules[slow_module], "lost")  # the import is whole


def test_an_interrupt_while_pydantic_reads_a_class_is_not_made_an_error_of_its_own(deferred):
    class Field:
        @classmethod
        def __get_pydantic_core_schema__(cls, source, handler):
            signal.raise_signal(signal.SIGINT)
            return core_schema.literal_schema(["a", "b"])

    adapter = None
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        adapter = TypeAdapter(Field)
        time.sleep(2)
    assert adapter.validate_python("a") == "a"


@pytest.mark.parametrize(("seed", "as_json"), [(1, False), (2, True)])
def test_what_came_of_an_answer_is_kept_when_it_is_interrupted(server, seed, as_json):
    command = [sys.executable, "-m", "llms", "ask", "-m", f"{server.url}#m", "go on", *(["--json"] if as_json else [])]
    server.seconds = 0.05
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, bufsize=0
    )
    first = b""
    while b"w1" not in first and (more := process.stdout.read(1)):
        first += more
    time.sleep(random.Random(seed).uniform(0.0, 0.5))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err
    (answer,) = answers()
    assert answer.state == "stopped"
    assert 0 <= last_word((first + out).decode()) <= last_word(visible(answer.message)) < WORDS - 1


def test_a_second_interrupt_ends_the_command_at_once(server):
    with terminal("ask", "-m", f"{server.url}#m", "go on") as screen:
        screen.wait_for("w1 ")
        screen.interrupt()
        screen.interrupt()
        assert screen.end() == 130
        assert "Traceback" not in screen.text
    assert [node.state for node in answers()] in (["stopped"], ["streaming"])  # recovered when it is opened next


@pytest.mark.slow
def test_an_interrupted_team_keeps_its_run(server):
    server.seconds = 8.0  # agents do not stream: this is how long their one answer takes
    with terminal("agent", "say something", "--team", "single", "-m", f"{server.url}#m") as screen:
        screen.wait_for(r"single \(single\)")
        screen.read(0.5)
        screen.interrupt()
        assert (screen.end(), "Traceback" in screen.text) == (130, False), screen.text
    listed = subprocess.run(
        [sys.executable, "-m", "llms", "agent", "--runs", "--json"], capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["state"] for line in listed.stdout.splitlines()] == ["interrupted"]


@pytest.mark.slow
def test_pages_end_while_an_answer_is_written_and_keep_what_came(server, monkeypatch):
    monkeypatch.setenv("LLMS_WEB_TOKEN", TOKEN)
    server.seconds = 0.05

    def post(path: str, **body):
        request = urllib.request.Request(
            address + path, json.dumps(body).encode(), {"content-type": "application/json", **MINE}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    with terminal("web", "--port", "0", "-m", f"{server.url}#m") as screen:
        screen.wait_for(r"http://\S+ ")
        address = re.search(r"http://[^/]+", screen.text)[0]
        id = post("/api/conversations")["id"]
        run = post(f"/api/conversations/{id}/send", text="go on")["run"]
        events = urllib.request.Request(f"{address}/api/runs/{run}/events", headers=MINE)
        told = urllib.request.urlopen(events, timeout=20)
        seen = ""
        while "w3" not in seen and (line := told.readline().decode()):
            seen += line
        screen.interrupt()
        seen += told.read().decode()
        assert '"state": "stopped"' in seen  # the page learns how it ended
        assert screen.end() in (0, 130)
        assert "Traceback" not in screen.text
        assert "ERROR" not in screen.text
    (answer,) = answers()
    assert answer.state == "stopped"
    assert 3 <= last_word(visible(answer.message)) < WORDS - 1


@pytest.mark.parametrize(("path", "body"), [("/api/stateless", {}), ("/api/agents", {"goal": "g", "team": "single"})])
def test_pages_end_at_once_while_a_model_hangs(server, monkeypatch, path, body):
    monkeypatch.setenv("LLMS_WEB_TOKEN", TOKEN)
    server.seconds = 60.0

    def ask():
        headers = {"content-type": "application/json", **MINE}
        content = json.dumps({"model": f"{server.url}#m", **body}).encode()
        with contextlib.suppress(OSError, http.client.HTTPException):
            urllib.request.urlopen(urllib.request.Request(address + path, content, headers), timeout=20)

    with terminal("web", "--port", "0", "-m", f"{server.url}#m") as screen:
        screen.wait_for(r"http://\S+ ")
        address = re.search(r"http://[^/]+", screen.text)[0]
        asking = threading.Thread(target=ask)
        asking.start()
        deadline = time.monotonic() + 20
        while not any("messages" in asked for _, asked in server.posts) and time.monotonic() < deadline:
            time.sleep(0.05)
        begun = time.monotonic()
        screen.interrupt()
        assert screen.end() in (0, 130)
        assert time.monotonic() - begun < 6
        assert "Traceback" not in screen.text
        asking.join()


def _slow_to_end(log: list[str]):
    async def stream():
        try:
            while True:
                await asyncio.sleep(0.001)
                yield 1
        finally:
            await asyncio.sleep(0.01)  # as one that stores what came
            log.append("kept")

    return stream()


@pytest.mark.parametrize("seed", range(20))
def test_a_stream_that_is_interrupted_anywhere_is_closed_once_it_has_kept_what_came(seed):
    log: list[str] = []
    timer = threading.Timer(
        random.Random(seed).uniform(0.0, 0.02), signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reading = bridge.iterate(_slow_to_end(log))
    try:
        next(reading)  # something came: a stream that never began has nothing to keep
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            timer.start()
            for _ in reading:
                pass
            time.sleep(1)
    finally:
        reading.close()
        signal.signal(signal.SIGINT, before)
    assert log == ["kept"]


STARTED = "import llms.__main__ as entry; print('started', flush=True); entry.main()"


@pytest.fixture(scope="module")
def long_winded(tmp_path_factory) -> str:
    """A model that has room to go on for minutes."""
    from tiny import save_checkpoint

    return str(save_checkpoint(tmp_path_factory.mktemp("long"), window=60_000))


def starts_end_in_order(tiny, top: float, seed: int) -> None:
    model, moments = f"hf:{tiny}", random.Random(seed)
    for arguments in (
        ["serve", model, "--port", "0"],
        ["web", "--port", "0", "-m", model],
        ["eval", model, "-b", "arc_easy", "--limit", "50"],
        ["ask", "-m", model, "go on"],
    ):
        seconds = moments.uniform(0.0, top)
        process = subprocess.Popen(
            [sys.executable, "-c", STARTED, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout.readline() == "started\n"
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[1]
        finally:
            process.kill()
        # -SIGINT, which a shell shows as 130, too: Python's own where it interrupts an import
        assert process.returncode in (0, 130, -signal.SIGINT), (arguments, seconds, said)
        assert "Traceback" not in said, (arguments, seconds, said)


def test_a_command_that_is_interrupted_while_it_begins_ends_without_a_traceback(tiny):
    starts_end_in_order(tiny, 0.3, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 10))
def test_commands_that_are_interrupted_while_they_load_end_without_a_traceback(tiny, seed):
    starts_end_in_order(tiny, 6.0, seed)


def interrupted_stream(model: str, home, seed: int, times: int) -> None:
    moments = random.Random(seed)
    body = {"model": model, "messages": [{"role": "user", "content": "go"}], "stream": True, "max_tokens": 50_000}
    with serving.in_process(model, home=home) as served:
        request = urllib.request.Request(
            f"{served.url}/chat/completions",
            json.dumps(body | {"temperature": 0}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {serving.KEY}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.readline().startswith(b"data: {")
            for _ in range(times):
                time.sleep(moments.uniform(0.05, 0.5))
                served.process.send_signal(signal.SIGINT)
            events = answer.read().decode().split("\n\n")
        said = served.process.communicate(timeout=30)[1]
    assert "server_stopped" in events[-3]
    assert events[-2:] == ["data: [DONE]", ""]
    assert served.process.returncode in (0, 130, -signal.SIGINT)
    assert "Traceback" not in said


LEAVES_A_THREAD = """
import atexit, ctypes, sys, threading, time
import llms.__main__, llms.cli.main
from llms import bridge

def command():
    STARTED_THREAD
    threading.Thread(target=lambda: (time.sleep(0.5), print("waited for", flush=False))).start()
    time.sleep(0.3)
    print("said", flush=False)
    sys.exit(3)

libc = ctypes.CDLL(None)  # aborts where the process takes itself down, as torch does with a thread inside it
libc.on_exit(ctypes.cast(libc.abort, ctypes.c_void_p), None)
atexit.register(lambda: print("cleaned up", flush=False))
llms.cli.main.main = command
llms.__main__.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc has on_exit")
@pytest.mark.parametrize(
    "thread",
    [
        "bridge.start(bridge.in_daemon(lambda: time.sleep(60)))",
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    ],
)
def test_a_command_that_leaves_a_thread_behind_ends_with_its_status(thread):
    code = LEAVES_A_THREAD.replace("STARTED_THREAD", thread)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stdout) == (3, "said\nwaited for\ncleaned up\n"), ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "times"), [(1, 2), (2, 1), (3, 1), (4, 2), (5, 3)])
def test_streams_end_in_order_whenever_the_server_is_interrupted(long_winded, tmp_path, seed, times):
    interrupted_stream(f"hf:{long_winded}", tmp_path, seed, times)
