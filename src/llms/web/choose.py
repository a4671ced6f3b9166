"""Routes of the page choose."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from ..listening.json_body import StrictRoute
from .pages import page

router = APIRouter(route_class=StrictRoute)


@router.get("/choose", response_class=HTMLResponse)
async def choose(request: Request) -> HTMLResponse:
    return page(request, "choose.html")
