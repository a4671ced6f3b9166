"""The text of an HTML page, in time proportional to its length whatever it holds.

The parser of the standard library takes quadratic time on unfinished markup (CVE-2025-6069 and what it left open), and a page
is written by someone who may know that; so this goes through once: tags, comments and skipped elements are found, never
looked for twice.
"""

import html
import re
from dataclasses import dataclass
from urllib.parse import urljoin

TAG = re.compile(r"<(?:(/?[a-zA-Z][a-zA-Z0-9-]*)|!--|[!?])")
HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
SKIPPED = {"script", "style", "template", "noscript", "svg", "iframe", "object", "select", "textarea"}
BLOCKS = {
    "p", "div", "section", "article", "main", "header", "footer", "nav", "aside", "ul", "ol", "table", "tr", "blockquote", "pre",
    "figure", "figcaption", "form", "dl", "dt", "dd", "hr", "address", "fieldset", "details", "summary", "body", "head",
}  # fmt: skip
LONGEST_TAG = 10_000  # characters; what is longer is cut there
MOST_TAGS, MOST_LINKS = 200_000, 5_000  # a long article has 100,000 tags; what comes after is not read


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    text: str


def read(source: str, address: str = "") -> Page:
    """Title and text: headings with #, list items with -, links as [text](address) made absolute against `address`."""
    reader = _Reader(source, address)
    for _ in range(MOST_TAGS):
        if reader.position >= len(source):
            break
        reader.step()
    text = re.sub(r"[ \t\xa0]+", " ", "".join(reader.out))
    text = re.sub(r" ?\n ?", "\n", text)
    return Page(" ".join(reader.title.split()), re.sub(r"\n{3,}", "\n\n", text).strip())


class _Reader:
    def __init__(self, source: str, address: str):
        self.source, self.address = source, address
        self.lower = source.lower() if len(source.lower()) == len(source) else source
        self.position = 0
        self.out: list[str] = []
        self.title = ""
        self.links: list[str] = []
        self.opened = 0

    def step(self) -> None:
        """Take the text up to the next tag, and the tag."""
        tag = TAG.search(self.source, self.position)
        start = tag.start() if tag else len(self.source)
        if start > self.position:
            self.out.append(re.sub(r"\s+", " ", html.unescape(self.source[self.position : start])))
        self.position = start
        if tag is None:
            return
        if tag[0] == "<!--":
            self._past("-->", start + 4)
        elif tag[1] is None:
            self._past(">", start + 2)
        else:
            end = self.source.find(">", tag.end(), tag.end() + LONGEST_TAG)
            end = end if end >= 0 else min(tag.end() + LONGEST_TAG, len(self.source))
            self.position = end + 1
            self._tag(tag[1].lower(), self.source[tag.end() : end])

    def _past(self, mark: str, start: int) -> None:
        end = self.source.find(mark, start)
        self.position = end + len(mark) if end >= 0 else len(self.source)

    def _tag(self, name: str, inside: str) -> None:
        if name in SKIPPED or name == "title":
            end = self.lower.find(f"</{name}", self.position)
            end = end if end >= 0 else len(self.source)
            if name == "title" and not self.title:
                self.title = html.unescape(self.source[self.position : end][:300])
            self.position = end
        elif name == "br":
            self.out.append("\n")
        elif name == "li":
            self.out.append("\n- ")
        elif name in ("td", "th"):
            self.out.append(" | ")
        elif re.fullmatch(r"h[1-6]", name):
            self.out.append(f"\n\n{'#' * int(name[1])} ")
        elif name == "a":
            self._open_link(inside)
        elif name == "/a":
            self._close_link()
        elif name.removeprefix("/") in BLOCKS or re.fullmatch(r"/h[1-6]", name):
            self.out.append("\n\n" if name.startswith("/") else "\n")

    def _open_link(self, inside: str) -> None:
        self._close_link()
        self.opened += 1
        if self.opened > MOST_LINKS:
            return
        href = HREF.search(f" {inside}")
        target = html.unescape(next((group for group in href.groups() if group is not None), "")) if href else ""
        try:
            absolute = urljoin(self.address, target.strip())
        except ValueError:
            absolute = ""
        if absolute.startswith(("http://", "https://")) and not target.startswith("#"):
            self.out.append("[")
            self.links.append(absolute)

    def _close_link(self) -> None:
        if self.links:
            self.out.append(f"]({self.links.pop()})")
