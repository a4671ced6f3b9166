"""Routes of what a chat is asked with: settings before there is a conversation, presets of them, models to choose from."""

from fastapi import APIRouter, Request
from pydantic import Field, JsonValue

from ..listening.json_body import StrictRoute
from ..workbench.presets import LONGEST_NAME
from .pages import DoneResponse, PageRequest, service_of
from .service.chat_settings import PresetResponse, SettingsResponse
from .service.model_choices import ModelGroupResponse, ModelsResponse

router = APIRouter(route_class=StrictRoute)


class SettingsChange(PageRequest):
    """`change` of `settings` that no conversation has yet."""

    settings: dict[str, JsonValue] = Field(default_factory=dict)
    change: dict[str, JsonValue] = Field(default_factory=dict)


class NewPreset(PageRequest):
    name: str = Field(max_length=LONGEST_NAME)
    settings: dict[str, JsonValue]


class OfName(PageRequest):
    name: str = Field(max_length=300)


@router.post("/api/settings")
async def settings(request: Request, body: SettingsChange) -> SettingsResponse:
    return await service_of(request).settings.check(body.settings, body.change)


@router.get("/api/presets")
async def presets(request: Request) -> list[PresetResponse]:
    return await service_of(request).settings.presets()


@router.post("/api/presets")
async def save_preset(request: Request, body: NewPreset) -> list[PresetResponse]:
    await service_of(request).settings.save_preset(body.name, body.settings)
    return await service_of(request).settings.presets()


@router.delete("/api/presets")
async def delete_preset(request: Request, body: OfName) -> list[PresetResponse]:
    await service_of(request).settings.delete_preset(body.name)
    return await service_of(request).settings.presets()


@router.get("/api/models")
async def models(request: Request) -> ModelsResponse:
    """Models on this machine and of the servers that run on it; no other is asked."""
    return await service_of(request).model_choices.at_hand()


@router.post("/api/models/list")
async def list_models(request: Request, body: OfName) -> ModelGroupResponse:
    """The models of one endpoint, which is asked now."""
    return await service_of(request).model_choices.ask(body.name)


@router.put("/api/models/default")
async def make_default(request: Request, body: OfName) -> DoneResponse:
    await service_of(request).model_choices.make_default(body.name)
    return DoneResponse()
