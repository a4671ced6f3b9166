"""A text larger than a window as chunks: their cores are the text, cut where a reader would cut it.

Chunks follow headings (Markdown, HTML, numbered), then page breaks and speakers, blank lines, sentences, lines, words;
a fenced block or a row of a table is cut only if it alone is too large, and a cut table repeats its header. Each
chunk may begin with the last sentences of the one before.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .graphemes import cut_after, cut_before

CHUNK_TOKENS, OVERLAP_TOKENS, OVERLAP_SHARE = 3000, 200, 0.15
Measure = Callable[[str], int]  # tokens of a text

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_HTML = re.compile(r"[ \t]*<h([1-6])\b[^>]*>(.*?)</h\1>", re.I)
_NUMBERED = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})\.?[ \t]+(\S.{0,78}[^\s.,;:!?])[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_SPEAKER = re.compile(r"(\w[\w .'’()-]{0,39}):[ \t]+\S")
_BLANK = re.compile(r"(?:\r\n|\r|\n)(?:[ \t]*(?:\r\n|\r|\n))+")
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*(?:[ \t]+|(?:\r\n|\r|\n))|[。！？](?:[”’」』）]*)")
_LINE_END = re.compile(r"\r\n|\r|\n")
_WORD = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Chunk:
    """`core` is a span of the text, `path` the headings above it; `overlap` and `header` (of a cut table) repeat what
    stands before the core."""

    core: str
    path: tuple[str, ...] = ()
    overlap: str = ""
    header: str = ""

    @property
    def text(self) -> str:
        return self.header + self.overlap + self.core


@dataclass(frozen=True, slots=True)
class _Section:
    start: int
    end: int
    path: tuple[str, ...]
    top: int  # number of the top-level heading it stands under


@dataclass
class _Structure:
    """The kinds of lines in a text. Spans are [start, end)."""

    headings: list[tuple[int, int, str]] = field(default_factory=list)  # start, level, title
    fences: list[tuple[int, int]] = field(default_factory=list)
    rows: list[tuple[int, int]] = field(default_factory=list)
    tables: list[tuple[int, int, str]] = field(default_factory=list)  # end of header, end, header
    turns: list[int] = field(default_factory=list)  # page breaks and speakers


def split(text: str, measure: Measure, size: int = CHUNK_TOKENS) -> list[Chunk]:
    """Chunks of at most `size` tokens each, in order; `"".join(chunk.core …)` is `text`."""
    overlap = min(OVERLAP_TOKENS, int(OVERLAP_SHARE * size))
    splitter = _Splitter(text, measure, size, overlap, _scan(text))
    return list(splitter.chunks())


@dataclass
class _Splitter:
    text: str
    measure: Measure
    size: int
    overlap: int
    structure: _Structure
    ratio: float = 3.0  # characters per token, as last seen

    def __post_init__(self) -> None:
        self.limit = max(1, self.size - self.overlap)  # tokens of a core
        spans = sorted([*self.structure.fences, *self.structure.rows])
        self.whole = [span for span in spans if self._fits(*span)]  # never cut
        self.starts = [start for start, _ in self.whole]

    def chunks(self) -> Iterator[Chunk]:
        before: _Section | None = None
        for section in self._merged():
            start = section.start
            while start < section.end:
                end = self._end(start, section.end)
                chunk = Chunk(self.text[start:end], section.path, header=self._header(start))
                if (
                    before
                    and before.top == section.top
                    and not chunk.header
                    and not self._inside(start, self.structure.fences)
                ):
                    chunk = replace(chunk, overlap=self._sentences(before.start, start))
                if (chunk.overlap or chunk.header) and self.measure(chunk.text) > self.size:
                    chunk = replace(chunk, overlap="", header="")
                yield chunk
                before, start = replace(section, start=start), end

    def _fits(self, start: int, end: int) -> bool:
        return end - start <= self.limit or self.measure(self.text[start:end]) <= self.limit

    def _merged(self) -> Iterator[_Section]:
        """Sections; small neighbours under one parent, and a small one with its own first child, as one."""
        current: _Section | None = None
        small = self.size / 4
        for section in self._sections():
            if (
                current
                and current.top == section.top
                and section.path[:-1] in (current.path[:-1], current.path)
                and self.measure(self.text[current.start : current.end]) < small
                and self.measure(self.text[section.start : section.end]) < small
            ):
                path = tuple(a for a, b in zip(current.path, section.path, strict=False) if a == b)
                current = _Section(current.start, section.end, path or current.path[:1], current.top)
                continue
            if current:
                yield current
            current = section
        if current:
            yield current

    def _sections(self) -> Iterator[_Section]:
        headings = self.structure.headings
        highest = min((level for _, level, _ in headings), default=1)
        places = [start for start, _, _ in headings] + [len(self.text)]
        if places[0] > 0:
            yield _Section(0, places[0], (), 0)
        above: list[tuple[int, str]] = []
        top = 0
        for (start, level, title), end in zip(headings, places[1:], strict=True):
            above = [*(outer for outer in above if outer[0] < level), (level, title)]
            top += level == highest
            yield _Section(start, end, tuple(title for _, title in above), top)

    def _end(self, start: int, end: int) -> int:
        """Where the core that begins at `start` ends."""
        reach = self._reach(start, end)
        if reach >= end:
            return end
        half = start + (reach - start) // 2
        span = self._inside(reach, self.whole)
        if span and span[0] > start:
            return span[0]
        for pattern in (None, _BLANK, _SENTENCE, _LINE_END, _WORD):
            cut = self._last(pattern, start, reach, min(half, reach - 1))
            if cut:
                return cut
        cut = self._last(_WORD, start, reach, start) or cut_before(self.text, reach)
        return cut if cut > start else max(start + 1, cut_after(self.text, start + 1))

    def _reach(self, start: int, end: int) -> int:
        """The farthest position up to which a core from `start` may go."""
        low, high = start, end
        guess = start + max(1, int(self.limit * self.ratio))
        if end - start <= 4 * (guess - start) and self._fits(start, end):
            return end
        while high > low:
            middle = min(max(guess, low + 1), high)
            tokens = self.measure(self.text[start:middle])
            if tokens <= self.limit:
                low = middle
            else:
                high = middle - 1
            self.ratio = max(0.1, (middle - start) / max(1, tokens))
            near = start + int(self.limit * self.ratio)
            guess = near if low < near < high else (low + high + 1) // 2
            if tokens <= self.limit and high - low <= (low - start) // 64:
                break
        return low

    def _last(self, pattern: re.Pattern[str] | None, start: int, end: int, after: int) -> int | None:
        """The last boundary in (after, end] that cuts nothing whole."""
        if pattern is None:
            cuts = [cut for cut in self.structure.turns if after < cut <= end]
        else:
            cuts = [m.end() for m in pattern.finditer(self.text, max(start, after - 2), end) if m.end() > after]
        for cut in reversed(cuts):
            if not self._inside(cut, self.whole) and cut_before(self.text, cut) == cut:
                return cut
        return None

    def _inside(self, cut: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        """The span that a cut at `cut` would cut."""
        starts = self.starts if spans is self.whole else [start for start, _ in spans]
        at = bisect_right(starts, cut) - 1
        return spans[at] if at >= 0 and spans[at][0] < cut < spans[at][1] else None

    def _header(self, start: int) -> str:
        for begin, end, header in self.structure.tables:
            if begin <= start < end and self.measure(header) <= self.size / 4:
                return header
        return ""

    def _sentences(self, begin: int, end: int) -> str:
        """The last whole sentences of text[begin:end] that are together no longer than the overlap."""
        if self._inside(end, self.structure.rows) or not self.overlap:
            return ""
        window = max(begin, end - int(self.overlap * self.ratio * 2) - 1)
        starts = [m.end() for m in _SENTENCE.finditer(self.text, window, end) if m.end() < end]
        at = bisect_left(starts, True, key=lambda start: self.measure(self.text[start:end]) <= self.overlap)
        if at == len(starts) or self._inside(starts[at], self.whole) or cut_before(self.text, starts[at]) != starts[at]:
            return ""
        overlap = self.text[starts[at] : end]
        return overlap if _SENTENCE.search(overlap) else ""


def _scan(text: str) -> _Structure:
    structure = _Structure()
    lines = [(m.start(), m.end(), m.group().rstrip("\r\n")) for m in _LINE.finditer(text)]
    fence: tuple[int, str] | None = None
    table: tuple[int, str] | None = None
    speakers: list[tuple[str, int]] = []
    for number, (start, end, line) in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence[1]) and not line[mark.end() :].strip():
                structure.fences.append((fence[0], end))
                fence = None
            continue
        if mark:
            fence = (start, mark[1])
            continue
        following = lines[number + 1][2] if number + 1 < len(lines) else ""
        if table is None and "|" in line and "|" in following and _RULE.match(following):
            table = (lines[number + 1][1], text[start : lines[number + 1][1]])
        if table is not None:
            if "|" in line:
                structure.rows.append((start, end))
                continue
            structure.tables.append((table[0], start, table[1]))
            table = None
        before = lines[number - 1][2] if number else ""
        heading = _heading(before, line, following)
        if heading:
            structure.headings.append((start, *heading))
        if line.startswith("\f"):
            structure.turns.append(start)
        speaker = _SPEAKER.match(line)
        if speaker:
            speakers.append((speaker[1], start))
    if fence:
        structure.fences.append((fence[0], len(text)))
    if table:
        structure.tables.append((table[0], len(text), table[1]))
    names = Counter(name for name, _ in speakers)
    if len(speakers) >= 4 and len(names) * 2 <= len(speakers):  # a transcript repeats its speakers
        structure.turns = sorted({*structure.turns, *(start for _, start in speakers)})
    return structure


def _heading(before: str, line: str, following: str) -> tuple[int, str] | None:
    """(level, title) of a line that is a heading."""
    atx = _ATX.match(line)
    if atx:
        return len(atx[1]), atx[2]
    html = _HTML.match(line)
    if html:
        return int(html[1]), re.sub(r"<[^>]*>", "", html[2]).strip()
    under = _SETEXT.match(following)
    if (
        under
        and line.strip()
        and not _SETEXT.match(line)
        and not line.startswith((" " * 4, "\t", "|", ">", "- ", "* "))
    ):
        return (1 if under[1][0] == "=" else 2), line.strip()
    number = _NUMBERED.match(line)
    if number and not before.strip() and not following.strip():
        return number[1].count(".") + 1, line.strip()
    return None
