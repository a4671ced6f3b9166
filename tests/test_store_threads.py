"""No event loop waits for the database, and no two locks are taken in two orders."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import uvicorn
from pydantic_ai.messages import BinaryContent

from llms.chat.conversation.messages import user
from llms.chat.conversation.tree import Conversation, new_id
from llms.chat.turn.event_stream import WriteQueue
from llms.errors import StoreError
from llms.store.conversations import Conversations
from llms.store.database import Database
from llms.testing import ScriptedEndpoint
from llms.web.app import create_app
from llms.web.secret import Secret
from llms.web.server import PageServer
from llms.web.service.service import ChatService


def picture(shade: int) -> bytes:
    """A PNG of its own."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head, rows = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0), zlib.compress(b"\0" + bytes((shade % 256, 1, 2)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


TOKEN = "of-the-tests"
MINE = {"authorization": f"Bearer {TOKEN}"}


@contextlib.contextmanager
def pages(service: ChatService):
    """The real server over `service`, in a thread: its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = PageServer(
        uvicorn.Config(create_app(service, Secret(TOKEN)), log_level="error", timeout_graceful_shutdown=2), service
    )
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def on_a_loop(monkeypatch):
    """Where the database was used on the thread of a running event loop."""
    found: list[str] = []
    inner = Database._explained

    @contextlib.contextmanager
    def watched(self, doing):
        if asyncio._get_running_loop() is not None:
            import traceback

            found.append("".join(traceback.format_stack(limit=9)))
        with inner(self, doing):
            yield

    monkeypatch.setattr(Database, "_explained", watched)
    return found


def read(client, run: str) -> list[dict]:
    """All events of a run."""
    events = []
    with client.stream("GET", f"/api/runs/{run}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line[6:]))
    return events


def test_no_page_and_no_turn_uses_the_database_on_an_event_loop(on_a_loop):
    def answer(body):
        if body["messages"][-1]["role"] == "tool" or not body.get("tools"):
            return "one two three"
        call = {"index": 0, "id": "c1", "function": {"name": "web_page", "arguments": '{"url": "http://x.invalid"}'}}
        return [{"delta": {"tool_calls": [call]}}, {"delta": {}, "finish_reason": "tool_calls"}]

    with ScriptedEndpoint(answer, raw=False, window=8192) as endpoint:
        service = ChatService(f"{endpoint.url}#m")
        with pages(service) as address, httpx2.Client(base_url=address, timeout=20, headers=MINE) as client:
            on_a_loop.clear()

            def post(path: str, **body):
                found = client.post(path, json=body)
                assert found.status_code == 200, found.text
                return found.json()

            id = post("/api/conversations")["id"]
            here = f"/api/conversations/{id}"
            sent = client.post("/api/attachments", files={"file": ("a.png", picture(1), "image/png")}).json()
            assert (
                read(client, post(f"{here}/send", text="hello", attachments=[sent["id"]])["run"])[-1]["state"]
                == "finished"
            )
            path = client.get(here).json()["path"]
            blob = client.get(next(p["url"] for p in path[0]["parts"] if p["type"] == "image"))
            assert blob.content == picture(1)
            assert read(client, post(f"{here}/again", node=path[1]["id"])["run"])[-1]["state"] == "finished"
            assert read(client, post(f"{here}/continue", node=path[1]["id"])["run"])[-1]["state"] == "finished"
            assert (
                read(client, post(f"{here}/send", text="other", edit=path[0]["id"])["run"])[-1]["state"] == "finished"
            )
            post(f"{here}/send", text="by hand", edit=path[1]["id"])
            run = post(f"{here}/send", text="use a tool", tools=["web_page"])["run"]
            with client.stream("GET", f"/api/runs/{run}/events") as stream:
                asked = next(
                    e
                    for line in stream.iter_lines()
                    if line.startswith("data: ") and (e := json.loads(line[6:]))["type"] == "approval_needed"
                )
            post(f"/api/runs/{run}/approve", id=asked["tool_call"], approved=False)
            assert read(client, run)[-1]["state"] == "finished"
            run = post(f"{here}/send", text="use a tool again", tools=["web_page"])["run"]
            with client.stream("GET", f"/api/runs/{run}/events") as stream:
                next(line for line in stream.iter_lines() if "approval_needed" in line)
            post(f"/api/runs/{run}/stop", seen=0)
            post("/api/count", id=id, text="how many", tools=["calculator"])
            post(f"{here}/switch", node=path[1]["id"])
            forked = post(f"{here}/fork", node=path[1]["id"])["id"]
            client.patch(here, json={"title": "t", "tags": ["x"]}).raise_for_status()
            for place in (
                "/",
                f"/c/{id}?node={path[1]['id']}",
                "/api/search?q=hello",
                "/api/tools",
                "/agents",
                f"{here}/saw/{path[1]['id']}",
                f"{here}/export",
            ):
                client.get(place).raise_for_status()
            client.request("DELETE", f"/api/conversations/{forked}").raise_for_status()
        service.close()
    assert not on_a_loop, on_a_loop[0]


def test_reading_messages_with_attachments_waits_for_no_one_who_reads_others(tmp_path):
    """Thread A reads a message while it holds the store's lock, thread B one without it, over and over."""
    with Conversations(tmp_path / "x.sqlite3") as store:
        talk = Conversation(new_id())
        for shade in range(40):
            talk = talk.append(user(f"look {shade}", [BinaryContent(picture(shade), media_type="image/png")]), "user")
        store.save(talk)

        def outside():
            return [node.message for _ in range(5) for node in store.open(talk.id).nodes.values()]

        def inside():
            for _ in range(5):
                with store.transaction():
                    [node.message for node in store.open(talk.id).nodes.values()]

        pool = ThreadPoolExecutor(4)
        works = [pool.submit(work) for work in (outside, inside, outside, inside)]
        for work in works:
            work.result(timeout=30)
        node = store.open(talk.id).nodes[talk.leaf]
        assert node.message is node.message


def test_writes_keep_their_order_and_what_failed_is_tried_again():
    done: list[int] = []
    told: list[int] = []
    broken = [True]

    def write(number: int) -> None:
        if number == 3 and broken:
            broken.pop()
            raise StoreError("busy")
        done.append(number)

    async def go():
        writes = WriteQueue()
        for number in range(8):
            writes.put(lambda number=number: write(number), lambda number=number: told.append(number))
        await writes.settled()
        await asyncio.sleep(0)
        writes.close()

    asyncio.run(go())
    assert done == told == list(range(8))


def test_a_write_that_cannot_be_done_is_raised_and_holds_up_none_after_it():
    done: list[str] = []

    def wrong() -> None:
        raise TypeError("no such field")

    async def go():
        writes = WriteQueue()
        writes.put(wrong)
        writes.put(lambda: done.append("next"))
        with pytest.raises(TypeError):
            await writes.settled()
        writes.close()

    asyncio.run(go())
    assert done == ["next"]
