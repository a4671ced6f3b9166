"""Routes of the page arena."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from ..listening.json_body import StrictRoute
from .pages import page

router = APIRouter(route_class=StrictRoute)


@router.get("/arena", response_class=HTMLResponse)
async def arena(request: Request) -> HTMLResponse:
    return page(request, "arena.html")
