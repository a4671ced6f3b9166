"""`llms gate`: GO or NO-GO by a policy file, for people and for CI."""

import sys
from pathlib import Path

import click
from rich.text import Text

from ..workbench import gate as verb
from .evaluate import show_progress
from .finite import FiniteRange
from .output import console, print_json, table

NO_GO = 1
_STYLES = {True: "green", False: "bold red", None: "yellow"}


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.option("--candidate", multiple=True, metavar="SYSTEM|RUN", help="In place of the policy's; may be given again.")
@click.option("--baseline", multiple=True, metavar="SYSTEM|RUN", help="In place of the policy's; may be given again.")
@click.option("--run", "measure", is_flag=True, help="First measure what is missing; this asks the systems.")
@click.option("--budget", type=FiniteRange(0, min_open=True), help="US dollars that --run may cost in all.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with every interval drawn.")
@click.option("--json", "as_json", is_flag=True, help="One object a line, one per rule.")
def gate(
    policy: Path,
    candidate: tuple[str, ...],
    baseline: tuple[str, ...],
    measure: bool,
    budget: float | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Decide by the rules of a TOML file whether a candidate may take the baseline's place. Exit 0: GO, 1: NO-GO, 2: usage.

    \b
    candidate = "hf:./tuned"
    baseline = "smollm2"
    [[rules]]
    name = "arithmetic"
    level = "critical"             # critical, supporting or advisory
    benchmark = "gsm8k"
    require = "not worse"          # better, equivalent, at least, at most
    margin = 0.02                  # a share of 1: two points

    The runs that are stored are compared on the same questions; no model is asked but with --run. A rule without a run is
    missing, and a critical rule that is undecided or not comparable is NO-GO unless the policy says undecided = "go".
    """
    if budget is not None and not measure:
        raise click.UsageError("--budget goes with --run; without it nothing is asked")
    rules = verb.read_policy_file(policy, candidate, baseline)
    if measure:
        show_progress(verb.measure_missing(rules, budget))
    decision = verb.judge(rules)
    if html:
        verb.write_gate_page(rules, decision, html)
        click.echo(f"wrote {html}", err=True)
    if as_json:
        print_json(result.to_json() for result in decision.results)
    else:
        rows = table("rule", "level", "requires", "candidate", "baseline", "interval", "p", "n", "verdict", right=("candidate", "baseline", "interval", "p", "n"))  # fmt: skip
        for result in decision.results:
            verdict = Text(result.verdict, style=_STYLES[result.passes])
            rows.add_row(result.rule.name, result.rule.level, result.rule.words, *verb.cells_of(result), verdict)
        console().print(rows)
        for result in decision.results:
            if result.evidence.reason:
                console().print(Text(f"{result.rule.name}: {result.evidence.reason}", style="dim"))
    click.echo(decision.sentence, err=as_json)
    sys.exit(0 if decision.go else NO_GO)
