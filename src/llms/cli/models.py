"""`llms models`: list, show, default, pull, rm, merge."""

import sys
from dataclasses import asdict

import click

from .. import settings
from ..models import default as by_default
from ..workbench import models as verbs
from .models_fit import fit_command
from .models_merge import merge_command
from .models_show import print_about, show
from .output import console, print_json, size, table


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One object a line: name, kind, state, bytes, detail.")
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models at hand: embedded, cached, on this machine's servers, and the endpoints whose keys are set.

    Any other is named by its folder or its place on the hub: hf:./folder, hf:owner/name@revision, with options
    as in hf:./folder?dtype=bfloat16&device=cpu.
    """
    if context.invoked_subcommand:
        return
    listed = verbs.listing()
    if as_json:
        print_json(asdict(model) for model in listed)
        return
    out, default = console(), by_default.for_chats()
    for kind in ("local", "endpoint"):
        rows = table("name", "state", "size", "", right=("size",))
        for model in listed:
            if model.kind == kind:
                rows.add_row(
                    f"{model.name} (default)" if model.name == default else model.name,
                    model.state,
                    size(model.bytes) if model.bytes else "",
                    model.detail,
                )
        out.print(rows)
        out.print()
    disk = verbs.disk()
    click.echo(f"disk: {size(disk.own)} converted, {size(disk.cache)} in the hub's cache, {size(disk.free)} free")
    click.echo(f"default: {default}; another by llms models default NAME")
    click.echo("any other: hf:./folder or hf:owner/name, with options as in 'smollm2?dtype=bfloat16'")


@models.command()
@click.argument("name", required=False)
@click.option("--unset", is_flag=True, help="Go back to the one that comes along.")
def default(name: str | None, unset: bool) -> None:
    """Make NAME the model of new chats, agents and `llms serve`; without NAME, print the one that is. LLMS_MODEL goes
    before it."""
    if name and unset:
        raise click.UsageError("give a NAME or --unset, not both")
    if not name and not unset:
        return click.echo(by_default.for_chats())
    click.echo(f"the default model is {by_default.choose(name)}")
    if (chosen := settings.default_model()) and chosen[0] != name:
        click.echo(f"{chosen[1]} goes before what was set here", err=True)


@models.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def pull(name: str, yes: bool) -> None:
    """Download the hub model NAME into the cache, after showing what it is.

    A download that broke off goes on where it ended. Pickled weights are left out, unless NAME says allow=pickle.
    """
    offer = verbs.pull_offer(name)
    print_about(offer)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"pull asks before it downloads {size(offer.bytes)}; say --yes where nobody answers")
        click.confirm(f"download {size(offer.bytes)}?", abort=True)
    click.echo(f"{name} is in {verbs.pull(name)}")


@models.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(name: str, yes: bool) -> None:
    """Delete the cached model NAME from the disk; of smollm2 the converted checkpoint, which is made anew when needed."""
    if not yes:
        for folder, count in verbs.removable(name):
            click.echo(f"{folder}  {size(count)}")
        click.confirm("delete?", abort=True)
    click.echo(f"freed {size(verbs.remove(name))}")


models.add_command(show)
models.add_command(fit_command)
models.add_command(merge_command)
