"""`llms data`: rows of files and of data sets on the hub, looked at, filtered, split, saved, sent, made."""

import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from .. import settings
from ..data import hub as hub_data
from ..data.row_stream import is_row_file
from ..data.row_write import plain
from ..values import several
from ..workbench import data_rows as verbs
from ..workbench.hub_search import Order, Unit, Wanted
from .data_make import make_command
from .finite import FiniteRange
from .hub import search_options, show
from .output import console, print_json, size, table, visible
from .stored_rows import print_facts, print_file

WIDEST = 100  # characters of a cell on a terminal
OUT = click.Path(path_type=Path, dir_okay=False)


def _names(context: click.Context, option: click.Parameter, value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


@click.group()
def data() -> None:
    """Rows: of a CSV, TSV, JSON, JSON Lines or Parquet file (also .gz), or of a data set on the hub by its owner/name, or
    owner/name@revision.

    \b
    llms data head reviews.csv
    llms data filter reviews.csv --where 'label == "positive" and len(text) < 200' --out short.csv
    llms data split reviews.csv --test 0.2 --stratify label --out reviews
    """


@data.command()
@click.argument("name")
@click.option("--config", default="", help="The configuration of a data set on the hub.")
@click.option("--split", default="", help="The split of a data set on the hub.  [default: train]")
@click.option("-n", "--rows", "count", type=click.IntRange(1), default=10, show_default=True, help="How many rows.")
@click.option("--columns", default="", callback=_names, help="Only these columns, separated by commas.")
@click.option("--json", "as_json", is_flag=True, help="One row a line, as it is.")
def head(name: str, config: str, split: str, count: int, columns: list[str], as_json: bool) -> None:
    """Show the first rows of NAME, a file or a data set on the hub."""
    source = verbs.open_source(name, config, split)
    rows = verbs.head(source, count, columns)
    if as_json:
        print_json(plain(dict(row), name) for row in rows)
    else:
        listed = list(rows)
        shown = table(*dict.fromkeys(column for row in listed for column in row))
        for row in listed:
            shown.add_row(*(_cell(row.get(str(column.header))) for column in shown.columns))
        console().print(shown)
    _warn(source.problems, "could not be read")


def _cell(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = visible("" if value is None else str(value))
    return escape(text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…")


def _warn(problems: verbs.RowProblems, what: str) -> None:
    """Tell of rows that were left out, the first of them by name."""
    if problems.count:
        click.echo(f"{problems.count:,} row{'s' * (problems.count > 1)} {what}:", err=True)
        for problem in problems.first[:5]:
            click.echo(f"  {problem}", err=True)
        if problems.count > 5:
            click.echo(f"  … and {problems.count - 5:,} more", err=True)


@data.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One object; of a file and of a data set each has its own.")
def info(name: str, as_json: bool) -> None:
    """Describe NAME: of a data set on the hub its configurations, splits, rows, columns, licence and size; of a file its rows
    and columns."""
    if is_row_file(name) or Path(name).exists():
        facts = verbs.file_facts(Path(name))
        if as_json:
            print_json([{**asdict(facts), "path": str(facts.path)}])
        else:
            print_file(facts)
        return
    described = hub_data.describe(*hub_data.hub_name(name))
    if as_json:
        print_json([asdict(described)])
    else:
        print_facts(described)


@data.command("filter")
@click.argument("name")
@click.option("--where", required=True, help="The condition, such as 'label == \"positive\" and len(text) < 200'.")
@click.option("--out", type=OUT, required=True, help="The file to write: .csv, .tsv, .jsonl (also .gz) or .parquet.")
@click.option("--config", default="", help="The configuration of a data set on the hub.")
@click.option("--split", default="", help="The split of a data set on the hub.  [default: train]")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def filter_command(name: str, where: str, out: Path, config: str, split: str, force: bool) -> None:
    """Write those rows of NAME for which a condition holds.

    A condition names columns, and knows == != < <= > >=, in, and, or, not, is None, numbers, "texts", [lists], and
    len, lower, upper, strip, contains, startswith, endswith, number; column("a name") where a name has blanks. It is
    never run as code.
    """
    result = verbs.filter_rows(verbs.open_source(name, config, split), where, out, force)
    click.echo(f"{result.written:,} of {result.read:,} rows are in {out}")
    _warn(result.problems, "could not be read")
    _warn(result.incomparable, "did not suit the condition and are left out")


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--test",
    "share",
    type=FiniteRange(0, 1, True, True),
    default=0.2,
    show_default=True,
    help="The share for testing.",
)
@click.option("--by", default="", help="The column of groups, such as an author: none is on both sides.")
@click.option("--stratify", default="", help="The column whose values both sides have alike often, such as label.")
@click.option(
    "--alike",
    default="",
    callback=_names,
    help="Rows with these columns equal stay on one side, such as text.  [default: see above]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws which rows.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="PREFIX of PREFIX-train.csv and PREFIX-test.csv."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--json", "as_json", is_flag=True, help="One object: the counts.")
def split(
    file: Path, share: float, by: str, stratify: str, alike: list[str], seed: int, out: Path, force: bool, as_json: bool
) -> None:
    """Split FILE into rows for training and rows for testing.

    Rows that are alike stay on one side: without --alike, those equal in all columns but an id and those of --by and
    --stratify.
    """
    result = verbs.split(file, share, out, by, stratify, alike, seed, force)
    if as_json:
        print_json([{**asdict(result), "train": str(result.train), "test": str(result.test)}])
    else:
        total = result.train_rows + result.test_rows
        click.echo(f"{result.train_rows:,} rows are in {result.train}")
        click.echo(f"{result.test_rows:,} rows are in {result.test} ({result.test_rows / total:.1%})")
        click.echo(
            f"{total:,} rows, {result.groups:,} groups that stay together, {result.alike:,} rows alike to an earlier one: "
            "no group and no two rows alike are on both sides"
        )
        if result.strata:
            rows = table(stratify, "train", "test", "share", right=("train", "test", "share"))
            for value, train, test in result.strata:
                rows.add_row(_cell(value), f"{train:,}", f"{test:,}", f"{test / (train + test):.1%}")
            console().print(rows)
    _warn(result.problems, "could not be read and are in neither")


@data.command()
@click.argument("name")
@click.option("--out", type=OUT, required=True, help="The file to write: .csv, .tsv, .jsonl (also .gz) or .parquet.")
@click.option("--limit", type=click.IntRange(1), help="At most so many rows.")
@click.option("--config", default="", help="The configuration of a data set on the hub.")
@click.option("--split", default="", help="The split of a data set on the hub.  [default: train]")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def save(name: str, out: Path, limit: int | None, config: str, split: str, force: bool) -> None:
    """Write the rows of NAME, a data set on the hub or a file of another format, to a file, as they come."""
    source = verbs.open_source(name, config, split)
    click.echo(f"{verbs.save(source, out, limit, force):,} rows are in {out}")
    _warn(source.problems, "could not be read")


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--private", is_flag=True, help="Only you and whom you admit can see it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def push(file: Path, name: str, private: bool, yes: bool) -> None:
    """Send FILE to the data set NAME, owner/name, on the hub. Says before what others will see."""
    facts = verbs.file_facts(file)
    name, revision = hub_data.hub_name(name)
    if revision:
        raise click.UsageError("rows are sent to the newest state of a data set; leave out @REVISION")
    who = (
        "only its owner and whom they admit"
        if private
        else "EVERYBODY, for good: what was public once may have been copied"
    )
    click.echo(
        f"{file}: {several(facts.rows, 'row')}, {size(facts.bytes)}, columns {', '.join(facts.columns)}", err=True
    )
    click.echo(
        f"to data/{file.name} of the data set {name} on {settings.hub_endpoint()}; it will be seen by {who}",
        err=True,
    )
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("push asks before it sends rows elsewhere; say --yes where nobody answers")
        click.confirm(f"send {facts.rows:,} rows?", abort=True, err=True)
    click.echo(f"sent: {hub_data.push(file, name, private)}")


@data.command("search")
@click.argument("words", nargs=-1)
@search_options("At most so many bytes, as in 500MB.")
def search(
    words: tuple[str, ...], task: str, licence: str, language: str, largest: tuple[int, Unit] | None, order: Order,
    limit: int, as_json: bool,
) -> None:  # fmt: skip
    """Search data sets on the hub whose names hold WORDS: `llms hub search --kind datasets`."""
    count, unit = largest or (None, "parameters")
    show(Wanted(" ".join(words), "datasets", task, licence, language, count, unit, order, limit), as_json)


data.add_command(make_command)
