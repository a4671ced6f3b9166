"""Does the embedded model call the calculator rightly, with the adapter and without, and what did it forget?

    python benchmarks/calculator_adapter.py [--part] [--adapter FOLDER] [--wordings held_out] [--no-bare]
    python benchmarks/calculator_adapter.py --kept --data ../shared/data/benchmarks [--limit 1000]

A call is right if the value of its expression is that of the wording's. Half of a template's numbers come without a system
prompt, the others with that of agents or one of a user's own. Ends with status 1 below a floor.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from decimal import Decimal
from math import sqrt
from pathlib import Path
from random import Random

import llms
from calculator_chats import MODEL, schemas
from llms.evaluation.config import EvalConfig
from llms.models.adapters.calculator.wordings import FOLDER, WordProblem, pose, read_wordings
from llms.models.local.toolcalls import OPEN
from llms.models.system import Generate, Model
from llms.statistics.intervals import choose
from llms.tools.calculator import Calculation, calculate, calculator
from llms.values import Message, Score, ToolCall
from llms.workbench.compare import compare_all
from llms.workbench.system import PROMPT

TOGETHER = 16  # answers that are decoded at once
LONGEST = 80  # tokens of an answer: a call takes some 35
PROMPTS = ("", PROMPT, "You work in the office of a small firm and answer its customers.")
DRAWS, SEED = 3, 20261201
SEEN, PART_SEEN, PART_UNSEEN = 150, 30, 60
FLOORS = {"unseen": 0.5, "unseen, lower bound": 0.45, "seen": 0.85, "well-formed": 0.98}
MOST_FALSE_CALLS, MOST_LOST = 0.05, 0.03
KEPT = ("arc_easy", "hellaswag", "arc_challenge", "winogrande")
LEAST_KEPT = 1500  # items
ONE_SIDED = 1.6449  # standard normal quantile at 95 %


@dataclass(frozen=True)
class Attempt:
    """What came of a problem: the expression of the first call, None without one; `broken`: it began a call that is none."""

    problem: WordProblem
    expression: str | None
    broken: bool
    text: str

    @property
    def right(self) -> bool:
        return self.expression is not None and same_value(self.expression, self.problem.expression)


def same_value(one: str, other: str) -> bool:
    """Whether both expressions have one value, up to rounding."""
    values = [calculate(text) for text in (one, other)]
    if not all(isinstance(value, Calculation) for value in values):
        return False
    first, second = (Decimal(value.value) for value in values)  # type: ignore[union-attr]  # both are, by the line above
    return abs(first - second) <= Decimal("1e-9") * max(abs(first), abs(second), Decimal(1))


def problems(file: str, draws: int, limit: int | None = None) -> list[WordProblem]:
    """`draws` problems of each wording of the file; with a limit one each, of wordings drawn at random."""
    wordings = read_wordings(file)
    if limit is not None:
        wordings = Random(f"{SEED} {file}").sample(wordings, min(limit, len(wordings)))
    return [
        pose(one, Random(f"{SEED} {one.id} {number}"), calculator.function)
        for one in wordings
        for number in range(draws)
    ]


def ask(model: Model, texts: Sequence[str], most: int = LONGEST) -> Iterator[tuple[str, tuple[ToolCall, ...]]]:
    """The answer to each text, with the calculator offered, as `llms chat` and agents get it: (text, calls)."""
    tools = schemas(["calculator"])

    def answer(numbered: tuple[int, str]) -> tuple[str, tuple[ToolCall, ...]]:
        number, text = numbered
        prompt = PROMPTS[number % len(PROMPTS)]
        system = (Message("system", prompt),) if prompt else ()
        request = Generate((*system, Message("user", text)), max_tokens=most, tools=tools)
        deltas = list(model.stream(request))
        if failure := next((delta.failure for delta in deltas if delta.failure), None):
            raise RuntimeError(f"no answer to {text!r}: {failure.reason}")
        return "".join(delta.text for delta in deltas), tuple(call for delta in deltas for call in delta.tool_calls)

    with ThreadPoolExecutor(TOGETHER) as pool:
        yield from pool.map(answer, enumerate(texts))


def attempts(model: Model, asked: Sequence[WordProblem]) -> list[Attempt]:
    answers = ask(model, [one.text for one in asked])
    return [_attempt(one, text, calls) for one, (text, calls) in zip(asked, answers, strict=True)]


def _attempt(problem: WordProblem, text: str, calls: Sequence[ToolCall]) -> Attempt:
    if not calls:
        return Attempt(problem, None, OPEN in text, text)
    try:
        expression = str(json.loads(calls[0].arguments)["expression"])
    except (ValueError, KeyError, TypeError):
        return Attempt(problem, None, True, calls[0].arguments)
    return Attempt(problem, expression, not isinstance(calculate(expression), Calculation), text)


def summary(kind: str, tried: Sequence[Attempt]) -> dict[str, object]:
    """Shares of right answers with an interval clustered by wording, and of calls that the calculator can read."""
    score = choose([float(one.right) for one in tried], [one.problem.wording for one in tried])
    called = [one for one in tried if one.broken or one.expression is not None]
    formed = sum(not one.broken for one in called)
    return {
        "what": kind,
        **_shown(score),
        "templates": len({one.problem.wording for one in tried}),
        "called": round(len(called) / len(tried), 4),
        "well-formed": round(formed / len(called), 4) if called else None,
    }


def _shown(score: Score) -> dict[str, object]:
    bounds = [None if bound is None else round(bound, 4) for bound in (score.low, score.high)]
    return {"right": round(score.value, 4), "low": bounds[0], "high": bounds[1], "n": score.n, "interval": score.method}


def by_shape(tried: Sequence[Attempt]) -> dict[str, str]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for one in tried:
        groups[one.problem.shape].append(one.right)
    return {shape: f"{sum(right)}/{len(right)}" for shape, right in sorted(groups.items())}


def plain_calls(model: Model) -> dict[str, object]:
    """How often the calculator is called for a question that needs none."""
    texts = (FOLDER / "plain_held_out.txt").read_text(encoding="utf-8").splitlines()
    called = [bool(calls) or OPEN in text for text, calls in ask(model, texts, most=48)]
    score = choose([float(one) for one in called])
    return {
        "what": "plain chat",
        "false calls": round(score.value, 4),
        "low": score.low,
        "high": score.high,
        "n": score.n,
    }


def measure(name: str, file: str, part: bool, out: Path | None) -> list[dict[str, object]]:
    """The rows of one system's measurement."""
    rows = []
    with llms.load(name) as model:
        sets = {
            "unseen": problems(file, 1, PART_UNSEEN) if part else problems(file, DRAWS),
            "seen": problems("wordings", 1, PART_SEEN if part else SEEN),
        }
        for kind, asked in sets.items():
            begun = time.monotonic()
            tried = attempts(model, asked)
            row = {"system": name, **summary(kind, tried), "seconds": round(time.monotonic() - begun)}
            rows.append(row)
            print(json.dumps(row), flush=True)
            if kind == "unseen":
                print(json.dumps({"system": name, "by shape": by_shape(tried)}), flush=True)
            if out is not None:
                _note(out, name, kind, tried)
        rows.append({"system": name, **plain_calls(model)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def _note(out: Path, name: str, kind: str, tried: Sequence[Attempt]) -> None:
    with out.open("a", encoding="utf-8") as file:
        for one in tried:
            row = {"system": name, "kind": kind, "right": one.right, **asdict(one)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def below_floors(rows: Sequence[dict[str, object]], part: bool) -> list[str]:
    """The floors that the adapter's rows miss. A part is too few for the lower bound of calls; its false calls are too many only
    where their own lower bound is, since one question of sixty decides otherwise."""
    unseen, seen, plain = rows
    reached = {
        "unseen": unseen["right"],
        "unseen, lower bound": FLOORS["unseen, lower bound"] if part else unseen["low"],
        "seen": seen["right"],
        "well-formed": min(float(str(row["well-formed"] or 0)) for row in (unseen, seen)),
    }
    missed = [
        f"{name} {reached[name]}, floor {floor}" for name, floor in FLOORS.items() if float(str(reached[name])) < floor
    ]
    most, called = MOST_FALSE_CALLS, float(str(plain["low"] if part else plain["false calls"]))
    return missed + ([f"false calls {plain['false calls']}, at most {most}"] if called > most else [])


def kept(adapter: str, data: str, limit: int) -> bool:
    """Whether the adapter costs at most 3 points, one-sided at 95 %, on the kept benchmarks together; prints each."""
    config = EvalConfig(data=data, limit=limit, workers=1)
    differences: list[tuple[int, float, float]] = []
    for event in compare_all(f"{MODEL}?adapter={adapter}", MODEL, list(KEPT), config, MOST_LOST, False):
        for one in event if isinstance(event, list) else ():
            paired = one.paired
            if paired is None or paired.stderr is None:
                raise RuntimeError(f"{one.benchmark}: {one.reason}")
            differences.append((paired.n, paired.difference, paired.stderr))
            row = {"benchmark": one.benchmark, "metric": one.metric, "with": one.score_a, "without": one.score_b}
            print(json.dumps({**row, "n": paired.n, "95 %": [paired.low, paired.high]}), flush=True)
    n = sum(count for count, _, _ in differences)
    difference = sum(count * mean for count, mean, _ in differences) / n
    error = sqrt(sum((count * error) ** 2 for count, _, error in differences)) / n
    bound = ONE_SIDED * error - difference
    print(json.dumps({"together": n, "difference": round(difference, 4), "loss at most (95 %)": round(bound, 4)}))
    return n >= LEAST_KEPT and bound <= MOST_LOST


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", action="store_true", help="60 unseen, 30 seen, all plain ones; the adapter alone")
    parser.add_argument("--adapter", default="calculator")
    parser.add_argument("--wordings", default="held_out", choices=["held_out", "development"])
    parser.add_argument("--no-bare", action="store_true")
    parser.add_argument("--out", type=Path, help="every answer, one JSON a line")
    parser.add_argument("--kept", action="store_true", help="what the model still knows, instead")
    parser.add_argument("--data", default="sample", help="where the rows of the kept benchmarks lie")
    parser.add_argument("--limit", type=int, default=1000)
    chosen = parser.parse_args()
    if chosen.kept:
        sys.exit(0 if kept(chosen.adapter, chosen.data, chosen.limit) else f"more than {MOST_LOST:.0%} may be lost")
    rows = measure(f"{MODEL}?adapter={chosen.adapter}", chosen.wordings, chosen.part, chosen.out)
    if not (chosen.part or chosen.no_bare):
        measure(MODEL, chosen.wordings, False, chosen.out)
    if missed := below_floors(rows, chosen.part):
        sys.exit("; ".join(missed))


if __name__ == "__main__":
    main()
