"""The plan of a choice for which nothing is measured yet: which systems, how many items, at what price and time."""

from collections.abc import Sequence
from dataclasses import replace
from shlex import quote

from ...arena.choose.job import Choice, ChoiceJob, PlanStep
from ...errors import DataError, MissingExtra, ModelError, UsageError
from ...evaluation.config import EvalConfig
from ...store.runs import Runs
from ..estimate import Estimate, estimate
from ..task_system import task_names
from .answer import candidates_of, task
from .evidence import Evidence, names_own_file


def with_ways(job: ChoiceJob) -> ChoiceJob:
    """The job, its language models named with each way in which they do its task."""
    return replace(job, systems=tuple(task_names(job.systems, job.config))) if job.config.task else job


def systems_of(job: ChoiceJob, evidence: Evidence, store: Runs) -> list[str]:
    """The systems to choose from: those that the job names, else all that are measured for it, else all in the store.
    Raises UsageError where there is none."""
    systems = list(dict.fromkeys(job.systems)) or evidence.measured
    systems = systems or list(dict.fromkeys(report.key.system.name for report in store.reports()))
    if not systems:
        raise UsageError("nothing is measured yet and no system is named; name those to choose from: -m smollm2 -m …")
    return systems


def planned(job: ChoiceJob, evidence: Evidence, systems: Sequence[str]) -> Choice:
    """The Choice that holds a plan, and nobody chosen. A system that is not at hand is named with the reason."""
    estimates: list[Estimate] = []
    problems: list[str] = []
    for system in systems:
        try:
            estimates += estimate([system], benchmarks_of(job), asking(job))
        except (DataError, MissingExtra, ModelError) as error:
            problems.append(f"{system} is not in the plan: {error}")
    steps = tuple(_step(job, each) for each in estimates)
    notes = dict.fromkeys([*evidence.notes, *(note for each in estimates for note in each.notes)])
    problems += [f"{each.plan.key.system.name} cannot be asked: {each.problem}" for each in estimates if each.problem]
    subject = task(job, evidence)
    sentence = (
        f"Nothing is measured on {subject} yet. Measuring {_work(steps)} would tell; add --go to do it step by step."
    )
    candidates = candidates_of(job, evidence, systems)
    return Choice(job, sentence, (), candidates, None, steps, "", None, (*notes, *dict.fromkeys(problems)))


def asking(job: ChoiceJob) -> EvalConfig:
    """How systems are asked for a job."""
    return replace(job.config, data=job.data) if job.data else job.config


def benchmarks_of(job: ChoiceJob) -> list[str]:
    return [] if names_own_file(job) else list(job.shares())


def _step(job: ChoiceJob, each: Estimate) -> PlanStep:
    name, key = each.plan.key.system.name, each.plan.key
    where = f"--data {quote(job.data)}" if job.data else ""
    what = "" if names_own_file(job) else f"-b {key.benchmark}"
    task = f"--task {each.plan.config.task}" if each.plan.config.task else ""
    command = " ".join(filter(None, ("llms eval", quote(name), task, what, where)))
    return PlanStep(name, key.benchmark, each.items, each.cost, each.seconds, command)


def _work(steps: Sequence[PlanStep]) -> str:
    systems = len({step.system for step in steps})
    items = sum(step.items for step in steps)
    dollars = [step.dollars for step in steps]
    seconds = [step.seconds for step in steps]
    known = [amount for amount in dollars if amount is not None]
    price = f"${sum(known):.2f} at most" if len(known) == len(dollars) else "at a price that is unknown"
    times = [amount for amount in seconds if amount is not None]
    time = f"about {sum(times) / 60:.0f} min" if len(times) == len(seconds) else "a time that is unknown"
    noun = "system" if systems == 1 else "systems"
    return f"{systems} {noun} on {items:,} items in all ({price}, {time})"
