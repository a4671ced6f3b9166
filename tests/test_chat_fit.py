"""What of a conversation is sent: whole tool units, the newest exchanges, never more than the budget."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from llms.chat.conversation.messages import calls, document, index, results, role_of, user, visible
from llms.chat.conversation.tree import Conversation
from llms.chat.window import fit as fitting
from llms.chat.window.fit_result import FitRequest, FitResult, PinnedPrefix, Policy, Summary, WindowCut
from llms.chat.window.layout import lay_out
from llms.chat.window.sizes import Calibration, Payload, Window, estimate, reserve_for, was_truncated
from llms.errors import ContextOverflow, UsageError


def tokens(payload: Payload) -> int:
    """A template with eight tokens around every message; a word is a token."""
    parts = [part for message in payload.messages for part in index(message)]
    return 8 * len(payload.messages) + sum(len(part.text.split()) + 3 * (part.kind == "tool_call") for part in parts)


def fit(path, window: Window, count, *rest, **more) -> FitResult:
    return fitting.fit(FitRequest(path, window, count, *rest, **more))


def words(count: int, word: str = "w") -> str:
    return " ".join([word] * count)


def path_of(*messages, states=()):
    talk = Conversation("c")
    for at, message in enumerate(messages):
        talk = talk.append(message, state=states[at] if at < len(states) else "complete")
    return talk.path()


def window(budget: int, **template) -> Window:
    return Window(budget + 10, 10, "exact", **template)


def unit(name: str, results_words: list[int], text: str = ""):
    """An assistant's parallel calls and their results, in one message each."""
    ids = [f"{name}.{at}" for at in range(len(results_words))]
    asked = [ToolCallPart("look", {"q": 1}, id) for id in ids]
    answer = [ToolReturnPart("look", words(n, "r"), id) for n, id in zip(results_words, ids, strict=True)]
    return ModelResponse(parts=[*([TextPart(text)] if text else []), *asked]), ModelRequest(parts=answer)


@st.composite
def paths(draw):
    """Exchanges with any number of tool units, parallel calls, reasoning, stopped and failed answers."""
    messages, states = [], []

    def add(message, state="complete"):
        messages.append(message)
        states.append(state)

    if draw(st.booleans()):
        add(ModelRequest(parts=[SystemPromptPart(words(draw(st.integers(1, 20)), "s"))]))
    count = draw(st.integers(1, 6))
    for number in range(count):
        add(user(f"u{number} " + words(draw(st.integers(1, 60)))))
        for step in range(draw(st.integers(0, 3))):
            for message in unit(f"c{number}.{step}", draw(st.lists(st.integers(0, 600), min_size=1, max_size=3))):
                add(message)
        if draw(st.integers(0, 3)):
            thought = [ThinkingPart("hm")] if draw(st.booleans()) else []
            text = words(draw(st.integers(0, 60)), "a")
            add(
                ModelResponse(parts=[*thought, TextPart(text)]),
                draw(st.sampled_from(["complete", "stopped", "failed", "interrupted"])),
            )
    if draw(st.booleans()):  # damage that a crash may have left: any message may be missing
        keep = draw(st.lists(st.booleans(), min_size=len(messages), max_size=len(messages)))
        keep = [k or role_of(m) == "user" for k, m in zip(keep, messages, strict=True)]
        messages = [m for m, k in zip(messages, keep, strict=True) if k]
        states = [s for s, k in zip(states, keep, strict=True) if k]
    return path_of(*messages, states=states)


TEMPLATES = st.fixed_dictionaries({"system_role": st.booleans(), "alternate": st.booleans()})


def assert_paired(messages):
    waiting: set[str] = set()
    for message in messages:
        if isinstance(message, ModelResponse):
            assert not waiting, "a call without its result"
            waiting = {call.tool_call_id for call in calls(message)}
        for part in results(message):
            assert part.tool_call_id in waiting, "a result without its call"
            waiting.remove(part.tool_call_id)
        if role_of(message) == "user":
            assert not waiting
    assert not waiting


def asked(node) -> str:
    return visible(node.message).split()[0]


@given(paths(), st.integers(60, 1500), TEMPLATES)
def test_what_is_sent_is_valid_contiguous_and_within_the_budget(path, budget, template):
    try:
        fitted = fit(path, window(budget, **template), tokens)
    except ContextOverflow:
        return
    messages = list(fitted.payload.messages)
    assert fitted == fit(path, window(budget, **template), tokens)
    assert fitted.report.count == tokens(fitted.payload)
    assert fitted.overflow or fitted.report.count <= budget
    assert_paired(messages)
    text = "\n".join(part.text for message in messages for part in index(message) if part.kind == "text")
    users = [node for node in path if node.role == "user"]
    assert visible(users[-1].message) in text
    shown = [f"u{number} " in text for number in range(len(users))]
    assert shown == sorted(shown), "an older exchange without a newer one"
    if not template["system_role"]:
        assert not any(isinstance(part, SystemPromptPart) for message in messages for part in message.parts)
    roles = [role_of(message) for message in messages]
    assert next(role for role in roles if role != "system") == "user"
    if template["alternate"]:
        assert all(one != two for one, two in pairwise(roles))
    assert [fate.node for fate in fitted.report.fates] == [node.id for node in path]


@given(paths(), st.integers(60, 1500), st.integers(0, 1500), TEMPLATES, st.data())
def test_a_larger_budget_never_sends_less(path, budget, more, template, data):
    previous = None
    if data.draw(st.booleans()):
        try:
            previous = fit(path, window(data.draw(st.integers(60, 1500))), tokens).report.cut
        except ContextOverflow:
            previous = None
    try:
        small = fit(path, window(budget, **template), tokens, previous=previous)
        large = fit(path, window(budget + more, **template), tokens, previous=previous)
    except ContextOverflow:
        return

    def sent(fitted):
        found = {}
        for message in fitted.payload.messages:
            for call in calls(message):
                found[call.tool_call_id] = 1
            for part in results(message):
                found[part.tool_call_id] = len(str(part.content))
        return found | dict.fromkeys(fitted.report.nodes("sent", "elided", "clamped"), 1)

    one, two = sent(small), sent(large)
    assert set(one) <= set(two)
    assert all(two[name] >= length for name, length in one.items())


@given(paths())
def test_repair_is_idempotent(path):
    layout = lay_out(path)
    again = lay_out(path_of(*(item.message for exchange in layout.exchanges for item in exchange.items)))
    assert not again.repaired
    assert not again.left_out
    assert [[i.message for i in e.items] for e in again.exchanges] == [
        [i.message for i in e.items] for e in layout.exchanges
    ]
    assert_paired([item.message for exchange in layout.exchanges for item in exchange.items])


def example_tokens(payload: Payload) -> int:
    """The example counts words, a note as 12 and the notice as 20."""
    total = 0
    for message in payload.messages:
        for part in index(message):
            for line in part.text.split("\n\n"):
                total += 12 if line.startswith("[") else 20 if "not shown" in line else len(line.split())
    return total


def example():
    first = [user(words(60)), *unit("e1", [200]), ModelResponse(parts=[TextPart(words(40))])]
    second = [user(words(200)), ModelResponse(parts=[TextPart(words(200))])]
    third = [user(words(100)), *unit("e3", [350]), ModelResponse(parts=[TextPart(words(50))])]
    system = ModelRequest(parts=[SystemPromptPart(words(100))])
    return [system, *first, *second, *third, user(words(400))]


def test_the_worked_example():
    path = path_of(*example())
    space = Window(2048, 512, "exact")
    assert space.budget == 1536
    fitted = fit(path, space, example_tokens)
    assert fitted.report.count == 1082
    whats = [fate.what for fate in fitted.report.fates]
    assert whats == ["sent", *["dropped"] * 4, *["sent"] * 2, "sent", "elided", "elided", "sent", "sent"]
    assert "4 earlier messages" in index(fitted.payload.messages[0])[0].text

    longer = path_of(*example(), ModelResponse(parts=[TextPart(words(100))]), user(words(200)))
    renamed = dict(zip([n.id for n in path], [n.id for n in longer], strict=False))
    before = fitted.report.cut
    previous = WindowCut(tuple(renamed[id] for id in before.elided), renamed[before.first], None)
    following = fit(longer, space, example_tokens, previous=previous)
    assert following.report.count == 1382
    assert following.report.cut == previous


def test_the_notice_can_be_switched_off():
    fitted = fit(path_of(*example()), Window(2048, 512), example_tokens, Policy(notice=False))
    assert fitted.report.count == 1062
    assert "not shown" not in index(fitted.payload.messages[0])[0].text


def test_strict_refuses_and_says_by_how_much():
    with pytest.raises(ContextOverflow, match="1700 tokens, 164 more than the 1536"):
        fit(path_of(*example()), Window(2048, 512), example_tokens, Policy("strict"))


def test_results_of_the_current_turn_are_clamped_and_say_what_is_missing():
    long = ModelRequest(parts=[ToolReturnPart("look", "start " + words(3000, "r") + " end", "x.0")])
    path = path_of(user("question"), unit("x", [1])[0], long)
    fitted = fit(path, window(1000), tokens)
    text = str(results(fitted.payload.messages[-1])[0].content)
    assert text.startswith("start")
    assert text.endswith("end")
    assert 'read_artifact("x.0")' in text
    assert fitted.report.nodes("clamped") == (path[-1].id,)
    assert fitted.report.count < 750


def test_a_question_larger_than_the_window_is_read_in_parts():
    path = path_of(user(words(5000)))
    fitted = fit(path, window(1000), tokens)
    assert fitted.overflow == "text"
    assert fitted.report.nodes("chunked") == (path[0].id,)
    assert (
        fit(path_of(user("sum up", [document("a.txt", words(5000))])), window(1000), tokens).overflow == "attachments"
    )
    with pytest.raises(ContextOverflow, match="Shorten the system prompt"):
        fit(path_of(ModelRequest(parts=[SystemPromptPart(words(2000))]), user("hi")), window(1000), tokens)


def test_nobody_asked():
    with pytest.raises(UsageError):
        fit(path_of(ModelResponse(parts=[TextPart("hello")])), window(100), tokens)


def test_what_is_pinned_stands_at_the_start_in_order():
    path = path_of(ModelRequest(parts=[SystemPromptPart("SYS")]), user("hi"))
    pinned = PinnedPrefix(("NOTE",), "MEMORY")
    with_role = fit(path, window(100), tokens, pinned=pinned).payload.messages
    assert index(with_role[0])[0].text == "SYS\n\nNOTE\n\nMEMORY"
    without = fit(path, window(100, system_role=False), tokens, pinned=pinned).payload.messages
    assert [index(m)[0].text for m in without] == ["SYS\n\nNOTE\n\nMEMORY\n\nhi"]


def test_reasoning_of_earlier_exchanges_is_not_sent_and_that_of_this_turn_is():
    thought = ModelResponse(parts=[ThinkingPart("hm"), TextPart("yes")])
    call, result = unit("x", [3])
    path = path_of(user("a"), thought, user("b"), replace(call, parts=[ThinkingPart("so"), *call.parts]), result)
    kinds = [[part.kind for part in index(m)] for m in fit(path, window(500), tokens).payload.messages]
    assert kinds == [["text"], ["text"], ["text"], ["reasoning", "tool_call"], ["tool_result"]]


def test_failed_answers_without_text_are_not_sent_and_stopped_ones_are():
    answers = [ModelResponse(parts=[TextPart(text)]) for text in ("", "part", "half")]
    path = path_of(
        user("a"), answers[0], user("b"), answers[1], user("c"), answers[2], user("d"),
        states=("complete", "failed", "complete", "failed", "complete", "stopped"),
    )  # fmt: skip
    fitted = fit(path, window(500), tokens)
    assert [visible(m) for m in fitted.payload.messages] == ["a", "b", "part", "c", "half", "d"]
    assert fitted.report.nodes("left out") == (path[1].id,)


def test_a_call_without_result_is_answered_before_sending():
    call, _ = unit("x", [1, 1])
    path = path_of(user("a"), call, user("b"))
    fitted = fit(path, window(500), tokens)
    assert [part.outcome for part in results(fitted.payload.messages[2])] == ["interrupted"] * 2
    assert len(fitted.report.repairs) == 1


def test_a_summary_stands_for_exactly_what_it_covers():
    messages = []
    for number in range(8):
        messages += [user(f"u{number} {words(40)}"), ModelResponse(parts=[TextPart(words(40, "a"))])]
    path = path_of(*messages, user("last"))
    policy = Policy("summarise")
    first = fit(path, window(700), tokens, policy)
    assert first.evict[: len(first.evict)] == tuple(node.id for node in path)[: len(first.evict)]
    assert 0 < len(first.evict) <= 12
    assert first.report.count <= 700
    covered = path[: len(first.evict)]
    summary = Summary("s", first.evict, covered[-1].digest, "They counted.")
    second = fit(path, window(700), tokens, policy, summary=summary)
    assert second.report.nodes("covered") == first.evict
    assert not second.evict
    assert second.report.count < 350
    assert "Summary of earlier messages:\nThey counted." in index(second.payload.messages[0])[0].text
    other = path_of(*messages[:4], user("elsewhere"))
    assert not fit(other, window(700), tokens, policy, summary=summary).report.nodes("covered")


def test_a_summary_is_wanted_from_85_percent_on():
    pairs = [m for n in range(6) for m in (user(words(42)), ModelResponse(parts=[TextPart(words(42))]))]
    path = path_of(*pairs, user(words(92)))
    assert tokens(Payload(tuple(node.message for node in path))) == 700
    assert fit(path, window(830), tokens, Policy("summarise")).evict == ()
    assert fit(path, window(820), tokens, Policy("summarise")).evict
    assert not fit(path, window(820), tokens).evict


def test_the_budget_leaves_room_for_the_answer_and_for_errors_of_the_count():
    assert Window(2048, 512, "exact").budget == 1536
    assert Window(2048, 512, "calibrated").margin == 103
    assert Window(64, 16, "estimated").margin == 16
    assert [reserve_for(2048), reserve_for(100_000), reserve_for(3000, reasoning=True), reserve_for(9, 5)] == [
        512,
        1024,
        1000,
        5,
    ]
    assert estimate(Payload((user("ab" * 30),))) == 20 + 8


def test_calibration_follows_reports_and_a_silent_cut_is_seen():
    learned = Calibration().learn(120, 100)
    assert learned.apply(100) == 120
    assert learned.learn(500, 100).ratio == pytest.approx(0.8 * 1.2 + 0.2 * 1.5)
    assert was_truncated(4096, 16000, "exact")
    assert not was_truncated(880, 1000, "exact")
    assert not was_truncated(4096, 16000, "calibrated", 2)
    assert not was_truncated(4096, 16000, "estimated", 9)


def test_a_long_path_is_cut_with_few_countings():
    messages = []
    for number in range(2000):
        messages += [user(f"u{number} {words(20)}"), ModelResponse(parts=[TextPart(words(20))])]
    path = path_of_many(messages)
    asked = []

    def counting(payload):
        asked.append(len(payload.messages))
        return tokens(payload)

    fitted = fit(path, window(5000), counting)
    assert fitted.report.count < 3750
    assert sum(length for length in asked if length > 1) < 4000


def path_of_many(messages):
    from llms.chat.conversation.tree import Node, tree

    nodes, parent = [], None
    for at, message in enumerate([*messages, user("last")]):
        nodes.append(Node(str(at), parent, role_of(message), str(at), lambda message=message: message))
        parent = str(at)
    return tree("c", nodes, parent).path()


def test_user_prompts_with_results_in_one_message_are_told_apart():
    call, result = unit("x", [2])
    path = path_of(user("a"), call, ModelRequest(parts=[*result.parts, UserPromptPart("b")]))
    assert [role_of(m) for m in fit(path, window(100), tokens).payload.messages] == [
        "user",
        "assistant",
        "tool",
        "user",
    ]
