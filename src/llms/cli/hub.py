"""`llms hub search`, which is `llms data search` of data sets."""

import re
from collections.abc import Callable
from dataclasses import asdict

import click
from rich.markup import escape

from ..workbench.hub_search import HubEntry, Kind, Listing, Order, Unit, Wanted
from ..workbench.hub_search import search as find
from .output import console, print_json, size, table
from .sizes import UNITS

Command = Callable[..., None]
NUMBERS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


class Largest(click.ParamType[tuple[int, Unit]]):
    """Parameters, as in 500M or 7B, or bytes, as in 2GB."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, Unit]:
        if isinstance(value, tuple):
            return value
        parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(value).casefold())
        if parts and parts[2] in NUMBERS:
            return int(float(parts[1]) * NUMBERS[parts[2]]), "parameters"
        if parts and parts[2] in UNITS:
            return int(float(parts[1]) * UNITS[parts[2]]), "bytes"
        self.fail(f"{value!r} is no size; expected parameters, as in 500M or 7B, or bytes, as in 2GB", param, ctx)


def search_options(largest: str) -> Callable[[Command], Command]:
    """A decorator that gives a search of the hub its options; `largest` is the help of one."""
    options = (
        click.option("--task", default="", help="A task by its name here, such as sentiment, or at Hugging Face."),
        click.option("--licence", "--license", default="", help="Such as apache-2.0, mit, cc-by-4.0."),
        click.option("--language", default="", help="Such as en (ISO 639-1)."),
        click.option("--largest", type=Largest(), help=largest),
        click.option("--sort", "order", type=click.Choice(["downloads", "likes", "updated"]), default="downloads", show_default=True),
        click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many are shown."),
        click.option("--json", "as_json", is_flag=True, help="One object a line."),
    )  # fmt: skip

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group()
def hub() -> None:
    """The Hugging Face hub, asked only by these commands and only about what they name."""


@hub.command()
@click.argument("words", nargs=-1)
@click.option("--kind", type=click.Choice(["models", "datasets"]), default="models", show_default=True)
@search_options("At most so many parameters, as in 500M or 7B, or bytes, as in 2GB.")
def search(
    words: tuple[str, ...], kind: Kind, task: str, licence: str, language: str, largest: tuple[int, Unit] | None, order: Order,
    limit: int, as_json: bool,
) -> None:  # fmt: skip
    """Search models, or data sets, whose names hold WORDS. This asks the hub.

    \b
    llms hub search --task sentiment --licence apache-2.0 --largest 500M
    llms hub search --kind datasets --task summarization --language de
    """
    count, unit = largest or (None, "parameters")
    show(Wanted(" ".join(words), kind, task, licence, language, count, unit, order, limit), as_json)


def show(wanted: Wanted, as_json: bool) -> None:
    """Print what the hub lists for `wanted`."""
    listing = find(wanted)
    if as_json:
        print_json(asdict(entry) for entry in listing.entries)
    elif wanted.kind == "models":
        _print_models(listing)
    else:
        _print_datasets(listing)
    _say_rest(wanted, listing)


def _print_models(listing: Listing) -> None:
    rows = table("name", "task", "parameters", "weights", "fits here", "licence", "languages", "downloads", "updated", right=("parameters", "weights", "downloads"))  # fmt: skip
    for entry in listing.entries:
        rows.add_row(
            escape(entry.name), entry.task, _parameters(entry.parameters), "" if entry.bytes is None else size(entry.bytes),
            {True: "yes", False: "no", None: "unknown"}[entry.fits], *_common(entry),
        )  # fmt: skip
    if listing.entries:
        console().print(rows)


def _print_datasets(listing: Listing) -> None:
    rows = table("name", "task", "size", "licence", "languages", "downloads", "updated", right=("size", "downloads"))
    for entry in listing.entries:
        rows.add_row(escape(entry.name), entry.task, "" if entry.bytes is None else size(entry.bytes), *_common(entry))
    if listing.entries:
        console().print(rows)


def _common(entry: HubEntry) -> tuple[str, str, str, str]:
    marks = "".join([" (non-commercial)" * (entry.commercial is False), " (gated)" * entry.gated])
    languages = ", ".join(entry.languages[:4]) + " …" * (len(entry.languages) > 4)
    return f"{entry.licence or 'not stated'}{marks}", languages, f"{entry.downloads or 0:,}", entry.updated


def _parameters(count: int | None) -> str:
    if count is None:
        return "unknown"
    unit, letter = next((pair for pair in ((1e9, "B"), (1e6, "M"), (1e3, "K")) if count >= pair[0]), (1, ""))
    return f"{count / unit:.3g}{letter}"


def _say_rest(wanted: Wanted, listing: Listing) -> None:
    """Tell on standard error what was left out, and which command goes on."""
    if listing.too_large or listing.unknown_size:
        click.echo(
            f"left out: {listing.too_large} too large, {listing.unknown_size} whose size the hub does not list",
            err=True,
        )
    if not listing.entries:
        noun = "model" if wanted.kind == "models" else "data set"
        click.echo(f"the hub lists no {noun} for that. {listing.hint}Fewer words or filters find more", err=True)
        return
    if wanted.kind == "models":
        click.echo("fits here: the weights alone, in this machine's memory; more by llms models fit", err=True)
    click.echo(f"next: {listing.entries[0].next}", err=True)
