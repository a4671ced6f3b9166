"""`llms choose`."""

import click

from ..arena.choose.job import ChoiceJob, ChoiceLimits
from .eval_options import config_of, eval_options
from .finite import FiniteRange
from .option_groups import DATA, LIMITS, MODEL, OUTPUT, RUN, GroupedCommand, option
from .sizes import Bytes


def weights(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Benchmark -> weight, of gsm8k=2; 1 where none is given."""
    result: dict[str, float] = {}
    for text in (part for value in values for part in value.replace(",", " ").split()):
        name, equals, number = text.partition("=")
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            raise click.BadParameter(f"the weight in {text!r} is no number; write {name}=2") from None
        if not name or name in result:
            raise click.BadParameter(f"{text!r} names {'a benchmark twice' if name else 'no benchmark'}; write gsm8k=2")
        result[name] = weight
    return result


@click.command(cls=GroupedCommand)
@option(
    MODEL,
    "-m",
    "--model",
    "systems",
    multiple=True,
    help="A candidate; may be given again. The default is all that are measured for this job.",
)
@option(
    DATA,
    "--data",
    help="A file of your own rows (.csv, .tsv, .json, .jsonl); with -b: sample, hub or a folder of benchmarks.",
)
@option(
    DATA,
    "-b",
    "--benchmark",
    "weights",
    multiple=True,
    callback=weights,
    help="A benchmark and its weight, as in gsm8k=2; may be given again.",
)
@option(LIMITS, "--memory", "memory_bytes", type=Bytes(), help="It must fit, as in 8GB.")
@option(LIMITS, "--gpu", default="", metavar="NAME", help="It must fit this GPU, as in 'RTX 4090'.")
@option(
    LIMITS,
    "--context",
    type=click.IntRange(1),
    help="Tokens of the window that must fit.  [default: 4096, or the model's own]",
)
@option(LIMITS, "--batch", type=click.IntRange(1), default=1, show_default=True, help="Requests at once that must fit.")
@option(
    LIMITS,
    "--first-token",
    "first_token_seconds",
    type=FiniteRange(0, min_open=True),
    metavar="SECONDS",
    help="The first token comes within so many seconds.",
)
@option(
    LIMITS,
    "--seconds-per-task",
    type=FiniteRange(0, min_open=True),
    metavar="SECONDS",
    help="A task takes at most so many seconds.",
)
@option(
    LIMITS,
    "--dollars-per-task",
    type=FiniteRange(0),
    metavar="DOLLARS",
    help="A task costs at most so many US dollars.",
)
@option(
    LIMITS, "--licence", "licences", metavar="NAMES", help="Accepted licences, comma-separated, as in apache-2.0,mit."
)
@option(LIMITS, "--local-only", is_flag=True, help="Nothing leaves this machine.")
@option(
    LIMITS,
    "--margin",
    type=FiniteRange(0, 100, min_open=True),
    default=1.0,
    show_default=True,
    help="Differences of less than so many points count as none.",
)
@eval_options(
    "limit", "shots", "prompt", "scorer", "judge", "rubric", "stop", "max_tokens", "chat_template", "system_prompt"
)
@eval_options("task", "way", "labels", "source", "target")
@option(RUN, "--go", is_flag=True, help="Measure what is missing, step by step, until the answer is clear.")
@option(
    RUN,
    "--budget",
    type=FiniteRange(0, min_open=True),
    metavar="DOLLARS",
    help="US dollars that --go may spend in all; a hard cap.",
)
@eval_options("workers", "price")
@option(
    OUTPUT,
    "--show-items",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Show N items on which the first two differ.",
)
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object: chosen, candidates, separating, command.")
def choose(
    systems: tuple[str, ...],
    data: str | None,
    weights: dict[str, float],
    memory_bytes: int | None,
    gpu: str,
    context: int | None,
    batch: int,
    first_token_seconds: float | None,
    seconds_per_task: float | None,
    dollars_per_task: float | None,
    licences: str | None,
    local_only: bool,
    margin: float,
    go: bool,
    budget: float | None,
    show_items: int,
    as_json: bool,
    **settings: object,
) -> None:
    """Choose a system for a job: which are best and cannot be told apart, what each costs, how sure that is.

    \b
    llms choose --data mine.csv -m smollm2 -m 'smollm2?dtype=bfloat16' --go
    llms choose -b gsm8k=2 -b mmlu=1 --memory 8GB --licence apache-2.0,mit
    llms choose --data mine.csv --dollars-per-task 0.001 --local-only

    The job is a file of your own rows, or benchmarks with weights. What is stored decides; where nothing is, a plan says
    what measuring would take, and --go carries it out: all candidates are asked in rounds, each is dropped as soon as it is
    clearly not the best. Those that cannot be told apart at the top come first, the cheapest before the others.
    """
    from .choice_view import run  # numpy

    accepted = tuple(name.strip() for name in (licences or "").split(",") if name.strip())
    if licences is not None and not accepted:
        raise click.BadParameter("it names no licence; write --licence apache-2.0,mit", param_hint="--licence")
    limits = ChoiceLimits(
        memory_bytes, gpu, first_token_seconds, seconds_per_task, dollars_per_task, accepted, local_only,
        context, batch,
    )  # fmt: skip
    if budget is not None and not go:
        raise click.UsageError("--budget is for --go, which asks models; without it nothing is asked")
    job = ChoiceJob(data or "", weights, systems, limits, margin / 100, config_of(settings))
    run(job, go, budget, show_items, as_json)
