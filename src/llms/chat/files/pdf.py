"""The text of a PDF, page by page."""

import io

from pypdf import PdfReader
from pypdf.errors import DependencyError

from ...values import several
from .kinds import Refused
from .reading import Text, spans

MOST_PAGES = 2000


def read(name: str, media_type: str, data: bytes) -> tuple[dict[str, object], bytes]:
    """Raises Refused for a file that needs a password, has no text, or has too many pages."""
    document = PdfReader(io.BytesIO(data))
    if document.is_encrypted:
        _decrypt(document)
    count = len(document.pages)
    if count == 0:
        raise ValueError("it has no page")
    if count > MOST_PAGES:
        raise Refused(f"has {count:,} pages; at most {MOST_PAGES:,} are read. Split it")
    text, notes, blank = Text(name), list[str](), list[int]()
    for number, page in enumerate(document.pages, 1):
        if text.full:
            notes.append(text.cut(f"to page {number - 1} of {count}"))
            break
        words = page.extract_text().strip()
        if not words:
            blank.append(number)
            continue
        text.mark(f"page {number}")
        text.add(words)
    if len(blank) == count:
        raise Refused("is a scan: no page has a text layer. Have its text recognized, or attach pictures of its pages")
    if blank:
        notes.append(f"without text, perhaps pictures: page {spans(blank)}")
    if fields := {key: value for key, value in (document.get_form_text_fields() or {}).items() if value}:
        text.mark("form fields")
        text.add("\n".join(f"{key}: {value}" for key, value in fields.items()))
    return {"about": several(count, "page"), "text": str(text), "notes": notes}, b""


def _decrypt(document: PdfReader) -> None:
    try:
        opened = document.decrypt("")
    except DependencyError as error:
        raise ModuleNotFoundError(name="cryptography") from error
    if not opened:
        raise Refused("is encrypted: it opens with a password only; save it without one")
