"""Answers in a notebook: each kind is drawn, nothing is fetched, and no text is read as markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.models.task_model import LabelScore, Segment, TaskInput, TaskOutput, TextSpan
from llms.tasks.catalogue import TASKS
from llms.values import Failure, Media
from llms.workbench.task_html import render_answer, render_answers
from test_task_model import save_classifier

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp; \U0001f680"
ALLOWED = {
    "div", "p", "b", "span", "mark", "small", "code", "table", "tbody", "tr", "td", "img", "audio"
}  # fmt: skip
PIECES = ("text", "scores", "spans", "vector", "media", "segments", "flags")


class Read(HTMLParser):
    """The tags of a page, its attributes, and the words that a person sees."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in ("img",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def output(task, words, text="x" * 40):
    """An answer as the task gives them, with `words` wherever a word may stand."""
    gives = TASKS[task].gives
    media = {"sound": Media("audio/wav", b"RIFF"), "image": Media("image/png", b"\x89PNG")}
    return TaskOutput(
        "0.5" if gives == "number" else words,
        scores=(LabelScore(words, 0.75), LabelScore("other", 0.25)) if gives in ("label", "words") else (),
        spans=(TextSpan(2, 5, words, 0.9, text[2:5]),) if gives in ("spans", "answer") else (),
        vector=(0.25,) * 12 if gives == "vector" else (),
        media=media.get(gives),
        segments=(Segment(61.5, 63.0, words, (words,)),) if gives == "transcript" else (),
        flags=(words,),
    )


def clean(page: str) -> Read:
    read = Read(page)
    assert read.open == []
    assert set(read.tags) <= ALLOWED
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert all(value.startswith("data:") for name, value in read.attributes if name in ("src", "href") and value)
    return read


@pytest.mark.parametrize("task", TASKS)
def test_no_text_is_read_as_markup_and_nothing_is_fetched(task):
    takes = TASKS[task].takes
    media = {"sound": Media("audio/wav", b"RIFF", name=EVIL), "image": Media(EVIL, b"", f"javascript:{EVIL}", EVIL)}
    asked = TaskInput("" if takes in media else EVIL * 2, media.get(takes), EVIL, EVIL if takes == "pair" else "")
    read = clean(render_answer(TASKS[task], asked, output(task, EVIL, asked.text)))
    assert "<script>" in read.words  # as words
    clean(render_answers(TASKS[task], [(asked, Failure("infra", EVIL)), (asked, output(task, EVIL, asked.text))]))


@settings(max_examples=40)
@given(st.text(min_size=1, max_size=60), st.data())
def test_marks_leave_the_text_as_it_is(text, data):
    bounds = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    spans = tuple(TextSpan(min(b), max(b), "", 0.5, "") for b in data.draw(st.lists(bounds, max_size=4)))
    page = render_answer(TASKS["entities"], TaskInput(text), TaskOutput("", spans=spans))
    words = Read(page).words.removesuffix("nothing of the kind was found")
    assert words == text.replace("\r\n", "\n").replace("\r", "\n") or words == text


def test_a_label_a_place_and_a_time_stand_in_words():
    spans = (TextSpan(0, 4, "PER", 0.99, "Ada "), TextSpan(13, 18, "LOC", 0.5, "Paris"))
    page = render_answer(TASKS["entities"], TaskInput("\U0001f680Ada lives in Paris"), TaskOutput("", spans=spans))
    assert ">\U0001f680Ada <small" in page
    assert "PER" in Read(page).words
    page = render_answer(TASKS["speech-to-text"], TaskInput(), output("speech-to-text", "words"))
    assert "1:01.5" in Read(page).words
    page = render_answer(TASKS["sentiment"], TaskInput("good"), output("sentiment", "positive"))
    assert "75.0 %" in Read(page).words
    page = render_answer(TASKS["sentiment"], TaskInput("good"), TaskOutput("positive", truncated=True))
    assert "too long" in Read(page).words


def test_a_notebook_draws_what_a_task_shows(tmp_path):
    import llms

    shown = llms.task("sentiment", f"hf:{save_classifier(tmp_path)}?device=cpu").show(["<b>good</b>", ""])
    read = clean(shown._repr_html_())
    assert "<b>good</b>" in read.words
    assert "no answer: " in read.words
    first, second = repr(shown).splitlines()
    assert first in ("negative", "neutral", "positive")
    assert second.startswith("no answer: ")
