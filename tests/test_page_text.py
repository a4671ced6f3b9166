"""Text of the pages: what Markdown becomes, and that a text that grows becomes the same. A real browser, the pages' own
modules and policy, no server of llms."""

import functools
import hashlib
import http.server
import json
import random
import threading

import pytest

from llms.web.app import HEADERS
from llms.web.pages import HERE
from test_browser import CHROMIUM, QUIET, playwright

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium")
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>text</title><link rel="icon" href="data:,">
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
def requests():
    """The paths that were asked for."""
    return []


@pytest.fixture(scope="module")
def page(address, requests):
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        opened = chromium.new_page(viewport={"width": 800, "height": 800})
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.on("request", lambda r: None if r.url.startswith(address) else problems.append(f"request to {r.url}"))
        opened.on("request", lambda r: requests.append(r.url.removeprefix(address)))
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


def test_mathematics_and_colours_are_loaded_when_a_text_needs_them(page, requests):
    shown(page, "It costs $5 or $10.\n\n| a | b |\n|---|---|\n| `x` | **y** |\n\n```\nno language\n```")
    assert [path for path in requests if "katex" in path.lower() or "highlight" in path] == []
    shown(page, "```python\nprint(1)\n```")
    page.wait_for_selector("#box .hljs-built_in")
    assert [path for path in requests if "katex" in path.lower()] == []
    shown(page, "$x$")
    page.wait_for_selector("#box .katex")
    assert all(path.endswith(".woff2") for path in requests if "/fonts/" in path)


def words(page, text: str) -> str:
    """The text as a person reads it, formulas as [source]."""
    shown(page, text)
    return page.evaluate(
        "() => { const copy = document.getElementById('box').cloneNode(true);"
        " copy.querySelectorAll('.math').forEach((m) => m.replaceWith(`[${m.dataset.tex.trim()}]`));"
        " return copy.textContent.trim(); }"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\(a\)", "[a]"),
        (r"so \(\int_0^1 f\,dx\).", r"so [\int_0^1 f\,dx]."),
        (r"\(a_1*b_2*c_3\) and *x*", "[a_1*b_2*c_3] and x"),
        ("Then\n\\[\na\n=\nb\n\\]\nholds", "Then[a\n=\nb]holds"),
        ("$$\n\\frac{1}{2}\n$$", r"[\frac{1}{2}]"),
        ("in $$x$$ here", "in $$x$$ here"),
        ("in $$x^2$$ here", "in [x^2] here"),
        (r"\begin{align}a &= b \\ c &= d\end{align}", r"[\begin{align}a &= b \\ c &= d\end{align}]"),
        ("- one\n  \\[\n  - x\n  \\]\n- two", "one[- x]\n\ntwo"),
        ("the $n$th of $k$-means, $x_1$, $y$.", "the [n]th of [k]-means, [x_1], [y]."),
        ("设$x$为", "设[x]为"),
        ("$5 and $10", "$5 and $10"),
        ("US$20, US$30 and A$5", "US$20, US$30 and A$5"),
        ("costs $3.50 or $4", "costs $3.50 or $4"),
        ("$5-$10, $1,000–$2,000, $5/$6", "$5-$10, $1,000–$2,000, $5/$6"),
        ("5$ and 10$, then 7$", "5$ and 10$, then 7$"),
        ("$20 for you and 30$ for me", "$20 for you and 30$ for me"),
        ("a $$ place, not a $$$ place", "a $$ place, not a $$$ place"),
        (r"\$5 or $6$", "$5 or [6]"),
        ("`$a$ and \\(b\\)`", "$a$ and \\(b\\)"),
        ("set `x$y` to $5", "set x$y to $5"),
        ("PATH=$HOME/bin:$PATH", "PATH=$HOME/bin:$PATH"),
        (r"\(never closed", "(never closed"),
    ],
)
def test_formulas_are_told_from_prices_and_code(page, text, expected):
    assert words(page, text) == expected


def test_formulas_are_set_and_wrong_ones_stay_as_they_were_written(page):
    shown(page, r"\(x^2\) and $\frac{1$ and $\href{javascript:alert(1)}{x}$ and $\def\a{\a\a}\a$")
    page.wait_for_selector("#box .katex")
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Math'))")
    assert page.locator("#box .math").nth(0).locator("math msup").count() == 1
    assert page.locator("#box .math").nth(1).inner_text() == r"$\frac{1$"
    assert page.locator("#box a").count() == 0
    assert page.locator("#box .math").nth(3).inner_text() == r"$\def\a{\a\a}\a$"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**提示：**请注意", "<strong>提示：</strong>请注意"),
        ("这是**“重点”**内容", "这是<strong>“重点”</strong>内容"),
        ("これは**「重要」**です", "これは<strong>「重要」</strong>です"),
        ("한국어**(중요)**는", "한국어<strong>(중요)</strong>는"),
        ("*重要。*然后~~旧：~~新", "<em>重要。</em>然后<del>旧：</del>新"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("one\ntwo", "one<br>two"),
        ("a<br>b <b>c</b>", "a<br>b &lt;b&gt;c&lt;/b&gt;"),
        (
            "x <pre> <a href='https://example.com'>x</a> &amp;",
            "x &lt;pre&gt; &lt;a href='https://example.com'&gt;x&lt;/a&gt; &amp;",
        ),
    ],
)
def test_a_paragraph_is_read_as_it_was_meant(page, text, expected):
    assert html(page, text) == f'<p dir="auto">{expected}</p>'


def test_what_an_answer_is_made_of_can_be_seen_reached_and_heard(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    rows = "\n".join("|" + f" {n} |" * 40 for n in range(3))
    code = "".join(f"print({n})  # {'long ' * 30}\n" for n in range(200))
    shown(page, f"# One\n## Two\n### Three\n\n- [x] a\n- [ ] b\n\n{'| a ' * 40}|\n{'|--' * 40}|\n{rows}\n\n```python\n{code}```\n\n"
                "\\[" + "+".join(f"x_{{{n}}}" for n in range(90)) + "\\]\n\nA note.[^n]\n\n[^n]: It is here.\n\n> quoted\n")  # fmt: skip
    page.wait_for_selector("#box .hljs-built_in")
    page.wait_for_selector("#box .katex")
    result = axe.Axe().run(page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in result if v["impact"] in ("serious", "critical")] == []
    boxes = page.evaluate(
        "[...document.querySelectorAll('#box input')].map((b) => [b.checked, b.disabled, b.ariaLabel])"
    )
    assert boxes == [[True, True, "done"], [False, True, "to do"]]
    for name in ("pre", ".scroll", ".display"):
        assert page.evaluate(f"(() => {{ const e = document.querySelector('#box {name}'); e.focus();"
                             " return document.activeElement === e && e.scrollWidth > e.clientWidth; })()"), name  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('#box pre').clientHeight") <= 520
    sizes = page.evaluate(
        "['h1', 'h2', 'h3', 'p'].map((n) => parseFloat(getComputedStyle(document.querySelector('#box ' + n)).fontSize))"
    )
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[1] > sizes[3] == 16
    page.click("#box sup a")
    assert page.evaluate("document.activeElement.textContent.trim()") == "It is here. ↩"
    page.click("#box .notes a")
    assert page.evaluate("document.activeElement.ariaLabel") == "Footnote 1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_code_can_be_read(page, scheme):
    page.emulate_media(color_scheme=scheme)
    names = (
        "keyword",
        "string",
        "number",
        "title",
        "built_in",
        "comment",
        "meta",
        "literal",
        "attr",
        "type",
        "regexp",
        "variable",
    )
    contrasts = page.evaluate(
        """names => {
          text.show(document.getElementById("box"), "```\\nx\\n```");
          const code = document.querySelector("#box code");
          const light = (css) => css.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
            .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((s, v, n) => s + v * [0.2126, 0.7152, 0.0722][n], 0);
          const ground = light(getComputedStyle(code.parentElement).backgroundColor);
          return Object.fromEntries(names.map((name) => {
            code.className = `hljs-${name}`;
            const ink = light(getComputedStyle(code).color);
            return [name, (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)];
          }));
        }""",
        names,
    )
    page.emulate_media(color_scheme="light")
    assert min(contrasts.values()) >= 4.5, contrasts


def test_code_says_its_language_and_is_copied_exactly(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown(page, "```js title=a.js\nconst a = `<b>`;\n\n\tb();\n```")
    page.wait_for_selector("#box .hljs-keyword")
    assert page.inner_text("#box figcaption span") == "js"
    assert page.get_attribute("#box pre", "aria-label") == "Code, js"
    page.click("#box figcaption button")
    page.wait_for_selector("#box figcaption button:text-is('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == "const a = `<b>`;\n\n\tb();"


def test_a_text_runs_as_its_script_does(page):
    shown(page, "שלום עולם\n\nHello\n\n- פריט\n- שני\n\n> ציטוט\n\n| א | b |\n|--|--|\n| ג | d |\n\n```\nקוד\n```")
    ways = page.evaluate(
        "[...document.querySelectorAll('#box > *')].map((e) => getComputedStyle(e.tagName === 'FIGURE' ? e.querySelector('pre') :"
        " e.querySelector('table') ?? e).direction)"
    )
    assert ways == ["rtl", "ltr", "rtl", "rtl", "rtl", "ltr"]


def test_every_vendored_file_is_the_published_one_and_its_licence_lies_beside():
    folder = HERE / "static" / "vendor"
    listed = json.loads((folder / "vendor.json").read_text())
    for entry in listed:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    unlisted = present - {entry["file"] for entry in listed} - {"vendor.json"}
    assert all(name.endswith(".LICENSE") for name in unlisted), unlisted
    assert len(unlisted) == len({entry["package"] for entry in listed})


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
      text.stream(box).update(all);
      if (plain(grown) !== plain(box)) {
        wrong.push({ text: all, last: piece, grown: plain(grown), whole: plain(box) });
        break;
      }
    }
  }
  return wrong;
}"""


def pieces_of(text: str, draw: random.Random) -> list[str]:
    cuts = sorted(draw.sample(range(len(text) + 1), min(len(text), draw.choice((2, 6, 16)))))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def test_a_text_that_grows_becomes_what_it_is_when_whole(page):
    draw = random.Random(7)
    texts = []
    for _ in range(100):
        parts = [
            draw.choice(PIECES) + draw.choice(("\n", "\n", "\n\n", "\n\n", " ", "")) for _ in range(draw.randint(2, 24))
        ]
        texts.append(pieces_of("".join(parts), draw))
    wrong = page.evaluate(GROWN_AND_WHOLE, [texts])
    assert not wrong, json.dumps(wrong[0], indent=1, ensure_ascii=False)


def test_what_was_written_is_not_drawn_again_when_it_is_whole(page):
    same = page.evaluate(
        """() => {
          const grown = document.createElement("div"), writer = text.stream(grown);
          const all = "One.\\n\\nTwo.[^1]\\n\\n[^1]: A note\\n";
          for (let end = 1; end <= all.length; end++) writer.update(all.slice(0, end));
          const [first] = grown.children, box = document.getElementById("box");
          text.show(box, all);
          return [box.firstChild === first, grown.childNodes.length, box.querySelectorAll("p, section").length];
        }"""
    )
    assert same == [True, 0, 4]


LISTS = (
    "- one **two**\n- three\n  - deeper\n  - more\n- [x] four [^1]\n- five\n\n[^1]: A note",
    "- שלום\n- english\n- עוד\n",
    "3. a\n4. b\n\n5. loose\n   with `more`\n6. $x$\n",
    "| שם | b |\n|--|-:|\n| one | *two* |\n| [x](https://example.com) | 4 |\n| 5 |\n| 6 | 7 |\n\nbehind",
)


@pytest.mark.parametrize("text", LISTS)
def test_lists_and_tables_grow_at_their_end(page, text):
    assert page.evaluate(GROWN_AND_WHOLE, [[list(text)]]) == []
    kept = page.evaluate(
        """(all) => {
          const box = document.getElementById("box"), writer = text.stream(box), part = "#box li, #box tbody tr";
          let [first, steps, stayed] = [null, 0, 0];
          for (let end = 1; end <= all.length; end++) {
            writer.update(all.slice(0, end));
            const now = document.querySelector(part);
            if (document.querySelectorAll(part).length > 1) [steps, stayed] = [steps + 1, stayed + (now === first)];
            first = now;
          }
          return stayed / steps;
        }""",
        text,
    )
    assert kept > 0.8


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
