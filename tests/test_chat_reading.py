"""Texts larger than a window, and summaries: complete, resumable, ending for any sizes, honest about what was read."""

import asyncio
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart

from llms.chat.bm25 import scores, terms
from llms.chat.conversation.messages import user
from llms.chat.conversation.tree import Conversation
from llms.chat.window.mapreduce import (
    ChunkReading,
    Finding,
    Reader,
    Reading,
    ReadingAnswer,
    ReadingProgress,
    choose_method,
    grouped,
    shortened,
)
from llms.chat.window.sizes import estimate_text
from llms.chat.window.summary import Rejected, Summarised, anchors, summarise, transcript
from llms.errors import ModelError

TEXT = "\n\n".join(
    f"# Part {n}\n\nIn part {n} the code word is word{n}. {'More text follows here. ' * 30}" for n in range(12)
)


def words(text: str) -> int:
    return len(text.split())


def part_of(prompt: str) -> str:
    """What stands between the markers."""
    marker = prompt.rstrip().rsplit("\n", 1)[1]
    return prompt.split(f"\n{marker}\n")[1]


def finds(prompt: str) -> str:
    """Answers with the code word of the part it is shown."""
    line = next((line for line in part_of(prompt).splitlines() if "code word" in line), None)
    found = [] if line is None else [{"statement": line[:40], "quote": line.split(".")[0], "importance": 2}]
    return json.dumps({"findings": found})


class Script:
    """A model that answers by purpose and remembers what it was asked."""

    def __init__(self, map=finds, reduce=lambda prompt: "joined"):
        self.answers, self.asked = {"map": map, "reduce": reduce}, []

    async def __call__(self, question):
        self.asked.append(question)
        await asyncio.sleep(0.001)
        answer = self.answers[question.purpose](question.prompt)
        if isinstance(answer, Exception):
            raise answer
        return ReadingAnswer(answer)


def reading_of(reader: Reader, task: str, text: str = TEXT, method="map") -> tuple[Reading, list[ReadingProgress]]:
    async def go():
        items = [item async for item in reader.read(task, reader.plan(task, text, method))]
        return items[-1], items[:-1]

    return asyncio.run(go())


def test_every_chunk_is_read_and_the_answer_says_so():
    script = Script()
    reading, progress = reading_of(Reader(script, words, 400, "m"), "List all code words")
    assert [(p.done, p.total, p.failed) for p in progress] == [(n, 12, 0) for n in range(1, 13)]
    assert [part.state for part in reading.coverage] == ["used"] * 12
    assert "| 12 | used | Part 0; Part 1;" in reading.text
    assert "based on" not in reading.text
    maps = [q for q in script.asked if q.purpose == "map"]
    assert "part 3 of 12 (Part 2)" in maps[2].prompt
    assert all(words(q.prompt) <= 400 for q in script.asked)
    assert maps[0].schema is not None


def test_findings_reach_the_answer_in_the_order_of_the_document():
    script = Script()
    reading_of(Reader(script, words, 2000, "m", together=4), "List all code words")
    text = part_of(script.asked[-1].prompt)
    places = [text.find(f"word{n}.") if f"word{n}." in text else text.find(f"word{n}") for n in range(12)]
    assert places == sorted(places)
    assert -1 not in places


def test_invented_quotes_are_discarded_and_counted():
    invents = json.dumps({"findings": [{"statement": "s", "quote": "never written", "importance": 1}]})
    reading, _ = reading_of(Reader(Script(map=lambda prompt: invents), words, 400, "m"), "List all")
    assert reading.answer == "Nothing in this document is relevant to that."
    assert "12 invented quotes discarded" in reading.text


def test_a_chunk_that_fails_twice_is_recorded_and_the_job_goes_on():
    def broken(prompt):
        return "no JSON" if "word5" in prompt else finds(prompt)

    script = Script(map=broken)
    reading, progress = reading_of(Reader(script, words, 400, "m"), "List all")
    assert reading.text.startswith("based on 11 of 12 parts\n")
    assert progress[-1].failed == 1
    assert sum("word5" in q.prompt for q in script.asked if q.purpose == "map") == 2
    with pytest.raises(ModelError, match="none of the 12 parts"):
        reading_of(Reader(Script(map=lambda prompt: ModelError("down")), words, 400, "m"), "List all")


def test_a_cancelled_job_goes_on_from_its_cache():
    cache: dict[str, str] = {}

    async def stopped():
        script = Script()
        reader = Reader(script, words, 400, "m", cache)
        stream = reader.read("List all", reader.plan("List all", TEXT, "map"))
        for _ in range(4):
            await anext(stream)
        await stream.aclose()
        return len(cache)

    first = asyncio.run(stopped())
    script = Script()
    reading, _ = reading_of(Reader(script, words, 400, "m", cache), "List all")
    assert 4 <= first < 12
    assert sum(q.purpose == "map" for q in script.asked) == 12 - first
    assert len(reading.coverage) == 12
    other = Script()
    reading_of(Reader(other, words, 400, "another model", cache), "List all")
    assert sum(q.purpose == "map" for q in other.asked) == 12


def test_a_question_reads_only_the_parts_that_matter_and_says_so():
    script = Script()
    reader = Reader(script, words, 700, "m")
    plan = reader.plan("What is the code word in part 7, word7?", TEXT)
    assert (plan.method, plan.calls) == ("retrieve", 1)
    reading, _ = reading_of(reader, "What is the code word in part 7, word7?", method=None)
    assert "word7" in part_of(script.asked[0].prompt)
    assert f"(Only {len(plan.chosen)} of {len(plan.chunks)} parts were read.)" in reading.text
    assert "not read" in reading.text
    assert reader.plan("Quid est hoc? zzz", TEXT).method == "map"


@pytest.mark.parametrize(
    ("task", "method"),
    [
        ("When was it signed?", "retrieve"), ("who wrote it", "retrieve"), ("Summarise this", "map"),
        ("Which are all the names?", "map"), ("Translate into French", "map"), ("Bring me joy", "map"),
    ],
)  # fmt: skip
def test_the_method_follows_the_task(task, method):
    assert choose_method(task) == method


def test_the_user_is_asked_before_many_calls_or_much_money():
    plan = Reader(Script(), words, 400, "m").plan("List all", TEXT)
    assert (plan.calls, plan.needs_consent(), plan.needs_consent(0.2)) == (13, False, True)
    assert Reader(Script(), words, 400, "m").plan("List all", TEXT * 2).needs_consent()


@settings(max_examples=60)
@given(st.lists(st.integers(1, 600), min_size=2, max_size=60), st.sampled_from(["echo", "shout", "nothing", "error"]))
def test_joining_ends_whatever_the_model_returns(sizes, how):
    def reduce(prompt):
        whole = part_of(prompt)
        return {"echo": whole, "shout": whole * 3, "nothing": " ", "error": ModelError("down")}[how]

    script, budget = Script(reduce=reduce), 400
    reader = Reader(script, words, budget, "m")
    covered = [ChunkReading((), "used", (Finding("w " * size, "q", 1),)) for size in sizes]
    try:
        asyncio.run(reader._reduce("Join", covered))
    except ModelError:
        assert how == "error"
    total, room = sum(min(size + 4, budget) for size in sizes), budget - words("Join") - 200
    levels = max(0, math.ceil(math.log(max(1, total / room)) / math.log(1 / 0.4))) + 1
    assert len(script.asked) <= len(sizes) * 0.5 * (levels + 1) + 2
    assert all(words(question.prompt) <= budget for question in script.asked)


def test_groups_have_at_least_two_and_keep_the_order():
    texts = [f"t{n} " * 30 for n in range(11)]
    groups = grouped(texts, 100, words)
    assert [text for group in groups for text in group] == texts
    assert all(2 <= len(group) <= 3 for group in groups)
    assert shortened("One sentence. Two sentences. Three.", 4, words) == "One sentence. Two sentences."


def test_ranking_finds_words_in_any_script():
    assert terms("Das Größte 日本語 x") == ["das", "grösste", "日本", "本語", "x"]
    ranked = scores("本語 grösste", ["日本語です", "nothing", "das GRÖSSTE und grösste", "größte"])
    assert ranked[0] > 0 == ranked[1]
    assert min(ranked[2:]) > 0
    assert scores("x", []) == []


def path():
    talk = Conversation("c")
    for message in [
        user('My account is 4711-20 and the file is "notes.txt"; call load_rows(x) on 12 of them.'),
        ModelResponse(parts=[ToolCallPart("look", {"q": "x"}, "1")]),
        ModelRequest(parts=[ToolReturnPart("look", "r" * 4000, "1")]),
        ModelResponse(parts=[TextPart("Done.")]),
    ]:
        talk = talk.append(message)
    return talk.path()


GOOD = '## Facts\n4711 20 "notes.txt" load_rows'


class Writer:
    def __init__(self, *answers: ReadingAnswer):
        self.answers, self.prompts = list(answers), []

    async def __call__(self, question):
        self.prompts.append(question.prompt)
        return self.answers.pop(0)


def summary_of(*answers: ReadingAnswer, budget=2000, limit=100, old=""):
    writer = Writer(*answers)
    return asyncio.run(summarise(path(), old, writer, estimate_text, budget, limit)), writer.prompts


def test_anchors_are_what_the_user_stated_verbatim():
    assert set(anchors(path())) == {"4711", "notes.txt", "load_rows"}
    assert "r" * 2000 not in transcript(path())
    assert "Tool call: look {'q': 'x'}" in transcript(path())


def test_a_good_summary_is_accepted():
    made, prompts = summary_of(ReadingAnswer(GOOD), old="They met before.")
    assert made == Summarised(GOOD, estimate_text(GOOD))
    assert "They met before." in prompts[0]
    assert "## Open points" in prompts[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ReadingAnswer(GOOD, "length"), "did not come to its end"),
        (ReadingAnswer("  "), "empty"),
        (ReadingAnswer(f"<think>hm</think>{GOOD}"), "reasoning"),
        (ReadingAnswer(GOOD + " more" * 200), "tokens; 100 were allowed"),
        (ReadingAnswer("They talked."), "keeps 0 of 3"),
    ],
)
def test_an_invalid_summary_is_tried_again_once_and_never_kept(answer, reason):
    made, prompts = summary_of(answer, answer)
    assert isinstance(made, Rejected)
    assert reason in made.reason
    assert len(prompts) == 2
    assert isinstance(summary_of(answer, ReadingAnswer(GOOD))[0], Summarised)


def test_the_second_try_names_what_was_missing():
    _, prompts = summary_of(ReadingAnswer("They talked."), ReadingAnswer(GOOD))
    assert "Do not leave out: " in prompts[1]
    assert "notes.txt" in prompts[1]


def test_messages_too_long_for_the_summariser_are_read_in_parts():
    made, prompts = summary_of(*[ReadingAnswer("so far")] * 20, ReadingAnswer(GOOD), budget=600)
    assert isinstance(made, Rejected) or len(prompts) > 1
    assert all(estimate_text(prompt) <= 600 for prompt in prompts)
    assert "so far" in prompts[1]
