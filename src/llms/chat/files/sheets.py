"""The cells of an Excel workbook, each sheet as CSV: values as they were last computed, formulas where none was."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import repeat

from openpyxl import load_workbook

from ...values import several
from .kinds import Refused
from .reading import MOST_CHARACTERS, Text, check_members

_Cells = Iterable[Sequence[object]]


def read(name: str, media_type: str, data: bytes) -> tuple[dict[str, object], bytes]:
    content = io.BytesIO(data)
    check_members(content)
    has_formulas = _has_formulas(content)
    book = load_workbook(content, read_only=True, data_only=True)
    formulas = load_workbook(io.BytesIO(data), read_only=True) if has_formulas else None
    text, notes, total = Text(name), list[str](), 0
    for sheet in book.worksheets:
        if text.full:
            break
        sheet.reset_dimensions()  # as written in the file they may be anything
        hidden = "" if sheet.sheet_state == "visible" else " (hidden)"
        text.mark(f"sheet {sheet.title}{hidden}")
        beside: _Cells = repeat(())
        if formulas is not None:
            formulas[sheet.title].reset_dimensions()
            beside = formulas[sheet.title].iter_rows(values_only=True)
        lines, count, cut = _lines(text, sheet.iter_rows(values_only=True), beside)
        text.add("\n".join(lines) or "(empty)")
        total += count
        if cut:
            notes.append(text.cut(f"{count:,} rows of the sheet {sheet.title}"))
    if not total:
        raise Refused("has no cell with a value")
    if text.full and not notes:
        notes.append(text.cut("some of the sheets"))
    return {
        "about": f"{several(len(book.worksheets), 'sheet')}, {several(total, 'row')}",
        "text": str(text),
        "notes": notes,
    }, b""


def _has_formulas(content: io.BytesIO) -> bool:
    """Whether some sheet has a formula, whose value may be missing: only Excel computes them."""
    with zipfile.ZipFile(content) as archive:
        for member in archive.namelist():
            if member.startswith("xl/worksheets/") and member.endswith(".xml"):
                with archive.open(member) as xml:
                    before = b""
                    while block := xml.read(1 << 20):
                        if b"<f>" in before + block or b"<f " in before + block:
                            return True
                        before = block[-3:]
    return False


def _lines(text: Text, rows: _Cells, beside: _Cells) -> tuple[list[str], int, bool]:
    """(CSV, rows with a value, whether a bound was reached before the end)."""
    lines: list[str] = []
    size = count = blank = 0
    for number, (values, formulas) in enumerate(zip(rows, beside, strict=False)):
        cells = [
            _written(value, formula)
            for value, formula in zip(values, (*formulas, *repeat(None, len(values))), strict=False)
        ]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            blank += 1
            continue
        if lines and blank:
            lines.append("")  # one for any number of them
        blank = 0
        lines.append(next(_csv(cells)))
        size, count = size + len(lines[-1]), count + 1
        if number % 100 == 0 and (text.full or text.characters + size > MOST_CHARACTERS):
            text.characters += size
            return lines, count, True
    return lines, count, False


def _csv(cells: list[str]) -> Iterator[str]:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    yield line.getvalue()


def _written(value: object, formula: object) -> str:
    if value is None:
        return formula if isinstance(formula, str) and formula.startswith("=") else ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
