"""A file of rows, and a data set on the hub, described for people."""

from ..data.hub import DatasetFacts
from ..workbench.data_rows import FileFacts
from .output import console, size, table


def print_file(facts: FileFacts) -> None:
    """The rows, bytes and columns of a file."""
    out = console()
    out.print(f"{facts.path}: {facts.rows:,} rows, {size(facts.bytes)}", markup=False)
    rows = table("column", "types", "empty", "longest", "different", right=("empty", "longest", "different"))
    for column in facts.columns.values():
        different = f"{column.different:,}{'+' * column.many}"
        rows.add_row(column.name, ", ".join(column.types), f"{column.empty:,}", f"{column.longest:,}", different)
    out.print(rows)
    for problem in facts.problems.first:
        out.print(f"unreadable: {problem}", markup=False, soft_wrap=True)


def print_facts(facts: DatasetFacts) -> None:
    """Licence, size, configurations and splits of a data set on the hub."""
    out = console()
    known = {
        "name": facts.name,
        "revision": facts.revision,
        "licence": facts.licence or "not stated",
        "languages": ", ".join(facts.languages) or "not stated",
        "access": "gated: accept its terms on the hub, and set HF_TOKEN" if facts.gated else "open",
        "size": f"{size(facts.bytes)} in {facts.files} files" if facts.bytes else f"{facts.files} files",
        "updated": facts.updated,
    }
    rows = table("", "")
    rows.show_header = False
    for label, value in known.items():
        rows.add_row(label, value)
    out.print(rows)
    if not facts.configs:
        out.print("its card states no configurations, rows or columns; see rows with: llms data head " + facts.name)
        return
    rows = table("config", "split", "rows", "size", "columns", right=("rows", "size"))
    for config in facts.configs:
        columns = ", ".join(f"{name}: {kind}" for name, kind in config.features.items())
        for split in config.splits or ():
            rows.add_row(
                config.name, split.name, "" if split.rows is None else f"{split.rows:,}",
                "" if split.bytes is None else size(split.bytes), columns,
            )  # fmt: skip
        if not config.splits:
            rows.add_row(config.name, "", "", "", columns)
    out.print(rows)
