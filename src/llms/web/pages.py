"""HTML from templates; every value is escaped."""

import json
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup


def page(request: Request, name: str, **values: Any) -> HTMLResponse:
    """The template `name` with `values`, under the bar that all pages have."""
    from .app import PAGES

    html = _environment().get_template(name).render(pages=PAGES, here=request.url.path, **values)
    return HTMLResponse(html)


@cache
def _environment() -> Environment:
    from .app import HERE

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["tojson"] = to_json
    return environment


def to_json(value: Any) -> Markup:
    """JSON that can stand in a script element: nothing in it can close the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
