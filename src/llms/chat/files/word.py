"""The text of a Word document in its order: headings, lists, tables, footnotes; what was deleted is left out."""

import io
import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from docx import Document
from docx.document import Document as WordDocument
from lxml import etree

from ...values import several
from .kinds import Refused
from .reading import Text, check_members, markdown_table

Element: TypeAlias = etree._Element
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # says again what its Choice says
_SKIPPED = {f"{_W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "rPr", "pPr", "sectPr", "tblPr", "sdtPr")} | {_FALLBACK}  # fmt: skip
_BREAKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def read(name: str, media_type: str, data: bytes) -> tuple[dict[str, object], bytes]:
    content = io.BytesIO(data)
    check_members(content)
    document = Document(content)
    text, notes, words = Text(name), list[str](), 0
    styles = _outline(document)
    for block in _blocks(document.element.body, styles):
        if text.full:
            notes.append(text.cut(f"the first {words:,} words"))
            break
        text.add(block)
        words += len(re.findall(r"\w+", block))
    for note in _footnotes(document):
        text.add(note)
    if not text.characters:
        raise Refused("has no text; attach its pictures themselves")
    return {"about": several(words, "word"), "text": str(text), "notes": notes}, b""


def _outline(document: WordDocument) -> dict[str, int]:
    """The level of each style of headings, by its id."""
    levels = {}
    for style in document.styles:
        word, _, level = (style.name or "").rpartition(" ")
        if word.casefold() == "heading" and level.isdigit():
            levels[style.style_id] = min(6, int(level))
        elif (style.name or "").casefold() == "title":
            levels[style.style_id] = 1
    return levels


def _blocks(parent: Element, outline: dict[str, int]) -> Iterator[str]:
    """Paragraphs and tables, also those in content controls and in what was inserted."""
    listed: list[str] = []
    for child in parent:
        if child.tag == f"{_W}p":
            line, is_item = _paragraph(child, outline)
            if is_item:
                listed.append(line)
                continue
        if listed:
            yield "\n".join(listed)
            listed = []
        if child.tag == f"{_W}p":
            yield line
        elif child.tag == f"{_W}tbl":
            yield "\n".join(markdown_table(_rows(child)))
        elif child.tag not in _SKIPPED:
            yield from _blocks(child, outline)
    if listed:
        yield "\n".join(listed)


def _paragraph(paragraph: Element, outline: dict[str, int]) -> tuple[str, bool]:
    """(text, whether it is an item of a list)."""
    text = "".join(_words(paragraph)).strip()
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    style_id = "" if style is None else str(style.get(f"{_W}val"))
    if not text:
        return "", False
    if level := outline.get(style_id):
        return f"{'#' * level} {' '.join(text.split())}", False
    numbered = paragraph.find(f"{_W}pPr/{_W}numPr")
    if numbered is None and not style_id.startswith("List"):
        return text, False
    depth = None if numbered is None else numbered.find(f"{_W}ilvl")
    indent = int(str(depth.get(f"{_W}val")) or 0) if depth is not None else 0
    return f"{'  ' * min(indent, 9)}- {text}", True


def _words(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag in _SKIPPED:
            continue
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in _BREAKS:
            yield _BREAKS[child.tag]
        elif child.tag == f"{_W}footnoteReference":
            yield f"[^{child.get(f'{_W}id')}]"
        else:
            yield from _words(child)
            if child.tag == f"{_W}p":  # within a text box
                yield "\n"


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table.iterchildren(f"{_W}tr"):
        yield ["\n".join(_cell(cell)) for cell in row.iter(f"{_W}tc") if _row_of(cell) is row]


def _row_of(cell: Element) -> Element:
    return next(cell.iterancestors(f"{_W}tr"))


def _cell(cell: Element) -> Iterable[str]:
    return ("".join(_words(paragraph)) for paragraph in cell.iter(f"{_W}p"))


def _footnotes(document: WordDocument) -> Iterator[str]:
    for relation in document.part.rels.values():
        if relation.reltype.endswith("/footnotes") and not relation.is_external:
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            for note in etree.fromstring(relation.target_part.blob, parser).iterchildren(f"{_W}footnote"):
                if words := "".join(_words(note)).strip():
                    yield f"[^{note.get(f'{_W}id')}]: {words}"
