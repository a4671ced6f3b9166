"""Systems that do a task, so that special models and language models are measured alike.

A special model is named as everywhere; a language model by its name and the way in which it does the task:
`smollm2 (prompt)`, `smollm2 (choice)`. Such names can be typed wherever a task is named too.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, get_args

from ..benchmarks.task import UNREADABLE
from ..data import Source
from ..data.labelled import LabelledTable
from ..engine.resident import resident_bytes
from ..errors import UsageError
from ..evaluation.config import EvalConfig
from ..models.name import parse
from ..models.spending import SpendingLedger
from ..models.system import Capabilities, Model
from ..models.task_model import TaskInput, TaskModel, TaskOptions, TaskOutput, Way
from ..tasks import asked
from ..tasks.catalogue import HubTask, find_task
from ..tasks.output import answer_of
from ..tasks.special import open_special
from ..tokens.count import TokenCount, estimate
from ..values import Completion, Failure, Identity, Message, Usage, several
from .system import load
from .task import way_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAREST = 10  # passages of an answer
MOST_LABELS = 5  # of an answer that are named
INSTRUCTION = 100  # tokens that stand around an input, about
WAY = re.compile(r" \((special|prompt|choice)\)$")


def bare_name(name: str) -> str:
    """The name of a system without the way in which it does a task."""
    return WAY.sub("", name)


def task_names(names: Iterable[str], config: EvalConfig) -> list[str]:
    """Names of systems, each with its way; a language model that is to be measured in several ways has several."""
    task = find_task(config.task)
    return list(dict.fromkeys(each for name in names for each in _with_ways(task, name, config)))


def system_of(name: str, config: EvalConfig, source: Source) -> "TaskSystem":
    """The system that `name` means for the task; of several ways the first."""
    (shown, *_) = task_names([name], config)
    return open_system(shown, config, source)


def task_systems(model: Model | str, config: EvalConfig, source: Source) -> "list[TaskSystem]":
    """The systems of a name, or of a language model that is there already: one for each way in which it is measured."""
    names = task_names([model if isinstance(model, str) else model.name.text], config)
    return [open_system(name, config, source, None if isinstance(model, str) else model) for name in names]


def open_system(name: str, config: EvalConfig, source: Source, model: Model | None = None) -> "TaskSystem":
    """The system with a name of `task_names`; a language model that is loaded already may be handed over."""
    assert isinstance(source, LabelledTable)
    task, way = find_task(config.task), _way_in(name) or "special"
    if way == "special":
        options = _options(config, source.labels if "labels" in task.needs else ())
        return TaskSystem(task, name, open_special(task, parse(bare_name(name)), options), None, source)
    options, model = _options(config, source.labels), model or load(bare_name(name))
    opened = asked.open_prompted if way == "prompt" else asked.open_choice
    return TaskSystem(task, name, opened(task, model, options), model, source)


def _options(config: EvalConfig, labels: tuple[str, ...]) -> TaskOptions:
    return TaskOptions(
        labels=tuple(config.labels) or labels,
        source=config.source,
        target=config.target,
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=config.seed,
    )


def _way_in(name: str) -> Way | None:
    way = WAY.search(name)
    return next((each for each in get_args(Way) if way and each == way[1]), None)


def _with_ways(task: HubTask, name: str, config: EvalConfig) -> list[str]:
    if way := _way_in(name):
        _check_way(task, name, way)
        return [name.removesuffix(" (special)")]
    if way_of(task, name) == "special" and "special" in task.ways and parse(name).provider == "hf":
        return [name]
    for each in config.way:
        _check_way(task, name, each)
    if "special" in config.way:
        raise UsageError(f"{name} is no special model for {task.name}; --way takes {_of_language_models(task)}")
    ways = config.way or [each for each in task.ways if each != "special"]
    if not ways:
        raise UsageError(
            f"{task.name} is done by special models only; name a checkpoint as hf:./folder or hf:owner/name"
        )
    if not config.way and "choice" in ways and not load(name).capabilities.loglikelihood:
        ways = [each for each in ways if each != "choice"]
    return [f"{name} ({each})" for each in ways]


def _check_way(task: HubTask, name: str, way: str) -> None:
    if way not in task.ways:
        raise UsageError(f"{name}: {task.name} is done by {', '.join(task.ways)}; not by {way}")


def _of_language_models(task: HubTask) -> str:
    return " or ".join(way for way in task.ways if way != "special") or "nothing"


def _unreadable(failure: Failure) -> Completion | Failure:
    """A model that answers, but so that nothing can be read, is wrong; it has not failed."""
    return Completion(UNREADABLE, 0, "stop") if failure.reason.startswith(asked.UNREADABLE) else failure


class TaskSystem(Model):
    """A TaskModel as a system: it can be stored, resumed, paid and compared. `inner` is the language model behind it."""

    def __init__(self, task: HubTask, shown: str, doer: TaskModel, inner: Model | None, source: LabelledTable):
        self.kind, self.doer, self.inner, self.passages = task, doer, inner, source.passages
        self.name = replace(parse(bare_name(shown)), text=shown)
        self._truncated = self._peak = 0
        self._labels = frozenset(label.casefold() for label in source.labels if task.gives == "label")
        self._answered: dict[str, None] = {}  # the first labels that it answered
        self._vectors: NDArray[np.float32] | Failure | None = None

    @property
    def identity(self) -> Identity:
        return replace(self.doer.identity, name=self.name.text)

    @property
    def capabilities(self) -> Capabilities:
        window = self.inner.capabilities.context_window if self.inner else 0
        return Capabilities(False, False, False, window, renders=False)

    @property
    def workers(self) -> int:
        return self.inner.workers if self.inner else 1

    @workers.setter
    def workers(self, count: int) -> None:
        if self.inner:
            self.inner.workers = min(count, self.most_workers()) if self.inner.name.local else count

    def most_workers(self) -> int:
        """An answer that obeys a schema is made in one process."""
        in_words = isinstance(self.doer, asked.PromptedModel)
        return self.inner.most_workers() if self.inner and not in_words else 1

    @property
    def peak_memory_bytes(self) -> int:
        """Of a special model what this process held resident while it worked, at most."""
        return self.inner.peak_memory_bytes if self.inner else self._peak

    @property
    def note(self) -> str | None:
        cut = (
            f"{self.name.text}: {several(self._truncated, 'input')} longer than it reads, cut"
            if self._truncated
            else ""
        )
        return "; ".join(filter(None, (cut, self._other_labels(), self.inner.note if self.inner else None))) or None

    def _other_labels(self) -> str:
        """A note for the user where a model answers with labels that the file does not have, and with no others."""
        if not self._answered or any(label.casefold() in self._labels for label in self._answered) or not self._labels:
            return ""
        return f"{self.name.text} answered {', '.join(self._answered)}: no label of the file; rename the labels in the file"

    @property
    def ledger(self) -> SpendingLedger:
        return self.inner.ledger if self.inner else super().ledger

    @ledger.setter
    def ledger(self, shared: SpendingLedger) -> None:
        if self.inner:
            self.inner.ledger = shared
        else:
            self._ledger = shared

    def pay_from(self, ledger: SpendingLedger) -> None:
        if self.inner:
            self.inner.pay_from(ledger)
        else:
            self._ledger = ledger

    def price(self, usage: Usage) -> Decimal | None:
        return self.inner.price(usage) if self.inner else Decimal(0)

    def check(self) -> None:
        if self.inner:
            self.inner.check()

    def prepare(self) -> None:
        prepare = self.inner.prepare if self.inner else getattr(self.doer, "prepare", None)
        if prepare:
            prepare()

    def count(self, prompt: str | Sequence[Message]) -> TokenCount:
        """An input with what is said around it, about."""
        count = self.inner.count(prompt) if self.inner else estimate(prompt)
        return replace(count, tokens=count.tokens + (INSTRUCTION if self.inner else 0))

    def complete_tasks(self, inputs: Iterable[TaskInput]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, answer) in order of completion: a label, words, a JSON list of spans, or of the numbers of passages."""
        for index, result in self.doer.answer(inputs):
            if self.inner is None:
                self._peak = max(self._peak, resident_bytes())
            yield index, _unreadable(result) if isinstance(result, Failure) else self._completion(result)

    def _completion(self, output: TaskOutput) -> Completion | Failure:
        self._truncated += output.truncated
        if self.kind.gives == "vector":
            ranking = self._nearest(output)
            if isinstance(ranking, Failure):
                return ranking
            text = json.dumps(ranking)
        else:
            answer = answer_of(self.kind, output)
            text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
            if len(self._answered) < MOST_LABELS or text.casefold() in self._labels:
                self._answered[text] = None
        return Completion(text, output.generated, "stop", output.tokens, seconds=output.seconds)

    def _nearest(self, query: TaskOutput) -> list[int] | Failure:
        """The numbers of the passages whose vectors point most nearly the same way, the nearest first."""
        import numpy as np

        if self._vectors is None:
            self._vectors = self._embedded()
        if isinstance(self._vectors, Failure):
            return self._vectors
        alike = self._vectors @ np.asarray(query.vector, np.float32)
        return [int(number) for number in np.argsort(-alike, kind="stable")[:NEAREST]]

    def _embedded(self) -> "NDArray[np.float32] | Failure":
        """The vectors of all passages (P, D), each of length 1."""
        import numpy as np

        rows: dict[int, NDArray[np.float32]] = {}
        for index, result in self.doer.answer(map(TaskInput, self.passages)):
            if isinstance(result, Failure):
                return Failure(result.kind, f"passage {self.passages[index]!r:.60} has no vector: {result.reason}")
            rows[index] = np.asarray(result.vector, np.float32)
        vectors = np.stack([rows[index] for index in range(len(rows))])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: NDArray[np.float32] = vectors / np.maximum(norms, 1e-12)
        return scaled

    def close(self) -> None:
        self.doer.close()
        if self.inner:
            self.inner.close()
