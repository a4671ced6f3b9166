"""Small documents and pictures for tests, made by the libraries that others make theirs with, or by hand."""

import base64
import io
import struct
import zipfile
import zlib


def png(width: int = 2, height: int = 3, cut: int = 0) -> bytes:
    """A red picture; without its last `cut` bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + b"\xff\0\0" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return whole[: len(whole) - cut]


def pdf(*pages: str, password: str = "", owner: str = "") -> bytes:
    """A page for each text; an empty one has none, as a scan."""
    from pypdf import PdfReader, PdfWriter

    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {len(objects) + 2} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n".encode()
    if not (password or owner):
        return out
    writer, locked = PdfWriter(clone_from=PdfReader(io.BytesIO(out))), io.BytesIO()
    writer.encrypt(password, owner or None, algorithm="AES-256")
    writer.write(locked)
    return locked.getvalue()


def docx() -> bytes:
    import docx

    document = docx.Document()
    document.add_heading("Report", 0)
    document.add_heading("Costs", 2)
    document.add_paragraph("They rose.")
    document.add_paragraph("rent", style="List Bullet")
    document.add_paragraph("heat", style="List Bullet")
    table = document.add_table(2, 2)
    for cell, text in zip((c for row in table.rows for c in row.cells), ("item", "euro", "rent", "900"), strict=True):
        cell.text = text
    document.add_paragraph("The end.")
    return saved(document)


def xlsx() -> bytes:
    import datetime

    import openpyxl

    book = openpyxl.Workbook()
    costs = book.active
    costs.title = "Costs"
    costs.append(["item", "euro", "when"])
    costs.append(["rent, cold", 900, datetime.date(2026, 3, 1)])
    costs.append(["sum", "=SUM(B2:B2)"])
    book.create_sheet("Empty")
    return saved(book)


def pptx() -> bytes:
    import pptx

    talk = pptx.Presentation()
    slide = talk.slides.add_slide(talk.slide_layouts[1])
    slide.shapes.title.text = "Results"
    slide.placeholders[1].text = "It works"
    slide.notes_slide.notes_text_frame.text = "smile here"
    return saved(talk)


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def with_member(document: bytes, name: str, content: bytes) -> bytes:
    """An Office document in which one member is another."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return out.getvalue()


def swollen(document: bytes) -> bytes:
    """An Office document whose text is 500 MB, as it says itself."""
    size = 1_000_003
    text = with_member(document, "word/document.xml", b" " * size)
    return text.replace(struct.pack("<I", size), struct.pack("<I", 500_000_000))


# blue left of red, 16 × 8 pixels, by "ACME" as its metadata say
HEIC = base64.b64decode(
    """
    AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAb1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA
    AAAERAAAIAAQAAAAAB4QABAAAAAAAAAEAAAgAAAAACIQABAAAAAAAAADYAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp
    bmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGE
    ABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAA
    ABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAEAAAAAEAAAAIAAAAAf///9AAAAAC////yAAAAAIAAAAQcG
    l4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAGmlyZWYAAAAAAAAADmNkc2MAAgABAAEAAAB+bWRhdAAAADwoAa8TIXqDQOUy
    Nv/D5EELYYalXR3+dDFh4Ya4+ZCvbd+9kqT/ZALpez+AB88aIOf3St++rYC0qiU0WGwAAAAGRXhpZgAATU0AKgAAAAgAAgEPAAIAAAAFAAAAJg
    ESAAMAAAABAAYAAAAAAABBQ01FAAA=
    """
)
