"""What a turn costs beside the model: time to the first word, turns a second, memory after many, many at once.

    python benchmarks/turns.py [--turns 1000]

A scripted model answers at once, so that everything measured is ours. Prints one object a line.
"""

import argparse
import asyncio
import gc
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

from pydantic_ai.models.function import FunctionModel

from llms.chat.conversation.messages import user
from llms.chat.conversation.tree import Conversation, new_id
from llms.chat.turn.events import TextDelta
from llms.chat.turn.setup import Setup
from llms.chat.turn.turn import Turn
from llms.chat.window.sizes import Window, estimate
from llms.store import chat_runs
from llms.store.conversations import Conversations

SAID: list[float] = []


async def script(messages, info):
    SAID.append(time.perf_counter())
    for word in ("one ", "two ", "three"):
        yield word


async def turn(store: Conversations, talk: Conversation) -> tuple[Conversation, float]:
    """One more exchange; seconds from the model's first word to the reader's."""
    after = talk.append(user("say something"), "user")
    store.save(after, talk)
    setup = Setup(FunctionModel(stream_function=script), "scripted", Window(4000, 500), estimate)
    journal = chat_runs.begin(store, talk.id, after.leaf or "")
    running = Turn(after.path(), setup, journal, talk.id).start()
    heard = 0.0
    async for event in running.events():
        if isinstance(event, TextDelta) and not heard:
            heard = time.perf_counter() - SAID[-1]
    return store.open(talk.id), heard


def memory_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def main(turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Conversations(Path(folder) / "x.sqlite3") as store:
        heard, before = [], 0.0
        begun = time.process_time()
        for number in range(turns):
            if number % 20 == 0:
                talk = Conversation(new_id())
                store.save(talk)
            talk, first = await turn(store, talk)
            heard.append(first)
            if number == 50:
                gc.collect()
                before = memory_megabytes()
        seconds = (time.process_time() - begun) / turns
        gc.collect()
        print(json.dumps({"what": "processor time of a turn", "milliseconds": round(1000 * seconds, 1)}))
        print(
            json.dumps(
                {"what": "first word, behind the model", "milliseconds": round(1000 * statistics.median(heard), 2)}
            )
        )
        grown = memory_megabytes() - before
        print(json.dumps({"what": f"memory grown over {turns - 51} turns", "megabytes": round(grown, 1)}))
        talks = [Conversation(new_id()) for _ in range(20)]
        for talk in talks:
            store.save(talk)
        begun = time.perf_counter()
        await asyncio.gather(*(turn(store, talk) for talk in talks))
        print(json.dumps({"what": "20 chats at once", "milliseconds": round(1000 * (time.perf_counter() - begun), 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1000)
    asyncio.run(main(parser.parse_args().turns))
