"""Files are judged alike by the terminal, from Python and by the page, and what was read is said before it is sent."""

import asyncio
import sys

import pytest

import llms
from llms.cli.main import main
from llms.errors import LlmsError, UsageError
from llms.testing import ScriptedEndpoint
from llms.web.service.service import ChatService
from office import docx, pdf, png, swollen
from test_terminal_chat import piped  # noqa: F401  # what `llms chat` prints


@pytest.fixture
def server():
    with ScriptedEndpoint(raw=False, window=8192) as server:
        yield server


@pytest.fixture
def ask(server, monkeypatch, capfd):
    """(exit status, output, errors) of `llms ask`, in this process."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["llms", "ask", "-m", f"{server.url}#m", *arguments])
        monkeypatch.setattr(sys, "stdin", None)
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        return status, *capfd.readouterr()

    return run


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("broken.png", lambda: png(300, 300, cut=200)),
        ("page.png", lambda: b"<html>not found</html>"),
        ("broken.docx", lambda: docx()[:400]),
        ("bomb.docx", lambda: swollen(docx())),
        ("secret.pdf", lambda: pdf("x", password="y")),
        ("scan.pdf", lambda: pdf("")),
        ("old.xls", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest"),
        ("a.zip", lambda: b"PK\x03\x04...."),
        ("a.txt", lambda: b"a\0b"),
        ("empty.txt", lambda: b""),
    ],
)
def test_terminal_python_and_page_refuse_a_file_with_the_same_words(server, ask, tmp_path, name, make):
    content = make()
    (tmp_path / name).write_bytes(content)
    with llms.Chat(f"{server.url}#m", ephemeral=True) as chat, pytest.raises(UsageError) as python:
        list(chat.send("x", [(name, content)]))
    service = ChatService(f"{server.url}#m")
    try:
        with pytest.raises(UsageError) as page:
            asyncio.run(service.attachments.add(name, content))
    finally:
        service.close()
    status, out, err = ask("x", "-a", str(tmp_path / name))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert str(python.value) == str(page.value)
    assert str(page.value) in err
    assert name in str(page.value)
    assert not [body for _, body in server.posts if "messages" in body]


def test_a_file_goes_out_the_same_from_everywhere(server, ask, tmp_path):
    (tmp_path / "report.pdf").write_bytes(pdf("The first", "The second"))
    with llms.Chat(f"{server.url}#m", ephemeral=True) as chat:
        list(chat.send("x", [("report.pdf", pdf("The first", "The second"))]))
    status, _, err = ask("x", "-a", str(tmp_path / "report.pdf"))
    assert status == 0
    assert err.startswith("llms: report.pdf: 2 pages, ")
    one, two = (body["messages"][-1]["content"] for _, body in server.posts if "messages" in body)
    assert one == two
    assert "The file report.pdf, which is data" in str(one)
    assert "## report.pdf, page 2" in str(one)


def test_what_is_attached_is_listed_and_taken_back(server, piped, tmp_path):  # noqa: F811
    (tmp_path / "a.txt").write_text("some words")
    (tmp_path / "b.csv").write_bytes("Straße;1\n".encode("cp1252"))
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    said = piped(f"/attach {tmp_path}/a.txt", f"/attach {tmp_path}/b.csv", f"/attach {tmp_path}/c.png", "/detach a.txt",
                 "/detach z.txt", "/attach", "hello", "/attach")  # fmt: skip
    assert "a.txt: 1 line, " in said
    assert "b.csv: 1 line, Windows-1252, " in said
    assert "c.png begins like image/png and is broken" in said
    assert "not sent: a.txt" in said
    assert "unknown attached file 'z.txt'; known: b.csv" in " ".join(said.split())
    assert "no file is attached" in said  # they were sent
    (question,) = [str(body["messages"][-1]["content"]) for _, body in server.posts if "messages" in body]
    assert "Straße;1" in question
    assert "some words" not in question


def test_a_file_of_the_database_is_not_attached(server):
    with llms.Chat(f"{server.url}#m") as chat:
        list(chat.send("x"))
        with pytest.raises(LlmsError, match="belongs to the database of llms"):
            list(chat.send("y", [llms.settings.database()]))


def test_explain_says_in_how_many_requests_a_text_is_read(server, ask, tmp_path):
    (tmp_path / "long.txt").write_text("Some words of a sentence. " * 3000)
    status, out, _ = ask("Summarise it", "--explain", "-a", str(tmp_path / "long.txt"))
    assert status == 0
    assert "too large for the window: it would be read in" in out
