"""Teams that work while nobody waits for them: begun from a page, on the bridge's loop, ended with the program."""

import asyncio
import threading
from concurrent.futures import Future

from ... import bridge
from ...tools.consent import deny
from ...workbench import agent
from ...workbench.team_session import TeamSettings
from .model_pool import ModelPool

END_SECONDS = 5.0  # a team may take so long to store that it was ended


class TeamService:
    """Runs by their id. Tools that act are denied: nobody is there to ask."""

    def __init__(self, models: ModelPool) -> None:
        self._models = models
        self._running: dict[str, tuple[Future[None], threading.Event]] = {}

    async def begin(self, goal: str, how: TeamSettings) -> str:
        """The id of a run that goes on by itself. Raises UsageError for a model or files that are out of reach."""
        self._models.reach.check_team(how.model, how.files)
        return await self._models.wait_for(self._begin, goal, how)

    def _begin(self, goal: str, how: TeamSettings) -> str:
        events, ended = agent.run(goal, how, deny), threading.Event()

        async def first() -> str:
            return (await anext(events))[0]

        run = bridge.run(first())

        async def rest() -> None:
            try:
                async for _ in events:
                    pass
            finally:
                self._running.pop(run, None)
                ended.set()

        self._running[run] = bridge.start(rest()), ended
        return run

    def stop(self, run: str) -> None:
        if run in self._running:
            self._running[run][0].cancel()

    async def quiet(self) -> None:
        """Stop all of them, and let them store that."""
        running = list(self._running.values())
        for team, _ in running:
            team.cancel()
        for _, ended in running:
            await asyncio.to_thread(ended.wait, END_SECONDS)
