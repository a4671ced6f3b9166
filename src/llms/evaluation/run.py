"""Asking: a Plan and a System in, one Outcome per item out, as soon as it is known.

The caller stores, shows and may stop; a failure of the system becomes a Failed outcome, never a score.
"""

import os
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, islice
from math import isfinite
from typing import Generic, Protocol, TypeVar, runtime_checkable

from ..benchmarks.benchmark import Answers, Benchmark, Grade
from ..benchmarks.languages import failure_reason, passes
from ..errors import JudgeFailed, UsageError
from ..models.system import Generate, System
from ..models.task_model import TaskInput
from ..sandbox import Sandbox
from ..scoring.repeated import pass_at_k
from ..scoring.thinking import split_thinking
from ..tokens.pair import Pair
from ..tokens.stop import cut_at_stop
from ..values import (
    ChoicePrompt,
    Completion,
    Failed,
    Failure,
    GenerationPrompt,
    LogLikelihood,
    Message,
    Outcome,
    Prompt,
    Scored,
)
from .items import Item
from .plan import Plan
from .room import no_room, without_room

SCORED_TOGETHER = 512  # items whose choices a system that gathers gets at once
PROGRAMS_PER_CORE = 16  # that wait to be run, at most, before more answers are asked for
PASS_AT = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class _Question:
    """An item and its prompt as it is sent."""

    item: Item
    prompt: Prompt


Asked = Generator[tuple[_Question, Answers | Failure], None, None]
R = TypeVar("R", Generate, tuple[str, str], TaskInput, Pair)
A = TypeVar("A", LogLikelihood, Completion)


@runtime_checkable
class TaskAnswering(System, Protocol):
    """A system that does a task; answers come as `complete` gives them."""

    def complete_tasks(self, inputs: Iterable[TaskInput]) -> Iterator[tuple[int, Completion | Failure]]: ...


@runtime_checkable
class TokenScoring(System, Protocol):
    """A system that scores token ids as they are: one whose weights are here."""

    def score_tokens(self, pairs: Iterable[Pair]) -> Iterator[tuple[int, LogLikelihood | Failure]]: ...


@dataclass(slots=True)
class _Gathering(Generic[A]):
    """A question of which `wanted` answers are awaited."""

    question: _Question
    wanted: int
    answers: dict[int, A] = field(default_factory=dict)
    failed: bool = False


def check(plan: Plan, benchmark: Benchmark, system: System) -> None:
    """Raise UsageError if the system cannot be asked in this way."""
    able, name = system.capabilities, plan.key.system.name
    if benchmark.kind == "task":
        if not isinstance(system, TaskAnswering):
            raise UsageError(f"{name} is opened for no task; {benchmark.name} is measured with --task")
        return
    if benchmark.kind == "tokens":
        if not isinstance(system, TokenScoring):
            raise UsageError(f"{name} does not score token ids, of which {benchmark.name} is made; a checkpoint does")
        return
    if benchmark.kind == "choice" and not able.loglikelihood:
        raise UsageError(f"{name} gives no log-probabilities; {benchmark.name} needs them. Use {benchmark.name}:letter")
    if benchmark.kind == "choice" and plan.key.chat_template and not able.renders:
        raise UsageError(f"{name} scores raw text only; run {benchmark.name} with --chat-template off")
    if not plan.key.chat_template and not able.raw_text:
        raise UsageError(f"{name} is reached through chat only; run it with --chat-template on")
    if plan.key.chat_template and not able.chat:
        raise UsageError(f"{name} has no chat template; run it with --chat-template off")
    if plan.key.system_prompt and not plan.key.chat_template:
        raise UsageError("a system prompt is a message; give --chat-template on with --system")
    if plan.config.samples > 1 and plan.config.temperature == 0:
        raise UsageError("several samples at temperature 0 are all the same; give --temperature as well")
    if no_room(plan, system) == len(plan.items):
        raise UsageError(f"{without_room(plan, system)}. Use a model with a longer one, or leave the benchmark out")


def run(
    plan: Plan, benchmark: Benchmark, system: System, items: Iterable[Item], sandbox: Sandbox | None = None
) -> Generator[tuple[Item, Prompt, Outcome], None, None]:
    """(item, the prompt as it was sent, outcome) in order of completion, for `items` of the plan.

    Items are made as the system reads them, and held until their outcome is yielded: no more of them than the system asks
    ahead. Programs run in `sandbox`, several at once, while the system goes on answering. Closing this ends the work.
    """
    questions = (_Question(item, _as_sent(plan, benchmark, item, system)) for item in items)
    if benchmark.kind == "task":
        answered = _ask_task(benchmark, questions, system)
    elif benchmark.kind == "tokens":
        answered = _ask_tokens(benchmark, questions, system)
    else:
        answered = _ask_choices(questions, system) if benchmark.kind == "choice" else _ask_open(plan, questions, system)
    with closing(answered):
        if benchmark.program:
            assert sandbox is not None
            yield from _run_programs(plan, benchmark, sandbox, answered)
            return
        for question, answers in answered:
            outcome = _outcome(plan, benchmark, question.item, question.prompt, answers)
            yield question.item, question.prompt, outcome


def _ask_choices(questions: Iterator[_Question], system: System) -> Asked:
    """Answers of each item once all its choices are known.

    A system that gathers is asked in blocks: it sorts all pairs of a call into one tree of tokens and computes what they
    begin with once, which a window that moves by one pair could not. Its work has no rows that could run dry, as decoding
    has: a block costs what its tokens cost, and its end idles nobody. Others are asked for all, and read what they hold.
    """
    if not system.capabilities.gathers:
        yield from _ask(questions, _pairs, system.score)
        return
    while block := list(islice(questions, SCORED_TOGETHER)):
        yield from _ask(block, _pairs, system.score)


def _pairs(question: _Question) -> list[tuple[str, str]]:
    assert isinstance(question.prompt, ChoicePrompt)
    return question.prompt.pairs


def _ask_task(benchmark: Benchmark, questions: Iterable[_Question], system: System) -> Asked:
    """The answer to each item; inputs are made, and files read, as the system reads them."""
    assert isinstance(system, TaskAnswering)
    make = benchmark.task_input
    assert make
    return _ask(questions, lambda question: [make(question.item.example.row)], system.complete_tasks)


def _ask_tokens(benchmark: Benchmark, questions: Iterator[_Question], system: System) -> Asked:
    """Answers of each item, in blocks: what rows begin with is computed once for those of a block."""
    assert isinstance(system, TokenScoring)
    make = benchmark.token_pairs
    assert make
    while block := list(islice(questions, SCORED_TOGETHER)):
        yield from _ask(block, lambda question: make(question.item.example.row), system.score_tokens)


def _ask_open(plan: Plan, questions: Iterable[_Question], system: System) -> Asked:
    """Completions of each item once all its samples are there; seeds differ between samples and between items."""
    config, key = plan.config, plan.key

    def requests_of(question: _Question) -> list[Generate]:
        prompt = question.prompt
        assert isinstance(prompt, GenerationPrompt)
        asked = Generate(
            _asked(plan, prompt, system),
            prompt.max_tokens + key.thinking,
            () if key.thinking else prompt.stop,  # while it thinks, a stop string means nothing
            config.temperature,
            top_p=config.top_p,
        )
        names = [f"{key.seed} {question.item.name} {sample}" for sample in range(config.samples)]
        return [replace(asked, seed=zlib.crc32(name.encode())) for name in names]

    def complete(requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        return ((index, _counted(result, system)) for index, result in system.complete(requests))

    return _ask(questions, requests_of, complete)


def _counted(result: Completion | Failure, system: System) -> Completion | Failure:
    """The same, the tokens of what was thought counted."""
    thinking = split_thinking(result.text)[0] if isinstance(result, Completion) else ""
    if not thinking:
        return result
    assert isinstance(result, Completion)
    return replace(result, thinking_tokens=system.count_tokens(thinking))


def _ask(
    questions: Iterable[_Question],
    requests_of: Callable[[_Question], Sequence[R]],
    ask: Callable[[Iterable[R]], Iterator[tuple[int, A | Failure]]],
) -> Generator[tuple[_Question, tuple[A, ...] | Failure], None, None]:
    """Each question's answers, in order, once it has all of them; its first failure instead, at once.

    A question is held while one of its requests is open. Requests are made as the system reads them, so that what it
    reads ahead bounds what is held here.
    """
    open_requests: dict[int, tuple[_Gathering[A], int]] = {}

    def requests() -> Iterator[R]:
        indexes = count()
        for question in questions:
            wanted = requests_of(question)
            gathering = _Gathering[A](question, len(wanted))
            for number, request in enumerate(wanted):
                open_requests[next(indexes)] = gathering, number
                yield request

    for index, result in ask(requests()):
        gathering, number = open_requests.pop(index)
        if gathering.failed:
            continue
        if isinstance(result, Failure):
            gathering.failed = True
            yield gathering.question, result
            continue
        gathering.answers[number] = result
        if len(gathering.answers) == gathering.wanted:
            yield gathering.question, tuple(gathering.answers[i] for i in range(gathering.wanted))


def _as_sent(plan: Plan, benchmark: Benchmark, item: Item, system: System) -> Prompt:
    """The prompt itself; under the chat template as the system renders it, if it shows that."""
    prompt = item.prompt
    if not plan.key.chat_template:
        return prompt
    if benchmark.chat:
        question = benchmark.chat(item.example.row)
        prompt = GenerationPrompt(prompt.description, "", question.text, question.stop, question.max_tokens)
    if not system.capabilities.renders:
        return prompt

    def render(text: str) -> str:
        return system.render(_messages(plan, prompt, text))

    if isinstance(prompt, ChoicePrompt):
        continuations = tuple(continuation.removeprefix(" ") for continuation in prompt.continuations)
        return ChoicePrompt("", "", tuple(render(context) for context in prompt.contexts), continuations)
    return GenerationPrompt("", "", render(prompt.text), prompt.stop, prompt.max_tokens)


def _messages(plan: Plan, prompt: Prompt, text: str) -> tuple[Message, ...]:
    """The instruction as system message, the rest as one user message."""
    instruction = "\n\n".join(filter(None, (plan.key.system_prompt.strip(), prompt.description.strip())))
    before = (Message("system", instruction),) if instruction else ()
    return (*before, Message("user", prompt.header + text))


def _asked(plan: Plan, prompt: GenerationPrompt, system: System) -> str | tuple[Message, ...]:
    """The text of a prompt, or the messages, where the system renders them out of sight."""
    if plan.key.chat_template and not system.capabilities.renders:
        return _messages(plan, prompt, prompt.text)
    return prompt.context


def _outcome(plan: Plan, benchmark: Benchmark, item: Item, prompt: Prompt, answers: Answers | Failure) -> Outcome:
    if failed := _failed(plan, item, answers):
        return failed
    assert benchmark.grade
    assert not isinstance(answers, Failure)
    if isinstance(prompt, ChoicePrompt):
        return _scored(item, answers, [benchmark.grade(item.example.row, answers)])
    texts = [_answer_of(plan, prompt, answer) for answer in answers if isinstance(answer, Completion)]
    try:
        grades = [_or_refused(benchmark.grade(item.example.row, (text,)), text) for text in texts]
    except JudgeFailed as error:
        return Failed(item.name, item.example.subset, item.cluster, "infra", str(error), answers, error.target)
    return _scored(item, answers, grades)


def _failed(plan: Plan, item: Item, answers: Answers | Failure) -> Failed | None:
    what = partial(Failed, item.name, item.example.subset, item.cluster)
    if isinstance(answers, Failure):
        return what(answers.kind, answers.reason)
    if wrong := [a.logprob for a in answers if isinstance(a, LogLikelihood) and not isfinite(a.logprob)]:
        reason = f"a log-probability is {wrong[0]}, no finite number; try dtype=float32, or other weights"
        return what("infra", reason)
    cut = max(answer.cut for answer in answers)
    if cut and plan.key.window == "strict":
        reason = f"the prompt is {cut} tokens longer than the context window; --window cut would drop them on the left"
        return what("infra", reason)
    return None


def _answer_of(plan: Plan, prompt: GenerationPrompt, completion: Completion) -> Completion:
    """The text that is graded: the completion without its thinking, stopped where the prompt says."""
    _, answer = split_thinking(completion.text)
    return replace(completion, text=cut_at_stop(answer, prompt.stop) if plan.key.thinking else answer)


def _or_refused(grade: Grade, answer: Completion) -> Grade:
    return replace(grade, status="refused") if answer.finish == "refused" else grade


def _scored(item: Item, answers: Answers, grades: list[Grade]) -> Outcome:
    """The mean over samples; what is shown is the first one's. A score that is no finite number is a failure."""
    first = grades[0]
    for grade in grades:
        for metric, values in (*((m, (s,)) for m, s in grade.scores.items()), *grade.pooled.items()):
            if not all(map(isfinite, values)):
                reason = f"the scorer gave {values} for {metric}; expected finite numbers"
                return Failed(item.name, item.example.subset, item.cluster, "infra", reason)
    return Scored(
        item=item.name,
        subset=item.example.subset,
        cluster=item.cluster,
        status=first.status,
        scores={metric: sum(grade.scores[metric] for grade in grades) / len(grades) for metric in first.scores},
        target=first.target,
        extracted=first.extracted,
        answers=answers,
        pooled={metric: sum((grade.pooled[metric] for grade in grades), ()) for metric in first.pooled},
        judge=tuple(grade.judge for grade in grades if grade.judge),
        counts=first.counts,
    )


def _run_programs(
    plan: Plan, benchmark: Benchmark, sandbox: Sandbox, asked: Asked
) -> Iterator[tuple[Item, Prompt, Outcome]]:
    """Outcomes as programs end; they run beside the system, as many as there are cores, and a bounded number waits."""
    cores = os.cpu_count() or 1
    waiting: dict[Future[Outcome], _Question] = {}

    def ended(futures: Iterable[Future[Outcome]]) -> Iterator[tuple[Item, Prompt, Outcome]]:
        for future in list(futures):
            question = waiting.pop(future)
            yield question.item, question.prompt, future.result()

    pool = ThreadPoolExecutor(cores)
    try:
        for question, answers in asked:
            if failed := _failed(plan, question.item, answers):
                yield question.item, question.prompt, failed
                continue
            assert not isinstance(answers, Failure)
            assert isinstance(question.prompt, GenerationPrompt)
            judged = pool.submit(_judge, plan, benchmark, sandbox, question.item, question.prompt, answers)
            waiting[judged] = question
            if len(waiting) > PROGRAMS_PER_CORE * cores:
                wait(waiting, return_when=FIRST_COMPLETED)
            yield from ended([future for future in waiting if future.done()])
        while waiting:
            yield from ended(wait(waiting, return_when=FIRST_COMPLETED).done)
    finally:
        pool.shutdown(cancel_futures=True)


def _judge(
    plan: Plan, benchmark: Benchmark, sandbox: Sandbox, item: Item, prompt: GenerationPrompt, answers: Answers
) -> Outcome:
    """Run each sample's program. One that is stopped by a limit has failed: it scores 0."""
    assert benchmark.program
    ends: list[tuple[bool, str]] = []
    for answer in answers:
        assert isinstance(answer, Completion)
        program = benchmark.program(item.example.row, _answer_of(plan, prompt, answer).text)
        ran = passes(sandbox, program)
        ends.append((ran.ok, "passed" if ran.ok else failure_reason(ran)))
    right = sum(good for good, _ in ends)
    chances = {k: pass_at_k(len(ends), right, k) for k in PASS_AT}
    scores = {f"pass@{k}": chance for k, chance in chances.items() if chance is not None}
    first = answers[0]
    assert isinstance(first, Completion)
    grade = Grade(
        scores, "passes the tests", ends[0][1], "truncated" if first.finish == "length" and not right else "ok"
    )
    return _scored(item, answers, [_or_refused(grade, first)])
