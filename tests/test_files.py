"""Attached files are what their bytes say: read as text under their name, or refused with the reason, within bounds."""

import contextlib
import io
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from llms.chat.files import apart
from llms.chat.files.encoding import decode
from llms.chat.files.examine import LARGEST, examine
from llms.chat.files.kinds import Refused
from llms.errors import MissingExtra, UsageError
from office import HEIC, docx, pdf, png, pptx, swollen, with_member, xlsx

JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x05\x00\x07\x03rest of it"
HUGE_PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 100_000, 100_000) + b"\x08\x02\x00\x00\x00rest"
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]><w>&b;</w>'


def picture(form: str, **options) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (6, 4), "red").save(out, form, **options)
    return out.getvalue()


# documents


def test_a_pdf_is_read_page_by_page_and_says_which_have_no_text():
    file = examine("report.pdf", pdf("The first page", "", "The third page"))
    assert (file.kind, file.about) == ("text", "3 pages")
    assert file.text == "## report.pdf, page 1\n\nThe first page\n\n## report.pdf, page 3\n\nThe third page"
    assert file.notes == ("without text, perhaps pictures: page 2",)


def test_a_pdf_that_only_its_owner_may_change_can_be_read():
    assert "for everyone" in examine("a.pdf", pdf("for everyone", owner="secret")).text


def test_a_word_document_keeps_the_order_of_headings_lists_and_tables():
    file = examine("report.docx", docx())
    assert file.about == "12 words"
    assert file.text.split("\n\n") == [
        "# Report", "## Costs", "They rose.", "- rent\n- heat", "| item | euro |\n| --- | --- |\n| rent | 900 |", "The end.",
    ]  # fmt: skip


def test_what_was_inserted_into_a_word_document_is_read_and_what_was_deleted_is_not():
    ns = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = (
        f"<w:document {ns}><w:body><w:p><w:r><w:t>It is </w:t></w:r><w:del><w:r><w:delText>not </w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>very </w:t></w:r></w:ins><w:r><w:t>good.</w:t></w:r></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>In a form.</w:t></w:r></w:p></w:sdtContent></w:sdt></w:body></w:document>"
    )
    assert (
        examine("a.docx", with_member(docx(), "word/document.xml", body.encode())).text
        == "It is very good.\n\nIn a form."
    )


def test_a_workbook_is_read_sheet_by_sheet_with_formulas_where_no_value_was_computed():
    file = examine("costs.xlsx", xlsx())
    assert file.about == "2 sheets, 3 rows"
    assert file.text == (
        '## costs.xlsx, sheet Costs\n\nitem,euro,when\n"rent, cold",900,2026-03-01\nsum,=SUM(B2:B2)\n\n'
        "## costs.xlsx, sheet Empty\n\n(empty)"
    )


def test_a_presentation_is_read_slide_by_slide_with_its_notes():
    file = examine("talk.pptx", pptx())
    assert file.about == "1 slide"
    assert file.text == "## talk.pptx, slide 1\n\n### Results\n\nIt works\n\nNotes: smile here"


def test_bytes_count_and_not_the_name():
    file = examine("invoice.pdf", docx())
    assert "They rose." in file.text
    assert file.notes == ("it is a Word document, whatever its name says",)
    assert examine("notes.txt", png()).kind == "image"


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("a.pdf", lambda: b"%PDF-1.7 nothing", "a.pdf is a broken PDF"),
        ("a.pdf", lambda: pdf("secret", password="x"), "a.pdf is encrypted: it opens with a password only"),
        ("a.pdf", lambda: pdf("", ""), "a.pdf is a scan: no page has a text layer"),
        ("a.pdf", lambda: pdf(*["x"] * 2001), r"a.pdf has 2,001 pages; at most 2,000"),
        ("a.docx", lambda: docx()[:300], "a.docx begins like an Office document or an archive and is broken"),
        ("a.docx", lambda: with_member(docx(), "word/document.xml", b"<w:doc"), "a.docx is a broken Word document"),
        ("a.docx", lambda: with_member(docx(), "word/document.xml", ENTITIES), "declares entities in word/document.xml"),
        ("a.docx", lambda: swollen(docx()), "unpacks to 501 MB; at most 419 MB"),
        ("a.xlsx", lambda: with_member(xlsx(), "xl/worksheets/sheet1.xml", b"<broken"), "a.xlsx is a broken Excel workbook"),
        ("a.xlsx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "is encrypted"),
        ("a.xls", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "is in the binary format of old Office programs"),
        ("a.zip", lambda: with_member(docx(), "[Content_Types].xml", b"")[:-1], "is broken"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_read_is_named_with_the_reason(name, make, reason):
    with pytest.raises(UsageError, match=reason):
        examine(name, make())


def test_a_file_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(apart, "CPU_SECONDS", 1)
    with pytest.raises(UsageError, match=r"a\.pdf takes more than 1 seconds of computing to read"):
        examine("a.pdf", pdf(*["word " * 500] * 1900))


def test_a_reader_that_hangs_is_killed(monkeypatch):
    monkeypatch.setattr(apart, "WALL_SECONDS", 0.01)
    with pytest.raises(UsageError, match=r"a\.pdf takes more than 0.01 seconds to read"):
        examine("a.pdf", pdf("x"))


@pytest.mark.skipif(sys.platform != "linux", reason="only there is memory limited")
def test_a_file_that_takes_too_much_memory_is_given_up(monkeypatch):
    monkeypatch.setattr(apart, "MEMORY_BYTES", 250 << 20)
    with pytest.raises(UsageError, match=r"a\.docx needs more than 0\.3 GB of memory"):
        examine("a.docx", with_member(docx(), "word/document.xml", b"<a>" + b"<b/>" * 3_000_000 + b"</a>"))


def test_the_memory_of_whoever_starts_a_reader_is_not_taken_for_the_readers(monkeypatch):
    monkeypatch.setattr(apart, "MEMORY_BYTES", 700 << 20)
    large = bytearray(b"x") * (500 << 20)
    with pytest.raises(UsageError, match=r"a\.pdf is a broken PDF"):
        examine("a.pdf", b"%PDF-1.7 nothing")
    assert len(large) == 500 << 20


def test_a_library_that_is_not_installed_is_named_with_what_brings_it(monkeypatch, tmp_path):
    (tmp_path / "pypdf.py").write_text("raise ModuleNotFoundError('no', name='pypdf')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match=r"reading a\.pdf, a PDF, needs pypdf.*\[files\]"):
        examine("a.pdf", pdf("x"))


# pictures and sounds


@pytest.mark.parametrize(
    ("data", "kind", "media"),
    [
        (png(), "image", "image/png"),
        (picture("JPEG"), "image", "image/jpeg"),
        (picture("GIF"), "image", "image/gif"),
        (picture("WEBP"), "image", "image/webp"),
        (b"RIFF....WAVEfmt ", "audio", "audio/wav"),
        (b"OggS....", "audio", "audio/ogg"),
        ("plain text, größer".encode(), "text", "text/plain"),
    ],
)
def test_kinds_are_told_by_content_and_the_bytes_are_kept(data, kind, media):
    file = examine("../../x/name.bin", data)
    assert (file.name, file.kind, file.media_type, file.data) == ("name.bin", kind, media, data)


@pytest.mark.parametrize("form", ["BMP", "TIFF", "AVIF"])
def test_a_picture_that_no_model_takes_is_converted(form):
    file = examine(f"a.{form}", picture(form))
    assert file.media_type in ("image/png", "image/jpeg")
    assert file.about.startswith("6 × 4 pixels, sent as ")


def test_a_photo_is_converted_without_its_metadata():
    from PIL import Image

    assert b"ACME" in HEIC
    file = examine("photo.heic", HEIC)
    assert (file.media_type, b"ACME" in file.data) == ("image/jpeg", False)
    shown = Image.open(io.BytesIO(file.data))
    assert (shown.size, shown.getpixel((2, 4))[2] > 200, shown.getpixel((13, 4))[0] > 200) == ((16, 8), True, True)


def test_a_converted_picture_stands_upright():
    from PIL import Image

    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter to the right
    file = examine("a.tiff", picture("TIFF", exif=turned))
    assert Image.open(io.BytesIO(file.data)).size == (4, 6)


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\nbroken", "a.png begins like image/png and is broken"),
        ("a.png", png(40, 40, cut=30), "a.png is a broken picture"),
        ("a.jpg", JPEG_HEAD, "a.jpg is a broken picture"),
        ("a.png", b"hello", "not what its name says: it holds text"),
        ("a.png", HUGE_PNG, "100000 × 100000 pixels; at most 40 million"),
        ("a.zip", b"PK\x03\x04....", "broken"),
        ("a.gz", b"\x1f\x8b....", "a.gz is an archive"),
        ("a.mp4", b"\0\0\0\x18ftypmp42....", "a.mp4 is a video"),
        ("a.db", b"SQLite format 3\0....", "a.db is a database"),
        ("a.bin", bytes(range(1, 256)), "a.bin is neither text nor"),
        ("a.txt", b"a\0b", "zero bytes"),
        ("a.txt", b"", "empty"),
        ("a.txt", b"x" * (LARGEST + 1), "a.txt has 26 MB; at most 25 MB"),
    ],
)
def test_what_cannot_be_attached_is_refused_with_the_reason(name, data, word):
    with pytest.raises(UsageError, match=word):
        examine(name, data)


@examples(max_examples=60)  # those that begin like a picture each start a process
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"", b"", b"\xff\xd8\xff", b"%PDF-", b"PK\x03\x04", b"RIFF1234WEBP", b"BM"])
)  # fmt: skip
def test_no_bytes_break_it(data, head):
    with contextlib.suppress(UsageError):
        assert examine("x", head + data).kind in ("image", "audio", "text")


# text


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        ("Straße;Größe\nMüller;12\n", "cp1252", "Windows-1252"),
        ("Où est le café ? Ça coûte 5 €.\n", "cp1252", "Windows-1252"),
        ("id;city\n" + "7;Köln\n" * 400, "latin-1", "Windows-1252"),
        ("Name\tGröße\nA\t1\n", "utf-16", "UTF-16"),
        ("Name\tGröße\nA\t1\n", "utf-16-le", "UTF-16"),
        ("Name\tGröße\nA\t1\n", "utf-16-be", "UTF-16"),
        ("姓名,年龄\n张伟,34\n王芳,28\n这是一个中文文本。\n", "utf-16-le", "UTF-16"),
        ("Name,Größe\n", "utf-8-sig", "UTF-8"),
        ("Name,Größe\n", "utf-8", "UTF-8"),
        ("名前,年齢\n山田太郎,34\nこれは日本語のテキストです。\n", "cp932", "Shift-JIS"),
        ("アイウエオ,カキクケコ\nカタカナ,テスト\n", "cp932", "Shift-JIS"),
        ("名前,年齢\n山田太郎,34\nこれは日本語のテキストです。\n", "euc_jp", "EUC-JP"),
        ("姓名,年龄\n张伟,34\n王芳,28\n这是一个中文文本。\n", "gb18030", "GB18030"),
        ("이름,나이\n홍길동,34\n이것은 한국어입니다\n", "cp949", "EUC-KR"),
        ("Имя;Возраст\nИван;34\nЭто русский текст.\n", "cp1251", "Windows-1251"),
        ("Имя;Возраст\nИван;34\nЭто русский текст.\n", "koi8_r", "KOI8-R"),
        ("Imię;Wiek\nŁukasz;34\nZażółć gęślą jaźń\n", "cp1250", "Windows-1250"),
        ("İnsanlar özgür, değer ve haklar bakımından eşit doğarlar.\n", "cp1254", "Windows-1254"),
        ("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι.\n", "cp1253", "Windows-1253"),
    ],
)
def test_text_of_any_encoding_is_read_and_the_encoding_named(text, codec, name):
    decoded = decode(text.encode(codec))
    assert (decoded.text, decoded.encoding, decoded.broken) == (text, name, 0)


def test_a_few_damaged_characters_do_not_make_text_of_another_encoding():
    file = examine("log.txt", "größer\n".encode() * 200 + b"\xff broken\n")
    assert file.text.count("größer") == 200
    assert file.notes == ("1 characters are damaged and show as \ufffd",)


def test_the_encoding_of_a_csv_is_said():
    file = examine("excel.csv", "Straße;1\r\nWeg;2\r\n".encode("cp1252"))
    assert (file.text, file.about) == ("Straße;1\nWeg;2\n", "2 lines, Windows-1252")


@given(st.binary(min_size=200, max_size=400))
def test_what_is_no_text_is_not_taken_for_it(data):
    with contextlib.suppress(Refused):
        decoded = decode(data)
        assert "\0" not in decoded.text


def test_a_web_page_is_sent_as_its_text_and_its_markup_under_another_name():
    page = (
        b'<!doctype html><meta charset="windows-1252"><title>Caf\xe9</title><script>x</script><p>Th\xe9 &amp; pain</p>'
    )
    file = examine("menu.html", page)
    assert file.text == "# Café\n\nThé & pain"
    assert examine("menu.txt", page).text.startswith("<!doctype html>")
    assert examine("main.js", b"const page = '<html>';").text == "const page = '<html>';"


def test_names_carry_no_control_characters_and_no_folders():
    assert examine("C:\\a\\evil\u202egnp\n.txt", b"x").name == "evilgnp.txt"
