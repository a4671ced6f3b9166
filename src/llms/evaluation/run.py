"""Asking: a Plan and a System in, one Outcome per item out, as soon as it is known.

The caller stores, shows and may stop; a failure of the system becomes a Failed outcome, never a score.
"""

from collections.abc import Callable, Iterator, Sequence

from ..benchmarks.benchmark import Answers, Benchmark, Grade
from ..data import Row
from ..errors import UsageError
from ..models.system import Generate, System
from ..values import (
    ChoicePrompt,
    Failed,
    Failure,
    GenerationPrompt,
    LogLikelihood,
    Message,
    Outcome,
    Prompt,
    Scored,
)
from .plan import Item, Plan

BLOCK = 512  # items whose prompts are tokenized and handed to the system together


def check(plan: Plan, benchmark: Benchmark, system: System) -> None:
    """Raise UsageError if the system cannot be asked in this way."""
    able = system.capabilities
    if benchmark.kind == "choice" and not able.loglikelihood:
        raise UsageError(f"{plan.key.system.name} gives no log-probabilities; {benchmark.name} needs them")
    if plan.key.chat_template and not able.chat:
        raise UsageError(f"{plan.key.system.name} has no chat template; run it with --chat-template off")


def run(
    plan: Plan, benchmark: Benchmark, system: System, items: Sequence[Item]
) -> Iterator[tuple[Item, Prompt, Outcome]]:
    """(item, the prompt as it was sent, outcome) in order of completion, for `items` of the plan."""
    ask = _ask_choices if benchmark.kind == "choice" else _ask_open
    for start in range(0, len(items), BLOCK):
        block = items[start : start + BLOCK]
        prompts = [_with_template(item.prompt, system) if plan.key.chat_template else item.prompt for item in block]
        for place, answers in ask(prompts, system):
            item = block[place]
            yield item, prompts[place], _outcome(plan, benchmark.grade, item, answers)


def _ask_choices(prompts: list, system: System) -> Iterator[tuple[int, Answers | Failure]]:
    """Answers of each prompt once all its choices are known."""
    owners = [(place, choice) for place, prompt in enumerate(prompts) for choice in range(len(prompt.continuations))]
    pairs = [pair for prompt in prompts for pair in prompt.pairs]
    answers: list[list[LogLikelihood | None]] = [[None] * len(prompt.continuations) for prompt in prompts]
    left = [len(prompt.continuations) for prompt in prompts]
    failed: set[int] = set()
    for index, result in system.score(pairs):
        place, choice = owners[index]
        if place in failed:
            continue
        if isinstance(result, Failure):
            failed.add(place)
            yield place, result
            continue
        answers[place][choice] = result
        left[place] -= 1
        if not left[place]:
            yield place, tuple(answer for answer in answers[place] if answer is not None)


def _ask_open(prompts: list, system: System) -> Iterator[tuple[int, Answers | Failure]]:
    requests = [Generate(prompt.context, prompt.max_tokens, prompt.stop) for prompt in prompts]
    for place, result in system.complete(requests):
        yield place, result if isinstance(result, Failure) else (result,)


def _with_template(prompt: Prompt, system: System) -> Prompt:
    """The prompt under the chat template: instruction as system message, examples and question as one user message."""

    def render(text: str) -> str:
        instruction = [Message("system", prompt.description.strip())] if prompt.description.strip() else []
        return system.render([*instruction, Message("user", prompt.header + text)])

    if isinstance(prompt, ChoicePrompt):
        continuations = tuple(continuation.removeprefix(" ") for continuation in prompt.continuations)
        return ChoicePrompt("", "", tuple(render(context) for context in prompt.contexts), continuations)
    return GenerationPrompt("", "", render(prompt.text), prompt.stop, prompt.max_tokens)


def _outcome(plan: Plan, grade: Callable[[Row, Answers], Grade], item: Item, answers: Answers | Failure) -> Outcome:
    if isinstance(answers, Failure):
        return Failed(item.name, item.example.subset, item.cluster, answers.kind, answers.reason)
    cut = max(answer.cut for answer in answers)
    if cut and plan.key.window == "strict":
        reason = f"the prompt is {cut} tokens longer than the context window; --window cut would drop them on the left"
        return Failed(item.name, item.example.subset, item.cluster, "infra", reason)
    got = grade(item.example.row, answers)
    return Scored(
        item=item.name,
        subset=item.example.subset,
        cluster=item.cluster,
        status=got.status,
        scores=dict(got.scores),
        target=got.target,
        extracted=got.extracted,
        answers=answers,
    )
