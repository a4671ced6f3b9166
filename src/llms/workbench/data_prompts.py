"""The request by which a language model makes rows of a task. Topics, lengths and styles are drawn, so that rows differ."""

import json
import random
from collections.abc import Mapping, Sequence

from ..data.made_rows import SHAPES
from ..tasks.catalogue import HubTask
from ..values import Json

TOPICS = (
    "everyday life", "work and colleagues", "travel", "food and cooking", "health", "school and study", "money", "shopping",
    "technology", "a household thing that broke", "sport", "music", "books", "films", "the weather", "neighbours", "animals",
    "gardening", "traffic", "science", "history", "a public office", "an event in town", "repairs", "children", "art",
    "a company", "a service by telephone", "the sea", "a small village",
)  # fmt: skip
STYLES = (
    "plainly", "as in a short message to a friend", "formally", "as a report", "with a concrete detail such as a number",
    "with some irony", "hastily, with a small mistake in spelling", "by someone young", "by someone old", "by an expert",
    "by someone who is in doubt", "as in a letter",
)  # fmt: skip
LENGTHS = ("one short sentence", "one sentence", "two sentences", "three or four sentences")
LONG = ("a short paragraph", "a paragraph of five sentences", "two short paragraphs")
ROW_TOKENS: Mapping[tuple[str, ...], int] = {
    ("label", "text"): 120, ("text", "entities"): 200, ("context", "question", "answer"): 300, ("text", "summary"): 360,
    ("source", "target"): 200, ("query", "relevant"): 200,
}  # fmt: skip
FORMS: Mapping[tuple[str, ...], str] = {
    ("label", "text"): "`text` is an example and `label` is its label",
    (
        "text",
        "entities",
    ): "`text` is an example; `entities` lists every entity in it, each with `text`, copied letter by letter "
    "from the example, and its `label`",
    (
        "context",
        "question",
        "answer",
    ): "`context` is a text, `question` asks something that it answers, and `answer` is a few "
    "words copied letter by letter from the context",
    ("text", "summary"): "`text` is a text and `summary` says the same in far fewer words",
    ("source", "target"): "`source` is a text and `target` its translation",
    ("query", "relevant"): "`query` is what somebody searches for and `relevant` is a passage that answers it",
}


def prompt(
    description: str, task: HubTask, labels: Sequence[str], label: str, count: int, examples: Sequence[Mapping[str, Json]],
    chance: random.Random,
) -> str:  # fmt: skip
    """The request for `count` rows, varied by what `chance` draws; `label` is the one that all of them are to have."""
    fields = SHAPES[task.columns]
    long = "context" in fields or "summary" in fields
    lines = [
        f"Write {count} different rows of data: {description.strip()}.",
        f"The task is {task.name}: {task.title[0].lower()}{task.title[1:]}.",
        f"In each row {FORMS[fields]}.",
    ]
    if label:
        others = ", ".join(each for each in labels if each != label)
        lines.append(f"The label of all rows is {label!r}: each text must clearly be {label}, not {others}.")
    elif labels:
        lines.append(f"The labels are {', '.join(labels)}.")
    lines.append(
        f"Where it suits the data, let it be about {chance.choice(TOPICS)} or {chance.choice(TOPICS)}, written "
        f"{chance.choice(STYLES)}. Length of a text: {chance.choice(LONG if long else LENGTHS)}."
    )
    if examples:
        shown = "\n".join(json.dumps({name: row.get(name) for name in fields}, ensure_ascii=False) for row in examples)
        lines.append(f"Rows that are there already, to show the form; do not repeat them:\n{shown}")
    lines.append('Answer with JSON alone: {"rows": [{' + ", ".join(f'"{name}": …' for name in fields) + "}, …]}")
    return "\n".join(lines)
