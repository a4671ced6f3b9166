"""Texts are taken apart where sentences end, and nothing of them is lost."""

from hypothesis import given
from hypothesis import strategies as st

from llms.tasks.passages import passages, sentences

TEXT = st.text(st.sampled_from('ab .!?\n"é。世') | st.characters(), max_size=200)


def count(text):
    return len(text.encode())


@given(TEXT, st.integers(4, 60), st.integers(0, 30))
def test_passages_cover_a_text_and_fit(text, room, overlap):
    parts = passages(text, room, count, overlap)
    covered = 0
    for part in parts:
        assert part.text == text[part.start : part.end]
        assert count(part.text) <= room
        assert part.start <= covered < part.end
        assert count(text[part.start : covered]) <= overlap
        covered = part.end
    assert covered == len(text)


@given(TEXT, st.integers(4, 60))
def test_without_overlap_passages_are_the_text(text, room):
    assert "".join(part.text for part in passages(text, room, count)) == text


@given(TEXT)
def test_sentences_are_the_text(text):
    assert "".join(text[start:end] for start, end in sentences(text)) == text


def test_a_sentence_ends_behind_its_quotes_and_in_other_scripts():
    text = 'He said "No." She left!  今日は。明日も。 Last'
    assert [text[start:end] for start, end in sentences(text)] == [
        'He said "No." ',
        "She left!  ",
        "今日は。",
        "明日も。 ",
        "Last",
    ]


def test_a_passage_ends_with_a_sentence_and_the_next_begins_with_one_that_was_seen():
    text = "One is here. Two is here. Three is here. Four is here. "
    parts = passages(text, 30, count, 14)
    assert [part.text for part in parts[:2]] == ["One is here. Two is here. ", "Two is here. Three is here. "]


def test_counts_are_few_for_a_long_text():
    counted = []
    text = "A sentence of some words. " * 2000

    def watched(piece):
        counted.append(len(piece))
        return len(piece)

    assert len(passages(text, 1000, watched, 100)) > 50
    assert sum(counted) < 40 * len(text)
