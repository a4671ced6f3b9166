"""Our scorers against the reference implementations, on a thousand varied answers each; disagreements are listed.

Needs lm_eval 0.4.13 with its extras in an environment of its own, and the rows of a data root:

    pip install lm_eval==0.4.13 langdetect nltk immutabledict math-verify sacrebleu rouge-score antlr4-python3-runtime==4.11
    PYTHONPATH=src python benchmarks/versus_scorers.py --data ROOT [--answers 1000] [--only drop …]

Answers are made from the rows by seeded changes: the right answer, another row's, parts of it, other numbers, marks, cases,
formats, and text around it. IFEval's two types that need punkt's data are compared only where it is installed.
"""

import argparse
import gzip
import json
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random

from llms.benchmarks import bbh, drop, math_hard, mmlu_pro, truthfulqa
from llms.scoring.instructions import follows, variants
from llms.scoring.repeated import pass_at_k
from llms.values import Completion

Compared = Iterator[tuple[str, object, object]]  # what it was, ours, theirs
WORDS = [
    "The",
    "answer",
    "is",
    "clear",
    ",",
    "however",
    "we",
    "note",
    "that",
    "many",
    "things",
    "remain",
    ".",
    "Yes",
    "!",
    "No",
    "?",
    "ALL",
    "CAPS",
    "here",
    "*",
    "bold",
    "*",
    "and",
    "[name]",
    "-",
    "end",
]


def read(root: Path, name: str) -> list[dict]:
    with gzip.open(root / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def vary(text: str, other: str, r: Random) -> str:
    """An answer like `text`, or not."""
    ways: list[Callable[[str], str]] = [
        lambda t: t,
        lambda t: f" {t}.",
        lambda t: t.upper(),
        lambda t: t.lower(),
        lambda t: f"The {t}",
        lambda t: f"I think it is {t}, because",
        lambda t: " ".join(t.split()[: max(1, len(t.split()) // 2)]),
        lambda t: other,
        lambda t: f"{t} and {other}",
        lambda t: t.replace("1", "2"),
        lambda t: t.replace(" ", "-"),
        lambda t: f"${t}$",
        lambda t: f"{t}%",
        lambda t: "",
        lambda t: f"{r.randint(0, 99)}",
        lambda t: f"{r.random() * 100:.2f}",
    ]
    return r.choice(ways)(text)


def done(text: str) -> tuple[Completion]:
    return (Completion(text, 1, "stop"),)


def compare_drop(root: Path, count: int, r: Random) -> Compared:
    from lm_eval.tasks.drop import utils

    rows = read(root, "drop/default/validation")
    for _ in range(count):
        row, other = r.sample(rows, 2)
        golds = drop.golds(row)
        answer = vary(" ".join(r.choice(golds)), drop.golds(other)[0][0], r)
        theirs = utils.process_results({"answers": [list(gold) for gold in golds]}, [answer])
        yield answer, drop.grade(row, done(answer)).scores, {k: float(v) for k, v in theirs.items()}


def compare_math(root: Path, count: int, r: Random) -> Compared:
    from lm_eval.tasks.leaderboard.math import utils

    # their limits of 1 and 5 seconds are lifted: what a busy machine makes of them is not what is compared
    utils.timeout = lambda seconds: nullcontext()
    utils.parse = partial(utils.parse, parsing_timeout=None)
    utils.verify = partial(utils.verify, timeout_seconds=None)
    rows = [row for s in math_hard.ITEMS for row in read(root, f"math/{s}/test")]
    for _ in range(count):
        row, other = r.sample(rows, 2)
        gold = utils.remove_boxed(utils.last_boxed_only_string(row["solution"]))
        wrong = utils.remove_boxed(utils.last_boxed_only_string(other["solution"]))
        body = r.choice(
            (gold, gold, wrong, gold.replace("\\frac", "\\dfrac"), gold.replace(" ", ""), gold + "0", f"x = {gold}")
        )
        answer = r.choice(
            (
                f"So. Final Answer: The final answer is ${body}$. I hope it is correct.",
                f"We get $\\boxed{{{body}}}$.",
                f"The answer is {body}",
                f"Final Answer: The final answer is {body}",
                row["solution"] if body == gold else other["solution"],
            )
        )
        doc = {"solution": row["solution"], "answer": gold}
        theirs = utils.process_results(doc, [answer])
        yield answer, math_hard.grade(row, done(answer)).scores, {k: float(v) for k, v in theirs.items()}


def compare_extraction(root: Path, count: int, r: Random) -> Compared:
    """BBH's and MMLU-Pro's answers from chains of thought, by the harness's own filters."""
    from lm_eval.filters.extraction import RegexFilter

    cot = RegexFilter("(?<=the answer is )(.*)(?=.)")
    letter = RegexFilter(r"answer is \(?([ABCDEFGHIJ])\)?")
    options = [
        row["target"]
        for t in ("snarks", "navigate", "word_sorting", "object_counting")
        for row in read(root, f"bbh/{t}/test")
    ]
    for number in range(count):
        gold, other = r.sample(options, 2)
        text = r.choice(
            (
                "So the answer is {}.",
                "the answer is {}",
                "The answer is {}.\nQ",
                "Thus the answer is {}. Wait, the answer is {}!",
                "{}",
            )
        )
        answer = text.format(vary(gold, other, r), other)
        if number % 2:
            found = cot.apply([[answer]], [{}])[0][0]
            yield answer, bbh.grade_cot({"target": gold}, done(answer)).scores["exact_match"], float(found == gold)
        else:
            target = r.choice("ABCDEFGHIJ")
            answer = r.choice(
                (
                    "The answer is ({}).",
                    "answer is {}",
                    "the answer is: {}",
                    "Answer: {}",
                    "answer is ({}) no, answer is (B)",
                )
            ).format(target)
            found = letter.apply([[answer]], [{}])[0][0]
            yield (
                answer,
                mmlu_pro.grade_cot({"answer": target}, done(answer)).scores["exact_match"],
                float(found == target),
            )


def compare_truthful(root: Path, count: int, r: Random) -> Compared:
    from lm_eval.tasks.truthfulqa import utils

    rows = read(root, "truthfulqa/generation/validation")
    for _ in range(count):
        row, other = r.sample(rows, 2)
        answer = vary(r.choice(row["correct_answers"] + row["incorrect_answers"]), other["best_answer"], r)
        theirs = utils.process_results_gen(utils.preprocess_function(row), [answer])
        ours = {name: round(value, 6) for name, value in truthfulqa.grade_open(row, done(answer)).scores.items()}
        yield answer, ours, {name: round(float(value), 6) for name, value in theirs.items()}


def compare_ifeval(root: Path, count: int, r: Random) -> Compared:
    import langdetect

    langdetect.DetectorFactory.seed = 0
    try:
        import nltk

        nltk.data.find("tokenizers/punkt_tab/english")
        left_out = set()
    except LookupError:
        nltk.download = lambda *_, **__: True  # the reference downloads at import
        left_out = {"length_constraints:number_sentences", "change_case:capital_word_frequency"}
    from lm_eval.tasks.ifeval import utils

    rows = [row for row in read(root, "ifeval/default/train") if row["key"] not in (1122, 1129)]
    compared = 0
    while compared < count:
        row = r.choice(rows)
        answer = response(row, r)
        theirs = {}
        asked = [
            (kind, given)
            for kind, given in zip(row["instruction_id_list"], row["kwargs"], strict=True)
            if kind not in left_out
        ]
        if not asked:
            continue
        doc = {**row, "instruction_id_list": [kind for kind, _ in asked], "kwargs": [given for _, given in asked]}
        theirs = utils.process_results(doc, [answer])
        strict = [follows(kind, given, answer) for kind, given in asked]
        loose = [any(follows(kind, given, reading) for reading in variants(answer)) for kind, given in asked]
        yield (
            f"{doc['instruction_id_list']} {answer!r:.80}",
            (strict, loose),
            (theirs["inst_level_strict_acc"], theirs["inst_level_loose_acc"]),
        )
        compared += 1


def response(row: dict, r: Random) -> str:
    """Text that follows some of a row's instructions by design or by chance."""
    parts = []
    for given in row["kwargs"]:
        for value in given.values():
            parts += value if isinstance(value, list) else [value] if isinstance(value, str) else []
    lines = []
    for _ in range(r.randint(1, 12)):
        line = " ".join(r.choice(WORDS + parts[:6]) for _ in range(r.randint(1, 30)))
        lines.append(
            r.choice(
                (
                    "",
                    "",
                    "* ",
                    "- ",
                    "**T** ",
                    "*h* ",
                    "<<t>> ",
                    "***\n",
                    "SECTION 1\n",
                    "PART 2\n",
                    "P.S. ",
                    "P.P.S ",
                    "******\n",
                )
            )
            + line
        )
    text = r.choice(("\n", "\n\n")).join(lines)
    ways = (
        lambda t: t, lambda t: t.upper(), lambda t: t.lower(), lambda t: f'"{t}"', lambda t: t.replace(",", ""),
        lambda t: "\n".join((row["prompt"], t)), lambda t: f"```json\n{json.dumps({'a': t})}\n```", lambda t: "My answer is yes.",
        lambda t: "Je ne sais pas ce que vous voulez dire avec cette phrase.", lambda t: t + " " + (str(parts[-1]) if parts else ""),
        lambda t: "", lambda t: t + "\n***\n" + t,
    )  # fmt: skip
    return r.choice(ways)(text)


def compare_pass(root: Path, count: int, r: Random) -> Compared:
    """The formula as human-eval computes it, with numpy."""
    import numpy as np

    for _ in range(count):
        n = r.randint(1, 200)
        c, k = r.randint(0, n), r.randint(1, n)
        theirs = 1.0 if n - c < k else 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))
        yield f"{n} {c} {k}", round(pass_at_k(n, c, k) or 0.0, 10), round(theirs, 10)


COMPARED: dict[str, Callable[[Path, int, Random], Compared]] = {
    "drop": compare_drop,
    "math": compare_math,
    "extraction": compare_extraction,
    "truthfulqa": compare_truthful,
    "ifeval": compare_ifeval,
    "pass@k": compare_pass,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=list(COMPARED))
    options = parser.parse_args()
    sys.modules.setdefault("spacy", types.ModuleType("spacy"))
    worst = 1.0
    for name in options.only:
        outcomes = Counter()
        for what, ours, theirs in COMPARED[name](options.data, options.answers, Random(f"scorers {name}")):
            outcomes[ours == theirs] += 1
            if ours != theirs:
                print(f"  {name}: {what!r:.150}\n    ours {ours}\n    theirs {theirs}")
        share = outcomes[True] / sum(outcomes.values())
        worst = min(worst, share)
        print(f"{name}: {outcomes[True]} of {sum(outcomes.values())} equal ({100 * share:.1f} %)", flush=True)
    sys.exit(worst < 0.995)


if __name__ == "__main__":
    main()
