"""Cuts of a conversation to the token: which one is kept, what is elided, dropped, summarised, clamped, and what is said."""

from dataclasses import replace

import pytest
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from llms.chat.conversation.messages import contents, index, results, user, visible
from llms.chat.window import layout as layouts
from llms.chat.window.fit import notice, summary_tokens
from llms.chat.window.fit_result import PinnedPrefix, Policy, Summary, WindowCut
from llms.chat.window.layout import READ_IN_PARTS, alternate, clamp, lay_out, with_text
from llms.chat.window.sizes import MessageSizes
from llms.errors import ContextOverflow
from test_chat_fit import fit, path_of, tokens, unit, window, words

NOTICE = 8 + 6  # tokens of a message that says "4 earlier messages are not shown."


def answer(count: int, word: str = "a") -> ModelResponse:
    return ModelResponse(parts=[TextPart(words(count, word))])


def exchanges(count: int, last: int = 42) -> tuple:
    """`count` exchanges of 100 tokens, 50 a message, and a question of `last` words; without a date."""
    path = path_of(*(m for at in range(count) for m in (user(words(42)), answer(42))), user(words(last, "q")))
    return tuple(replace(node, created="") for node in path)


# which cut


def test_a_fresh_cut_leaves_a_quarter_free():
    path = exchanges(5)
    fitted = fit(path, window(500), tokens)  # 550 in all; 450 and the notice are more than 375, 350 and it are not
    assert fitted.report.count == 350 + NOTICE
    assert fitted.report.cut == WindowCut((), path[4].id)
    assert fitted.report.nodes("dropped") == tuple(node.id for node in path[:4])
    assert fitted.report.nodes("sent") == tuple(node.id for node in path[4:])
    assert [fate.tokens for fate in fitted.report.fates] == [50] * 11
    exactly = fit(path, window(1000), lambda payload: 750 if len(payload.messages) < 8 else 1001)
    assert exactly.report.cut.first == path[-1].id  # 750 of 1000 is not below the mark


def test_what_fits_to_the_token_is_sent_whole():
    path = exchanges(5)
    assert fit(path, window(550), tokens).report.cut is None
    assert fit(path, window(549), tokens).report.cut is not None


@pytest.mark.parametrize(("budget", "first", "count"), [(464, 2, 464), (500, 2, 464), (463, 6, 264), (550, None, 550)])
def test_the_previous_cut_is_kept_as_long_as_it_fits(budget, first, count):
    path = exchanges(5)
    previous = WindowCut((), path[2].id)  # leaves 450 and the notice, of two messages
    fitted = fit(path, window(budget), tokens, previous=previous)
    assert fitted.report.count == count
    assert fitted.report.cut == (None if first is None else WindowCut((), path[first].id))


def test_a_previous_cut_of_another_branch_is_not_used():
    path = exchanges(5)
    fitted = fit(path, window(500), tokens, previous=WindowCut((), "elsewhere"))
    assert fitted.report.cut == WindowCut((), path[4].id)


def test_tool_calls_go_before_exchanges_and_the_oldest_first():
    def talk():
        for at in range(3):
            yield user(words(10))
            yield from unit(f"c{at}", [200], "t")
            yield answer(10)
        yield user(words(10))

    path = path_of(*talk())
    firsts = tuple(path[4 * at].id for at in range(4))
    assert fit(path, window(786), tokens).report.cut is None
    least = fit(path, window(785), tokens)  # one unit is 220 of 786; a line of 10 words tells of it
    assert (least.report.cut, least.report.count) == (WindowCut(firsts[:1], firsts[0]), 576)
    one = fit(path, window(700), tokens)
    assert (one.report.cut, one.report.count) == (WindowCut(firsts[:2], firsts[0]), 366)
    assert one.report.nodes("elided") == tuple(path[at].id for at in (1, 2, 5, 6))
    assert one.report.nodes("dropped") == ()
    assert visible(one.payload.messages[0]) == f"{words(10)}\n\n[1 tool call made to answer this is not shown]"
    later = fit(path, window(170), tokens)
    assert later.report.cut == WindowCut((firsts[1], firsts[2]), firsts[1])
    assert later.report.nodes("dropped") == tuple(node.id for node in path[:4])
    assert later.report.nodes("elided") == tuple(path[at].id for at in (5, 6, 9, 10))
    assert "4 earlier messages" in index(later.payload.messages[0])[0].text
    last = fit(path, window(60), tokens)
    assert last.report.cut == WindowCut((), firsts[3])


def test_several_calls_are_told_as_several():
    path = path_of(user("q"), *unit("x", [300, 1]), answer(1), user("r"))
    text = visible(fit(path, window(200), tokens).payload.messages[0])
    assert text == "q\n\n[2 tool calls made to answer this are not shown]"


def test_results_of_the_turn_keep_as_much_as_stays_below_the_mark():
    path = path_of(user("q"), *unit("x", [3000]))
    for budget in (300, 1000, 2000):
        fitted = fit(path, window(budget), tokens)
        limit = fitted.report.cut.limit
        assert 0.6 * budget < fitted.report.count < 0.75 * budget
        assert fitted.report.cut == WindowCut((), path[0].id, limit)
        assert fitted.report.nodes("clamped") == (path[2].id,)
        text = str(results(fitted.payload.messages[-1])[0].content)
        assert text == clamp(words(3000, "r"), limit, 'read_artifact("x.0") returns all of it')
    least = path_of(user(words(400)), *unit("x", [3000]))
    assert fit(least, window(500), tokens).report.cut.limit == 200
    short = path_of(user(words(500)), *unit("x", [50]))
    assert fit(short, window(300), tokens).report.cut.limit is None


def test_a_cut_of_the_turn_before_clamps_only_while_it_is_the_turn():
    path = path_of(user("q"), *unit("x", [400]), answer(5), user("r"))
    before = WindowCut((), path[0].id, 300)
    assert not fit(path, window(2000), tokens, previous=before).report.nodes("clamped")


# what is too large


def test_what_is_pinned_may_fill_three_quarters():
    pinned = PinnedPrefix(memory=words(67, "m"))  # with its message 75 of 100
    assert fit(path_of(user(words(300, "q"))), window(100), tokens, pinned=pinned).overflow == "text"
    with pytest.raises(ContextOverflow, match="are 76 tokens without the question; the model takes 100"):
        fit(path_of(user(words(300))), window(100), tokens, pinned=PinnedPrefix(memory=words(68, "m")))


def test_a_picture_that_is_too_large_cannot_be_read_in_parts():
    picture = BinaryContent(b"0" * 9, media_type="image/png")
    with pytest.raises(ContextOverflow, match="are 5000 tokens; the model takes 1000. Attach less"):
        fit(path_of(user("what is this", [picture])), window(1000), lambda payload: 5000)


# summaries


@pytest.mark.parametrize(("budget", "evicted"), [(1000, 0), (999, 10), (990, 12), (800, 12)])
def test_the_oldest_exchanges_are_evicted_to_half_the_budget_less_the_summary(budget, evicted):
    """850 tokens; 999: down to 499.5 - 149, five exchanges; 990: to 495 - 148, six; two before the last stay."""
    path = exchanges(8)
    assert fit(path, window(budget), tokens, Policy("summarise")).evict == tuple(node.id for node in path[:evicted])


def test_a_summary_has_fifteen_percent_and_800_tokens_at_most():
    assert [summary_tokens(budget) for budget in (999, 1000, 5333, 5334, 100_000)] == [149, 150, 799, 800, 800]


def test_a_summary_must_be_of_these_messages_word_by_word():
    path, policy = exchanges(4), Policy("summarise")
    ids = tuple(node.id for node in path)

    def covered(count: int, digest: str | None = None, **changes) -> tuple[str, ...]:
        summary = Summary("s", ids[:count], path[count - 1].digest if digest is None else digest, "Short.")
        fitted = fit(path, window(2000), tokens, policy, summary=replace(summary, **changes))
        nodes, first = fitted.report.nodes("covered"), index(fitted.payload.messages[0])[0].text
        assert first.startswith("Summary of earlier") == bool(nodes)
        return nodes

    assert covered(4) == ids[:4]
    assert covered(8) == ids[:8]
    assert covered(4, "another text") == ()
    assert covered(4, path[1].digest) == ()
    assert covered(3) == ()  # not a whole exchange
    assert covered(9) == ()  # the question itself
    assert covered(4, covers=("x", *ids[1:4])) == ()
    assert covered(0, "", covers=()) == ()
    assert (
        fit(path, window(2000), tokens, summary=Summary("s", ids[:4], path[3].digest, "")).report.nodes("covered") == ()
    )


def test_a_summary_stands_behind_what_is_pinned():
    path = path_of(ModelRequest(parts=[SystemPromptPart("SYS")]), *(node.message for node in exchanges(2)))
    summary = Summary("s", tuple(node.id for node in path[1:3]), path[2].digest, "Short.")
    fitted = fit(path, window(900), tokens, Policy("summarise"), summary=summary, pinned=PinnedPrefix(("N",), "M"))
    assert index(fitted.payload.messages[0])[0].text == "SYS\n\nN\n\nM\n\nSummary of earlier messages:\nShort."
    assert len(fitted.payload.messages) == 4
    assert fitted.report.nodes("covered") == tuple(node.id for node in path[1:3])


# what is said


def test_the_notice_counts_and_dates():
    assert notice(1, []) == "1 earlier message is not shown."
    assert notice(2, ["2026-01-05"]) == "2 earlier messages of 2026-01-05 are not shown."
    assert notice(3, ["2026-01-05", "2026-01-06", "2026-01-07"]) == (
        "3 earlier messages of 2026-01-05 to 2026-01-07 are not shown."
    )
    dated = [replace(node, created=f"2026-01-0{1 + at}T10:00:00") for at, node in enumerate(exchanges(5))]
    text = index(fit(dated, window(500), tokens).payload.messages[0])[0].text
    assert text == "4 earlier messages of 2026-01-01 to 2026-01-04 are not shown."


def test_sizes_are_counted_once_for_each_message():
    counted = []

    def counting(payload):
        counted.append(payload)
        return tokens(payload)

    sizes, path = MessageSizes(counting), exchanges(3)
    fit(path, window(2000), counting, sizes=sizes)
    alone = len([payload for payload in counted if len(payload.messages) == 1])
    fit(path, window(2000), counting, sizes=sizes)
    assert len([payload for payload in counted if len(payload.messages) == 1]) == alone == 7


# the layout


@pytest.mark.parametrize(("length", "limit"), [(221, 100), (1000, 100), (1400, 1200), (10_000, 205)])
def test_a_clamped_text_keeps_six_parts_of_its_head_to_four_of_its_tail(length, limit):
    text = "".join(chr(ord("a") + at % 26) for at in range(length))
    head, tail = limit * 6 // 10, limit * 4 // 10
    missing = -(-(length - head - tail) // 3)
    expected = f"{text[:head]}\n[… about {missing} tokens are not shown here; ask …]\n{text[-tail:]}"
    assert clamp(text, limit, "ask") == expected
    assert clamp(text[: limit + 120], limit, "ask") == text[: limit + 120]
    assert clamp(text[: limit + 120] + "x", limit, "ask") != text[: limit + 120] + "x"


def test_a_text_is_put_before_or_behind_what_the_user_said():
    def content(message):
        return [part.content for part in message.parts if isinstance(part, UserPromptPart)]

    picture = BinaryContent(b"0", media_type="image/png")
    assert content(with_text(user("hi"), "note")) == ["hi\n\nnote"]
    assert content(with_text(user("hi"), "note", before=True)) == ["note\n\nhi"]
    assert content(with_text(user("hi", [picture]), "note")) == [["hi", picture, "note"]]
    assert content(with_text(user("hi", [picture]), "note", before=True)) == [["note", "hi", picture]]
    two = ModelRequest(parts=[UserPromptPart("a"), UserPromptPart("b")])
    assert content(with_text(two, "note")) == ["a", "b\n\nnote"]
    assert content(with_text(two, "note", before=True)) == ["note\n\na", "b"]


def test_two_of_one_voice_become_one_message():
    picture = BinaryContent(b"0", media_type="image/png")
    call, result = unit("x", [1])
    merged = alternate([user("a"), user("b"), answer(1), answer(2), user("c", [picture]), user("d")])
    assert [[part.content for part in message.parts] for message in merged] == [
        ["a\n\nb"], ["a\n\na a"], [["c", picture, "d"]],
    ]  # fmt: skip
    assert len(alternate([user("a"), call, result, user("b"), answer(1)])) == 5
    assert len(alternate([answer(1), call, result])) == 2
    assert len(alternate([call, answer(1)])) == 2  # what called is closed by its results


def test_an_imported_message_fetches_nothing():
    link = ImageUrl("https://example.org/x.png")
    path = [replace(node, imported=True) for node in path_of(user("see", [link]), answer(1), user("and"))]
    first = lay_out(path).exchanges[0].items[0].message
    assert contents(first.parts[0]) == ["see", "[https://example.org/x.png]"]
    assert contents(lay_out(path_of(user("see", [link]))).exchanges[0].items[0].message.parts[0]) == ["see", link]


def test_what_cannot_be_sent_is_left_out_with_its_reason():
    said = [answer(1), user("a"), ModelResponse(parts=[]), ModelResponse(parts=[]), answer(3), user("b")]
    path = list(path_of(*said, states=("complete", "complete", "complete", "failed")))
    path[4] = replace(path[4], state="generating")
    layout = lay_out(path)
    assert dict(layout.left_out) == {
        path[0].id: "it comes before the first user message",
        path[2].id: "it has no text",
        path[3].id: "it failed without any text",
        path[4].id: "its state is generating",
    }
    assert [exchange.id for exchange in layout.exchanges] == [path[1].id, path[5].id]
    whats = [fate.what for fate in fit(path, window(500), tokens).report.fates]
    assert whats == ["left out", "sent", "left out", "left out", "left out", "sent"]
    reasons = [fate.why for fate in fit(path, window(500), tokens).report.fates]
    assert reasons[2] == "it has no text"


def test_calls_and_results_are_paired_one_to_one():
    call = ModelResponse(parts=[ToolCallPart("look", {}, "1"), ToolCallPart("look", {"again": 1}, "1"), TextPart("t")])
    result = ModelRequest(parts=[ToolReturnPart("look", "r", "1"), ToolReturnPart("look", "s", "9")])
    path = path_of(user("a"), call, result, user("b"), *unit("y", [1]), answer(1), user("c"), unit("z", [1, 1])[0])
    layout = lay_out(path)
    assert [reason for _, reason in layout.repaired] == [
        "two tool calls of one name", "1 results without a tool call", "2 tool calls without a result",
    ]  # fmt: skip
    assert [node for node, _ in layout.repaired] == [path[1].id, path[2].id, path[8].id]
    first = layout.exchanges[0]
    assert [part.tool_call_id for part in first.items[1].message.parts if isinstance(part, ToolCallPart)] == ["1"]
    assert [part.content for part in results(first.items[2].message)] == ["r"]
    assert [item.unit for item in first.items] == [None, 0, 0]
    assert [item.unit for item in layout.exchanges[1].items] == [None, 1, 1, None]
    last = layout.exchanges[2].items
    assert [item.node for item in last] == [path[7].id, path[8].id, path[8].id]
    closed = results(last[2].message)
    assert [(part.tool_call_id, part.outcome, part.timestamp) for part in closed] == [
        (f"z.{at}", "interrupted", path[8].message.timestamp) for at in range(2)
    ]
    assert [part.content for part in closed] == [layouts._NO_RESULT] * 2
    assert [exchange.tool_calls for exchange in layout.exchanges] == [1, 1, 2]


def test_a_question_that_was_read_in_parts_is_short_afterwards():
    long = words(2000)
    read = replace(answer(1), metadata={READ_IN_PARTS: True})
    texts = [visible(item.message) for item in lay_out(path_of(user(long), read, user("b"))).exchanges[0].items]
    assert texts == [clamp(long, 1200, "read in parts"), "a"]
    assert visible(lay_out(path_of(user(long), answer(1), user("b"))).exchanges[0].items[0].message) == long
    assert visible(lay_out(path_of(user(long), read)).exchanges[0].items[0].message) == long  # the turn itself


def test_system_prompts_are_joined_and_not_sent_as_messages():
    two = ModelRequest(parts=[SystemPromptPart("a"), SystemPromptPart(""), SystemPromptPart("b")])
    layout = lay_out(path_of(two, user("q")))
    assert layout.system == ("a\n\nb",)
    assert [exchange.nodes for exchange in layout.exchanges] == [(layout.exchanges[0].id,)]
