"""Minutes: transcripts of every kind are read; what a model says is held against the lines."""

import json
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.cli.main import cli
from llms.errors import DataError, ModelError, UsageError
from llms.models.task_model import Segment
from llms.testing import ScriptedEndpoint, ScriptedModel
from llms.testing.endpoint import last_message
from llms.workbench.minutes import DATELESS, OVERLAP, OWNERLESS, UNSUPPORTED, chunks, write_minutes
from llms.workbench.minutes_dates import day_of
from llms.workbench.minutes_text import as_html, as_markdown, as_object
from llms.workbench.transcript import TranscriptLine, clock, from_segments, read_transcript
from tiny_sound import file_of, save_ctc, silence, tone

VTT = """WEBVTT

NOTE made by hand

1
00:00:01.000 --> 00:00:06.000 align:start
<v Anna>Good morning. We have two points: the budget
and the new hall.

01:12.500 --> 01:20.000
Ben: The budget is <b>twelve thousand</b> euros.
"""
SRT = "1\r\n00:00:01,500 --> 00:00:04,000\r\nHello.\r\n\r\n2\r\n01:00:05,000 --> 01:00:06,000\r\nBye.\r\n"
TEXT = """# Meeting

[00:12:34] Anna: The budget is accepted.
00:13:00 - Ben: I call the owner by Friday.

Clara Meier  14:05
The pictures are too large.

Nobody knows the rest.
"""
LINES = [
    TranscriptLine("We have three points: the budget, the new hall, and the website.", 1.0, "Anna"),
    TranscriptLine("Then we decide: the budget of twelve thousand euros is accepted.", 15.0, "Anna"),
    TranscriptLine("I will call the owner of the new hall by Friday.", 21.0, "Clara"),
    TranscriptLine("Somebody should make the pictures smaller.", 754.0, "", ("repeats",)),
]


def answer(**fields):
    return json.dumps({"summary": "About the hall.", "points": [], "decisions": [], "actions": [], **fields})


def minutes_of(reply, lines=LINES, said=None, **options):
    model = ScriptedModel(reply if callable(reply) else lambda text: reply, **options)
    *_, (done, parts, minutes) = write_minutes(model, lines, "meeting.vtt", meeting=said)
    assert done == parts
    return minutes


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_subtitles_are_read_with_times_and_speakers(tmp_path):
    assert read_transcript(write(tmp_path, "a.vtt", VTT)) == [
        TranscriptLine("Good morning. We have two points: the budget and the new hall.", 1.0, "Anna"),
        TranscriptLine("The budget is twelve thousand euros.", 72.5, "Ben"),
    ]
    assert read_transcript(write(tmp_path, "a.srt", SRT)) == [
        TranscriptLine("Hello.", 1.5), TranscriptLine("Bye.", 3605.0)
    ]  # fmt: skip


def test_texts_are_read_with_the_times_that_stand_in_them(tmp_path):
    assert read_transcript(write(tmp_path, "a.md", TEXT)) == [
        TranscriptLine("Meeting"),
        TranscriptLine("The budget is accepted.", 754.0, "Anna"),
        TranscriptLine("I call the owner by Friday.", 780.0, "Ben"),
        TranscriptLine("The pictures are too large.", 845.0, "Clara Meier"),
        TranscriptLine("Nobody knows the rest."),
    ]
    long = read_transcript(write(tmp_path, "b.txt", "12:00 " + "This is one sentence of many. " * 40))
    assert len(long) > 2
    assert [line.start for line in long] == [720.0, *[None] * (len(long) - 1)]


def test_segments_are_read_as_the_task_prints_them(tmp_path):
    segments = [
        {"start": 0.5, "end": 2, "text": " Hello. ", "flags": []},
        {"start": 2, "end": 9, "text": "No", "flags": ["repeats"]},
    ]
    expected = [TranscriptLine("Hello.", 0.5), TranscriptLine("No", 2.0, flags=("repeats",))]
    printed = json.dumps({"input": "a.wav", "output": "Hello. No", "segments": segments})
    assert read_transcript(write(tmp_path, "a.json", printed)) == expected
    assert read_transcript(write(tmp_path, "b.json", json.dumps(segments))) == expected
    assert read_transcript(write(tmp_path, "c.jsonl", "\n".join(map(json.dumps, segments)))) == expected
    assert from_segments([Segment(1, 2, "Yes", ("too fast",)), Segment(2, 3, " ")]) == [
        TranscriptLine("Yes", 1, flags=("too fast",))
    ]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.docx", "x", "neither a recording .* nor a transcript"),
        ("a.txt", " \n", "holds no words"),
        ("a.vtt", "WEBVTT\n\nhello", "holds no words"),
        ("a.json", "{", "is no JSON"),
        ("a.json", '[{"start": 1}]', "segment 1 is .* expected an object with text and start"),
    ],
)  # fmt: skip
def test_what_is_no_transcript_is_refused(tmp_path, name, text, reason):
    with pytest.raises(DataError, match=reason):
        read_transcript(write(tmp_path, name, text))


def test_each_item_leads_to_its_line():
    minutes = minutes_of(answer(
        decisions=[{"text": "The budget is accepted", "line": 2}],
        actions=[{"text": "Call the owner of the hall", "owner": "Clara", "due": "Friday", "line": 3}],
    ), said=date(2026, 3, 2))  # fmt: skip
    (decision,), (action,) = minutes.decisions, minutes.actions
    assert (decision.line, decision.time, decision.quote, decision.flags) == (2, 15.0, LINES[1].text, ())
    assert (action.owner, action.due, action.day, action.flags) == ("Clara", "Friday", date(2026, 3, 6), ())
    assert "(00:00:21)" in as_markdown(minutes)
    assert "Clara, by Friday (2026-03-06)" in as_markdown(minutes)
    assert '<a href="#l3">00:00:21</a>' in as_html(minutes)
    assert json.loads(json.dumps(as_object(minutes)))["actions"][0]["day"] == "2026-03-06"


def test_owners_and_days_that_nobody_said_are_left_out_and_marked():
    (action,) = minutes_of(
        answer(actions=[{"text": "Call the owner", "owner": "Dora", "due": "12 May", "line": 3}])
    ).actions
    assert (action.owner, action.due, action.day) == ("", "", None)
    assert action.flags == (OWNERLESS, DATELESS)
    (mine,) = minutes_of(answer(actions=[{"text": "Call the owner", "owner": "I", "due": "", "line": 3}])).actions
    assert (mine.owner, mine.flags) == ("Clara", ())
    (undated,) = minutes_of(
        answer(actions=[{"text": "Call the owner", "owner": "Clara", "due": "by Friday", "line": 3}])
    ).actions
    assert (undated.due, undated.day) == ("by Friday", None)  # no date of the meeting, no date of the day


def test_a_wrong_line_is_corrected_or_the_item_marked():
    minutes = minutes_of(answer(
        decisions=[{"text": "The budget of twelve thousand euros is accepted", "line": 77}],
        points=[{"text": "Unicorns graze quietly", "line": 1}, "The website was named"],
    ))  # fmt: skip
    assert minutes.decisions[0].line == 2
    assert (minutes.points[0].line, minutes.points[0].flags) == (None, (UNSUPPORTED,))
    assert minutes.points[1].line == 1


def test_what_rests_on_doubtful_words_is_marked():
    minutes = minutes_of(answer(actions=[{"text": "Make the pictures smaller", "owner": "", "due": "", "line": 4}]))
    assert minutes.actions[0].flags == ("doubtful: repeats",)
    assert minutes.notes == ["1 of 4 lines are doubtful; what rests on them is marked."]
    assert "⚠ doubtful: repeats" in as_markdown(minutes)


def many(count):
    return [TranscriptLine(f"Sentence number {n} is about item {n} of the long list.", n * 10.0) for n in range(count)]


def test_a_long_transcript_is_read_in_parts_and_what_is_said_twice_stands_once():
    same = {"text": "Item is about the long list", "line": 0}
    model = ScriptedModel(lambda text: answer(points=[same]), context_window=1200)
    *_, (_, _, minutes) = write_minutes(model, many(200), "long.txt")
    assert len(minutes.parts) > 3
    assert all(model.count_tokens(one.prompt) + one.max_tokens <= 1200 for one in model.requests)
    assert [part.first for part in minutes.parts[1:]] == [part.last - OVERLAP + 1 for part in minutes.parts[:-1]]
    assert (minutes.parts[0].first, minutes.parts[-1].last) == (1, 200)
    assert len(minutes.points) == 1


@settings(max_examples=25)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(700, 3000))
def test_parts_cover_every_line_in_order_and_fit(sizes, window):
    lines = [TranscriptLine("word " * size) for size in sizes]
    model = ScriptedModel(context_window=window)
    parts = chunks(model, lines)
    assert sorted({number for part in parts for number in part}) == list(range(len(lines)))
    assert all(a.start < b.start and a.stop < b.stop for a, b in pairwise(parts))
    *_, (done, total, minutes) = write_minutes(ScriptedModel(lambda text: answer(), context_window=window), lines, "a")
    assert done == total == len(parts) == len(minutes.parts)


def test_a_part_without_an_answer_is_named_and_ends_no_other():
    replies = iter(["no JSON", *[answer()] * 50])
    minutes = minutes_of(lambda text: next(replies), many(200), context_window=1200)
    assert minutes.notes[0].startswith("Lines 1 to ")
    assert "no JSON" in minutes.notes[0]
    assert minutes.parts
    with pytest.raises(ModelError, match="scripted wrote no minutes: .*is no JSON object"):
        minutes_of("nothing")
    with pytest.raises(UsageError, match="context window of 200 tokens"):
        minutes_of(answer(), context_window=200)


def test_pages_show_signs_as_signs():
    lines = [TranscriptLine("<script>alert(1)</script> [x](y) *loud*", 1.0, "Eve<b>")]
    minutes = minutes_of(answer(points=[{"text": "<img src=x onerror=alert(1)> loud script", "line": 1}]), lines)
    assert "<script" not in as_html(minutes)
    assert "<img" not in as_html(minutes)
    assert "\\<img" in as_markdown(minutes)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("Friday", "2026-03-06"), ("Monday", "2026-03-09"), ("next week Tuesday", "2026-03-10"), ("tomorrow", "2026-03-03"),
        ("in two weeks", "2026-03-16"), ("12 May", "2026-05-12"), ("May 12th, 2027", "2027-05-12"), ("1 February", "2027-02-01"),
        ("12.05.", "2026-05-12"), ("2026-04-01", "2026-04-01"), ("übermorgen", "2026-03-04"), ("bis Freitag", "2026-03-06"),
        ("3. Juni", "2026-06-03"), ("soon", None), ("31 February", None), ("next month", None),
    ],
)  # fmt: skip
def test_days_are_counted_from_the_day_of_the_meeting(words, day):
    assert day_of(words, date(2026, 3, 2)) == (date.fromisoformat(day) if day else None)  # a Monday


@settings(max_examples=20)
@given(st.text(max_size=20))
def test_any_words_give_a_day_or_none(words):
    day_of(words, date(2026, 3, 2))


def test_clock():
    assert clock(754.9) == "00:12:34"


def command(*arguments):
    return CliRunner().invoke(cli, ["minutes", *map(str, arguments)])


def test_a_recording_becomes_a_page_and_its_transcript_minutes_again(tmp_path):
    recording = tmp_path / "meeting.flac"
    recording.write_bytes(file_of(np.concatenate([tone(2), silence(40), tone(2, pitch=900)]), kind="FLAC"))
    hearer = f"hf:{save_ctc(tmp_path / 'ctc')}?device=cpu"

    def reply(body):
        assert "[1] 00:00:00 " in last_message(body)
        return answer(points=[{"text": "Somebody spoke", "line": 2}])

    with ScriptedEndpoint(reply, raw=False, window=4096) as server:
        model = ("-m", f"{server.url}#m")
        done = command(
            recording, *model, "--speech", hearer, "-o", tmp_path / "m.html", "--transcript", tmp_path / "t.json"
        )
        assert done.exit_code == 0, done.output
        again = command(tmp_path / "t.json", *model, "--json")
    page, value = (tmp_path / "m.html").read_text(), json.loads(again.stdout)
    assert 'id="l2"><b>00:00:4' in page
    assert value["lines"] == json.loads((tmp_path / "t.json").read_text())["segments"]
    assert value["summary"] == "About the hall."
    assert value["points"][0]["flags"] == [UNSUPPORTED]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none.txt"], "there is no file none.txt"),
        (["a.txt", "-o", "a.pdf"], "cannot write a.pdf"),
        (["a.txt", "-o", "b.md"], "b.md is there already; add --force"),
        (["a.txt", "--speech", "hf:x/y"], "--speech is for recordings"),
    ],
)
def test_a_wrong_order_is_refused_before_anything_is_computed(tmp_path, monkeypatch, tiny, arguments, reason):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.md"):
        write(tmp_path, name, "Anna: hello there")
    error = command(*arguments, "-m", f"hf:{tiny}").exception
    assert isinstance(error, UsageError)
    assert reason in str(error)


def test_a_recording_in_which_nobody_speaks_is_said_to_be_one(tmp_path, tiny):
    (tmp_path / "quiet.wav").write_bytes(file_of(silence(3)))
    hearer = f"hf:{save_ctc(tmp_path / 'ctc')}?device=cpu"
    error = command(tmp_path / "quiet.wav", "--speech", hearer, "-m", f"hf:{tiny}").exception
    assert isinstance(error, DataError)
    assert "nobody speaks in" in str(error)
