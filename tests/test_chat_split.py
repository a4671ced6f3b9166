"""A long text in chunks: the cores are the text, nothing whole is cut, every chunk knows the headings above it."""

import regex
from hypothesis import example, given
from hypothesis import strategies as st

from llms.chat.window.graphemes import cut_after, cut_before, whole
from llms.chat.window.sizes import estimate_text
from llms.chat.window.split import split

PIECES = st.sampled_from(
    [
        "# One\n", "## Two\r\n", "Title\n=====\n", "<h2>Drei</h2>\n", "\n2.1 Methods\n\n", "\n", "\r\n", "\r", "\f", " ",
        "A sentence. Another one! ", "日本語です。", "e\u0301", "👨‍👩‍👧", "🇩🇪🇫🇷", "```py\nx = 1\n\ny = 2\n```\n", "~~~\n",
        "| a | b |\n|---|---|\n", "| 1 | 2 |\n", "Ann: yes\n", "Bob: no\n", "word " * 30, "x" * 120,
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(st.one_of(PIECES, st.text(max_size=10)), max_size=40).map("".join))


@given(TEXTS, st.integers(40, 200))
@example("\r\n" * 200, 40)
@example("🇩🇪" * 300, 40)
def test_cores_are_the_text_and_no_chunk_is_empty_too_large_or_cut_inside_a_character(text, size):
    chunks = split(text, estimate_text, size)
    assert "".join(chunk.core for chunk in chunks) == text
    assert all(chunk.core for chunk in chunks)
    assert all(estimate_text(chunk.text) <= size for chunk in chunks)
    place, borders = 0, {0, *(m.end() for m in regex.finditer(r"\X", text))}
    for chunk in chunks:
        assert text[:place].endswith(chunk.overlap)
        place += len(chunk.core)
        assert place in borders
    assert chunks == split(text, estimate_text, size)


@given(st.text(max_size=60), st.integers(0, 70))
def test_boundaries_are_those_of_the_whole_text(text, place):
    borders = sorted({0, *(m.end() for m in regex.finditer(r"\X", text))})
    near = min(place, len(text))
    assert cut_before(text, place) == max(b for b in borders if b <= near)
    assert cut_after(text, place) == min(b for b in borders if b >= near)
    assert whole(text) == (borders[-2] if len(borders) > 1 else 0)


def test_one_line_of_a_megabyte():
    text = "x" * 1_000_000
    chunks = split(text, estimate_text, 3000)
    assert "".join(chunk.core for chunk in chunks) == text
    assert len(chunks) < 130


def test_chunks_carry_the_headings_above_them():
    long = "A sentence of the report. " * 25
    text = f"# Report\n\n{long}\n\n## 2 Methods\n\n{long}\n\n### 2.1 Data\n\n{long}\n\n# Appendix\n\n{long}"
    paths = [chunk.path for chunk in split(text, estimate_text, 300)]
    assert paths == [("Report",), ("Report", "2 Methods"), ("Report", "2 Methods", "2.1 Data"), ("Appendix",)]
    under = split(f"Report\n======\n\n{long}\n\nMethods\n-------\n\n{long}", estimate_text, 300)
    assert [chunk.path for chunk in under] == [("Report",), ("Report", "Methods")]
    html = split(f"<h1>Report</h1>\n{long}\n<h2 id=a>A <b>B</b></h2>\n{long}", estimate_text, 300)
    assert [chunk.path for chunk in html] == [("Report",), ("Report", "A B")]
    numbered = split(f"1 Aims\n\n{long}\n\n1.1 First aim\n\n{long}", estimate_text, 300)
    assert [chunk.path for chunk in numbered] == [("1 Aims",), ("1 Aims", "1.1 First aim")]


def test_small_neighbours_under_one_parent_are_one_chunk():
    text = "# R\n\n" + "".join(f"## {name}\n\nA line.\n\n" for name in "ABC") + "# S\n\nA line.\n"
    assert [(chunk.path, chunk.core.count("##")) for chunk in split(text, estimate_text, 400)] == [
        (("R",), 3),
        (("S",), 0),
    ]


def test_a_fence_that_fits_is_never_cut():
    code = "```python\n" + "value = 1\n\n" * 20 + "```\n"
    text = "Some words first. " * 20 + "\n\n" + code + "\nAnd some after it. " * 20
    assert sum(code in chunk.core for chunk in split(text, estimate_text, 150)) == 1
    huge = "```\n" + "line of code\n" * 400 + "```\n"
    assert "".join(chunk.core for chunk in split(huge, estimate_text, 150)) == huge


def test_a_cut_table_repeats_its_header_and_keeps_its_rows():
    header = "| name | value |\n|------|-------|\n"
    rows = [f"| row {n} | {n * n} |\n" for n in range(200)]
    chunks = split("Before.\n\n" + header + "".join(rows) + "\nAfter.\n", estimate_text, 200)
    assert len(chunks) > 5
    assert all(chunk.header == header for chunk in chunks[1:-1])
    lines = [line for chunk in chunks for line in chunk.core.splitlines(keepends=True)]
    assert [line for line in lines if line.startswith("| row")] == rows


def test_overlap_is_whole_sentences_and_never_crosses_a_top_level_heading():
    text = "# A\n\n" + "One more sentence here. " * 60 + "\n\n# B\n\n" + "And another one there. " * 60
    chunks = split(text, estimate_text, 200)
    assert chunks[1].overlap.startswith("One more sentence here. ")
    assert 0 < estimate_text(chunks[1].overlap) <= 30
    assert next(chunk for chunk in chunks if chunk.path == ("B",)).overlap == ""


def test_a_transcript_is_cut_between_speakers():
    text = "".join(f"{'Ann' if n % 2 else 'Bob'}: {'I say this and that. ' * 3}\n" for n in range(60))
    assert all(chunk.core.startswith(("Ann: ", "Bob: ")) for chunk in split(text, estimate_text, 200))
