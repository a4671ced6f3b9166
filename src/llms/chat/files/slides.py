"""The text of a PowerPoint presentation, slide by slide: titles, text, tables, notes."""

import io
from collections.abc import Iterator

from pptx import Presentation
from pptx.shapes.autoshape import Shape
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from ...values import several
from .kinds import Refused
from .reading import Text, check_members, markdown_table


def read(name: str, media_type: str, data: bytes) -> tuple[dict[str, object], bytes]:
    content = io.BytesIO(data)
    check_members(content)
    slides = list(Presentation(content).slides)
    text, notes, spoken = Text(name), list[str](), False
    for number, slide in enumerate(slides, 1):
        if text.full:
            notes.append(text.cut(f"to slide {number - 1} of {len(slides)}"))
            break
        text.mark(f"slide {number}")
        for piece in _pieces(slide):
            spoken = spoken or bool(piece.strip())
            text.add(piece)
    if not spoken:
        raise Refused("has no slide with text; attach pictures of its slides")
    return {"about": several(len(slides), "slide"), "text": str(text), "notes": notes}, b""


def _pieces(slide: Slide) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.has_text_frame and title.text_frame.text.strip():
        yield f"### {' '.join(title.text_frame.text.split())}"
    for shape in slide.shapes:
        if title is None or shape.shape_id != title.shape_id:
            yield from _shape(shape)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None and frame.text.strip():
        yield f"Notes: {frame.text.strip()}"


def _shape(shape: BaseShape) -> Iterator[str]:
    if isinstance(shape, GroupShape):
        for inner in shape.shapes:
            yield from _shape(inner)
    elif isinstance(shape, GraphicFrame) and shape.has_table:
        yield "\n".join(markdown_table([cell.text for cell in row.cells] for row in shape.table.rows))
    elif isinstance(shape, Shape) and shape.has_text_frame:
        yield "\n".join(f"{'  ' * p.level}{p.text}" for p in shape.text_frame.paragraphs if p.text.strip())
