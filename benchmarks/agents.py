"""What a team costs beside its models: time of a step, and eight specialists over an endpoint against the slowest.

    python benchmarks/agents.py [--runs 40] [--rounds 5]

Steps are of a scripted model that answers at once, with the board, the budget and the store on disk as in `llms agent`.
The specialists ask an endpoint on loopback that sleeps. Prints one object a line.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from llms.agents.budget import TeamLimits
from llms.agents.events import Finished, StepBegan, StepEnded, TeamEvent, plain
from llms.agents.plan import Task, TeamPlan
from llms.agents.resume import ResumePoint
from llms.agents.role import Role
from llms.agents.step import Worker
from llms.agents.team import Team
from llms.agents.work import Work
from llms.store.memory import TeamRuns
from llms.workbench.system import load

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from llms.testing import ScriptedEndpoint

SPECIALISTS = 8
SLEEPS = [1.0 + 0.2 * number / (SPECIALISTS - 1) for number in range(SPECIALISTS)]  # seconds
LIMITS = TeamLimits(calls=60)


async def told(work: Work) -> list[TeamEvent]:
    return [event async for event in work.run()]


def overhead(runs: int) -> tuple[float, float, float]:
    """Medians over runs: seconds of a step of a pipeline of twelve by the clock and on the processor, and processor
    seconds of pydantic-ai's agent alone with the same model."""
    roles = tuple(Role(f"role{number}", "You go on.") for number in range(12))
    team = Team("chain", "", "pipeline", roles, limits=LIMITS)
    said = count()
    model = FunctionModel(lambda messages, info: ModelResponse([TextPart(f"words {next(said)} " * 50)]))
    worker, agent = Worker(model), Agent(model, instructions="You go on.")

    async def alone() -> None:
        for _ in roles:
            await agent.run("go")

    walls, steps, bare = [], [], []
    with tempfile.TemporaryDirectory() as folder, TeamRuns(Path(folder, "x.sqlite3")) as store:
        for number in range(runs):
            run, seq = f"t{number}", count(1)
            store.begin(run, team.name, "go", {}, 0)

            def journal(event: TeamEvent, run: str = run, seq: count = seq) -> None:
                store.append(run, next(seq), plain(event))

            wall, begun = time.perf_counter(), time.process_time()
            asyncio.run(told(Work(team, "go", lambda role: worker, journal=journal)))
            steps.append((time.process_time() - begun) / len(roles))
            walls.append((time.perf_counter() - wall) / len(roles))
            begun = time.process_time()
            asyncio.run(alone())
            bare.append((time.process_time() - begun) / len(roles))
    return statistics.median(walls), statistics.median(steps), statistics.median(bare)


def together() -> tuple[float, float, int]:
    """(seconds from the first specialist's begin to the last one's end, seconds of the slowest answer, requests at once)."""
    names = [f"s{number}" for number in range(SPECIALISTS)]
    roles = (Role("planner", "p"), *(Role(name, f"You are {name}.") for name in names), Role("writer", "You write."))
    team = Team("eight", "", "plan-and-parallel", roles, limits=LIMITS)
    plan = TeamPlan(tuple(Task(name, name, f"do {name}", name, "done") for name in names))
    slept: list[float] = []

    def answer(body: dict) -> str:
        text = json.dumps(body["messages"])
        number = next((at for at, name in enumerate(names) if f"You are {name}." in text), None)
        if number is not None:
            begun = time.perf_counter()
            time.sleep(SLEEPS[number])
            slept.append(time.perf_counter() - begun)
        return f"answer {number}"

    at: dict[str, list[float]] = {"began": [], "ended": []}

    def journal(event: TeamEvent) -> None:
        if isinstance(event, StepBegan | StepEnded) and event.task:
            at["began" if isinstance(event, StepBegan) else "ended"].append(time.perf_counter())

    with ScriptedEndpoint(answer, raw=False, window=16384) as server, load(f"{server.url}#m") as model:
        worker = Worker(model.chat_model())
        last = asyncio.run(told(Work(team, "go", lambda role: worker, resume=ResumePoint(plan=plan), journal=journal)))[
            -1
        ]
        assert isinstance(last, Finished), last
        assert last.complete, last
    return max(at["ended"]) - min(at["began"]), max(slept), server.most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    overhead(3)
    wall, step, bare = (round(1000 * seconds, 2) for seconds in overhead(given.runs))
    what = f"milliseconds of a step, median of {given.runs} runs of 12"
    row = {
        "by the clock": wall,
        "processor": step,
        "pydantic-ai alone": bare,
        "ours": round(step - bare, 2),
        "wanted": 5,
    }
    print(json.dumps({"what": what, **row}), flush=True)
    found = [together() for _ in range(given.rounds)]
    ratios = [wall / slowest for wall, slowest, _ in found]
    row = {"ratio": round(statistics.median(ratios), 2), "worst": round(max(ratios), 2), "wanted": 1.5}
    at_once = max(most for _, _, most in found)
    print(json.dumps({"what": f"{SPECIALISTS} specialists against the slowest", **row, "requests at once": at_once}))


if __name__ == "__main__":
    main()
