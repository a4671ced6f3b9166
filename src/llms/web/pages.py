"""Shared by all routes: the page around a template, the service behind it, the form of a request's body."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, model_validator

from .service.service import ChatService

HERE = Path(__file__).parent
PAGES = (("/", "Chat"), ("/tasks", "Tasks"), ("/choose", "Choose"), ("/leaderboard", "Leaderboard"), ("/arena", "Arena"), ("/agents", "Agents"),
         ("/training", "Training"), ("/tokens", "Tokens"), ("/next", "Next token"), ("/stateless", "Statelessness"))  # fmt: skip


class PageRequest(BaseModel):
    """A request's body: a field that is not known is refused, and half of a surrogate pair, which is no text."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, body: object) -> object:
        try:
            json.dumps(body if isinstance(body, dict) else None, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text holds half of a surrogate pair") from error
        except RecursionError as error:
            raise ValueError("it is nested too deep") from error
        return body


@dataclass(frozen=True, slots=True)
class RunResponse:
    """The id of the run that answers; empty where none is needed."""

    run: str


@dataclass(frozen=True, slots=True)
class DoneResponse:
    """The answer to a request that succeeded and returns nothing."""


def service_of(request: Request) -> ChatService:
    """The service that the application was built on."""
    service = request.app.state.service
    assert isinstance(service, ChatService)
    return service


def first_event(request: Request, after: int) -> int:
    """The number behind which a stream of events goes on: the browser's own count, when it connects again."""
    last = request.headers.get("last-event-id", "")
    return int(last) if last.isascii() and last.isdigit() and len(last) <= 18 else after


def page(request: Request, name: str, **values: object) -> HTMLResponse:
    """The template `name` with `values`, under the bar that all pages have. Every value is escaped."""
    html = _environment().get_template(name).render(pages=PAGES, here=request.url.path, **values)
    return HTMLResponse(html)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["tojson"] = to_json
    environment.globals["icon"] = icon
    return environment


def icon(name: str) -> Markup:
    """A symbol of static/icons.svg, for whoever sees; what it stands on has the name."""
    return Markup(
        '<span class="icon" aria-hidden="true"><svg focusable="false"><use href="/static/icons.svg#{}"></use></svg></span>'
    ).format(name)


def to_json(value: object) -> Markup:
    """JSON that can stand in a script element: nothing in it can close the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=asdict)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
