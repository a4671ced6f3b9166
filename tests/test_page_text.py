"""Text of the pages: what Markdown becomes, and that a text that grows becomes the same. A real browser, the pages' own
modules and policy, no server of llms."""

import functools
import http.server
import json
import random
import re
import threading
from pathlib import Path

import pytest

from llms.web.app import HEADERS
from llms.web.pages import HERE
from test_browser import CHROMIUM, QUIET, playwright

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium")
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>text</title>
<link rel="stylesheet" href="/static/style.css"><link rel="stylesheet" href="/static/messages.css">
<link rel="stylesheet" href="/static/text.css"><script src="/static/vendor/purify.js"></script></head>
<body><main><h1>Text</h1><div class="log"><article class="assistant"><div class="body"><div id="box"></div></div></article>
</div></main></body></html>"""


class Files(http.server.SimpleHTTPRequestHandler):
    """The pages' static files under the pages' policy, and one page to show text on."""

    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Files, directory=str(HERE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page(address):
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        opened = chromium.new_page(viewport={"width": 800, "height": 800})
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.on("request", lambda r: None if r.url.startswith(address) else problems.append(f"request to {r.url}"))
        opened.goto(address)
        opened.evaluate("import('/static/markdown.js').then((module) => (window.text = module))")
        yield opened
        assert not problems
        chromium.close()


def shown(page, text: str) -> None:
    page.evaluate("t => text.show(document.getElementById('box'), t)", text)


def html(page, text: str) -> str:
    shown(page, text)
    return page.inner_html("#box")


PIECES = (
    "word", "two words", "**bold**", "*", "**", "_", "`code`", "`", "```", "```python\nx = 1\n```", "~~~\ny\n~~~", "    indented",
    "- item", "- [x] done", "  - deeper", "1. first", "2) second", "> quoted", "> ", "# Heading", "## ", "===", "---", "***",
    "| a | b |\n|---|---|", "| 1 | 2 |", "|", "[link](https://example.com)", "[ref]", "[ref][other]", "[ref]: https://a.example",
    "[other]: <https://b.example>", '"a title"', "[^1]", "[^note]", "[^1]: The note", "[^note]: Another [^1]", "  more of it",
    r"\(a_1\)", r"\[", r"\]", "$x$", "$$", "$", r"\begin{cases}", r"\end{cases}", "\\", "<div>", "</div>", "<!--", "-->", "<b>", "<pre>",
    "https://example.com/a", "**提示：**请", "שלום", "~~gone~~", "\t", "&amp;", "!", "![x](https://example.com/a.png)", ":", "\r\n", "  ",
)  # fmt: skip
GROWN_AND_WHOLE = """([texts]) => {
  const box = document.getElementById("box"), grown = document.createElement("div"), wrong = [];
  const plain = (element) => element.innerHTML.replaceAll(/note-\\d+-/g, "note-");
  for (const pieces of texts) {
    const writer = text.stream(grown);
    let all = "";
    for (const piece of pieces) {
      all += piece;
      writer.update(all);
      text.show(box, all);
      if (plain(grown) !== plain(box)) {
        wrong.push({ text: all, last: piece, grown: plain(grown), whole: plain(box) });
        break;
      }
    }
  }
  return wrong;
}"""


def pieces_of(text: str, draw: random.Random) -> list[str]:
    cuts = sorted(draw.sample(range(len(text) + 1), min(len(text), draw.choice((3, 8, 40)))))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def test_a_text_that_grows_becomes_what_it_is_when_whole(page):
    draw = random.Random(7)
    texts = []
    for _ in range(400):
        parts = [draw.choice(PIECES) + draw.choice(("\n", "\n", "\n\n", "\n\n", " ", "")) for _ in range(draw.randint(2, 24))]
        texts.append(pieces_of("".join(parts), draw))
    wrong = page.evaluate(GROWN_AND_WHOLE, [texts])
    assert not wrong, json.dumps(wrong[0], indent=1, ensure_ascii=False)


def test_a_growing_text_is_parsed_from_its_last_blocks(page):
    parsed = page.evaluate(
        """() => {
          const writer = text.stream(document.getElementById("box"));
          let all = "";
          return Array.from({ length: 300 }, (_, n) => {
            all += n % 10 ? `Paragraph **${n}** of many.\\n\\n` : `- item ${n}\\n\\n\\`\\`\\`\\n${n}\\n\\`\\`\\`\\n\\n`;
            return writer.update(all);
          });
        }"""
    )
    assert max(parsed) <= 10
    assert page.evaluate("document.querySelectorAll('#box > p').length") == 270
