"""Kills a turn at each commit of its database and looks at what is there afterwards; prints one object a line.

Each point is a forked process, so that the libraries are imported once.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from llms.chat.conversation.messages import index
from llms.chat.turn.events import TextDelta
from llms.chat.window.layout import lay_out
from llms.store import chat_runs
from llms.store.conversations import Conversations
from talking import Talk, answers, rounds

WORDS = [f"word{n} " for n in range(6)]


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


async def script(messages, info):
    first = not any(part.part_kind == "tool-return" for message in messages for part in message.parts)
    for word in WORDS:
        yield word
        await asyncio.sleep(0.01)
    if first:
        async for piece in rounds([("add", '{"a": 1, "b": 2}')], "")(messages, info):
            yield {1: piece[0]}


class Deadly(Conversations):
    """Dies before or after commit number `at`."""

    at, before, count = 0, False, 0

    @contextlib.contextmanager
    def transaction(self):
        with super().transaction() as db:
            yield db
            self.count += 1
            if self.count == self.at and self.before:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def child(path: Path, id: str, at: int, before: bool, shown: Path) -> None:
    store = Deadly(path)
    talk = Talk(store, id)
    talk.say("go")
    store.at, store.before, store.count = at, before, 0

    async def go():
        turn = talk.turn(talk.setup(script, tools=[add])).start()
        with shown.open("a") as file:
            async for event in turn.events():
                if isinstance(event, TextDelta):
                    file.write(json.dumps([time.time(), event.node, event.text]) + "\n")
                    file.flush()

    asyncio.run(go())


def look(path: Path, id: str, shown: Path) -> dict:
    """What a restart finds."""
    died = time.time()
    problems = []
    with Conversations(path) as store:
        chat_runs.recover(store)
        talk = Talk(store, id)
        nodes = talk.tree.path()
        runs = chat_runs.runs(store, id)
        if any(run.state == "running" for run in runs):
            problems.append("a run is running")
        if any(node.state in ("draft", "streaming") for node in nodes):
            problems.append("a message is being written")
        lay_out(nodes)
        texts = {n.id: "".join(p.text for p in index(n.message) if p.kind == "text") for n in nodes}
        seen: dict[str, str] = {}
        for line in shown.read_text().splitlines() if shown.exists() else []:
            at, node, text = json.loads(line)
            if at < died - 3:
                continue
            seen[node] = seen.get(node, "") + text
        for node, text in seen.items():
            lost = len(text) - len(texts.get(node, ""))
            if not (texts.get(node, "").startswith(text) or text.startswith(texts.get(node, ""))) or lost > 100:
                problems.append(f"{lost} characters of {node} are lost")
        events = asyncio.run(talk.run("and now?", answers("yes")))
        if events[-1].state != "finished":
            problems.append(f"the next message: {events[-1]}")
        return {"state": runs[0].state if runs else "none", "problems": problems}


def main(folder: Path) -> None:
    at, before = 1, True
    while True:
        path, shown = folder / f"{at}{before}.sqlite3", folder / f"{at}{before}.shown"
        with Conversations(path) as store:
            id = Talk(store).id
        pid = os.fork()
        if pid == 0:
            child(path, id, at, before, shown)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        found = look(path, id, shown)
        print(json.dumps({"at": at, "before": before} | found), flush=True)
        if not os.WIFSIGNALED(status):
            return
        at, before = (at, False) if before else (at + 2, True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
