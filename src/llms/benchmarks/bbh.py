"""BIG-Bench Hard (Suzgun et al. 2022, arXiv 2210.09261): 27 tasks that language models found hard.

`bbh`: the 24 that have choices, scored without reasoning, as lm-evaluation-harness (tasks/leaderboard/bbh_mc) and the Open
LLM Leaderboard v2 do. `bbh_cot`: all 27, the reasoning written out (tasks/bbh/cot_fewshot). The three examples of each
task and its one-line instruction are its authors', read from the data's `fewshot` split.
"""

from collections.abc import Sequence

from ..data import Dataset, Row
from ..scoring.choice import accuracy, accuracy_normalized, best_normalized
from ..scoring.match import exact_match, extract
from ..values import Status
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, Open, View, logprobs, reply

DATASET = Dataset(
    hub="lukaemon/bbh",
    revision="982bb89fd79532a8ac676a61fc42eb1aeec63f99",
    folder="bbh",
    columns={"input": str, "target": str},
    files=("{config}/test-00000-of-00001.parquet",),
)
WORDS = {
    "boolean_expressions": ("False", "True"),
    "causal_judgement": ("Yes", "No"),
    "formal_fallacies": ("valid", "invalid"),
    "navigate": ("Yes", "No"),
    "sports_understanding": ("yes", "no"),
    "web_of_lies": ("Yes", "No"),
    "object_counting": tuple(str(n) for n in range(19)),
}
LETTERED = {
    "hyperbaton": 2, "snarks": 2, "disambiguation_qa": 3, "logical_deduction_three_objects": 3,
    "tracking_shuffled_objects_three_objects": 3, "temporal_sequences": 4, "logical_deduction_five_objects": 5,
    "penguins_in_a_table": 5, "tracking_shuffled_objects_five_objects": 5, "date_understanding": 6,
    "movie_recommendation": 6, "ruin_names": 6, "salient_translation_error_detection": 6,
    "logical_deduction_seven_objects": 7, "tracking_shuffled_objects_seven_objects": 7, "geometric_shapes": 11,
    "reasoning_about_colored_objects": 18,
}  # fmt: skip
CHOICES = {**WORDS, **{task: tuple(f"({chr(65 + i)})" for i in range(n)) for task, n in LETTERED.items()}}
WRITTEN = ("dyck_languages", "multistep_arithmetic_two", "word_sorting")
ITEMS = {"causal_judgement": 187, "penguins_in_a_table": 146, "snarks": 178}


def ask(row: Row) -> Choices:
    return Choices((f"Q: {row['input']}\nA:",), tuple(f" {choice}" for choice in row["choices"]))


def shot(row: Row) -> str:
    return f"Q: {row['input']}\nA: {row['target']}"


def grade(row: Row, answers: Answers) -> Grade:
    choices, got = row["choices"], logprobs(answers)
    gold = choices.index(row["target"])
    scores = {"acc": accuracy(got, gold), "acc_norm": accuracy_normalized(got, choices, gold)}
    return Grade(scores, target=row["target"], extracted=choices[best_normalized(got, choices)])


def description(subset: str, shots: Sequence[Row]) -> str:
    """The authors' instruction; nothing stands between it and the first question."""
    return shots[0].get("description", "") if shots else ""


def ask_cot(row: Row) -> Open:
    return Open(f"Q: {row['input']}\nA: Let's think step by step.\n", ("</s>", "Q", "\n\n"), 1024)


def shot_cot(row: Row) -> str:
    return f"Q: {row['input']}\nA: {row['cot']}"


def grade_cot(row: Row, answers: Answers) -> Grade:
    """The words behind "the answer is", without the last character, which is the period."""
    text = reply(answers).text
    extracted = extract(text, r"(?<=the answer is )(.*)(?=.)")
    score = float(exact_match(extracted or "[invalid]", row["target"]))
    status: Status = "ok" if extracted else "truncated" if reply(answers).finish == "length" else "unparsed"
    return Grade({"exact_match": score}, row["target"], extracted, status)


BBH = Benchmark(
    name="bbh",
    title="BIG-Bench Hard",
    version="1",
    licence="MIT",
    items=5761,
    chance=sum(ITEMS.get(task, 250) / len(choices) for task, choices in CHOICES.items()) / 5761,
    dataset=DATASET,
    parts=tuple(
        EvalSplit(task, task, "test", "fewshot", fields={"choices": CHOICES[task]}, chance=1 / len(CHOICES[task]))
        for task in sorted(CHOICES)
    ),
    metrics=("acc_norm", "acc"),
    views={
        "default": View(3, "fixed", "acc_norm", average="macro"),
        "v2": View(3, "harness", "acc_norm", average="macro", normalized=("acc_norm",)),
    },
    ask=ask,
    shot=shot,
    grade=grade,
    description=description,
    harness_draw="first",
)
BBH_COT = Benchmark(
    name="bbh_cot",
    title="BIG-Bench Hard, chain of thought",
    version="1",
    licence="MIT",
    items=6511,
    chance=0.0,
    dataset=DATASET,
    parts=tuple(EvalSplit(task, task, "test", "fewshot") for task in sorted((*CHOICES, *WRITTEN))),
    metrics=("exact_match",),
    views={"default": View(3, "fixed", "exact_match")},
    ask=ask_cot,
    shot=shot_cot,
    grade=grade_cot,
    description=lambda subset, shots: description(subset, shots) + "\n\n" if shots else "",
    harness_draw="first",
    kind="generation",
    scorer="2",
)
