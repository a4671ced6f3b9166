"""Tasks that a language model does: asked in words, with a schema for its answer, or by the log-probability of each choice.

Texts that a window does not hold are taken apart at sentences (`passages`); how each task is worded and read stands in
`forms`; choosing by log-probability in `choices`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..errors import UsageError
from ..lazy import lazy
from ..models.system import Generate, Model
from ..models.task_model import Answered, TaskInput, TaskModel, TaskOptions, TaskOutput
from ..values import Completion, Failure, Identity, Message
from . import forms
from .catalogue import HubTask
from .choices import ChoosingModel
from .forms import Form, PartAnswer
from .options import check_labels
from .passages import Passage, passages
from .special import identity_of_task

AHEAD = 256  # results that may wait while inputs are read that need no model
LEAST_ROOM = 16  # tokens of text beside a question and its answer, below which nothing is asked
MARGIN = 8  # tokens by which texts that are put together may be longer than they are alone
UNREADABLE = "unreadable answer of"  # how the reason of such a failure begins
LABELLED = {
    "sentiment": "Choose the label that says how the writer of the text feels about its subject.",
    "classification": "Choose the label that fits the text best.",
    "zero-shot": "Choose the label that fits the text best.",
    "image-classification": "Choose the label that fits the picture best.",
}
FORMS: dict[str, Callable[[TaskOptions], Form]] = {
    "entities": forms.EntityForm,
    "question-answering": forms.AnswerForm,
    "summarization": forms.SummaryForm,
    "translation": forms.TranslationForm,
    "similarity": forms.LikenessForm,
    "text-generation": forms.ContinuationForm,
    "image-captioning": forms.CaptionForm,
    "visual-question-answering": forms.LookForm,
}


def open_prompted(task: HubTask, model: Model, options: TaskOptions) -> TaskModel:
    """`model`, asked in words. Raises UsageError where it cannot be."""
    form = form_of(task, options)
    if form.picture and not model.capabilities.vision:
        raise UsageError(
            f"{model.name.text} takes no pictures; name a model that does, or a special one for {task.name}"
        )
    return PromptedModel(task, model, options, form)


def form_of(task: HubTask, options: TaskOptions) -> Form:
    """How the task is put in words. Raises UsageError where it cannot be."""
    if options.max_tokens is not None and options.max_tokens < 1:
        raise UsageError(f"max_tokens is {options.max_tokens}; an answer needs 1 or more")
    if task.name in LABELLED:
        picture = task.takes == "image"
        return forms.LabelForm(options, labels_of(task, options), LABELLED[task.name], picture)
    if task.name in FORMS:
        return FORMS[task.name](options)
    raise UsageError(f"no language model is asked in words for {task.name}; it is done by {', '.join(task.ways)}")


def open_choice(task: HubTask, model: Model, options: TaskOptions) -> TaskModel:
    """`model`, whose likeliest label is taken by log-probability. Raises UsageError where it gives none."""
    labels = choices_of(task, options)
    if not model.capabilities.loglikelihood:
        raise UsageError(
            f"{model.name.text} gives no log-probabilities of labels; ask it in words, with the way prompt"
        )
    return ChoosingModel(task, model, options, labels, LABELLED[task.name])


def choices_of(task: HubTask, options: TaskOptions) -> tuple[str, ...]:
    """The labels whose log-probability is asked for. Raises UsageError where the task has none, or is of no text."""
    if task.name not in LABELLED or task.takes != "text":
        raise UsageError(f"{task.name} cannot be done by choosing among labels; texts can be labelled so")
    return labels_of(task, options)


def labels_of(task: HubTask, options: TaskOptions) -> tuple[str, ...]:
    """The labels to choose among. Raises UsageError where there are none, fewer than a choice needs, or one twice."""
    labels = tuple(label.strip() for label in options.labels)
    if not labels and task.name == "sentiment":
        return forms.FEELINGS
    if not labels:
        raise UsageError(f"a language model needs the labels of {task.name}; name them, such as sport,politics,science")
    check_labels(options.labels)
    if len(labels) == 1 and not options.several:
        raise UsageError(f"{labels[0]!r} is the only label; name two or more, or let several hold, each judged alone")
    return labels


@dataclass(slots=True)
class Pending:
    """An input on its way: the answers about its passages as they come, and what they took."""

    index: int
    row: TaskInput
    parts: list[Passage]
    asked: TaskInput  # the row, or the summaries of its parts, which are summarized again
    answers: dict[int, PartAnswer] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    truncated: bool = False
    tokens: int = 0
    generated: int = 0
    seconds: float = 0.0
    over: bool = False
    texts: tuple[str, ...] = ()


class PromptedModel:
    """A TaskModel over a language model that is asked. Its inputs are read as the model reads its requests."""

    def __init__(self, task: HubTask, model: Model, options: TaskOptions, form: Form):
        self.kind, self.model, self.options, self.form = task, model, options, form
        self._without_schema = not model.capabilities.schemas

    @property
    def task(self) -> str:
        return self.kind.name

    @lazy
    def identity(self) -> Identity:
        return identity_of_task(self.model.identity, self.task, "prompt", self.options, prompt=forms.PROMPT_VERSION)

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
        """(index, result) in order of completion; a Failure where the model failed, or its answer cannot be read."""
        flow = _Flow(self, inputs)
        while not flow.done:
            for number, result in self.model.complete(flow.requests()):
                flow.take(number, result)
                yield from flow.ready()
            yield from flow.ready()

    def close(self) -> None:
        self.model.close()

    def planned(self, index: int, row: TaskInput) -> Pending | Failure:
        """An input and the passages in which it is asked about."""
        if reason := self.form.lacks(row):
            return Failure("infra", f"input {index} {reason}")
        if self.form.picture or self.kind.name == "text-generation":
            return Pending(index, row, [Passage(0, len(row.text), row.text)], row)
        empty = replace(row, text="", other="")
        room = self._room(self.model.count_tokens(self._prompt(empty)))
        if room < LEAST_ROOM:
            return Failure(
                "infra",
                f"input {index}: the context window of {self.model.name.text} is {self.model.context_window} tokens; "
                f"{max(0, room)} are left for the text beside the question and an answer. Let the answer be shorter",
            )
        if self.form.whole:
            text, other = self._cut(row.text, room // 2), self._cut(row.other, room // 2)
            short = replace(row, text=text, other=other)
            return Pending(index, row, [Passage(0, len(text), text)], short, truncated=short != row)
        return Pending(index, row, self._passages(row.text, room), row)

    def _room(self, question: int) -> int:
        """Tokens of text that fit beside a question of so many tokens and the answer."""
        left = self.model.context_window - question - MARGIN
        if self.options.max_tokens is not None or not self.form.growth:
            return left - self.answer_tokens(0)
        return int((left - self.form.usual_tokens) / (1 + self.form.growth))

    def _passages(self, text: str, room: int) -> list[Passage]:
        if len(text.encode()) <= room:  # a token is a byte or more
            return [Passage(0, len(text), text)]
        return passages(text, room, self.model.count_tokens, int(room * self.form.overlap))

    def _cut(self, text: str, room: int) -> str:
        parts = self._passages(text, room)
        return parts[0].text if parts else text

    def answer_tokens(self, text_tokens: int) -> int:
        limit = self.options.max_tokens
        usual = self.form.usual_tokens + int(self.form.growth * text_tokens)
        return min(limit or usual, max(1, self.model.context_window // 2))

    def _prompt(self, row: TaskInput) -> str | tuple[Message, ...]:
        words = self.form.wording(row)
        if not self.model.capabilities.chat:
            return words if self.kind.name == "text-generation" else f"{words}\n\nAnswer:"
        parts = (row.media, words) if self.form.picture and row.media is not None else ()
        return (Message("user", words, parts=parts),)

    def request(self, pending: Pending, part: int) -> Generate:
        """The question about one passage. Further texts of one prompt (`part` counts them) have seeds of their own."""
        options, several = self.options, self.kind.name == "text-generation"
        passage = pending.parts[0 if several else part]
        row = pending.asked if several else replace(pending.asked, text=passage.text)
        size = self.model.count_tokens(passage.text) if self.form.growth and options.max_tokens is None else 0
        return Generate(
            self._prompt(row),
            max_tokens=self.answer_tokens(size),
            stop=() if self.model.capabilities.chat else self.form.stop,
            temperature=options.temperature,
            top_p=options.top_p,
            seed=options.seed + (part if several else 0),
            schema=None if self._without_schema else self.form.schema,
        )

    def count_of(self, pending: Pending) -> int:
        """The requests that an input takes: one a passage, or one a text that is wanted."""
        return max(1, self.options.top) if self.kind.name == "text-generation" else len(pending.parts)

    def refuses_schema(self, result: Failure) -> bool:
        """Whether the endpoint takes no schema, as its refusal says; it is asked without one from now on."""
        named = "response_format" in result.reason or "json_schema" in result.reason
        if self.form.schema is None or not named:
            return False
        self._without_schema = True
        return True

    def finished(self, pending: Pending) -> TaskOutput | Failure | None:
        """The output once all answers are there; None if their summaries are to be summarized first."""
        answers = [pending.answers[part] for part in sorted(pending.answers)]
        if self.kind.name == "text-generation":
            texts = tuple(each.text for each in answers)
            output = TaskOutput(texts[0], flags=forms.flags(answers), texts=texts if len(texts) > 1 else ())
        else:
            try:
                output = self.form.output(pending.row, answers)
            except ValueError as error:
                return Failure("infra", f"{UNREADABLE} {self.model.name.text}: {error}")
        if self.form.reduces and len(answers) > 1 and len(output.text) < len(pending.asked.text):
            following = self.planned(pending.index, replace(pending.row, text=output.text))
            if isinstance(following, Failure):
                return following
            pending.flags = tuple(dict.fromkeys((*pending.flags, *output.flags)))
            pending.asked, pending.parts, pending.answers = following.row, following.parts, {}
            return None
        marks = tuple(dict.fromkeys((*pending.flags, *output.flags)))
        return replace(
            output,
            flags=marks,
            truncated=pending.truncated,
            tokens=pending.tokens,
            generated=pending.generated,
            seconds=pending.seconds,
        )


class _Flow:
    """Requests out, results in: inputs as they are needed, follow-ups first."""

    def __init__(self, asked: PromptedModel, inputs: Iterable[TaskInput]):
        self._asked, self._inputs = asked, enumerate(inputs)
        self._queue: deque[tuple[Pending, int]] = deque()
        self._sent: dict[int, tuple[Pending, int]] = {}
        self._ready: deque[Answered] = deque()
        self._read_all = False

    @property
    def done(self) -> bool:
        return self._read_all and not self._queue

    def requests(self) -> Iterator[Generate]:
        """The requests of one call of the model, numbered from 0; ends where too many results wait to be taken."""
        number, self._sent = 0, {}
        while len(self._ready) < AHEAD and (self._queue or self._read()):
            if self._queue:
                pending, part = self._queue.popleft()
                if pending.over:  # another part of it failed
                    continue
                self._sent[number] = (pending, part)
                number += 1
                yield self._asked.request(pending, part)

    def _read(self) -> bool:
        """Whether there was one more input: its requests are queued, or it is a result already."""
        following = next(self._inputs, None)
        if following is None:
            self._read_all = True
            return False
        planned = self._asked.planned(*following)
        if isinstance(planned, Failure):
            self._ready.append((following[0], planned))
        else:
            self._enqueue(planned)
        return True

    def _enqueue(self, pending: Pending) -> None:
        self._queue.extend((pending, part) for part in range(self._asked.count_of(pending)))

    def take(self, number: int, result: Completion | Failure) -> None:
        pending, part = self._sent.pop(number)
        if pending.over:
            return
        if isinstance(result, Failure) and self._asked.refuses_schema(result):
            self._queue.append((pending, part))
            return
        if isinstance(result, Completion) and result.finish == "refused":
            result = Failure("infra", f"{self._asked.model.name.text} would not answer about input {pending.index}")
        if isinstance(result, Failure):
            pending.over = True
            self._ready.append((pending.index, result))
            return
        passage = pending.parts[min(part, len(pending.parts) - 1)]
        pending.answers[part] = PartAnswer(passage, result.text, result.finish == "length")
        pending.truncated = pending.truncated or result.cut > 0
        pending.tokens += result.prompt_tokens
        pending.generated += result.tokens
        pending.seconds += result.seconds
        if len(pending.answers) == self._asked.count_of(pending):
            output = self._asked.finished(pending)
            if output is None:
                self._enqueue(pending)
            else:
                self._ready.append((pending.index, output))

    def ready(self) -> Iterator[Answered]:
        while self._ready:
            yield self._ready.popleft()
