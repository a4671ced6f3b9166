"""A leaderboard as one HTML file that needs nothing else: the same scripts and styles that the page in the browser has."""

import json
import re
from functools import cache
from pathlib import Path

from ...arena.board import Leaderboard

ASSETS = Path(__file__).parent / "assets"
_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (const|function|async function) (\w+)", re.MULTILINE)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Leaderboard</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Leaderboard</h1>
<div id="board" aria-busy="true"><noscript>The board is drawn by the script in this file.</noscript></div>
</main>
<script type="application/json" id="board-data">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def page(board: Leaderboard) -> str:
    """The file's text. It sorts, filters and draws as the page does; items and prompts stay where they are stored."""
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("frame.css", "board.css"))
    return _PAGE.format(style=style, data=_in_script(board), script=_script())


def write_page(board: Leaderboard, path: Path) -> None:
    path.write_text(page(board), encoding="utf-8")


def _in_script(board: Leaderboard) -> str:
    """JSON in which nothing can close the script element that it stands in."""
    text = json.dumps(board.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


@cache
def _script() -> str:
    """The modules as one, each in a scope of its own, after those that it imports."""
    order: list[str] = []
    _collect("board", order)
    return "".join(_scoped(name) for name in order).replace("</", "<\\/")


def _collect(name: str, order: list[str]) -> None:
    for _, other in _IMPORT.findall(_source(name)):
        if other not in order:
            _collect(other, order)
    order.append(name)


def _source(name: str) -> str:
    return (ASSETS / f"{name}.js").read_text(encoding="utf-8")


def _scoped(name: str) -> str:
    source = _IMPORT.sub(r"const { \1 } = \2_module;", _source(name))
    exports = ", ".join(exported for _, exported in _EXPORT.findall(source))
    body = _EXPORT.sub(r"\1 \2", source)
    return f"const {name}_module = await (async () => {{\n{body}\nreturn {{ {exports} }};\n}})();\n"
