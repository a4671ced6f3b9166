"""Routes of the page board."""

from fastapi import APIRouter

from ..listening.json_body import StrictRoute

router = APIRouter(route_class=StrictRoute)
