"""A task of Hugging Face on labelled rows, as a benchmark: what is asked of a row, and how its answer is graded.

Whoever answers is not known here: a special model, or a language model that is asked in some way. Answers come as text: a
label, words, a JSON list of spans, or for retrieval a JSON list of the numbers of passages, the nearest first.
"""

import json
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..data.dataset import Dataset, Row
from ..data.labelled import LabelledTable, positions
from ..errors import UsageError
from ..models.task_model import TaskInput
from ..scoring.entity_spans import entity_counts
from ..scoring.n_grams import bleu_counts, chrf_counts, rouge_scores
from ..scoring.reading import squad_scores
from ..scoring.recognition import character_counts, normalized, word_counts
from ..scoring.retrieval import ndcg_at, recall_at
from ..statistics.corpus import corpus_value
from ..tasks.catalogue import HubTask
from ..values import Media, Status
from .benchmark import Answers, Benchmark, EvalSplit, Grade, Open, View, reply

METRICS_VERSION = "1"  # of extraction and comparison: another one begins new runs
RETRIEVED = 10  # passages that are looked at
LEADING = {"wer": "word_accuracy"}  # of an error rate: what is better the higher it is
MOST_TOKENS: Mapping[str, int] = {"label": 16, "spans": 512, "answer": 64, "words": 8}
CHARACTERS = ("zh", "ja", "ko", "th")  # languages without blanks between words

UNREADABLE = "\N{REPLACEMENT CHARACTER}"  # stands for an answer in which nothing could be read: it is wrong

Grader = Callable[[Row, str], Grade]


def declare_task(task: HubTask, table: LabelledTable, max_tokens: int | None = None, target: str = "") -> Benchmark:
    """The benchmark of a task's labelled rows. `target` is the language of translations, for the tokens of BLEU. Raises
    UsageError for a task without metrics."""
    if not task.metrics:
        raise UsageError(
            f"{task.name} has no metric of labelled rows; llms task {task.name} does it, and a person judges"
        )
    leading = LEADING.get(task.metrics[0], task.metrics[0])
    metrics = tuple(dict.fromkeys((leading, *task.metrics)))
    most = max_tokens or MOST_TOKENS.get(task.gives, 256)
    grader = _grader(task, table, target)
    return Benchmark(
        name=f"{task.name}:{table.name}",
        title=f"{task.title}, on {table.name}",
        version=f"{METRICS_VERSION}, {task.name}",
        licence="the user's own",
        items=len(table.content.rows),
        chance=1 / len(table.labels) if len(table.labels) > 1 and task.gives == "label" else 0.0,
        dataset=Dataset(table.name, table.content.revision, table.name, {}),
        parts=(EvalSplit(table.name, "", "", None),),
        metrics=metrics,
        views={"default": View(0, "fixed", leading)},
        ask=lambda row: Open(shown(row), (), most),
        shot=lambda row: "",
        grade=lambda row, answers: _graded(grader, row, answers),
        kind="task",
        task_input=input_of,
    )


def shown(row: Row) -> str:
    """The part of a row that is asked, for people."""
    if "context" in row:
        return f"{row['context']}\n\n{row['question']}"
    if "image" in row and "question" in row:
        return f"{row['image']}\n{row['question']}"
    return str(next(row[name] for name in ("audio", "image", "text", "source", "query") if name in row))


def input_of(row: Row) -> TaskInput:
    """The input that a row makes; a sound or a picture is read now."""
    if path := row.get("audio") or row.get("image"):
        return TaskInput(media=_media(path), question=row.get("question", ""))
    if "context" in row:
        return TaskInput(row["context"], question=row["question"])
    return TaskInput(str(next(row[name] for name in ("text", "source", "query") if name in row)))


def _media(path: Path) -> Media:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Media(kind, path.read_bytes(), name=path.name)


def _graded(grader: Grader, row: Row, answers: Answers) -> Grade:
    text = reply(answers).text.strip()
    grade = grader(row, text)
    return replace(grade, extracted=None, status="unparsed") if text == UNREADABLE else grade


def _grader(task: HubTask, table: LabelledTable, target: str) -> Grader:
    columns = set(task.columns)
    if "label" in columns:
        numbers = {label.casefold(): number for number, label in enumerate(table.labels)}
        return partial(_label, numbers, "macro_f1" in task.metrics)
    if "entities" in columns:
        return _entities
    if "answer" in columns:
        return _answer
    if "relevant" in columns:
        return partial(_retrieved, table.passages, positions(table.passages))
    if "audio" in columns:
        return _transcript
    tokens = "zh" if target == "zh" else "char" if target in CHARACTERS else "13a"
    reference = next(name for name in ("summary", "target", "text") if name in columns)
    return partial(_text, reference, task.metrics, tokens)


def _label(numbers: Mapping[str, int], macro: bool, row: Row, answer: str) -> Grade:
    """Case means nothing. Of labels that differ in case alone the last one stands for all."""
    right, answered = row["label"].casefold(), answer.casefold()
    counts = {"macro_f1": (float(numbers[right]), float(numbers.get(answered, len(numbers))))} if macro else {}
    return Grade({"accuracy": float(right == answered)}, row["label"], answer or None, _status(answer), counts=counts)


def _entities(row: Row, answer: str) -> Grade:
    try:
        spans = [(int(span["start"]), int(span["end"]), str(span["label"])) for span in json.loads(answer or "[]")]
        readable = True
    except (ValueError, TypeError, KeyError, RecursionError):
        spans, readable = [], False
    counts = entity_counts(row["entities"], spans)
    hits, wrong, missed = counts
    scores = {
        "entity_f1": 2 * hits / (2 * hits + wrong + missed) if hits + wrong + missed else 1.0,
        "entity_precision": hits / (hits + wrong) if hits + wrong else 1.0,
        "entity_recall": hits / (hits + missed) if hits + missed else 1.0,
    }
    return Grade(
        scores, _listed(row["text"], row["entities"]), _listed(row["text"], spans), "ok" if readable else "unparsed",
        counts=dict.fromkeys(scores, counts),
    )  # fmt: skip


def _listed(text: str, entities: Sequence[tuple[int, int, str]]) -> str:
    return "; ".join(f"{text[start:end]} ({label})" for start, end, label in sorted(entities)) or "(none)"


def _answer(row: Row, answer: str) -> Grade:
    exact, f1 = squad_scores(answer, row["answer"])
    return Grade({"exact_match": exact, "f1": f1}, " | ".join(row["answer"]) or "(no answer)", answer or "(no answer)")


def _retrieved(passages: Sequence[str], numbers: Mapping[str, int], row: Row, answer: str) -> Grade:
    ranking, relevant = json.loads(answer), [numbers[passage] for passage in row["relevant"]]
    scores = {
        f"ndcg@{RETRIEVED}": ndcg_at(ranking, relevant, RETRIEVED),
        "recall@1": recall_at(ranking, relevant, 1),
        f"recall@{RETRIEVED}": recall_at(ranking, relevant, RETRIEVED),
    }
    return Grade(scores, " | ".join(row["relevant"]), passages[ranking[0]])


def _transcript(row: Row, answer: str) -> Grade:
    words = word_counts(row["text"], answer)
    counts = {
        "word_accuracy": words,
        "wer": words,
        "cer": character_counts(row["text"], answer),
        "wer_normalized": word_counts(normalized(row["text"]), normalized(answer)),
    }
    return Grade(_alone(counts), row["text"], answer, counts=counts)


def _text(column: str, metrics: Sequence[str], tokens: str, row: Row, answer: str) -> Grade:
    counts: dict[str, tuple[float, ...]] = {"chrf": chrf_counts(row[column], answer)}
    if "bleu" in metrics:
        counts["bleu"] = bleu_counts(row[column], answer, tokens)
    rouge = rouge_scores(row[column], answer) if "rouge_l" in metrics else {}
    scores = {name: score for name, score in {**rouge, **_alone(counts)}.items() if name in metrics}
    return Grade(scores, row[column], answer or None, _status(answer), counts=counts)


def _alone(counts: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """The metrics of an item by itself, for whoever looks at it."""
    return {metric: corpus_value(metric, [each]) for metric, each in counts.items()}


def _status(answer: str) -> Status:
    return "ok" if answer else "unparsed"
