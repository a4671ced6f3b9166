"""The pages in the states in which people see them, for pictures of them: what the store holds, and the way to each state.

Times, names and numbers are fixed. What a machine or a model would decide (which models are at hand, what they answer on the
pages of lessons) is given to the browser.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from math import exp
from pathlib import Path
from random import Random

import pytest
from pydantic_ai.messages import (
    BinaryContent,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)

import boards
import llms
import training_logs
from llms.agents.board import Entry
from llms.agents.budget import Used
from llms.agents.events import Began, Budget, Finished, Planned, StepBegan, StepEnded, Written, plain
from llms.agents.plan import Task
from llms.arena.battle import Battle, Winner
from llms.chat.conversation.marks import Mark, marked
from llms.chat.conversation.messages import document, user
from llms.chat.conversation.tree import Conversation
from llms.store.battles import Battles, StoredBattle
from llms.store.conversations import Conversations
from llms.store.memory import TeamRuns
from llms.store.runs import Runs
from llms.testing import ScriptedEndpoint, ScriptedModel
from llms.training.progress import as_json
from office import png
from serving import pages

NOW = "2026-03-14T10:00:00+00:00"
SIZES = {"phone": (360, 740), "tablet": (768, 900), "desk": (1280, 800)}
EVERY = tuple(SIZES)
BOTH_ENDS = ("phone", "desk")

# --- what the store holds

TEXT = r"""## Two ways to reverse a string

The first takes a slice, the second joins what `reversed` yields. Both take **linear** time:

$$T(n) = \sum_{i=1}^{n} c = c\,n \in O(n)$$

```python
def reverse(text: str) -> str:
    '''Return the text backwards.'''
    return text[::-1]  # a step of -1: from the last character to the first
```

| way | copies | reads as | works for |
|---|---:|---|---|
| `text[::-1]` | 1 | a slice | strings, lists, tuples |
| `"".join(reversed(text))` | 2 | words | whatever has a length and an order |

1. An empty string stays empty, as \(n = 0\).
2. Letters with accents may come apart:
   - [x] normalise first
   - [ ] or count in clusters

> Measure before you choose.[^1]

[^1]: With the module `timeit`.
"""
LONG = "This is a message that somebody has written without stopping to breathe, as people do when they think aloud. "


def says(*parts: object, error: str = "", notices: tuple[Mark, ...] = ()) -> ModelResponse:
    whole = [TextPart(part) if isinstance(part, str) else part for part in parts]
    return marked(ModelResponse(parts=whole), error, notices)


def conversations(store: Conversations, model: str) -> None:
    def save(talk: Conversation, title: str, updated: str = NOW) -> None:
        store.save(talk, title=title, model=model)
        with store.transaction() as db:
            db.execute("UPDATE conversations SET created = ?, updated = ? WHERE id = ?", (updated, updated, talk.id))
            db.execute("UPDATE nodes SET created = ? WHERE conversation = ?", (updated, talk.id))

    for number, (title, day) in enumerate(
        [
            ("Wie heißt die Hauptstadt von Australien, und seit wann?", "2024-11-02"),
            ("Notes on a very long afternoon with the tax return of last year", "2026-02-20"),
            ("Recipe for lentil soup", "2026-03-09"),
            ("Which planet has the most moons?", "2026-03-13"),
        ]
    ):
        talk = Conversation(f"earlier{number}").append(user(title), "user").append(says("An answer."), model)
        save(talk, title, f"{day}T09:00:00+00:00")
    talk = Conversation("usual").append(user("What is the capital of Japan?"), "user")
    talk = talk.append(says("The capital of Japan is **Tokyo**. Its region has about 37 million people."), model)
    talk = talk.append(user("And what was it before?"), "user")
    talk = talk.append(
        says("**Kyoto**, from 794 to 1868. The court moved to Edo, which was then renamed Tokyo."), model
    )
    save(talk, "Capital of Japan")
    talk = Conversation("text").append(user("How do I reverse a string in Python?"), "user").append(says(TEXT), model)
    save(talk, "Reverse a string")
    save(crowded(model), "Everything that may stand in a chat, under a title that is longer than its line")
    save(long(model), "Long messages")
    with store.transaction() as db:
        db.execute("UPDATE conversations SET pinned = 1 WHERE id = 'earlier2'")


def crowded(model: str) -> Conversation:
    """Tools that worked and one that did not, thinking, a notice, an answer that failed, a branch."""
    talk = Conversation("crowded").append(user("What is 6 × 7, and what does the page say?"), "user")
    calls = [
        ToolCallPart("calculator", {"expression": "6 * 7"}, "c1"),
        ToolCallPart("fetch", {"url": "https://example.com/a/rather/long/address?with=a&query=too"}, "c2"),
    ]
    talk = talk.append(says(ThinkingPart("First the product, then the page."), "I look both up.", *calls), model)
    results = [
        ToolReturnPart("calculator", "42", "c1"),
        ToolReturnPart("fetch", "no answer within 10 seconds; try again later", "c2", outcome="failed"),
    ]
    talk = talk.append(ModelRequest(parts=results), "tools")
    cut = Mark("output_limit", "The answer ended at its limit of 200 tokens.")
    talk = talk.append(says("It is 42. The page did not answer within ten seconds, so that", notices=(cut,)), model)
    talk = talk.append(user("Try the page again."), "user", id="again")
    talk = talk.edit("again", user("Try the page again, please, and say what it is about."))
    error = "The server at 127.0.0.1 answered 500: out of memory. This is the server's fault; try again later."
    return talk.append(says("The page is", error=error), model, "failed")


def long(model: str) -> Conversation:
    picture = BinaryContent(png(320, 180), media_type="image/png")
    talk = Conversation("long").append(
        user(LONG * 6, [picture, document("notes of the meeting.txt", LONG * 40)]), "user"
    )
    talk = talk.append(says(f"{LONG * 3}\n\n{LONG * 2}\n\nhttps://example.com/{'a-long-path/' * 20}"), model)
    talk = talk.append(user("שלום, מה שלומך היום? " * 4), "user").append(says("תודה, **טוב** מאוד. ומה שלומך?"), model)
    return talk.append(user("ok"), "user").append(says("Fine."), model)


def team_run(store: TeamRuns) -> None:
    goal, used = "Which region sold most, and by how much?", Used(5, 2, 4321, Decimal(0))
    tasks = (
        Task("t1", "Sum the sales of each region", "", "analyst", "", state="done"),
        Task("t2", "Check the sums", "", "reviewer", "", ("t1",), "done"),
    )
    store.begin("tabcdef12", "data", goal, {}, 0)
    events = [
        Began("data", "plan-and-parallel", goal),
        Planned(tasks),
        StepBegan("analyst", "t1", "work"),
        StepEnded("analyst", "t1", 3.2),
        Written(
            Entry("e1", 1, "finding", "North sold 1,204 pieces, South 987, West 411.", "analyst", ("file:sales.csv",))
        ),
        StepBegan("reviewer", "t2", "work"),
        StepEnded("reviewer", "t2", 1.4),
        Written(Entry("e2", 2, "finding", "The sums are right; 3 rows had no region.", "reviewer", ("e1",), 0.9, True)),
        Budget(used, 40, 60, 200_000, 600.0),
        Finished("**North** sold most: 1,204 pieces, 217 more than South.", "done", used, 6.1, True),
    ]
    for number, event in enumerate(events, 1):
        store.append("tabcdef12", number, plain(event))
    store.end("tabcdef12", "finished", "North sold most.")
    with store.transaction() as db:
        db.execute("UPDATE team_run SET started = ?", (NOW,))


def measured(home: Path) -> None:
    """Two benchmarks, three systems."""
    for name, liked in (("small-model", 1.0), ("another-model?quantize=int8", -1.0), ("a-model-with-a-long-name", 0.0)):
        model = ScriptedModel(lambda text: "#### 5", name=name, likelihood=lambda c, k, liked=liked: liked * len(k))
        llms.evaluate(model, ["truthfulqa_mc1", "hellaswag"], limit=20)
    with Runs(home / "llms.sqlite3") as runs:
        for report in runs.reports():
            usage = replace(report.usage, seconds=12.5, tokens=640, peak_memory_bytes=1_250_000_000)
            runs.save_report(replace(report, usage=usage))


def battles(home: Path, model: str) -> None:
    """A battle that waits for its vote, and votes that were cast elsewhere."""
    question = "How do I keep basil alive in winter?"
    answers = {
        "left": "Keep it **warm and bright**: at least 15 °C, at a south window.\n\n- water from below\n- pinch off flowers",
        "right": "Basil wants light. Put it under a lamp for twelve hours a day, and water it when the soil is dry.",
    }
    with Conversations(home / "llms.sqlite3") as store:
        for side, answer in answers.items():
            store.save(Conversation(side).append(user(question), "user").append(says(answer), model), model=model)
            store.hide(side, "usual")
    skills = {"basalt": 1.2, "quartz": 0.6, "granite-3b-instruct": 0.0, "slate": -0.8}
    draw, votes = Random(1), []
    for number in range(240):
        a, b = draw.sample(list(skills), 2)
        won = draw.random() < 1 / (1 + exp(skills[b] - skills[a]))
        winner: Winner = "tie" if number % 7 == 0 else "a" if won else "b"
        votes.append(Battle(a, b, winner, f"judge{number % 11}", prompt=f"p{number % 40}", created=NOW))
    with Battles(home / "llms.sqlite3") as store:
        names = {"conversation_a": "left", "conversation_b": "right", "id": "usual", "created": NOW}
        store.begin(StoredBattle("basalt", "quartz", question, "web", **names))
        store.take("votes.csv", "imported", votes)


def fill(home: Path, model: str) -> None:
    with Conversations(home / "llms.sqlite3") as store:
        conversations(store, model)
    battles(home, model)
    with TeamRuns(home / "llms.sqlite3") as runs:
        team_run(runs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(home))
        measured(home)


# --- what is given to the browser


def pieces(*texts: str) -> list[dict]:
    return [{"text": text, "id": 100 + 37 * number, "special": False} for number, text in enumerate(texts)]


def cut(model: str, *texts: str) -> dict:
    return {
        "model": model, "tokens": len(texts), "grade": "exact", "message": len(texts) + 9, "characters": 41, "bytes": 44,
        "per_token": 41 / len(texts), "price": None, "pieces": pieces(*texts),
    }  # fmt: skip


def lesson_call(title: str, payload: str, answer: str, knows: bool) -> dict:
    return {
        "title": title,
        "payload": payload,
        "tokens": 12,
        "answer": answer,
        "holds_name": knows,
        "as_expected": True,
    }


OWN_MODEL = {
    "name": "hf:example/a-small-model@714eb0f", "state": "absent", "megabytes": 268, "licence": "Apache-2.0",
    "languages": "English", "command": "", "cached": [],
}  # fmt: skip
TOLD = "user: My name is Ada."
ASKED = "user: What is my name?"
GIVEN = {
    "/api/tokens": [
        cut("smollm2", "Token", "izers", " split", " unusual", " words", ":", " anti", "dis", "establish", "ment", "arian"),
        cut("another", "Tok", "en", "izers", " split", " un", "usual", " words", ":", " antidis", "establishment", "arian"),
    ],
    "/api/next": [
        {"id": number, "text": text, "probability": chance, "end": False}
        for number, (text, chance) in enumerate([(" Paris", 0.72), (" the", 0.11), (" a", 0.05), (" located", 0.03), (" in", 0.02)])
    ],
    "/api/arena/contenders": {
        "models": [{"name": name, "where": "On this machine"} for name in ("smollm2", "gguf:smollm2")],
        "tools": [{"name": "calculator", "description": "Compute exactly.", "asks": False, "missing": ""}],
    },
    "/api/tasks/model": OWN_MODEL,
    "/api/stateless": {"calls": [
        lesson_call("A: say a name", TOLD, "Nice to meet you, Ada!", True),
        lesson_call("B: ask in a new call", ASKED, "I do not know your name.", False),
        lesson_call("C: ask with the history", f"{TOLD}\nassistant: Nice to meet you, Ada!\n{ASKED}", "Your name is Ada.", True),
    ]},
}  # fmt: skip


def models(default: str) -> dict:
    def model(name: str, **known: object) -> dict:
        facts = dict.fromkeys(("bytes", "window", "price_in", "price_out", "sees", "hears"))
        return {"name": name, "label": name.rpartition(":")[2].rpartition("#")[2], **facts, **known}

    def group(name: str, title: str, state: str, note: str, *listed: dict) -> dict:
        return {
            "name": name,
            "title": title,
            "state": state,
            "note": note,
            "asked": bool(listed),
            "models": list(listed),
        }

    here = [model("smollm2", bytes=269_000_000, price_in=0, price_out=0)]
    served = [
        model(default, window=2048),
        model("a-model-that-sees", window=128_000, sees=True, price_in=0.15, price_out=0.6),
    ]
    key = "Set A_KEY in the environment or in .env; get a key at https://example.com/keys"
    return {"default": default, "groups": [
        group("", "On this machine", "here", "", *here),
        group("http://127.0.0.1:8000/v1", "127.0.0.1:8000", "ready", "", *served),
        group("ollama:", "ollama", "not running", "nothing answers at http://127.0.0.1:11434/v1"),
        group("example:", "example", "needs a key", key),
    ]}  # fmt: skip


# --- the server and the states


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, str]]:
    """(address of the pages, name of the model that they ask); nothing of this machine's keys and models is known there."""
    keys = {name: "" for name in os.environ if name.endswith("_KEY")}  # empty counts as not set
    with ScriptedEndpoint(raw=False, models=("small-model",)) as endpoint:
        model = f"{endpoint.url}#small-model"
        with pages("-m", model, home=home, cwd=home, HF_HOME=str(home / "hub"), **keys) as address:
            yield address, model


@dataclass(frozen=True)
class Scene:
    """`path` is opened and `way` gone there, once, or for each size where what it opens ends with a change of size."""

    path: str
    way: Callable = lambda page: None
    sizes: tuple[str, ...] = EVERY
    anew: bool = False
    empty: bool = False


def attached(page) -> None:
    """Two files at the box, and one that is not what it seems."""
    files = [
        ("notes.txt", LONG.encode() * 30),
        ("picture.png", png(64, 64)),
        ("a name that is long enough.png", b"no picture"),
    ]
    page.set_input_files("#file", [{"name": name, "mimeType": "", "buffer": content} for name, content in files])
    page.wait_for_selector("#attached li:nth-child(3)")
    page.wait_for_function("() => !document.querySelector('#attached [aria-busy]')")


def edited(page) -> None:
    page.locator("article.user [aria-label^=Edit]").first.click()
    attached(page)
    page.wait_for_selector("#attached :text('1,090 tokens')")
    page.wait_for_function("() => [...document.images].every((one) => one.complete)")
    page.wait_for_selector("#meter :text('Is read in')")
    page.wait_for_function("() => parseInt(document.getElementById('meter').textContent.replace(',', '')) > 5000")


def pressed(*selectors: str, then: str = "") -> Callable:
    def way(page) -> None:
        for selector in selectors:
            page.locator(selector).first.click()
        if then:
            page.wait_for_selector(then)

    return way


def over(path: str, answer: object, ready: str, top: str = "body") -> Callable:
    """The page as it is where the server answers so at `path`, once it shows what `ready` selects; `top` is scrolled up."""

    def way(page) -> None:
        page.route(f"**{path}", lambda route: route.fulfill(json=answer.to_json()))
        page.reload()
        page.wait_for_selector(ready)
        page.evaluate("(top) => document.querySelector(top).scrollIntoView()", top)

    return way


def done_task(page) -> None:
    """The example of the chosen task, answered: names in a text."""
    text = "Marie Curie left Warsaw in 1891 and studied at the Sorbonne in Paris."
    places = [
        ("Marie Curie", "PER", 0.998),
        ("Warsaw", "LOC", 0.991),
        ("Sorbonne", "ORG", 0.942),
        ("Paris", "LOC", 0.997),
    ]
    spans = [
        {"start": text.index(part), "end": text.index(part) + len(part), "label": label, "score": score, "text": part}
        for part, label, score in places
    ]
    answer = {
        "type": "Answered", "index": 0, "input": text, "other": "", "text": "", "scores": [], "spans": spans, "segments": [],
        "dimension": 0, "first": [], "media": "", "texts": [], "truncated": True, "flags": [], "tokens": 19, "generated": 0, "seconds": 0.04,
    }  # fmt: skip
    events = [{"type": "Opening", "model": "m", "total": 1}, answer]
    events.append({"type": "Ended", "answered": 1, "failed": 0, "seconds": 1.2})
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in events) + "event: end\ndata: {}\n\n"
    page.route("**/api/tasks/model", lambda route: route.fulfill(json={**OWN_MODEL, "state": "here"}))
    page.route("**/api/tasks", lambda route: route.fulfill(json={"run": "r"}))
    page.route("**/runs/r/events", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.reload()
    page.wait_for_selector("#about .good")
    page.click("#example")
    page.wait_for_selector(".marked mark")
    page.wait_for_selector("#stop", state="hidden")
    page.evaluate("document.querySelector('.task-columns').scrollIntoView()")


def trained(page) -> None:
    """Two runs in the list, and the curves of the one that is done."""
    log = [as_json(event) for event in training_logs.events()]
    one = {
        "id": "a", "folder": "/home/ada/calculator", "model": "smollm2", "data": "chats.jsonl", "method": "lora", "started": NOW,
        "state": "done", "step": 120, "steps": 120, "loss": 0.38, "validation": 0.435, "reason": "done",
        "result": "smollm2?adapter=/home/ada/calculator",
        "evidence": training_logs.EVIDENCE,
    }  # fmt: skip
    failed = {
        "state": "failed",
        "step": 30,
        "reason": "the loss of step 31 is not a number",
        "result": "",
        "evidence": None,
    }
    other = {**one, "id": "b", "folder": "/home/ada/second", "method": "full", **failed}
    body = f"data: {json.dumps({'run': one, 'events': log})}\n\nevent: end\ndata: {{}}\n\n"
    page.route("**/api/training", lambda route: route.fulfill(json=[one, other]))
    page.route("**/api/training/a/events", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.reload()
    page.wait_for_selector("#run .evidence")


board = partial(over, "/api/board")
CHOICE = "/choose?b=gsm8k%3D2&b=hellaswag%3D1&memory=8"
SCENES = {
    "chat-empty": Scene("/", empty=True),
    "agents-empty": Scene("/agents", empty=True),
    "leaderboard-empty": Scene("/leaderboard", lambda page: page.wait_for_selector(".board-empty"), empty=True),
    "chat-usual": Scene("/c/usual"),
    "chat-text": Scene("/c/text", lambda page: page.wait_for_selector("article .katex, article .hljs-keyword")),
    "chat-crowded": Scene("/c/crowded"),
    "chat-long": Scene("/c/long"),
    "chat-edit": Scene("/c/long", edited),
    "chat-panel": Scene("/c/usual", pressed("#panel-open", then=".panel :text('calculator')")),
    "chat-picker": Scene("/c/usual", pressed("#model-open", then="#model-lists [role=option]")),
    "chat-sent": Scene("/c/usual", pressed("#meter button", then="#dialog[open]")),
    "chat-list": Scene("/c/usual", pressed("#side-toggle"), ("phone",)),
    "chat-menu": Scene("/c/usual", pressed("#menu-open"), anew=True),
    "agents": Scene("/agents?run=tabcdef12", lambda page: page.wait_for_selector("#status:text('finished')")),
    "tokens": Scene("/tokens", pressed("#form button.primary", then="#out :text('izers')")),
    "next": Scene("/next", pressed("#form button.primary", then="#out :text('Paris')")),
    "stateless": Scene("/stateless", pressed("#form button.primary", then="#out :text('Your name is Ada')")),
    "leaderboard": Scene("/leaderboard", board(boards.usual(), ".board-table tr:nth-child(6)")),
    "leaderboard-crowded": Scene("/leaderboard", board(boards.crowded(60, 24), "tr:nth-child(60)"), BOTH_ENDS),
    "leaderboard-scatter": Scene("/leaderboard#view=scatter", board(boards.crowded(60, 24), ".point"), BOTH_ENDS),
    "leaderboard-bars": Scene("/leaderboard#view=bars", board(boards.usual(), ".bar-line"), ("phone", "desk")),
    "leaderboard-cell": Scene("/leaderboard#cell=cost&of=smollm2", board(boards.usual(), "dialog[open]"), BOTH_ENDS),
    "arena-start": Scene("/arena", pressed(".contenders summary"), BOTH_ENDS),
    "arena": Scene("/arena/battles/usual", lambda page: page.wait_for_selector("#vote button:enabled"), BOTH_ENDS),
    "arena-ratings": Scene("/arena/ratings?votes=imported", sizes=BOTH_ENDS),
    "choose": Scene("/choose", sizes=BOTH_ENDS),
    "choose-answer": Scene(CHOICE, over("/api/choose", boards.choice(), ".scatter", "#answer"), BOTH_ENDS, anew=True),
    "tasks": Scene("/tasks", lambda page: page.wait_for_selector("#fetch")),
    "tasks-answer": Scene("/tasks?task=entities", done_task, BOTH_ENDS, anew=True),
    "training-empty": Scene("/training", lambda page: page.wait_for_selector("#empty code"), BOTH_ENDS),
    "training": Scene("/training?run=a", trained, BOTH_ENDS, anew=True),
    "not-found": Scene("/c/nowhere"),
}
