"""The pages' service beside other processes on the same database: what a killed one left is repaired while the service lives."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from llms.chat.conversation.tree import new_id
from llms.web.service.service import ChatService

DYING = """
import sys, time
from pydantic_ai.messages import ModelResponse, TextPart
from llms import settings
from llms.chat.conversation.tree import Conversation
from llms.chat.conversation.messages import user
from llms.store import chat_runs
from llms.store.conversations import Conversations

store = Conversations(settings.database())
asked = Conversation(sys.argv[1]).append(user("go"), "user")
store.save(asked)
journal = chat_runs.begin(store, asked.id, asked.leaf)
begun = asked.append(ModelResponse(parts=[TextPart("half an answer")]), "m", "streaming")
journal.add(begun.nodes[begun.leaf])
print(journal.run, flush=True)
time.sleep(60)
"""


@contextmanager
def dying(id: str):
    """(process, its run) of one that answers in the conversation `id` and would go on for long."""
    with subprocess.Popen([sys.executable, "-c", DYING, id], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def service():
    service = ChatService("nothing")
    yield service
    service.close()


def test_a_page_that_reads_a_run_of_a_killed_process_is_told_its_end(service):
    async def read(id: str) -> list[dict]:
        with dying(id) as (process, run):
            assert (await service.conversations.get(id)).run == run  # it lives
            reading = asyncio.ensure_future(_all(service.turns.events(run, 0)))
            await asyncio.sleep(0)
            process.send_signal(signal.SIGKILL)
            process.wait()
            return await asyncio.wait_for(reading, 30)

    event = asyncio.run(read(new_id()))[-1]
    assert (event["type"], event["state"]) == ("run_finished", "interrupted")


def test_a_conversation_whose_process_was_killed_opens_as_interrupted(service):
    id = new_id()
    with dying(id) as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait()
    shown = asyncio.run(service.conversations.get(id))
    answer = shown.path[-1]
    assert (shown.run, answer.state, answer.parts[0].text) == (None, "interrupted", "half an answer")


async def _all(events) -> list[dict]:
    return [json.loads(event) async for _, event in events]
