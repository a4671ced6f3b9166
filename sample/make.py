"""Makes the embedded sample, src/llms/data/sample, from the texts beside this file and from seeded generators.

Every row was written for this project; none comes from a benchmark. Run it after editing a text:

    python sample/make.py

The rows have the shapes of the benchmarks' own data sets on the hub. Neither where the right answer stands nor how long
it is among its choices tells which one it is (`balance.py`). The word problems' answers are computed.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, islice, product
from pathlib import Path
from random import Random
from typing import Any

import passages
import tasks
from balance import SEARCHED, Rows, Showing, characters, chosen, evenly, ordered, places, showings, wordings
from tokenizers import Tokenizer

from llms.benchmarks.bbh import CHOICES
from llms.benchmarks.fresh import bbh, gsm8k, mathematics
from llms.models.local import embedded

HERE = Path(__file__).parent
TARGET = HERE.parent / "src" / "llms" / "data" / "sample"
FEW_SHOT = 10
Set = tuple[tuple[str, ...], tuple[int, ...]]


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(embedded.checkpoint() / "tokenizer.json"))


def tokens(choices: Sequence[str]) -> list[int]:
    """How many tokens of the embedded model each choice is behind a prompt."""
    return [token_count(choice) for choice in choices]


@cache
def token_count(choice: str) -> int:
    return len(tokenizer().encode(f" {choice}").ids)


def positions(choices: Sequence[str]) -> list[int]:
    """Measures where a choice stands as if it were a length, the first as the longest."""
    return list(range(len(choices), 0, -1))


MEASURES = (characters, tokens)


def lines(name: str) -> list[list[str]]:
    """The fields of each line of a text; `#` lines are comments."""
    text = (HERE / f"{name}.txt").read_text(encoding="utf-8")
    return [[part.strip() for part in line.split("|")] for line in text.splitlines() if line and line[0] != "#"]


def placed(choices: Sequence[str], place: int) -> list[str]:
    """The first of `choices` moved to `place`."""
    right, *wrong = choices
    return [*wrong[:place], right, *wrong[place:]]


def shown(questions: list[list[Showing]], few_shot: int) -> Iterator[tuple[int, Showing]]:
    """The few-shot questions, then the others in their order; each with its number and what is shown of it."""
    yield from enumerate(chosen(questions[:few_shot], MEASURES))
    rest = chosen(questions[few_shot:], MEASURES)
    for index in ordered(rest, MEASURES):
        yield few_shot + index, rest[index]


def four_choices(name: str, right: int) -> Iterator[tuple[list[str], list[str], int]]:
    """(what stands before field `right`, four choices, where the right one stands) of each line."""
    found = lines(name)
    questions = [showings(fields[right], fields[right + 1 :], 3, name) for fields in found]
    for (index, showing), place in zip(shown(questions, FEW_SHOT), places(len(found), 4, name), strict=True):
        yield found[index][:right], placed(showing.sets[0][0], place), place


def arc(name: str) -> Iterator[tuple[str, Rows]]:
    rows = [
        {
            "id": f"{name}-{number}",
            "question": question,
            "choices": {"text": choices, "label": list("ABCD")},
            "answerKey": "ABCD"[place],
        }
        for number, ((question,), choices, place) in enumerate(four_choices(name, 1), 1)
    ]
    config = {"arc_easy": "ARC-Easy", "arc_challenge": "ARC-Challenge"}[name]
    yield f"arc/{config}/train", rows[:FEW_SHOT]
    yield f"arc/{config}/test", rows[FEW_SHOT:]


def hellaswag() -> Iterator[tuple[str, Rows]]:
    rows = [
        {
            "ind": number,
            "activity_label": activity,
            "ctx_a": first,
            "ctx_b": second,
            "ctx": f"{first} {second}",
            "endings": choices,
            "source_id": f"llms~{number}",
            "split": "train" if number < FEW_SHOT else "val",
            "split_type": "indomain",
            "label": str(place),
        }
        for number, ((activity, first, second), choices, place) in enumerate(four_choices("hellaswag", 3))
    ]
    yield "hellaswag/default/train", rows[:FEW_SHOT]
    yield "hellaswag/default/validation", rows[FEW_SHOT:]


def subjects() -> dict[str, list[list[str]]]:
    """The lines of MMLU's text by subject; the first five of each are its few-shot rows."""
    found: dict[str, list[list[str]]] = {}
    for fields in lines("mmlu"):
        if len(fields) == 1:
            subject = fields[0].strip("[]")
        else:
            found.setdefault(subject, []).append(fields)
    return found


def mmlu() -> Iterator[tuple[str, Rows]]:
    for split, part in (("dev", slice(0, 5)), ("test", slice(5, None))):
        asked = [(subject, fields) for subject, found in subjects().items() for fields in found[part]]
        taken = chosen([showings(right, wrong, 3, question) for _, (question, right, *wrong) in asked], MEASURES)
        tables: dict[str, Rows] = {}
        for (subject, (question, *_)), showing, place in zip(
            asked, taken, places(len(asked), 4, f"mmlu {split}"), strict=True
        ):
            choices = placed(showing.sets[0][0], place)
            row = {"question": question, "subject": subject, "choices": choices, "answer": place}
            tables.setdefault(f"mmlu/{subject}/{split}", []).append(row)
        yield from tables.items()


def truthful(answers: list[str], false_shown: int) -> list[Showing]:
    """Ways to ask for the best answer of a question (mc1) and for all true ones (mc2), in the same words."""
    true = [answer[2:] for answer in answers if answer.startswith("+ ")]
    false = [answer[2:] for answer in answers if answer.startswith("- ")]
    ways = []
    for few in combinations(false, false_shown):
        for best, *others in product(*map(wordings, (*true, *few))):
            every = (best, *others)
            for first in range(len(true) if len(set(every)) == len(every) else 0):
                rights = (every[first], *every[:first], *every[first + 1 : len(true)])
                wrongs = every[len(true) :]
                one: Set = ((rights[0], *wrongs), (1,) + (0,) * len(wrongs))
                ways.append(Showing((one, ((*rights, *wrongs), (1,) * len(rights) + (0,) * len(wrongs)))))
    return Random(answers[0]).sample(ways, min(2 * SEARCHED, len(ways)))


def truthfulqa() -> Iterator[tuple[str, Rows]]:
    """46 of 100 questions have three false answers, the others four: chance is the benchmark's own, 22.3 and 46."""
    found = lines("truthfulqa")
    fewer = Random("llms sample truthfulqa").sample(range(len(found)), 46)
    questions = [truthful(answers, 3 if index in fewer else 4) for index, (_, *answers) in enumerate(found)]
    rows, written = [], []
    for index, showing in shown(questions, 0):
        (one, one_labels), (every, labels) = showing.sets
        question, right = found[index][0], sum(labels)
        one_targets = {"choices": list(one), "labels": list(one_labels)}
        every_targets = {"choices": list(every), "labels": list(labels)}
        rows.append({"question": question, "mc1_targets": one_targets, "mc2_targets": every_targets})
        written.append(
            {
                "type": "sample",
                "category": "sample",
                "question": question,
                "best_answer": one[0],
                "correct_answers": list(every[:right]),
                "incorrect_answers": list(every[right:]),
                "source": "",
            }
        )
    yield "truthfulqa/multiple_choice/validation", rows
    yield "truthfulqa/generation/validation", written


def twins(sentence: str, one: str, other: str) -> Iterator[tuple[str, str, str]]:
    """(sentence, right, wrong) with each of the words in {braces}; what is right of the one is wrong of the other."""
    before, words, after = re.split("[{}]", sentence)
    for word, right, wrong in zip(words.split("/"), (one, other), (other, one), strict=True):
        yield f"{before}{word}{after}", right, wrong


def winogrande() -> Iterator[tuple[str, Rows]]:
    found = [twin for fields in lines("winogrande") for twin in twins(*fields)]
    rows = []
    for (sentence, right, wrong), place in zip(found, places(len(found), 2, "winogrande"), strict=True):
        first, second = placed((right, wrong), place)
        rows.append({"sentence": sentence, "option1": first, "option2": second, "answer": str(place + 1)})
    yield "winogrande/winogrande_xl/train", rows[:FEW_SHOT]
    yield "winogrande/winogrande_xl/validation", rows[FEW_SHOT:]


def word_problems() -> Iterator[tuple[str, Rows]]:
    rows = list(islice(gsm8k.rows(Random("llms sample gsm8k")), FEW_SHOT + 100))
    yield "gsm8k/main/train", rows[:FEW_SHOT]
    yield "gsm8k/main/test", rows[FEW_SHOT:]


def big_bench_hard() -> Iterator[tuple[str, Rows]]:
    """Every choice is right equally often; of the counts, those of two digits in half of the rows."""
    for task in bbh.TASKS:
        stream = bbh.rows(task)(Random(f"llms sample {task}"))
        yield f"bbh/{task}/fewshot", list(islice(stream, 3))
        if task == "object_counting":
            rows = evenly(stream, 6, lambda row: len(row["target"]), 2)
        elif task in CHOICES:
            rows = evenly(stream, 6, lambda row: row["target"], len(CHOICES[task]))
        else:
            rows = list(islice(stream, 6))
        yield f"bbh/{task}/test", [{"input": row["input"], "target": row["target"]} for row in rows]


CATEGORIES = {
    "astronomy": "physics",
    "high_school_geography": "other",
    "elementary_mathematics": "math",
    "high_school_biology": "biology",
    "computer_security": "computer science",
    "world_religions": "philosophy",
}


def many_choices(fields: list[str], neighbors: list[list[str]], options: int) -> list[Showing]:
    """Ways to show a question of MMLU's beside wrong answers of its own and right ones of its neighbors."""
    question, right, *wrong = fields
    random, others = Random(question), [other[1] for other in neighbors if other[1] != right and other[1] not in wrong]
    ways = []
    for _ in range(SEARCHED):
        taken = random.sample(wrong, 3) + random.sample(others, options - 4)
        choices = tuple(random.choice(wordings(choice)) for choice in (right, *taken))
        if len(set(choices)) == options:
            ways.append(Showing(((choices, (1,) + (0,) * (options - 1)),)))
    return ways


def mmlu_pro() -> Iterator[tuple[str, Rows]]:
    """MMLU's questions of ours with eight or ten options, in such a mix that chance is the benchmark's own, 11.1."""
    number = 0
    for split, part in (("validation", slice(0, 5)), ("test", slice(5, None))):
        asked = [(subject, fields) for subject, found in subjects().items() for fields in found[part]]
        sizes = [8 if index % 7 in (1, 3, 5) else 10 for index in range(len(asked))]
        questions = [
            many_choices(fields, subjects()[subject], size)
            for (subject, fields), size in zip(asked, sizes, strict=True)
        ]
        place = {size: iter(places(len(asked), size, f"mmlu_pro {split} {size}")) for size in set(sizes)}
        rows = []
        for (subject, (question, *_)), showing, size in zip(asked, chosen(questions, MEASURES), sizes, strict=True):
            index = next(place[size])
            options = placed(showing.sets[0][0], index)
            letter, right = "ABCDEFGHIJ"[index], options[index]
            reasoning = (
                f"A: Let's think step by step. Of the options, {right} fits the question. The answer is ({letter})."
            )
            rows.append(
                {
                    "question_id": number,
                    "question": question,
                    "options": options,
                    "answer": letter,
                    "answer_index": index,
                    "cot_content": reasoning if split == "validation" else "",
                    "category": CATEGORIES[subject],
                    "src": "sample",
                }
            )
            number += 1
        yield f"mmlu_pro/default/{split}", rows


def reading() -> Iterator[tuple[str, Rows]]:
    rows = list(islice(passages.drop(Random("llms sample drop")), FEW_SHOT + 40))
    yield "drop/default/train", rows[:FEW_SHOT]
    yield "drop/default/validation", rows[FEW_SHOT:]
    for domain, make in passages.MUSR.items():
        random = Random(f"llms sample {domain}")
        drafts = [{_showing(row): row for row in (make(random) for _ in range(24))} for _ in range(12)]
        taken = chosen([list(rows) for rows in drafts], (*MEASURES, positions))
        yield f"musr/default/{domain}", [rows[showing] for rows, showing in zip(drafts, taken, strict=True)]


def _showing(row: dict[str, Any]) -> Showing:
    choices = tuple(ast.literal_eval(row["choices"]))
    return Showing(((choices, tuple(int(index == row["answer_index"]) for index in range(len(choices)))),))


def doing() -> Iterator[tuple[str, Rows]]:
    random = Random("llms sample ifeval")
    yield "ifeval/default/train", [{"key": number, **tasks.ifeval(random)} for number in range(30)]
    yield "humaneval/openai_humaneval/test", [tasks.humaneval(index) for index in range(30)]


def math() -> Iterator[tuple[str, Rows]]:
    for subject in mathematics.SUBJECTS:
        yield f"math/{subject}/test", list(islice(mathematics.rows(subject)(Random(f"llms sample {subject}")), 5))
    yield "math/minerva_4shot/fewshot", list(islice(mathematics.rows("minerva_4shot")(Random("llms sample shots")), 10))


def tables() -> dict[str, Rows]:
    """Every table of the sample, by its path below the root."""
    made: dict[str, Rows] = {}
    for part in (
        arc("arc_easy"),
        arc("arc_challenge"),
        hellaswag(),
        mmlu(),
        truthfulqa(),
        winogrande(),
        word_problems(),
        big_bench_hard(),
        math(),
        mmlu_pro(),
        reading(),
        doing(),
    ):
        made |= dict(part)
    return made


def text(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    for name, rows in tables().items():
        path = TARGET / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
