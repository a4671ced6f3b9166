"""How fast a conversation of 10,000 messages opens and is searched, and what one more message costs.

    python benchmarks/conversations.py [--messages 10000]

Prints one object a line: what, milliseconds of processor time (the median of five), so that a busy machine counts less.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from pydantic_ai.messages import ModelResponse, TextPart

from llms.chat.conversation.messages import digest, role_of, user, visible
from llms.chat.conversation.tree import Conversation, Node, tree
from llms.store.conversations import Conversations
from llms.store.search import search

WORDS = [
    "the",
    "model",
    "window",
    "token",
    "stream",
    "answer",
    "tool",
    "call",
    "branch",
    "search",
    "index",
    "night",
    "river",
    "paper",
    "Müller",
    "Zürich",
]


def conversation(count: int) -> Conversation:
    draw = random.Random(0)
    nodes, parent, above = [], None, ""
    for number in range(count):
        text = f"message {number} " + " ".join(draw.choices(WORDS, k=120))
        message = ModelResponse(parts=[TextPart(text)]) if number % 2 else user(text)
        name = digest(message, above)
        node = Node(f"node{number:08}", parent, role_of(message), name, lambda m=message: m, author="user", used=number)
        nodes.append(node)
        parent, above = node.id, name
    return tree("conversation", nodes, parent)


def timed(what: str, function) -> None:
    taken = []
    for _ in range(5):
        begun = time.process_time()
        function()
        taken.append(1000 * (time.process_time() - begun))
    print(json.dumps({"what": what, "milliseconds": round(statistics.median(taken), 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    count = parser.parse_args().messages
    with tempfile.TemporaryDirectory() as folder, Conversations(Path(folder) / "x.sqlite3") as store:
        store.save(conversation(count))
        timed(
            "open, with the last 50 messages",
            lambda: [visible(n.message) for n in store.open("conversation").path()[-50:]],
        )
        timed("open, with every message", lambda: [visible(n.message) for n in store.open("conversation").path()])
        timed("search, rare word", lambda: search(store, f"message {count - 3}"))
        timed("search, word of every message", lambda: search(store, "muller river"))
        timed("search, beginning of a word", lambda: search(store, "zur"))
        timed("search, inside of words", lambda: search(store, "ürich", inside=True))
        timed("search, nothing found", lambda: search(store, "nowhere to be found"))
        talk = store.open("conversation")
        timed("one more message", lambda: store.save(talk.append(user("one more")), talk))
        begun = time.process_time()
        store.delete("conversation")
        print(json.dumps({"what": "delete all", "milliseconds": round(1000 * (time.process_time() - begun), 1)}))


if __name__ == "__main__":
    main()
