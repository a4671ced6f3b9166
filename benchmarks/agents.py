"""What a team costs beside its models: time per step, and how much of the waiting for specialists is shared.

    python benchmarks/agents.py [--rounds 5]

Scripted models answer after a set time, so that everything else is ours. Medians over interleaved rounds.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from llms.agents.ledger import Limits
from llms.agents.plan import MOST_TASKS
from llms.agents.step import Worker
from llms.agents.team import Role, Team
from llms.agents.work import Work

STEPS = 12  # the most roles of a pipeline
SECONDS = (0.8, 1.0)  # of the specialists' models: the others', the slowest one's


def model(said: str | dict, seconds: float = 0.0) -> FunctionModel:
    async def reply(messages, info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(seconds)
        if isinstance(said, dict):
            return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, said)])
        return ModelResponse(parts=[TextPart(said)])

    return FunctionModel(reply)


def seconds(team: Team, models: dict[str, FunctionModel], clock: Callable[[], float] = time.perf_counter) -> float:
    async def whole() -> None:
        async for _ in Work(team, "the goal", lambda role: Worker(models[role.name])).run():
            pass

    began = clock()
    asyncio.run(whole())
    return clock() - began


def pipeline() -> float:
    """CPU seconds a step of a pipeline whose models answer at once."""
    roles = tuple(Role(f"r{i}", "You go on.") for i in range(STEPS))
    team = Team("long", "", "pipeline", roles, limits=Limits(calls=2 * STEPS))
    models = {role.name: model(f"text of {role.name}") for role in roles}
    return seconds(team, models, time.process_time) / STEPS


def specialists() -> float:
    """Wall time of a plan of independent tasks over that of the slowest one."""
    names = [f"s{i}" for i in range(MOST_TASKS)]
    tasks = [{"title": name, "goal": name, "owner": name, "accept": "done"} for name in names]
    models = {name: model(f"{name} says", SECONDS[i == 0]) for i, name in enumerate(names)}
    models |= {"planner": model({"tasks": tasks}), "writer": model(json.dumps("all"))}
    team = Team("wide", "", "plan-and-parallel", tuple(Role(n, "You work.") for n in ("planner", *names, "writer")), limits=Limits(calls=60))  # fmt: skip
    return seconds(team, models) / max(SECONDS)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    measured: dict[str, tuple[Callable[[], float], list[float]]] = {
        "CPU milliseconds a step beside the model": (lambda: 1000 * pipeline(), []),
        f"{MOST_TASKS} specialists: wall time over the slowest's": (specialists, []),
    }
    pipeline()
    for _ in range(rounds):
        for measure, found in measured.values():
            found.append(measure())
    for name, (_, found) in measured.items():
        print(f"{name}: {statistics.median(found):.2f} (of {', '.join(f'{value:.2f}' for value in sorted(found))})")


if __name__ == "__main__":
    main()
