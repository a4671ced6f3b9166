"""Before a run: which items a context window has no room for, so that asking them can only fail.

Without `--window strict` a prompt that is too long is cut on the left and asked all the same; only an answer that needs
the whole window, or more, cannot be. With it, prompts are counted as well.
"""

from collections.abc import Sequence

from ..benchmarks.benchmark import Benchmark
from ..models.system import System
from ..values import GenerationPrompt, Prompt
from .plan import Plan, answer_tokens

MOST_COUNTED = 1000  # prompts; more are not tokenized twice


def no_room(plan: Plan, system: System) -> int:
    """How many items of the plan cannot fit. 0 for systems behind an endpoint, whose windows are not known for sure."""
    able = system.capabilities
    if not able.renders:
        return 0
    window = able.context_window
    if plan.key.window == "strict" and not plan.key.chat_template and len(plan.items) <= MOST_COUNTED:
        return sum(_too_long(plan, item.prompt, window, system) for item in plan.items)
    return sum(items for tokens, items in answer_tokens(plan).items() if window - tokens - plan.key.thinking < 1)


def _too_long(plan: Plan, prompt: Prompt, window: int, system: System) -> bool:
    if isinstance(prompt, GenerationPrompt):
        return system.count_tokens(prompt.context) > window - prompt.max_tokens - plan.key.thinking
    longest = max((context + continuation for context, continuation in prompt.pairs), key=len)
    return system.count_tokens(longest) > window + 1  # the last token is scored and not read


def with_room(
    plans: Sequence[tuple[Benchmark, Plan]], system: System
) -> tuple[list[tuple[Benchmark, Plan]], list[str]]:
    """The plans of which an item fits, and what to say of the others."""
    kept, notes = [], []
    for benchmark, made in plans:
        if no_room(made, system) < len(made.items):
            kept.append((benchmark, made))
        else:
            notes.append(f"left out: {without_room(made, system)}")
    return kept, notes


def without_room(plan: Plan, system: System) -> str:
    """A sentence for the user where items cannot fit; empty if all can."""
    count, window = no_room(plan, system), system.capabilities.context_window
    if not count:
        return ""
    answers = answer_tokens(plan)
    wanted = f"answers of up to {max(answers) + plan.key.thinking} tokens" if answers else "whole prompts"
    which = (
        f"none of {len(plan.items)} items fits"
        if count == len(plan.items)
        else f"{count} of {len(plan.items)} items do not fit"
    )
    return f"{plan.key.benchmark} wants {wanted}; {which} the context window of {plan.key.system.name}, {window} tokens"
