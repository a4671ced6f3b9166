"""Many tabs and other processes on one database: nothing hangs, nothing that was acknowledged is lost."""

import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from llms import settings
from llms.chat.conversation.messages import visible
from llms.store.conversations import Conversations
from llms.testing import ScriptedEndpoint
from test_store_threads import picture, read

TOKEN = "of-the-tests"
MINE = {"authorization": f"Bearer {TOKEN}"}
SILENCE_SECONDS = 60  # no answer for so long is a hang


def tab(address: str, seed: int, end: float, sent: list[tuple[str, str]]) -> None:
    """One tab: sends, counts, lists, searches, branches and edits in a conversation of its own."""
    choose = random.Random(seed)
    with httpx2.Client(base_url=address, timeout=SILENCE_SECONDS, headers=MINE) as client:

        def post(path: str, **body):
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        id = post("/api/conversations")["id"]
        here, number = f"/api/conversations/{id}", 0
        while time.monotonic() < end:
            number += 1
            text = f"message {number} of tab {seed}"
            files = {"file": ("a.png", picture(choose.randrange(256)), "image/png")}
            attached = [client.post("/api/attachments", files=files).json()["id"]] if choose.random() < 0.5 else []
            run = post(f"{here}/send", text=text, attachments=attached)["run"]
            sent.append((id, text))
            post("/api/count", id=id, text="how many " * choose.randrange(1, 50))
            assert read(client, run)[-1]["state"] == "finished"
            path = client.get(here).json()["path"]
            match choose.randrange(5):
                case 0:
                    client.get("/api/conversations").raise_for_status()
                case 1:
                    client.get(f"/api/search?q=message {number}").raise_for_status()
                case 2:
                    read(client, post(f"{here}/again", node=path[-1]["id"])["run"])
                case 3:
                    edited = f"edited {text}"
                    read(client, post(f"{here}/send", text=edited, edit=path[-2]["id"])["run"])
                    sent.append((id, edited))
                case 4:
                    post(f"{here}/fork", node=path[-1]["id"])


def asking(url: str, name: str, end: float, sent: list[tuple[str, str]]) -> None:
    number = 0
    while time.monotonic() < end:
        number += 1
        text = f"question {number} of {name}"
        command = [sys.executable, "-m", "llms", "ask", "-m", f"{url}#m", text]
        found = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        assert found.returncode == 0, found.stderr
        sent.append(("", text))


@pytest.mark.parametrize("seconds", [10, pytest.param(120, marks=pytest.mark.slow)])
def test_nothing_hangs_and_nothing_is_lost(seconds):
    sent: list[tuple[str, str]] = []
    with ScriptedEndpoint(lambda body: "one two three", raw=False, window=200_000) as server:
        command = [sys.executable, "-m", "llms", "web", "--port", "0", "-m", f"{server.url}#m"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "LLMS_WEB_TOKEN": TOKEN}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as web:
            try:
                address = re.search(r"http://[^/]+", web.stdout.readline())[0]
                end = time.monotonic() + seconds
                pool = ThreadPoolExecutor(6)
                works = [pool.submit(tab, address, seed, end, sent) for seed in range(4)]
                works += [pool.submit(asking, server.url, name, end, sent) for name in ("a", "b")]
                for work in works:
                    work.result(seconds + 2 * SILENCE_SECONDS)
            finally:
                web.terminate()
                told = web.communicate(timeout=30)[0]
        assert "Traceback" not in told
    with Conversations(settings.database()) as store:
        stored = {
            (one.id, visible(node.message))
            for one in store.all()
            for node in store.open(one.id).nodes.values()
            if node.role == "user"
        }
    texts = {text for _, text in stored}
    assert [text for id, text in sent if (id and (id, text) not in stored) or text not in texts] == []
    assert len(sent) >= 6
    with sqlite3.connect(settings.database()) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
