"""Published results put on a board: into measured columns by their recipe, into columns of their own else; never over what was
measured here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..board import BoardCell, BoardColumn, BoardRow, Leaderboard


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """A cell to be put on the board: in the row of `system`, in the column with the id `column`."""

    system: str
    column: str
    cell: BoardCell


def with_published(board: Leaderboard, columns: Sequence[BoardColumn], cells: Sequence[PublishedCell]) -> Leaderboard:
    """The board with the published `columns` behind its own and the `cells` in the latest row of each system, or in new rows
    at the end. Ranks, averages and next steps stay those of what was measured."""
    known = {column.id for column in (*board.columns, *columns)}
    added: dict[str, dict[str, BoardCell]] = {}
    for each in cells:
        if each.column in known:
            added.setdefault(each.system, {})[each.column] = each.cell
    rows = [
        replace(row, cells={**added.pop(row.system), **row.cells}) if row.latest and row.system in added else row
        for row in board.rows
    ]
    rows += [BoardRow(system, "", its, label=system) for system, its in sorted(added.items())]
    shown = {id for row in rows for id in row.cells}
    return replace(
        board, columns=(*board.columns, *(column for column in columns if column.id in shown)), rows=tuple(rows)
    )
