"""Asking: a Plan and a System in, one Outcome per item out, as soon as it is known.

The caller stores, shows and may stop; a failure of the system becomes a Failed outcome, never a score.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from math import isfinite

from ..benchmarks.benchmark import Answers, Benchmark, Grade
from ..benchmarks.languages import failure_reason, passes
from ..errors import JudgeFailed, UsageError
from ..models.system import Generate, System
from ..sandbox import Sandbox
from ..scoring.repeated import pass_at_k
from ..scoring.thinking import split_thinking
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

BLOCK = 512  # items whose prompts are tokenized and handed to the system together
PASS_AT = (1, 2, 5, 10, 20, 50, 100)
Asked = Iterator[tuple[int, Answers | Failure]]


def check(plan: Plan, benchmark: Benchmark, system: System) -> None:
    """Raise UsageError if the system cannot be asked in this way."""
    able, name = system.capabilities, plan.key.system.name
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
    plan: Plan, benchmark: Benchmark, system: System, items: Sequence[Item], sandbox: Sandbox | None = None
) -> Iterator[tuple[Item, Prompt, Outcome]]:
    """(item, the prompt as it was sent, outcome) in order of completion, for `items` of the plan.

    Programs run in `sandbox`, several at once, while the system goes on answering.
    """
    for start in range(0, len(items), BLOCK):
        block = items[start : start + BLOCK]
        prompts = [_as_sent(plan, benchmark, item, system) for item in block]
        asked = _ask_choices(prompts, system) if benchmark.kind == "choice" else _ask_open(plan, block, prompts, system)
        if benchmark.program:
            assert sandbox is not None
            outcomes = _run_programs(plan, benchmark, sandbox, block, prompts, asked)
        else:
            outcomes = ((place, _outcome(plan, benchmark, block[place], prompts[place], got)) for place, got in asked)
        for place, outcome in outcomes:
            yield block[place], prompts[place], outcome


def _ask_choices(prompts: list, system: System) -> Asked:
    """Answers of each prompt once all its choices are known."""
    owners = [(place, choice) for place, prompt in enumerate(prompts) for choice in range(len(prompt.continuations))]
    results = system.score([pair for prompt in prompts for pair in prompt.pairs])
    yield from _gather(owners, results, [len(prompt.continuations) for prompt in prompts])


def _ask_open(plan: Plan, block: Sequence[Item], prompts: list, system: System) -> Asked:
    """Completions of each prompt once all its samples are there; seeds differ between samples and between items."""
    config, key = plan.config, plan.key
    owners = [(place, sample) for place in range(len(prompts)) for sample in range(config.samples)]
    requests = [
        Generate(
            _asked(plan, prompts[place], system),
            prompts[place].max_tokens + key.thinking,
            () if key.thinking else prompts[place].stop,  # while it thinks, a stop string means nothing
            config.temperature,
            top_p=config.top_p,
            seed=zlib.crc32(f"{key.seed} {block[place].name} {sample}".encode()),
        )
        for place, sample in owners
    ]
    results = ((index, _counted(result, system)) for index, result in system.complete(requests))
    yield from _gather(owners, results, [config.samples] * len(prompts))


def _counted(result: Completion | Failure, system: System) -> Completion | Failure:
    """The same, the tokens of what was thought counted."""
    thinking = split_thinking(result.text)[0] if isinstance(result, Completion) else ""
    if not thinking:
        return result
    assert isinstance(result, Completion)
    return replace(result, thinking_tokens=system.count_tokens(thinking))


def _gather(owners: list[tuple[int, int]], results: Iterator, counts: list[int]) -> Asked:
    """Each place's answers, in order, once it has all of them; its first failure instead, at once."""
    answers: list[dict[int, LogLikelihood | Completion]] = [{} for _ in counts]
    failed: set[int] = set()
    for index, result in results:
        place, number = owners[index]
        if place in failed:
            continue
        if isinstance(result, Failure):
            failed.add(place)
            yield place, result
            continue
        answers[place][number] = result
        if len(answers[place]) == counts[place]:
            yield place, tuple(answers[place][i] for i in range(counts[place]))


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
    """What is graded: the completion without its thinking, stopped where the prompt says."""
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
    )


def _run_programs(
    plan: Plan, benchmark: Benchmark, sandbox: Sandbox, block: Sequence[Item], prompts: list, asked: Asked
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes as programs end; they run beside the system, as many as there are cores."""
    waiting: dict[Future[Outcome], int] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for place, answers in asked:
            if failed := _failed(plan, block[place], answers):
                yield place, failed
                continue
            assert not isinstance(answers, Failure)
            waiting[pool.submit(_judge, plan, benchmark, sandbox, block[place], prompts[place], answers)] = place
            for future in [future for future in waiting if future.done()]:
                yield waiting.pop(future), future.result()
        for future in as_completed(waiting):
            yield waiting[future], future.result()


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
