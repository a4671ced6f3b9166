"""`llms samples`."""

import re
from itertools import islice

import click
from rich.console import Console
from rich.text import Text

from ..values import ChoicePrompt, Completion, Outcome, Prompt, Scored
from ..workbench import runs as verbs
from .output import console, print_json

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@click.command()
@click.argument("run")
@click.option("--wrong", is_flag=True, help="Only items without a full score.")
@click.option("--failed", is_flag=True, help="Only items that got no answer.")
@click.option("--item", help="One item, as subset/number.")
@click.option("--limit", type=click.IntRange(min=1), help="So many items.")
@click.option("--full", is_flag=True, help="Show instruction and few-shot examples too.")
@click.option(
    "--reveal", metavar="DATA", help="Show rows that are withheld (GPQA), from this data. Do not publish what you see."
)
@click.option("--json", "as_json", is_flag=True, help="One object a line, the exact prompts included.")
def samples(
    run: str,
    wrong: bool,
    failed: bool,
    item: str | None,
    limit: int | None,
    full: bool,
    reveal: str | None,
    as_json: bool,
) -> None:
    """Show the items of RUN (its name, the beginning of it, or `last`).

    Each choice stands with its log-probability; > marks what the model picked, = the right answer.
    """
    rows = islice(verbs.samples(run, wrong, failed, item, reveal), limit)
    if as_json:
        print_json(verbs.sample_json(prompt, outcome) for _, prompt, outcome in rows)
        return
    out = console()
    count = 0
    for _, prompt, outcome in rows:
        _show(out, prompt, outcome, full)
        count += 1
    if not count:
        click.echo("no such items in this run")


def _show(out: Console, prompt: Prompt, outcome: Outcome, full: bool) -> None:
    out.print(Text(outcome.item, style="bold") + Text(f"  {_summary(outcome)}", style="dim"))
    head = prompt.description + prompt.header
    if head:
        out.print(
            _plain(
                head.rstrip() if full else f"[{len(head)} characters of instruction and examples; --full shows them]",
                "dim",
            )
        )
    if isinstance(prompt, ChoicePrompt):
        shared = len(set(prompt.contexts)) == 1
        if shared:
            out.print(_plain(prompt.contexts[0]))
        marks = verbs.marks(prompt, outcome) if isinstance(outcome, Scored) else []
        for index, (context, continuation) in enumerate(zip(prompt.contexts, prompt.continuations, strict=True)):
            text = continuation if shared else context + continuation
            if isinstance(outcome, Scored):
                _show_choice(out, text, outcome.choices[index].logprob, *marks[index])
            else:
                out.print(_plain(f"     {text}"))
    else:
        out.print(_plain(prompt.text))
        for answer in outcome.answers:
            if isinstance(answer, Completion):
                out.print(_plain(answer.text, "cyan"))
    for reply in outcome.judge if isinstance(outcome, Scored) else ():
        out.print(_plain(f"the judge: {reply.strip()}", "magenta"))
    if isinstance(outcome, Scored):
        out.print(Text(f"extracted {outcome.extracted!r}, target {outcome.target!r}", style="dim"))
    else:
        out.print(_plain(outcome.reason, "red"))
    out.print()


def _show_choice(out: Console, text: str, logprob: float, picked: bool, right: bool) -> None:
    mark = (">" if picked else " ") + ("=" if right else " ")
    out.print(_plain(f" {mark} {logprob:10.4f} {text}", "green" if right else "red" if picked else ""))


def _summary(outcome: Outcome) -> str:
    if not isinstance(outcome, Scored):
        return f"failed: {outcome.kind}"
    scores = "  ".join(f"{name} {value:.3g}" for name, value in outcome.scores.items())
    return (
        scores
        + ("" if outcome.status == "ok" else f"  {outcome.status}")
        + (f"  cut by {outcome.cut} tokens" if outcome.cut else "")
    )


def _plain(text: str, style: str = "") -> Text:
    """The text with its control characters written out, so that no prompt or reply commands the terminal."""
    return Text(_CONTROL.sub(lambda char: f"\\x{ord(char[0]):02x}", text), style=style)
