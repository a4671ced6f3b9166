"""Votes from files: CSV, JSON Lines or a JSON list, by the columns that public vote files use."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from ..errors import DataError, UsageError
from .battle import Battle, JudgeKind, Style, Winner

WINNER: dict[str, Winner] = {
    "a": "a", "model_a": "a", "left": "a",
    "b": "b", "model_b": "b", "right": "b",
    "tie": "tie",
    "both_bad": "both_bad", "bothbad": "both_bad", "tie (bothbad)": "both_bad",
}  # fmt: skip
EXPECTED = "a, b, tie or both_bad (also model_a, model_b, left, right, tie (bothbad))"
JUDGES, PROMPTS = ("judge", "worker", "judge_id"), ("prompt", "prompt_id", "question_id")
DATES = ("created", "tstamp", "timestamp", "date")
LENGTHS = ("length", "tokens", "chars")


def read_votes(path: str | Path, judge: str = "") -> list[Battle]:
    """The votes of a file. `judge` is the column whose verdicts are read, where a file has several, or the one judge whose
    votes are wanted.

    Columns: `model_a`, `model_b` (or `left`, `right`) and `winner`; optional `judge` (or `worker`), `prompt` (`prompt_id`,
    `question_id`), `judge_kind`, `anonymous` (`anony`), `created` (`tstamp`), `problem`, `id`, and of each answer
    `length_a` (`tokens_a`, `chars_a`), `headers_a`, `lists_a`, `bolds_a`. A JSON object with `data`, a list of
    [winner, loser] numbers, is read too. Raises DataError with line and value for a row that is no vote.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read {path}: {error}. Give a CSV, JSON Lines or JSON file of votes in UTF-8"
        ) from error
    rows = list(_rows(path, text))
    if not rows:
        raise DataError(f"{path} has no votes; it needs the columns model_a, model_b and winner")
    column = _winner_column(path, rows[0][1], judge)
    wanted = judge if column != judge else ""
    if wanted and not (name := _column(rows[0][1], JUDGES)):
        raise UsageError(f"{path} has no column {judge!r}, and no column judge in which to look for it")
    battles = []
    for line, row in rows:
        if wanted and str(row.get(name, "")) != wanted:
            continue
        battles.append(_battle(path, line, row, column, judge if column == judge else ""))
    if not battles:
        raise UsageError(f"{path} has no votes of the judge {judge!r}")
    return battles


Row = Mapping[str, object]


def _rows(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    """(line, row) of each vote; for a JSON list or object the number of the item stands for the line."""
    start = text.lstrip()[:1]
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson") or start in ("{", "["):
        yield from _json_rows(path, text)
        return
    reader = csv.DictReader(StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    f"{path}, line {reader.line_num}: {'more' if None in row else 'fewer'} cells than the header's "
                    f"{len(reader.fieldnames or ())} columns. A comma within a cell needs quotes around it"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}. Expected comma-separated values") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        yield from _json_lines(path, text)
        return
    except RecursionError as error:
        raise DataError(f"{path} is nested too deeply; expected a list of objects, one a vote") from error
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        whole = [_numbered(path, position, item) for position, item in enumerate(whole["data"], 1)]
    for position, item in enumerate(whole if isinstance(whole, list) else [whole], 1):
        if not isinstance(item, dict):
            raise DataError(
                f"{path}, item {position}: {item!r} is no vote; expected an object with model_a, model_b, winner"
            )
        yield position, item


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.split("\n"), 1):  # splitlines would cut at U+2028, which strings may hold
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: {line[:60]!r} is not JSON ({error.msg}); expected one object a line"
            ) from error
        if not isinstance(item, dict):
            raise DataError(
                f"{path}, line {number}: {line[:60]!r} is no vote; expected an object with model_a, model_b, winner"
            )
        yield number, item


def _numbered(path: Path, position: int, item: object) -> Row:
    """[winner, loser] as choix writes them."""
    if not isinstance(item, list) or len(item) != 2 or item[0] == item[1]:
        raise DataError(f"{path}, item {position} of data: {item!r}; expected [winner, loser]")
    return {"model_a": str(item[0]), "model_b": str(item[1]), "winner": "a"}


def _winner_column(path: Path, row: Row, judge: str) -> str:
    if judge and judge in row:
        return judge
    if "winner" in row:
        return "winner"
    verdicts = [name for name, value in row.items() if str(value).strip().lower() in WINNER]
    if verdicts:
        raise UsageError(
            f"{path} has no column winner, but verdicts in {', '.join(verdicts)}; name one of them: --judge {verdicts[0]}"
        )
    raise DataError(f"{path} has the columns {', '.join(map(str, row))}; expected model_a, model_b and winner")


def _column(row: Row, names: Sequence[str]) -> str:
    return next((name for name in names if name in row), "")


def _battle(path: Path, line: int, row: Row, column: str, judge: str) -> Battle:
    where = f"{path}, line {line}"
    models = []
    for names in (("model_a", "left"), ("model_b", "right")):
        value = row.get(_column(row, names))
        if value is None or not str(value).strip():
            raise DataError(f"{where}: no {names[0]} in {dict(row)!r:.120}; expected the name of a model")
        models.append(str(value).strip())
    word = str(row.get(column, "")).strip().lower()
    verdict = WINNER.get(word)
    problem = _text(row, ("problem",))
    if verdict is None:
        if word != "invalid" and not problem:
            raise DataError(f"{where}: {column} is {row.get(column)!r}; expected {EXPECTED}")
        verdict, problem = "tie", problem or "verdict could not be read"
    kind = _text(row, ("judge_kind",)) or ("model" if "judge" in column else "human")
    if kind not in ("human", "model"):
        raise DataError(f"{where}: judge_kind is {kind!r}; expected human or model")
    blind = _text(row, ("anonymous", "anony")).lower()
    if blind not in ("", "true", "false", "1", "0", "yes", "no"):
        raise DataError(f"{where}: anonymous is {blind!r}; expected true or false")
    judge_kind: JudgeKind = "model" if kind == "model" else "human"
    return Battle(
        models[0],
        models[1],
        verdict,
        judge=judge or _text(row, JUDGES),
        judge_kind=judge_kind,
        prompt=_text(row, PROMPTS),
        anonymous=blind not in ("false", "0", "no"),
        created=_created(_text(row, DATES)),
        style_a=_style(where, row, "a"),
        style_b=_style(where, row, "b"),
        problem=problem,
        id=_text(row, ("id", "battle_id")),
    )


def _text(row: Row, names: Sequence[str]) -> str:
    value = row.get(_column(row, names))
    return "" if value is None else str(value).strip()


def _created(text: str) -> str:
    """A date as ISO 8601; seconds since 1970, as FastChat writes them, are turned into one."""
    try:
        return datetime.fromtimestamp(float(text), UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return text


def _style(where: str, row: Row, side: str) -> Style | None:
    length = _column(row, [f"{name}_{side}" for name in LENGTHS])
    if not length or row[length] in ("", None):
        return None
    names = (length, f"headers_{side}", f"lists_{side}", f"bolds_{side}")
    return Style(*(_count(where, name, row.get(name) or 0) for name in names))


def _count(where: str, name: str, value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < 0:
        raise DataError(f"{where}: {name} is {value!r}; expected a whole number of 0 or more")
    return number
