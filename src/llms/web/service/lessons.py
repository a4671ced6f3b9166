"""Questions of the lessons to models: how they cut a text, what they would say next, what they remember."""

from collections.abc import Sequence

from ...values import NextToken
from ...workbench import stateless, tokens
from .model_pool import ModelPool


class LessonService:
    def __init__(self, models: ModelPool):
        self._models = models

    async def cut(self, text: str, models: Sequence[str]) -> list[tokens.Tokenization]:
        """The text under each model. Raises UsageError for what may not be named over HTTP."""
        names = [self._models.reach.check_model(name) for name in models]
        return await self._models.wait_for(tokens.cut, text, names)

    async def next_tokens(self, model: str, text: str, top: int) -> list[NextToken]:
        """The `top` most likely tokens after the text."""
        return await self._models.wait_for(lambda: list(self._models.get(model).next_tokens(text, top)))

    async def stateless(self, model: str, name: str) -> list[stateless.Request]:
        """The three requests that show that a model remembers nothing."""
        return await self._models.wait_for(lambda: list(stateless.lesson(self._models.get(model), name)))
